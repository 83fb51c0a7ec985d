-- Runs examples/openresty/nginx.conf against a simulator: sends by its form, takes a signed webhook, asks for
-- metrics and health, reloads.
-- Usage: lua5.4 tests/examples/openresty.lua, with the environment that openresty.sh makes
package.path = "spec/?.lua;" .. package.path

local core = require "twilio_sms.core"
local nginx = require "nginx"

local EXAMPLE = "examples/openresty/nginx.conf"
local failed = 0

local function ok(what, good, text)
    print((good and "ok: " or "FAILED: ") .. what)
    if not good then
        failed = failed + 1
        print(text or "")
    end
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

-- What is another one here than on a server.
local function fit(text)
    local here = {
        { "listen 127.0.0.1:8080;", "listen 127.0.0.1:${port1};" },
        { "/etc/ssl/certs/ca-certificates.crt", os.getenv "TWILIO_CA_FILE" },
        { "error_log stderr warn;", "error_log stderr notice;" },
        { "openresty-example", os.getenv "DOCS_SHARED" },
    }
    for _, pair in ipairs(here) do
        local from, to = text:find(pair[1], 1, true)
        assert(from, EXAMPLE .. " has no " .. pair[1])
        text = text:sub(1, from - 1) .. pair[2] .. text:sub(to + 1)
    end
    return text
end

local function ask_simulator(path, fields)
    local command = { "curl", "--silent", "--show-error", "--fail", "--cacert", os.getenv "TWILIO_CA_FILE",
        os.getenv "TWILIO_BASE_URL" .. "/_sim/" .. path }
    for name, value in pairs(fields or {}) do
        command[#command + 1] = "--data-urlencode"
        command[#command + 1] = ("'%s=%s'"):format(name, value)
    end
    local pipe = assert(io.popen(table.concat(command, " ")))
    local text = pipe:read "*a"
    pipe:close()
    return text
end

local function send(server, to)
    return server:request("POST", "/", {
        body = "to=" .. to:gsub("+", "%%2B") .. "&body=Hello",
        headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    })
end

local function write(from, text)
    ask_simulator("inbound", { From = from, To = os.getenv "TWILIO_FROM", Body = text })
end

local function run(server)
    ask_simulator("inbound_url", { Url = server.url .. "/sms" })
    local status, _, body = server:request("GET", "/")
    ok("the form is there", status == 200 and body:find("<form method=\"post\">", 1, true), body)
    status, _, body = send(server, "+15558675310")
    ok("the form sends", status == 200 and body:find "SM%x+: queued", body)
    status, _, body = send(server, "12<b>")
    ok("the form says what is wrong", status == 502 and body:find("InvalidRecipient", 1, true), body)
    ok("... and lets nothing through", not body:find("<b>", 1, true), body)

    write("+15558675311", "a question")
    ok("a webhook is answered", nginx.await(function()
        return ask_simulator("webhooks"):find("You wrote: a question", 1, true)
    end), ask_simulator("webhooks"))
    status = server:request("POST", "/sms", {
        body = "AccountSid=" .. os.getenv "TWILIO_ACCOUNT_SID" .. "&Body=forged",
        headers = { ["X-Twilio-Signature"] = ("x"):rep(28) },
    })
    ok("a forged one is refused", status == 403, tostring(status))

    write("+15558675312", "STOP")
    ok("who has written STOP is not written to", nginx.await(function()
        return select(3, send(server, "+15558675312")):find("OptedOut", 1, true)
    end))

    status, _, body = server:request("GET", "/metrics")
    ok("there are metrics", status == 200 and body:find("twilio_messages_sent_total{", 1, true), body)
    local before = server:workers()
    for _, pid in ipairs(before) do
        status, _, body = server:request("GET", "/health", { worker = pid })
        ok("worker is well", status == 200 and body:find('"breaker":"closed"', 1, true)
            and body:find(('"pid":%d'):format(pid), 1, true), body)
    end
    server:reload()
    ok("old workers end after a reload", nginx.await(function() return #server:leaving() == 0 end))
    status, _, body = send(server, "+15558675310")
    ok("a reloaded one sends", status == 200, body)
    status, _, body = send(server, "+15558675312")
    ok("... and knows who has written STOP", status == 502 and body:find("OptedOut", 1, true), body)
    local log = server:error_log()
    ok("the token is not in the log", not log:find(os.getenv "TWILIO_AUTH_TOKEN", 1, true))
    ok("no number is in the log", not log:find("86753", 1, true), log)
    ok("what went wrong is in the log", log:find("event=send_failed ", 1, true)
        and log:find("event=webhook_refused ", 1, true) and log:find("event=denied ", 1, true), log)
    local others = log:gsub("[^\n]* event=[^\n]*", "")
    ok("there are no other errors in it", not others:find "%[error%]" and not others:find "%[alert%]", log)
end

local server = nginx.start { configuration = fit(read(EXAMPLE)), workers = 2 }
local good, why = pcall(run, server)
ok("it runs to the end", good, tostring(why) .. "\n" .. server:error_log())
ok("it ends with SIGQUIT", pcall(server.stop, server, "QUIT"))
core.forget_shared(os.getenv "DOCS_SHARED", os.getenv "TWILIO_ACCOUNT_SID")
os.exit(failed == 0 and 0 or 1)

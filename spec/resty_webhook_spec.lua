local core = require "twilio_sms.core"
local nginx = require "nginx"
local resty = require "resty"
local twilio = require "twilio"

-- A webhook whose handler answers with what was written and by whom; it has no client to ask for its list.
local ECHO = [[
    optout = false,
    webhook = {
        urls = { "https://example.com/" }, trusted_proxies = { "127.0.0.1" },
        on_message = function(event)
            return event.body .. " " .. ngx.worker.pid()
        end,
    },
]]

local function webhook(options)
    return ([[
        optout = false,
        webhook = { urls = { "https://example.com/" }, trusted_proxies = { "127.0.0.1" }, %s },
    ]]):format(options)
end

local function text_of(body)
    return body:match "<Body>(.*)</Body>"
end

local function occurrences(text, part)
    local count = 0
    for _ in text:gmatch(part) do
        count = count + 1
    end
    return count
end

describe("resty.twilio_sms.webhook", function()
    local server

    local function start(opts)
        opts.setup = opts.setup or ECHO
        server = resty.start(opts)
        return server
    end

    -- Waits until something is in the log.
    local function logged(text)
        return nginx.await(function() return server:error_log():find(text, 1, true) end)
    end

    after_each(function()
        if server then
            server:stop()
            server = nil
        end
    end)

    it("answers genuine messages and status callbacks as the receiver says", function()
        start {}
        local status, headers, body = server:post(twilio.inbound { Body = "Tea & <cake>" })
        assert.equal(200, status)
        assert.equal("text/xml; charset=utf-8", headers["Content-Type"])
        assert.equal(tostring(#body), headers["Content-Length"])
        assert.equal("Tea &amp; &lt;cake&gt; " .. server:workers()[1], text_of(body))
        status, headers, body = server:post(twilio.status())
        assert.equal(204, status)
        assert.is_nil(headers["Content-Type"])
        assert.is_nil(headers["Content-Length"])
        assert.equal("", body)
    end)

    it("refuses forged ones with the bare status, and says why in the log without numbers", function()
        start { server = "error_page 403 500 /page; location = /page { return 200 page; }" }
        local status, headers, body = server:post(twilio.inbound(), { token = ("f"):rep(32) })
        assert.equal(403, status)
        assert.equal("", body)
        assert.equal("0", headers["Content-Length"])
        assert.is_nil(headers["Content-Type"])
        local log = server:error_log()
        assert.truthy(log:find("[warn]", 1, true))
        assert.truthy(log:find("the signature is wrong", 1, true))
        assert.truthy(log:find("tried: https://example.com/sms", 1, true))
        assert.is_nil(log:find("8675310", 1, true))
        assert.is_nil(log:find(twilio.TOKEN, 1, true))
    end)

    it("knows a repeat in another worker", function()
        start { workers = 2 }
        local pids = server:workers()
        local _, _, first = server:post(twilio.inbound(), { worker = pids[1] })
        local _, _, again = server:post(twilio.inbound(), { worker = pids[2] })
        assert.equal("Hello " .. pids[1], text_of(first))
        assert.equal(first, again)
        local _, _, other = server:post(twilio.inbound { MessageSid = twilio.sid(2) }, { worker = pids[2] })
        assert.equal("Hello " .. pids[2], text_of(other))
    end)

    it("reads bodies from memory, from a file, in one buffer, and in chunks", function()
        local long = ("x"):rep(1500)
        start { http = "client_body_buffer_size 1k;", server = [[
            location /sms/file { client_body_in_file_only clean; content_by_lua_block {
                require("resty.twilio_sms").webhook() } }
            location /sms/single { client_body_in_single_buffer on; content_by_lua_block {
                require("resty.twilio_sms").webhook() } }
        ]] }
        local n = 0
        for _, path in ipairs { "/sms", "/sms/file", "/sms/single" } do
            for _, body in ipairs { "short", long } do
                for _, curl in ipairs { {}, { "--header", "Transfer-Encoding: chunked" } } do
                    n = n + 1
                    local params = twilio.inbound { Body = body, MessageSid = twilio.sid(n) }
                    local status, _, answer = server:post(params,
                        { url = "https://example.com" .. path, curl = curl })
                    assert.equal(200, status)
                    assert.equal(body .. " " .. server:workers()[1], text_of(answer))
                end
            end
        end
    end)

    it("refuses a body that is too large before it is there, and goes on with the connection", function()
        start { http = "lingering_timeout 100ms;" }
        local answer = server:raw("POST /sms HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"
            .. "Content-Length: 65537\r\n\r\n")
        assert.equal("413", answer:match "^HTTP/1.1 (%d+)")
        assert.equal("", answer:match "\r\n\r\n(.*)$")
        assert.truthy(server:error_log():find("a body of 65537 bytes is larger than max_body", 1, true))
        -- What is in the body is not taken for the next request.
        local inner = "GET /health HTTP/1.1\r\nHost: example.com\r\n\r\n"
        answer = server:raw("POST /sms HTTP/1.1\r\nHost: example.com\r\nContent-Length: 70000\r\n\r\n"
            .. inner .. ("x"):rep(70000 - #inner)
            .. "GET /nothing HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
        assert.equal(2, occurrences(answer, "HTTP/1.1 "))
        assert.truthy(answer:find("404", 1, true))
    end)

    it("refuses a body that turns out to be too large", function()
        start { setup = webhook "max_body = 2000, on_message = function() return 'yes' end" }
        local params = twilio.inbound { Body = ("x"):rep(3000) }
        assert.equal(413, (server:post(params, { curl = { "--header", "Transfer-Encoding: chunked" } })))
        assert.equal(413, (server:post(params)))
        assert.equal(200, (server:post(twilio.inbound { Body = ("x"):rep(1500) })))
    end)

    it("takes more than a hundred headers, and refuses what contradicts itself", function()
        start {}
        local many = {}
        for i = 1, 110 do
            many[i] = { "X-Header-" .. i, tostring(i) }
        end
        assert.equal(200, (server:post(twilio.inbound(), { headers = many })))
        for i = 111, 300 do
            many[i] = { "X-Header-" .. i, tostring(i) }
        end
        assert.equal(413, (server:post(twilio.inbound(), { headers = many })))
        local two = { { "X-Twilio-Signature", ("A"):rep(27) .. "=" } }
        assert.equal(403, (server:post(twilio.inbound { MessageSid = twilio.sid(2) }, { headers = two })))
        local params = twilio.inbound { MessageSid = twilio.sid(3) }
        local same = { { "x-twilio-signature", twilio.signature(twilio.URL, params) } }
        assert.equal(200, (server:post(params, { headers = same })))
        for _, host in ipairs { "Host", "Host: a\r\nHost: b", "Host: a b", "Host: example.com\0" } do
            local answer = server:raw("POST /sms HTTP/1.1\r\n" .. host .. "\r\nConnection: close\r\n\r\n")
            assert.equal("400", answer:match "^HTTP/1.1 (%d+)")
        end
        assert.equal("400", server:raw("POST /sms HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"):match "^%S+ (%d+)")
    end)

    it("refuses other methods", function()
        start {}
        for _, method in ipairs { "PUT", "DELETE", "HEAD", "OPTIONS" } do
            assert.equal(405, (server:request(method, "/sms")))
        end
    end)

    it("takes webhooks by GET, and JSON whose digest is signed", function()
        start { setup = webhook [[
            on_message = function(event) return "by " .. ngx.req.get_method() .. ": " .. event.body end,
            on_unknown = function(event) ngx.log(ngx.NOTICE, "JSON of ", event.json) end,
        ]] }
        local url = twilio.URL .. "?" .. twilio.form(twilio.inbound())
        local headers = {
            Host = "example.com", ["X-Forwarded-Proto"] = "https",
            ["X-Twilio-Signature"] = twilio.signature(url, {}),
        }
        local status, _, body = server:request("GET", url:match "^https://[^/]+(.*)$", { headers = headers })
        assert.equal(200, status)
        assert.equal("by GET: Hello", text_of(body))
        local json = '{"AccountSid":"' .. twilio.ACCOUNT_SID .. '","a":1}'
        url = twilio.URL .. "?bodySHA256=" .. core.body_sha256(json)
        headers["X-Twilio-Signature"] = twilio.signature(url, {})
        headers["Content-Type"] = "application/json"
        local function send(text)
            local opts = { headers = headers, body = text }
            return (server:request("POST", url:match "^https://[^/]+(.*)$", opts))
        end
        assert.equal(403, send(json .. " "))
        assert.truthy(send(json) < 300)
        assert.truthy(logged "JSON of")
    end)

    it("believes forwarded headers of trusted proxies only, by the address of the connection", function()
        -- A header that names the trusted proxy does not make it one.
        start { http = "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;", setup = [[
            optout = false,
            webhook = { urls = { "https://example.com/" }, trusted_proxies = { "10.1.2.3" } },
        ]] }
        assert.equal(403, (server:post(twilio.inbound())))
        assert.equal(403, (server:post(twilio.inbound(), { headers = { { "X-Real-IP", "10.1.2.3" } } })))
        assert.truthy(server:error_log():find("its X-Forwarded headers are ignored", 1, true))
    end)

    it("takes the last one of forwarded headers, in whatever case they are", function()
        start {}
        local headers = { { "x-forwarded-host", "evil.example" }, { "X-Forwarded-Host", "example.com" } }
        assert.equal(200, (server:post(twilio.inbound(), { headers = headers })))
        headers[1], headers[2] = headers[2], headers[1]
        assert.equal(403, (server:post(twilio.inbound { MessageSid = twilio.sid(2) }, { headers = headers })))
    end)

    it("knows by itself whether nginx has ended TLS, over HTTP/1.1 and HTTP/2", function()
        start { listen = { "ssl http2", "" }, setup = [[
            optout = false,
            webhook = { urls = { "https://localhost/" }, on_message = function() return "yes" end },
        ]] }
        for i, version in ipairs { "--http1.1", "--http2" } do
            local params = twilio.inbound { MessageSid = twilio.sid(i) }
            local signed = twilio.request(params, { url = "https://localhost/sms" })
            signed.headers.Host = "localhost"
            local opts = { headers = signed.headers, body = signed.body, curl = { version } }
            local status, _, body = server:request("POST", "/sms", opts)
            assert.equal(200, status)
            assert.equal("yes", text_of(body))
            opts.port = 2 -- the same without TLS
            opts.curl = nil
            assert.equal(403, (server:request("POST", "/sms", opts)))
        end
    end)

    it("goes on with others while a handler waits, and lets a repeat come again", function()
        start { setup = webhook [[
            on_message = function(event)
                if event.body == "slow" then
                    ngx.log(ngx.NOTICE, "slow begins")
                    ngx.sleep(0.5)
                end
                return "done: " .. event.body
            end,
        ]] }
        local slow = server:send(server:signed(twilio.inbound { Body = "slow" }))
        assert.truthy(logged "slow begins")
        local _, _, body = server:post(twilio.inbound { MessageSid = twilio.sid(2) })
        assert.equal("done: Hello", text_of(body))
        local status, headers = server:post(twilio.inbound { Body = "slow" })
        assert.equal(503, status)
        assert.equal("1", headers["Retry-After"])
        _, _, body = slow:finish()
        assert.equal("done: slow", text_of(body))
        _, _, body = server:post(twilio.inbound { Body = "slow" })
        assert.equal("done: slow", text_of(body))
    end)

    it("handles to its end what was aborted by the one who sent it", function()
        start { http = "lua_check_client_abort on;", setup = webhook [[
            on_message = function()
                ngx.log(ngx.NOTICE, "slow begins")
                ngx.sleep(0.3)
                ngx.log(ngx.NOTICE, "slow ends")
                return "done"
            end,
        ]] }
        assert.is_nil((server:post(twilio.inbound(), { timeout_ms = 100 })))
        assert.truthy(logged "slow ends")
        assert.equal("done", text_of((select(3, server:post(twilio.inbound())))))
        assert.equal(1, occurrences(server:error_log(), "slow begins"))
    end)

    it("answers 500 for a handler that fails, and runs it again when the webhook comes again", function()
        start { setup = webhook [[
            on_message = function(event)
                count = (rawget(_G, "count") or 0) + 1
                if count == 1 then
                    error "the cupboard is bare"
                elseif count == 2 then
                    ngx.sleep(0.001)
                    return nil, "no answer"
                end
                return "now"
            end,
        ]] }
        for _ = 1, 2 do
            local status, headers, body = server:post(twilio.inbound())
            assert.equal(500, status)
            assert.equal("", body)
            assert.equal("0", headers["Content-Length"])
        end
        assert.equal("now", text_of((select(3, server:post(twilio.inbound())))))
        assert.truthy(server:error_log():find("%[error%].*a webhook %(inbound%).*the cupboard is bare"))
        assert.truthy(server:error_log():find("no answer", 1, true))
    end)

    it("tells the program's own function instead of the log", function()
        start { setup = webhook [[
            on_error = function(err, event, explanation)
                local type = event and event.type or "-"
                ngx.log(ngx.NOTICE, "told: ", err.kind, " ", type, " ", explanation ~= nil)
            end,
        ]] }
        server:post(twilio.inbound(), { token = ("f"):rep(32) })
        server:request("POST", "/sms", { body = ("x"):rep(70000) })
        assert.truthy(server:error_log():find("told: InvalidSignature - true", 1, true))
        assert.truthy(server:error_log():find("told: PayloadParseError - false", 1, true))
        assert.is_nil(server:error_log():find("[warn]", 1, true))
    end)

    it("leaves alone what a handler has answered itself, and says so", function()
        start { setup = webhook "on_message = function() ngx.say 'mine' end" }
        local status, _, body = server:post(twilio.inbound())
        assert.equal(200, status)
        assert.equal("mine\n", body)
        assert.truthy(server:error_log():find("a handler has answered the request itself", 1, true))
    end)

    it("answers a hundred at once, each as it should", function()
        start { workers = 2, setup = webhook [[
            on_message = function(event)
                ngx.sleep(0.05)
                return "You wrote: " .. event.body
            end,
        ]] }
        local requests = {}
        for i = 1, 100 do
            local changes = { MessageSid = twilio.sid(i), Body = "text " .. i }
            local forged = i % 10 == 0 and ("f"):rep(32) or nil
            requests[i] = server:send(server:signed(twilio.inbound(changes), { token = forged }))
        end
        for i, request in ipairs(requests) do
            local status, _, body = request:finish()
            assert.equal(i % 10 == 0 and 403 or 200, status)
            assert.equal(i % 10 ~= 0 and "You wrote: text " .. i or nil, text_of(body))
        end
    end)

    it("answers what is under way when nginx reloads, and knows repeats afterwards", function()
        start { workers = 2, setup = webhook [[
            on_message = function(event)
                ngx.log(ngx.NOTICE, "slow begins")
                ngx.sleep(0.3)
                return "by " .. ngx.worker.pid()
            end,
        ]] }
        local slow = server:send(server:signed(twilio.inbound()))
        assert.truthy(logged "slow begins")
        server:reload()
        local _, _, body = slow:finish()
        assert.truthy(text_of(body):find "^by %d+$")
        assert.truthy(nginx.await(function() return #server:leaving() == 0 end))
        for _, pid in ipairs(server:workers()) do
            assert.equal(body, (select(3, server:post(twilio.inbound(), { worker = pid }))))
        end
        assert.equal(1, occurrences(server:error_log(), "slow begins"))
    end)

    it("has further webhooks by their names, as of other accounts", function()
        local other = "AC" .. ("b"):rep(32)
        start { setup = ECHO .. ([[
            webhooks = { second = {
                account_sid = "%s", auth_token = "%s", optout = false,
                urls = { "https://example.com/second" }, trusted_proxies = { "127.0.0.1" },
                on_message = function() return "second" end,
            } },
        ]]):format(other, ("e"):rep(32)), server = [[
            location /second { content_by_lua_block { require("resty.twilio_sms").webhook "second" } }
            location /third { content_by_lua_block { require("resty.twilio_sms").webhook "third" } }
        ]] }
        local url = "https://example.com/second"
        local params = twilio.inbound { AccountSid = other }
        local _, _, body = server:post(params, { url = url, token = ("e"):rep(32) })
        assert.equal("second", text_of(body))
        assert.equal(403, (server:post(params, { token = ("e"):rep(32) })))
        assert.equal(403, (server:post(twilio.inbound(), { url = url })))
        assert.equal(200, (server:post(twilio.inbound())))
        assert.equal(500, (server:request("POST", "/third")))
        assert.truthy(server:error_log():find("setup has no webhook 'third'", 1, true))
        core.forget_shared(server.shared, other)
    end)
end)

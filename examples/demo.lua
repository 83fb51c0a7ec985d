-- Sends messages to a simulator on this machine, over real TLS, and shows what happens when things go wrong.
-- Run it with `make demo`.

-- Lua makes an error of Ctrl-C. To end without a traceback then, the demo is run by itself.
if ... ~= "run" then
    local ok = xpcall(assert(loadfile(arg[0])), function(why)
        local is_interrupt = tostring(why):find("interrupted!", 1, true) ~= nil
        io.stderr:write(is_interrupt and "\n" or debug.traceback(tostring(why)) .. "\n")
        os.exit(is_interrupt and 130 or 1) -- 128 + SIGINT, as a shell has it
    end, "run")
    os.exit(ok)
end

local sms = require "twilio_sms"

-- ---- Showing ------------------------------------------------------------------------------------

local colour = os.getenv "NO_COLOR" == nil and os.execute "test -t 1" == true

local function paint(code, text)
    return colour and ("\27[%sm%s\27[0m"):format(code, text) or text
end

local function heading(text)
    print("\n" .. paint("1", text))
end

local function line(mark, code, text)
    print(("  %s %s"):format(paint(code, mark), text))
end

local function good(...) line("ok", "32", (...):format(select(2, ...))) end
local function expected(...) line("--", "33", (...):format(select(2, ...))) end

-- What the demo does not expect ends it with status 1.
local function must(condition, what)
    if not condition then
        line("!!", "31", tostring(what))
        os.exit(1)
    end
    return condition
end

-- ---- The simulator, a process of its own that ends when we do --------------------------------------

local function start_simulator(script)
    local answer = os.tmpname()
    os.remove(answer)
    must(os.execute("mkfifo -m 600 " .. answer), "mkfifo failed")
    local program = ([[
        require("twilio_sms.sim.server").run { seed = 7, send_ms = 50, deliver_ms = 100, script = { %s } }
    ]]):format(script)
    local process = assert(io.popen(("exec lua5.4 -e '%s' > %s"):format(program, answer), "w"))
    local pipe = assert(io.open(answer))
    local ready = must(pipe:read "l", "the simulator did not start")
    pipe:close()
    os.remove(answer)
    return process, ready:match "port=(%d+)", ready:match "ca_file=(%S+)"
end

-- Accepted is what the server has stored, whatever became of its answer.
local simulator, port, ca_file = start_simulator [[
    { on = "send", body = "the answer gets lost", times = 1, action = "drop_after" },
    { on = "send", body = "Outage", times = 3, action = "status", status = 503 },
    { on = "send", body = "^Bulk", every = 40, action = "drop_after" },
    { on = "send", body = "^Bulk", after = 5, every = 50, action = "status", status = 429, retry_after = 0 },
    { on = "send", body = "slow start", times = 2, action = "drop_before" },
]]

local function client_with(changes)
    local opts = {
        account_sid = "AC" .. ("0"):rep(31) .. "1",
        auth_token = ("0"):rep(31) .. "2",
        from = "+15005550006",
        base_url = "https://localhost:" .. port,
        ca_file = ca_file,
        rate = { per_second = 100, burst = 30, per_number = 0 },
        -- A message in doubt gets 5 s to appear in Twilio's list. This simulator's list does not lag.
        retry = { rate_limit = { base_ms = 50 }, connection = { base_ms = 100 }, settle_ms = 200 },
    }
    for name, value in pairs(changes or {}) do
        opts[name] = value
    end
    return sms.assert(sms.new(opts))
end

local client = client_with()
local intended = 0

local function send(message, with)
    intended = intended + 1
    local sent, err = (with or client):send(message)
    return must(sent, err), err
end

print(paint("1", "twilio-sms " .. sms._VERSION) .. ": ok: worked, --: refused, as it should be")
print("A simulator answers at https://localhost:" .. port)

-- ---- One message of each sort ----------------------------------------------------------------------

heading "One SMS"
local first = send { to = "+15005550010", body = "Your table is ready." }
good("%s %s", first.sid, first.status)
first = must(client:wait(first.sid, { interval_ms = 50 }))
good("%s is %s", first.sid, first.status)

heading "One MMS"
local mms = send { to = "+15005550010", body = "The menu", media = "https://example.com/menu.png" }
good("%s with %d medium", mms.sid, mms.num_media)

heading "One for tomorrow, and cancelled"
local scheduled = send {
    to = "+15005550010", body = "See you tonight", send_at = os.time() + 86400,
    messaging_service_sid = "MG" .. ("0"):rep(32),
}
good("%s %s", scheduled.sid, scheduled.status)
scheduled = must(client:cancel(scheduled.sid))
good("%s %s", scheduled.sid, scheduled.status)

-- ---- Things that go wrong --------------------------------------------------------------------------

heading "The answer gets lost after the server has accepted the message"
local lost = send { to = "+15005550011", body = "This one arrives, but the answer gets lost" }
must(lost.verified and lost.attempts == 1, "it was sent again instead of being found")
good("%s found by looking it up, sent once", lost.sid)

heading "The connection breaks before the server has seen anything"
local retried = send { to = "+15005550011", body = "A slow start" }
must(not retried.verified, "nothing was there to be found")
good("%s after %d attempts, with a look before each repetition", retried.sid, retried.attempts)

heading "What Twilio refuses (the simulator knows its magic numbers)"
local refusals = {
    { to = "+15005550001" }, { to = "+15005550002" },
    { to = "+15005550003", why = " (country not permitted)" }, { to = "+15005550004" },
    { to = "+15005550009" }, { from = "+15005550001" }, { from = "+15005550007" }, { from = "+15005550008" },
}
local impatient = client_with { retry = { rate_limit = { attempts = 1 } } }
for _, case in ipairs(refusals) do
    local sent, err = impatient:send {
        to = case.to or "+15005550010", from = case.from, body = "To be refused",
    }
    must(not sent and err.outcome ~= "in_doubt", "it was not refused")
    expected("%-4s %s  %d %s%s", case.to and "to" or "from", case.to or case.from, err.code, err.type,
        case.why or "")
end
impatient:close()

heading "What we refuse ourselves, before anything is sent"
for _, message in ipairs {
    { to = "5550010", body = "Hello" },
    { to = "+15005550010" },
    { to = "+15005550010", body = ("x"):rep(1601) },
    { to = "+15005550010", body = "Hello", send_at = os.time() + 86400 },
} do
    local sent, err = client:send(message)
    must(not sent and err.outcome == "not_sent", "it was sent")
    expected("%s", tostring(err.message))
end

heading "An outage: the breaker opens, and heals"
local careful = client_with {
    in_doubt = "stop",
    breaker = { failure_threshold = 3, success_threshold = 2, reset_timeout_ms = 1000 },
    retry = { unavailable = { attempts = 1 } },
}
for i = 1, 4 do
    local sent, err = careful:send { to = "+15005550012", body = "Outage, message " .. i }
    must(not sent, "it was sent")
    expected("message %d: %s, outcome %s", i, err.type, err.outcome)
end
must(careful:stats().breaker == "open", "the breaker is not open")
sms.loop.sleep(1100)
for i = 5, 6 do
    send({ to = "+15005550012", body = "After the outage, message " .. i }, careful)
    good("message %d: sent, breaker %s", i, careful:stats().breaker)
end
careful:close()

-- ---- Many ------------------------------------------------------------------------------------------

local BULK = 200
heading(("%d in bulk, at most 100 a second; every 40th answer gets lost, some are throttled"):format(BULK))

local function recipients()
    local i = 0
    return function()
        i = i + 1
        if i <= BULK then
            return { to = ("+1500555%04d"):format(1000 + i), body = "Bulk message " .. i }
        end
    end
end

local function show_progress(p)
    if colour then
        local width = 40
        local full = math.floor(p.done / BULK * width)
        local bar = ("#"):rep(full) .. ("."):rep(width - full)
        io.write(("\r  [%s] %3d/%d, %d failed "):format(bar, p.done, BULK, p.failed))
        io.flush()
    elseif p.done % 50 == 0 then
        print(("  %d/%d, %d failed"):format(p.done, BULK, p.failed))
    end
end

local found, failed = 0, 0
intended = intended + BULK
local bulk = client_with()
local progress = { concurrency = 50, on_progress = show_progress }
for index, message, err in bulk:send_many(recipients(), progress) do
    if err then
        failed = failed + 1
        print(("\n  message %d: %s"):format(index, tostring(err)))
    elseif message.verified then
        found = found + 1
    end
end
if colour then
    print()
end
local stats = bulk:stats()
bulk:close()
good("%d sent, %d of them found by a look-up; %d requests, %d throttled",
    BULK - failed, found, stats.requests, stats.throttled)

-- ---- The server's own count ------------------------------------------------------------------------

heading "What the server has"
local rows = must(client:list { limit = 1000 })
local accepted, duplicates, seen = 0, 0, {}
for _, row in ipairs(rows) do
    accepted = accepted + 1
    if seen[row.body] then
        duplicates = duplicates + 1
    end
    seen[row.body] = true
end
local summary = ("sent %d, accepted by the server %d, duplicates %d"):format(intended, accepted, duplicates)
must(failed == 0 and accepted == intended and duplicates == 0, summary)
good("%s", summary)

client:close()
simulator:close()

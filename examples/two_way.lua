-- Asks people whether they come, by text message, and follows what they answer: one program that sends,
-- receives and waits for delivery. Nobody who answers STOP is written to again.
--
--     export TWILIO_ACCOUNT_SID=AC... TWILIO_AUTH_TOKEN=... TWILIO_FROM=+1...
--     export WEBHOOK_URL=https://example.com:8443/sms WEBHOOK_HOST=0.0.0.0 WEBHOOK_PORT=8443
--     lua5.4 examples/two_way.lua cert.pem key.pem +15558675310 +15558675311
--
-- It ends when everybody has answered, or after two minutes. WEBHOOK_URL should be what is configured at
-- Twilio; status callbacks are sent there as well.
local sms = require "twilio_sms"
local store = require "twilio_sms.store"

io.stdout:setvbuf "line"

local WAIT_MS = 120000

local certificate_file, key_file = arg[1], arg[2]
local guests = {}
for i = 3, #arg do
    guests[#guests + 1] = arg[i]
end
if #guests == 0 then
    io.stderr:write("usage: lua5.4 examples/two_way.lua cert.pem key.pem NUMBER...\n")
    os.exit(2)
end
local public_url = os.getenv "WEBHOOK_URL"
local port = tonumber(os.getenv "WEBHOOK_PORT" or 8443)
if not port then
    io.stderr:write("WEBHOOK_PORT must be a number\n")
    os.exit(2)
end

-- One file keeps what must not be lost: who opted out, and what became of each message.
local account_sid = os.getenv "TWILIO_ACCOUNT_SID"
local file = sms.assert(store.open(os.getenv "WEBHOOK_STORE" or "messages.db"))
local ledger = sms.assert(sms.optout.new { account_sid = account_sid, store = file })
local tracker = sms.assert(sms.track.new { account_sid = account_sid, store = file })
local client = sms.assert(sms.from_env { optout = ledger, track = tracker })

local batch_name = "dinner " .. os.date "!%Y-%m-%dT%H:%M:%SZ" -- the file remembers those of earlier runs
local is_open, open, answered = {}, 0, 0 -- the guests of whom nothing is known yet
for _, number in ipairs(guests) do
    open = open + (is_open[number] and 0 or 1)
    is_open[number] = true
end

-- What became of a guest: an answer, or why there will be none.
local function note(number, what, is_answer)
    print(number, what)
    if is_open[number] then -- somebody who changes their mind counts once, a stranger does not
        is_open[number] = nil
        open = open - 1
        answered = answered + (is_answer and 1 or 0)
    end
end

-- Runs for each text message that comes in. It may send and wait: others go on meanwhile.
local function on_message(event, reply)
    local digit = event.body:match "^%s*([12])%s*$" -- not YES: Twilio takes it for an opt-in
    if event.opt_out then
        note(event.from, "said " .. event.opt_out.keyword, true)
    elseif digit == "1" then
        note(event.from, "comes", true)
        reply:message "We look forward to it."
    elseif digit == "2" then
        note(event.from, "does not come", true)
        reply:message "Thank you for telling us."
    else
        reply:message "Please answer 1 or 2."
    end
end

local function ask_everybody(url)
    local messages = {}
    for i, number in ipairs(guests) do
        local body = "Dinner on Friday at 8? Answer 1 for yes, 2 for no, STOP to hear no more."
        messages[i] = { to = number, body = body, status_callback = url }
    end
    for index, message, err in client:send_many(messages, { batch = batch_name }) do
        if not message then
            note(guests[index], tostring(err), false)
        else
            sms.loop.spawn(function()
                local state, problem = client:wait(message.sid, { timeout_ms = WAIT_MS })
                print(guests[index], state and state.status or tostring(problem))
            end)
        end
    end
end

local function converse(listener)
    local url = public_url or ("https://localhost:%d/sms"):format(listener:port())
    print("listening at " .. url)
    sms.loop.spawn(function()
        ask_everybody(url)
        local left_ms = WAIT_MS
        while open > 0 and left_ms > 0 do
            sms.loop.sleep(100)
            left_ms = left_ms - 100
        end
        listener:stop()
    end)
end

sms.loop.run(function()
    sms.assert(sms.webhook.serve {
        host = os.getenv "WEBHOOK_HOST",
        port = port,
        certificate_file = certificate_file,
        key_file = key_file,
        account_sid = account_sid,
        auth_token = { env = "TWILIO_AUTH_TOKEN" },
        urls = public_url and { public_url },
        store = file,
        client = client,
        on_message = on_message,
        on_error = function(err) io.stderr:write(tostring(err), "\n") end,
        on_ready = converse,
    })
end)

local batch = sms.assert(tracker:batch(batch_name))
print(("%d asked, %d delivered, %d answered"):format(batch.total, batch.delivered, answered))
client:close()
file:close()

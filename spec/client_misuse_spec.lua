local simulator = require "simulator"
local sms = require "twilio_sms"

local MESSAGE = { to = "+15005550010", body = "x" }
local SID, MEDIA_SID = "SM" .. ("0"):rep(32), "ME" .. ("0"):rep(32)

-- Calls each function and expects an error that blames the line on which the function stands.
local function expect_blame(cases)
    for _, case in ipairs(cases) do
        local call, pattern = case[1], case[2]
        local ok, err = pcall(call)
        local line = debug.getinfo(call, "S").linedefined
        assert.is_false(ok, "line " .. line)
        assert.matches(("client_misuse_spec%%.lua:%d: .*%s"):format(line, pattern), err)
    end
end

describe("misuse raises at the caller's line", function()
    local client

    before_each(function()
        client = simulator.client { url = "https://127.0.0.1:1" } -- nobody is there: no request is made
    end)

    after_each(function()
        client:close()
    end)

    it("for arguments that cannot be meant", function()
        local options = "options must be a table, not a number"
        expect_blame {
            { function() client:send "x" end, "takes a table, not a string" },
            { function() client:send_many(MESSAGE) end, "expected a list, as in" },
            { function() sms:new {} end, "call this with a dot" },
            { function() sms:from_env() end, "call this with a dot" },
            { function() client:send() end, "takes a table, not nil" },
            { function() client.send(MESSAGE) end, "call this with a colon" },
            { function() client.send(nil, MESSAGE) end, "call this with a colon" },
            { function() client:send({}, 5) end, options },
            { function() client:send({}, { timeout = 5 }) end, "unknown option 'timeout'" },
            { function() client:send({}, { timeout_ms = "5" }) end, "must be a number" },
            { function() client:submit "x" end, "takes a table, not a string" },
            { function() client:submit({}, { timeout = 5 }) end, "unknown option 'timeout'" },
            { function() client:withdraw() end, "expected a ticket of client:submit, got nil" },
            { function() client:withdraw(SID) end, "expected a ticket" },
            { function() client:withdraw {} end, "expected a ticket" },
            { function() client:send_many(5) end, "expected a list or an iterator function, got number" },
            { function() client:send_many() end, "got nil" },
            { function() client:send_many({}, 5) end, options },
            { function() client:send_many({}, { concurency = 5 }) end, "unknown option 'concurency'" },
            { function() client:send_many({}, { concurrency = 0 }) end, "1 or more" },
            { function() client:send_many({}, { batch = "2026/03" }) end, "without '/'" },
            { function() client:send_many({}, { concurrency = 1.5 }) end, "whole number" },
            { function() client:send_many({}, { concurrency = 0 / 0 }) end, "whole number" },
            { function() client:send_many({}, { on_progress = 1 }) end, "must be a function" },
            { function() client:get_many(5) end, "expected a list or an iterator function" },
            { function() client:get_many({}, { concurrency = -1 }) end, "1 or more" },
            { function() client:get() end, "expected a sid %(a string%), got nil" },
            { function() client:get(5) end, "got number" },
            { function() client:get(SID, 5) end, options },
            { function() client:cancel() end, "expected a sid" },
            { function() client:redact() end, "expected a sid" },
            { function() client:delete() end, "expected a sid" },
            { function() client:delete(SID, { x = 1 }) end, "unknown option 'x'" },
            { function() client:media() end, "expected a sid" },
            { function() client:media(SID, 5) end, options },
            { function() client:media(SID, MEDIA_SID, 5) end, options },
            { function() client:delete_media(SID) end, "expected a sid" },
            { function() client:delete_media(SID, MEDIA_SID, 5) end, options },
            { function() client:feedback(SID, "yes") end, "'confirmed' or 'unconfirmed'" },
            { function() client:feedback(nil, "confirmed") end, "expected a sid" },
            { function() client:feedback(SID, "confirmed", 5) end, options },
            { function() client:page "x" end, "a table, not a string" },
            { function() client:page({}, 5) end, options },
            { function() client:list "x" end, "a table, not a string" },
            { function() client:list({}, 5) end, options },
            { function() client:list { limit = 0 } end, "limit must be a whole number" },
            { function() client:list { limit = "5" } end, "limit must be a whole number" },
            { function() client:wait() end, "expected a sid" },
            { function() client:wait(SID, 5) end, options },
            { function() client:wait(SID, { interval = 5 }) end, "unknown option 'interval'" },
            { function() client:wait(SID, { interval_ms = 0 }) end, "number, 1 or more" },
            { function() client:wait(SID, { interval_ms = -1 }) end, "'interval_ms'" },
            { function() client:wait(SID, { interval_ms = 1.5 }) end, "'interval_ms'" },
            { function() client:wait(SID, { interval_ms = math.huge }) end, "'interval_ms'" },
            { function() client:wait(SID, { timeout_ms = 0 / 0 }) end, "'timeout_ms' must be a whole" },
            { function() client:wait(SID, { timeout_ms = -1 }) end, "'timeout_ms'" },
            { function() client:hook("checks", print) end, "unknown hook 'checks'" },
            { function() client:hook "check" end, "a hook is a function, not nil" },
            { function() sms.new() end, "takes a table, not nil" },
            { function() sms.new "x" end, "takes a table, not a string" },
            { function() sms.from_env "x" end, "takes a table or nothing" },
            { function() client:step "x" end, "timeout_ms must be a whole number" },
            { function() client:step(0.5) end, "timeout_ms must be a whole number" },
            { function() client:step(-2) end, "timeout_ms must be a whole number, %-1 or more" },
            { function() sms.loop.sleep() end, "sleep takes milliseconds" },
            { function() sms.loop.sleep(-1) end, "sleep takes milliseconds" },
            { function() sms.loop.sleep(0 / 0) end, "sleep takes milliseconds" },
            { function() sms.loop.sleep(math.huge) end, "sleep takes milliseconds" },
            { function() sms.loop.spawn(print) end, "spawn works inside of loop.run" },
        }
        assert.equal(0, client:stats().requests)
    end)

    it("for each use after close", function()
        client:close()
        local closed = "the client is closed"
        expect_blame {
            { function() client:send(MESSAGE) end, closed },
            { function() client:send_many {} end, closed },
            { function() client:get(SID) end, closed },
            { function() client:get_many {} end, closed },
            { function() client:page() end, closed },
            { function() client:list() end, closed },
            { function() client:cancel(SID) end, closed },
            { function() client:redact(SID) end, closed },
            { function() client:delete(SID) end, closed },
            { function() client:media(SID) end, closed },
            { function() client:media(SID, MEDIA_SID) end, closed },
            { function() client:delete_media(SID, MEDIA_SID) end, closed },
            { function() client:feedback(SID, "confirmed") end, closed },
            { function() client:wait(SID) end, closed },
            { function() client:submit(MESSAGE) end, closed },
            { function() client:withdraw { done = false } end, closed },
            { function() client:hook("check", print) end, closed },
            { function() client:events() end, closed },
            { function() client:stats() end, closed },
            { function() client:step() end, closed },
            { function() client:pollable() end, closed },
        }
    end)
end)

local scripted = require "scripted"
local sms = require "twilio_sms"
local tapes = require "tapes"

local ACCOUNT = "AC" .. ("9f"):rep(16)
local TOKEN = ("6b7c"):rep(8)
local SID = "SM" .. ("4d"):rep(16)

local function options(driver, changes)
    local out = {
        driver = driver, account_sid = ACCOUNT, auth_token = TOKEN, from = "+15005550006", seed = 1,
        rate = { per_second = 0, per_number = 0 }, breaker = { failure_threshold = 0 },
    }
    for name, value in pairs(changes or {}) do
        out[name] = value
    end
    return out
end

local function new(driver, changes)
    return sms.assert(sms.new(options(driver, changes)))
end

local function accepted(fields)
    return scripted.answer(201, scripted.message(SID, ACCOUNT, fields or {}))
end

describe("a tape", function()
    local path

    before_each(function()
        path = tapes.path()
    end)

    after_each(function()
        os.remove(path)
    end)

    -- Records what `work` does against a script.
    local function record(answers, work, opts)
        local client = new(sms.driver.record(path, scripted.driver(answers), opts))
        work(client)
        return client:close()
    end

    local function replay(opts, changes)
        return new(sms.driver.replay(path, opts), changes)
    end

    it("is never recorded over", function()
        tapes.write(path, "precious")
        local client, err = sms.new(options(sms.driver.record(path, scripted.driver {})))
        assert.is_nil(client)
        assert.matches("the file exists; a tape is never recorded over", err.message)
        assert.equal("precious", tapes.read(path))
    end)

    it("goes away when its client cannot be made", function()
        local driver = sms.driver.record(path, scripted.driver {})
        local client = sms.new(options(driver, { base_url = "nonsense" }))
        assert.is_nil(client)
        assert.is_false(tapes.exists(path))
    end)

    it("has each interaction as soon as it is over", function()
        local client = new(sms.driver.record(path, scripted.driver { accepted(), accepted() }))
        assert(client:send { to = "+12125551234", body = "one" })
        local _, lines = tapes.read(path):gsub("\n", "\n")
        assert.equal(2, lines)
        assert(client:send { to = "+12125551234", body = "two" })
        _, lines = tapes.read(path):gsub("\n", "\n")
        assert.equal(3, lines)
        assert.is_true(client:close())
        assert.is_true(client:close())
    end)

    it("has what ends at once when it starts", function()
        local driver = sms.driver.record(path, scripted.driver { accepted() })
        local core_client = assert(driver:open(options()))
        assert(core_client:submit("send", { to = "+12125551234", body = "one" }))
        core_client:start()
        local _, lines = tapes.read(path):gsub("\n", "\n")
        assert.equal(2, lines)
        assert.equal(SID, select(2, core_client:result()).sid)
        core_client:close()
    end)

    it("gives back what was recorded, under pseudonyms", function()
        local live
        assert(record({ accepted { body = "Hello Ann" } }, function(client)
            live = assert(client:send { to = "+12125551234", body = "Hello Ann" })
        end))
        assert.equal("Hello Ann", live.body)
        local client = replay()
        local message = assert(client:send { to = "+12125551234", body = "Hello Ann" })
        assert.is_true(client:close())
        assert.matches("^%+1[2-9]%d%d55501%d%d$", message.to)
        assert.matches("^%u%l%l%l%l %u%l%l$", message.body)
        assert.equal("AC" .. ("0"):rep(32), message.account_sid)
        assert.equal(live.status, message.status)
        assert.equal(live.outcome, message.outcome)
    end)

    it("gives back the same bytes when there is nothing to hide", function()
        local fields = { to = "+12125550123", body = "A neutral text" }
        local live
        local keep = { keep_sids = true, keep_texts = { fields.body } }
        local account = "AC" .. ("0"):rep(32)
        local client = new(sms.driver.record(path, scripted.driver {
            scripted.answer(201, scripted.message(SID, account, fields)) }, keep), { account_sid = account })
        live = assert(client:send(fields))
        assert(client:close())
        client = replay(nil, { account_sid = account })
        assert.same(live, (client:send(fields)))
        assert(client:close())
    end)

    it("finds a message in doubt again", function()
        local text = "Hello Ann"
        local row = scripted.message(SID, ACCOUNT, { to = "+12125551234", body = text })
        local page = '{"messages":[' .. row .. '],"next_page_uri":null,"page":0,"page_size":50}'
        local function work(client)
            local message = assert(client:send { to = "+12125551234", body = text })
            assert.is_true(message.verified)
            assert.equal(text, message.body)
            return message
        end
        local live
        assert(record({ { sent = true, fault = "Timeout", message = "late" }, scripted.answer(200, page) },
            function(client) live = work(client) end, { on_violation = function() end }))
        assert.is_nil(tapes.read(path):find("Ann", 1, true))
        local client = replay()
        assert.equal(live.status, work(client).status)
        assert(client:close())
    end)

    it("can be used with other credentials, and what it answers can be asked for", function()
        local fetched = scripted.answer(200, scripted.message(SID, ACCOUNT, {}))
        assert(record({ accepted(), fetched }, function(client)
            client:send { to = "+12125551234", body = "Hi" }
            client:get(SID)
        end))
        local client = replay(nil, { account_sid = "AC" .. ("1"):rep(32), auth_token = ("2"):rep(32) })
        local message = assert(client:send { to = "+12125551234", body = "Hi" })
        assert.equal(message.sid, assert(client:get(message.sid)).sid)
        assert(client:close())
    end)

    it("has faults of the wire as they were", function()
        local faults = {
            { sent = false, fault = "ConnectionFailed", message = "Connection refused by 10.0.0.1" },
            { sent = true, fault = "Timeout", message = "no answer from +12125551234" },
            { sent = true, status = 201, complete = false, body = '{"sid":"' .. SID .. '","body":"Hel' },
            scripted.answer(502, "<html><title>Bad Gateway</title></html>"),
        }
        local function work(client, out)
            for i = 1, #faults do
                local _, err = client:send { to = "+12125551234", body = "Hello " .. i }
                out[i] = tostring(err)
            end
        end
        local one_try = { in_doubt = "stop", retry = {
            connection = { attempts = 1 }, timeout = { attempts = 1 }, unavailable = { attempts = 1 },
            internal = { attempts = 1 } } }
        local live, again, answers = {}, {}, {}
        for i, fault in ipairs(faults) do
            answers[i] = fault
        end
        local client = new(sms.driver.record(path, scripted.driver(answers)), one_try)
        work(client, live)
        tapes.quietly(function() assert(client:close()) end)
        local text = tapes.read(path)
        assert.matches('"sent":false,"outcome":"ConnectionFailed"', text, 1, true)
        assert.matches('"sent":true,"outcome":"Timeout"', text, 1, true)
        assert.matches('"sent":true,"outcome":"partial"', text, 1, true)
        assert.is_nil(text:find("12125551234", 1, true))
        client = replay(nil, one_try)
        work(client, again)
        assert(client:close())
        for i = 1, 3 do
            assert.equal(live[i]:match "^[^:]+", again[i]:match "^[^:]+")
            assert.equal(live[i]:match "%(.*$", again[i]:match "%(.*$")
        end
    end)

    it("takes no time, however long it took", function()
        local refused = { sent = false, fault = "ConnectionFailed", message = "refused" }
        assert(record({ refused, refused, accepted() }, function(client)
            assert(client:send { to = "+12125551234", body = "Hi" }) -- after two pauses
        end))
        local client = replay()
        local before = os.clock()
        local message = assert(client:send { to = "+12125551234", body = "Hi" })
        assert.equal(3, message.attempts)
        assert.is_true(os.clock() - before < 1)
        assert(client:close())
    end)

    it("answers many at once, in a loop too", function()
        local answers, messages = {}, {}
        for i = 1, 30 do
            answers[i] = accepted { body = "text " .. i }
            messages[i] = { to = ("+1212555%04d"):format(i), body = "text " .. i }
        end
        local function send_all(client)
            local count = 0
            for _, message, err in client:send_many(messages, { concurrency = 8 }) do
                assert(message, err)
                count = count + 1
            end
            return count
        end
        assert(record(answers, function(client) assert.equal(30, send_all(client)) end))
        local client = replay()
        local count
        sms.loop.run(function() count = send_all(client) end)
        assert.equal(30, count)
        assert(client:close())
    end)

    it("refuses a request that is not on it, field by field", function()
        assert(record({ accepted() }, function(client)
            client:send { to = "+12125551234", body = "Hello Ann", max_price = "0.10" }
        end))
        local client = replay()
        local message, err = client:send { to = "+12125551234", body = "Hello Bob", max_price = "0.20" }
        assert.is_nil(message)
        assert.equal("not_sent", err.outcome)
        assert.matches("^unexpected request: POST api/2010", err.message)
        assert.matches("the nearest unused interaction is in line 2", err.message, 1, true)
        assert.matches('\n  form Body: the tape has "%u%l%l%l%l %u%l%l", the request has "%u%l%l%l%l %u%l%l"',
            err.message)
        assert.matches('\n  form MaxPrice: the tape has "0.10", the request has "0.20"', err.message, 1, true)
        assert.is_nil(err.message:find("form To", 1, true))
        assert.is_nil(tostring(err):find "Bob")
        local ok, problem = client:close()
        assert.is_nil(ok)
        assert.matches("unexpected request", problem.message, 1, true)
        assert.matches("1 interaction of the tape was never asked for", problem.message, 1, true)
    end)

    it("says what was never asked for", function()
        assert(record({ accepted(), accepted() }, function(client)
            client:send { to = "+12125551234", body = "one" }
            client:send { to = "+12125551234", body = "two" }
        end))
        local client = replay()
        assert(client:send { to = "+12125551234", body = "two" })
        local ok, err = client:close()
        assert.is_nil(ok)
        assert.matches("1 interaction of the tape was never asked for:\n  line 2: POST api", err.message)
        client = replay { ordered = true }
        local _, late = client:send { to = "+12125551234", body = "two" }
        assert.matches("^out of order", late.message)
        client:close()
    end)

    it("leaves out parameters that are named", function()
        assert(record({ accepted() }, function(client)
            client:send { to = "+12125551234", body = "one" }
        end))
        local client = replay { ignore = { "Body" } }
        assert(client:send { to = "+12125551234", body = "another" })
        assert(client:close())
    end)

    it("expires", function()
        assert(record({ accepted() }, function(client)
            client:send { to = "+12125551234", body = "one" }
        end, { expires_after_s = 86400 }))
        local client = replay()
        assert.is_nil(client:close()) -- unused, but not expired
        local none, err = sms.new(options(sms.driver.replay(path, { clock = function() return 4e9 end })))
        assert.is_nil(none)
        assert.matches("it has expired on 2%d%d%d%-%d%d%-%d%d; record it again", err.message)
    end)

    it("of another format, or damaged, is refused with its line", function()
        assert(record({ accepted() }, function(client)
            client:send { to = "+12125551234", body = "one" }
        end))
        local text = tapes.read(path)
        for _, case in ipairs {
            { text:gsub('"cassette":1', '"cassette":2', 1), "format 2 is not known" },
            { text:gsub("\n", "\n{}\n", 1), "line 2 is damaged" },
            { text:gsub('"method":"POST"', '"method":5'), "line 2 is damaged" },
            { text .. "garbage\n", "line 3 is damaged" },
            { "garbage\n", "line 1 is damaged" },
            { "", "it is empty" },
        } do
            tapes.write(path, case[1])
            local none, err = sms.new(options(sms.driver.replay(path)))
            assert.is_nil(none)
            assert.matches(case[#case], err.message, 1, true)
        end
        os.remove(path)
        local none, err = sms.new(options(sms.driver.replay(path)))
        assert.is_nil(none)
        assert.matches("No such file", err.message)
    end)

    it("may be damaged in any way, and is refused or replayed", function()
        local refused = { sent = false, fault = "ConnectionFailed", message = "refused" }
        assert(record({ refused, accepted() }, function(client)
            client:send { to = "+12125551234", body = "one" }
        end))
        local text = tapes.read(path)
        local state = 1
        local function chance(count)
            state = state * 48271 % 2147483647
            return state % count + 1
        end
        local opened = 0
        for _ = 1, 400 do
            local damaged = text
            for _ = 1, chance(3) do
                local at, size = chance(#damaged), chance(12) - 1
                local put = ({ "", "0", '"', "-1", "{}", "[]", "null", "\255", "1e400", "\n" })[chance(10)]
                damaged = damaged:sub(1, at - 1) .. put .. damaged:sub(at + size)
            end
            tapes.write(path, damaged)
            local client, err = sms.new(options(sms.driver.replay(path)))
            assert.is_true(client ~= nil or sms.error.is(err))
            if client then
                opened = opened + 1
                client:send { to = "+12125551234", body = "one" }
                client:close()
            end
        end
        assert.is_true(opened > 20 and opened < 380)
    end)

    it("can be used up to a line that was cut", function()
        assert(record({ accepted(), accepted() }, function(client)
            client:send { to = "+12125551234", body = "one" }
            client:send { to = "+12125551234", body = "two" }
        end))
        tapes.write(path, tapes.read(path):sub(1, -20))
        local client = replay()
        assert(client:send { to = "+12125551234", body = "one" })
        local _, err = client:send { to = "+12125551234", body = "two" }
        assert.matches("line 3 of the tape was cut in the middle", err.message, 1, true)
        client:close()
    end)

    it("can have a key of its own", function()
        assert(record({ accepted() }, function(client)
            client:send { to = "+12125551234", body = "one" }
        end, { key = "kept elsewhere" }))
        assert.is_nil(tapes.read(path):find("kept elsewhere", 1, true))
        local none, err = sms.new(options(sms.driver.replay(path)))
        assert.is_nil(none)
        assert.matches("recorded with a key", err.message, 1, true)
        local client = replay { key = "kept elsewhere" }
        assert(client:send { to = "+12125551234", body = "one" })
        assert(client:close())
        client = replay { key = "another" }
        assert.is_nil((client:send { to = "+12125551234", body = "one" }))
        client:close()
    end)

    it("is removed when a secret is found in it", function()
        -- A text that is kept by order of the user, but holds the token.
        local text = "the token is " .. TOKEN
        local ok, err
        local said = tapes.quietly(function()
            ok, err = record({ accepted { body = text } }, function(client)
                client:send { to = "+12125551234", body = text }
            end, { keep_texts = { text } })
        end)
        assert.is_nil(ok)
        assert.matches("removed, because line 1 held auth_token", err.message, 1, true)
        assert.is_nil(said:find(TOKEN, 1, true))
        assert.matches("removed, because line 1 held auth_token", said, 1, true)
        assert.is_false(tapes.exists(path))
    end)

    it("is removed when a number is found in it", function()
        local text = "call +12125559876"
        local ok, err
        tapes.quietly(function()
            ok, err = record({ accepted { body = text } }, function(client)
                client:send { to = "+12125551234", body = text }
            end, { keep_texts = { text } })
        end)
        assert.is_nil(ok)
        assert.matches("held a phone number", err.message, 1, true)
        assert.is_false(tapes.exists(path))
    end)

    it("is not removed because of what looks like a number and is none", function()
        for _, text in ipairs { "+1234567", "+0123456789", "+12345678901234567", "1+2345678" } do
            assert(record({ accepted { body = text } }, function(client)
                client:send { to = "+12125551234", body = "Call " .. text .. " now" }
            end))
            local client = replay()
            assert(client:send { to = "+12125551234", body = "Call " .. text .. " now" })
            assert(client:close())
            os.remove(path)
        end
    end)

    it("is searched for the password of any proxy", function()
        for _, proxy in ipairs { "http://u:p%40ss-word@proxy:1", "socks5h://u:p%40ss-word@proxy:1" } do
            for _, text in ipairs { "p@ss-word", "p%40ss-word" } do
                local ok, err
                tapes.quietly(function()
                    local driver = sms.driver.record(path, scripted.driver {}, { keep_texts = { text } })
                    ok, err = new(driver, { proxy = proxy }):close()
                end)
                assert.is_nil(ok)
                assert.matches("held the password of the proxy", err.message, 1, true)
            end
        end
    end)

    it("is not begun when a secret cannot be searched for", function()
        for _, secret in ipairs { { env = "TWILIO_SMS_IS_NOT_SET" }, { file = path }, "abc", "" } do
            local driver = sms.driver.record(path, scripted.driver {}, { secrets = { "a good one", secret } })
            local client, err = sms.new(options(driver))
            assert.is_nil(client)
            assert.matches("secret 2 is not there, or has less than 4 characters", err.message, 1, true)
            assert.is_false(tapes.exists(path))
        end
    end)

    it("tells what is not as documented", function()
        local odd = scripted.answer(201, '{"sid":"' .. SID .. '","status":"odd","surprise":"Ann"}')
        local seen = {}
        assert(record({ odd }, function(client)
            client:send { to = "+12125551234", body = "one" }
        end, { on_violation = function(text) seen[#seen + 1] = text end }))
        assert.same({ "line 2: member status is none of the documented words",
            "line 2: member surprise is not documented" }, seen)
        assert.is_nil(tapes.read(path):find("Ann", 1, true))
        os.remove(path)
        local ok, err = record({ odd }, function(client)
            client:send { to = "+12125551234", body = "one" }
        end, { strict_contract = true })
        assert.is_nil(ok)
        assert.matches("not as documented, 2 times:", err.message, 1, true)
        assert.is_true(tapes.exists(path))
    end)

    it("is compared with what a server answers now", function()
        local function body(extra)
            return '{"sid":"' .. SID .. '","status":"queued","price":null' .. extra .. "}"
        end
        local function work(client)
            client:send { to = "+12125551234", body = "one" }
        end
        assert(record({ scripted.answer(201, body ',"to":"+12125551234"') }, work))
        local function diff(answer, f)
            local client = new(sms.driver.diff(path, scripted.driver { answer }))
            f(client)
            return client:close()
        end
        local other = '{"sid":"SM' .. ("7e"):rep(16)
            .. '","status":"sent","price":"-0.1","to":"+12125551234"}'
        assert.is_true(diff(scripted.answer(201, other), work))
        local ok, err = diff(scripted.answer(201, body ',"to":7,"new":true'), work)
        assert.is_nil(ok)
        for _, line in ipairs { "line 2: member to: the tape has string, the answer has number",
            "line 2: member new: the tape has nothing, the answer has boolean" } do
            assert.matches(line, err.message, 1, true)
        end
        ok, err = diff(scripted.answer(404, '{"code":20404,"message":"x","status":404}'), work)
        assert.is_nil(ok)
        assert.matches("status: the tape has 201, the answer has 404", err.message, 1, true)
        ok, err = diff(accepted(), function(client)
            client:send { to = "+12125551235", body = "one" }
        end)
        assert.is_nil(ok)
        assert.matches("unexpected request", err.message, 1, true)
        assert.matches("never asked for", err.message, 1, true)
    end)

    it("refuses misuse", function()
        local inner = scripted.driver {}
        for _, f in ipairs {
            function() sms.driver.record(nil, inner) end,
            function() sms.driver.record(path) end,
            function() sms.driver.record(path, inner, { secret = "x" }) end,
            function() sms.driver.record(path, inner, { secrets = { env = "TOKEN" } }) end,
            function() sms.driver.record(path, inner, { secrets = { "good", 12 } }) end,
            function() sms.driver.record(path, inner, { secrets = { {} } }) end,
            function() sms.driver.replay() end,
            function() sms.driver.replay(path, { order = true }) end,
            function() sms.driver.replay(path, { speed = -1 }) end,
            function() sms.driver.diff(path) end,
            function() sms.driver.diff(7, inner) end,
        } do
            local ok, err = pcall(f)
            assert.is_false(ok)
            assert.matches("cassette_driver_spec", err)
        end
    end)
end)

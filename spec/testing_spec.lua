local sms = require "twilio_sms"
local testing = require "twilio_sms.testing"

local FROM, ANNA, BERT = "+15005550006", "+15558675310", "+15558675311"

-- A world in which these were sent: a list of { to, body }.
local function world_with(messages)
    local world = testing.world { log = false }
    local client = sms.assert(world:client { from = FROM })
    for _, message in ipairs(messages or {}) do
        sms.assert(client:send { to = message[1], body = message[2] })
    end
    return world, client
end

local function failure_of(f, ...)
    local ok, err = pcall(f, ...)
    assert.is_false(ok)
    return tostring(type(err) == "table" and err.message or err)
end

local function assert_has(text, part)
    if not text:find(part, 1, true) then
        error(("no %q in: %s"):format(part, text), 2)
    end
end

local left_open

describe("twilio_sms.testing", function()
    it("says what was sent", function()
        world_with { { ANNA, "Hello, Anna" }, { BERT, "Hello, Bert" }, { ANNA, "Bye" } }
        assert.sent { to = ANNA, body = "Hello, Anna" }
        assert.sent { to = ANNA, from = FROM, body = testing.matching "^Hello, %a+$" }
        assert.sent { body = testing.matching "Bert" }
        assert.sent {}
        assert.not_sent { to = BERT, body = "Bye" }
        assert.not_sent { body = testing.matching "^Bert" }
        assert.is_not.sent { to = "+15558675312" }
        assert.sent_times(2, { to = ANNA })
        assert.sent_times(0, { to = FROM })
        assert.sent_times(3, {})
        assert.not_sent_times(1, { to = ANNA })
    end)

    it("knows what became of them", function()
        world_with { { ANNA, "Hello" } }
        assert.sent { to = ANNA, status = "queued", segments = 1, client = "client1" }
        testing.advance(60)
        assert.sent { to = ANNA, status = "delivered" }
        assert.not_sent { status = "queued" }
    end)

    it("takes answers for sent, and what people write not", function()
        local world = world_with()
        world:webhook("https://app.example/sms", sms.assert(world:receiver {
            optout = false,
            on_message = function() return "Thank you" end,
        }))
        world:inbound(ANNA, FROM, "Hello")
        testing.advance(10)
        assert.sent_times(1, {})
        assert.sent { to = ANNA, body = "Thank you" }
        assert.not_sent { to = FROM }
    end)

    it("has one world for each test", function()
        assert.truthy(failure_of(function() testing.advance(1) end):find "no world is there yet")
        left_open = world_with()
    end)

    it("closes the world of the last test", function()
        assert_has(failure_of(function() left_open:run(1) end), "closed")
        assert_has(failure_of(function() assert.sent {} end), "no world is there yet")
    end)

    it("asks the newest world, or the one that is given", function()
        local first = world_with { { ANNA, "one" } }
        local second = world_with { { BERT, "two" }, { BERT, "two" } }
        assert.not_sent { to = ANNA }
        assert.sent(first, { to = ANNA })
        assert.not_sent(first, { to = BERT })
        assert.sent_times(first, 1, {})
        assert.sent_times(second, 2, {})
    end)

    it("lets time pass at once", function()
        local world = world_with()
        local hours = 0
        world:every(3600, function() hours = hours + 1 end)
        testing.advance(86400)
        assert.equal(24, hours)
        assert.equal(86400000, world:now_ms())
    end)

    describe("when it is otherwise", function()
        it("lists what was sent instead, the closest first", function()
            world_with { { BERT, "Helo" }, { BERT, "Good morning" }, { ANNA, "Hello, Bert" } }
            assert_has(failure_of(function() assert.sent { to = BERT, body = "Hello" } end), [[
expected messages { to = "+15558675311", body = "Hello" }: at least one, but there were: none.]]
                .. [[ What was sent, the closest first:
  { to = "+15558675311", from = "+15005550006", body = "Helo" }   other body
  { to = "+15558675311", from = "+15005550006", body = "Good morning" }   other body
  { to = "+15558675310", from = "+15005550006", body = "Hello, Bert" }   other to, body]])
        end)

        it("lists what should not have been sent", function()
            world_with { { ANNA, "one" }, { BERT, "two" } }
            local text = failure_of(function() assert.not_sent { to = BERT } end)
            assert_has(text, [[
expected messages { to = "+15558675311" }: none, but there were: 1:
  { to = "+15558675311", from = "+15005550006", body = "two" }]])
            assert.is_nil(text:find('"one"', 1, true))
        end)

        it("counts", function()
            world_with { { ANNA, "one" }, { ANNA, "one" } }
            assert_has(failure_of(function() assert.sent_times(1, { to = ANNA }) end),
                'expected messages { to = "+15558675310" }: 1, but there were: 2:')
            assert_has(failure_of(function() assert.not_sent_times(2, {}) end),
                "expected messages {}: not 2, but there were: 2:")
        end)

        it("says first what the test has to say", function()
            local world = world_with { { ANNA, "one" } }
            for _, fails in ipairs {
                function() assert.sent({ to = BERT }, "Bert was forgotten") end,
                function() assert.not_sent({ to = ANNA }, "Bert was forgotten") end,
                function() assert.sent(world, { to = BERT }, "Bert was forgotten") end,
                function() assert.sent_times(2, { to = ANNA }, "Bert was forgotten") end,
                function() assert.sent_times(world, 2, { to = ANNA }, "Bert was forgotten") end,
            } do
                assert_has(failure_of(fails), "Bert was forgotten\nexpected messages ")
            end
            assert.sent({ to = ANNA }, "not to be seen")
        end)

        it("says that nothing was sent at all", function()
            world_with()
            assert_has(failure_of(function() assert.sent { body = testing.matching "x%d" } end),
                '{ body = matching "x%d" }: at least one, but there were: none. Nothing was sent at all.')
        end)

        it("shortens long lists, and keeps each message on its line", function()
            local many = {}
            for i = 1, 14 do
                many[i] = { ANNA, "Line 1\nLine " .. i }
            end
            world_with(many)
            local text = failure_of(function() assert.sent { to = BERT } end)
            assert_has(text, "  and 4 more")
            assert_has(text, [[body = "Line 1\nLine 14" }]])
            assert.equal(12, select(2, text:gsub("\n", "\n")) + 1)
        end)
    end)

    describe("without busted", function()
        it("answers instead of raising", function()
            local world = world_with { { ANNA, "Hello" } }
            assert.is_true(testing.check_sent { to = ANNA })
            assert.is_true(testing.check_sent(world, { to = ANNA }))
            assert.is_true(testing.check_not_sent { to = BERT })
            assert.is_true(testing.check_sent_times(1, { to = ANNA }))
            assert.is_true(testing.check_sent_times(world, 1, { to = ANNA }))
            local ok, text = testing.check_sent { to = BERT }
            assert.is_nil(ok)
            assert_has(text, "What was sent, the closest first:")
            assert.is_nil((testing.check_not_sent { to = ANNA }))
            assert.is_nil((testing.check_sent_times(2, { to = ANNA })))
        end)

        it("is loaded", function()
            local lua = jit and "luajit" or "lua5.4" -- luacheck: ignore 113
            local program = [[
                local testing = require "twilio_sms.testing"
                local world = testing.world()
                local client = world:client { from = "+15005550006" }
                client:send { to = "+15558675310", body = "Hello" }
                print(testing.check_sent { to = "+15558675310" }, package.loaded.luassert)
                testing.close()
            ]]
            local pipe = io.popen(("%s -e '%s' 2>&1"):format(lua, program))
            local printed = pipe:read "*a"
            pipe:close()
            assert.equal("true\tnil\n", printed)
        end)
    end)

    it("refuses what cannot be asked, at the line that asks", function()
        world_with()
        for text, wanted in pairs {
            ["assert.sent()"] = "a message is described by a table",
            ['assert.sent("+1")'] = "a message is described by a table",
            ["assert.sent { too = 1 }"] = "messages have no 'too'; did you mean 'to'?",
            ["assert.not_sent { too = 1 }"] = "messages have no 'too'; did you mean 'to'?",
            ["assert.sent { to = {} }"] = "'to' must be a string or testing.matching(...), not a table",
            ["assert.not_sent { to = 155 }"] = "'to' must be a string or testing.matching(...), not a number",
            ['assert.not_sent { segments = "1" }'] = "'segments' must be a number, not a string",
            ['assert.not_sent { error_code = "30007" }'] = "'error_code' must be a number, not a string",
            ['assert.not_sent { segments = testing.matching "1" }'] = "'segments' must be a number",
            ['assert.not_sent { status = "deliverd" }'] = "'deliverd'; did you mean 'delivered'?",
            ["assert.sent_times({}, 2)"] = "sent_times takes a whole number and a description",
            ["assert.sent_times(0.5, {})"] = "sent_times takes a whole number and a description",
            ["assert.sent_times(1)"] = "a message is described by a table",
            ["testing.check_sent(5)"] = "a message is described by a table",
            ["testing.check_not_sent { x = 1 }"] = "messages have no 'x'",
            ["testing.check_sent_times(-1, {})"] = "sent_times takes a whole number and a description",
            ['testing.matching("%")'] = "matching takes a Lua pattern, which '%' is not",
            ["testing.matching(5)"] = "matching takes a Lua pattern, not a number",
            ["testing.advance(-1)"] = "advance takes seconds, a number from 0",
            ['testing.advance("1")'] = "advance takes seconds, a number from 0",
        } do
            local f = assert(load("local assert, testing = ...\n" .. text .. "\nreturn true", "@a_test"))
            local why = failure_of(f, assert, testing)
            assert_has(why, wanted)
            assert_has(why, "a_test:2: ")
        end
    end)
end)

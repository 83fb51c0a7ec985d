local core = require "twilio_sms.core"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local HEAD = "HTTP/1.1 200 OK\r\n"
local HELLO = HEAD .. "Content-Length: 5\r\n\r\nhello"

describe("an answer", function()
    local answer

    before_each(function()
        answer = core.http1()
        answer:begin "POST"
    end)

    it("is read from chunks of any size", function()
        for size = 1, #HELLO do
            answer:begin "GET"
            local state
            for at = 1, #HELLO, size do
                assert.is_false(answer:reusable())
                state = answer:feed(HELLO:sub(at, at + size - 1))
                assert.equal(at + size > #HELLO and "done" or "more", state)
            end
            assert.same({ "done", true, 200 }, { state, answer:reusable(), answer:status() })
        end
    end)

    it("has no status before there is one", function()
        assert.is_nil(answer:status())
        assert.equal("more", answer:feed "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 20")
        assert.is_nil(answer:status())
        assert.equal("more", answer:feed "1 Created\r\n")
        assert.equal(201, answer:status())
    end)

    it("is refused when it could be read in two ways, or is too large", function()
        for state, answers in pairs {
            malformed = {
                "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nX\r\n", HEAD .. "X: a\0b\r\n",
                HEAD .. "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
                HEAD .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello world",
            },
            too_large = {
                HEAD .. "Content-Length: 8388609\r\n\r\n", HEAD .. ("x"):rep(65536),
                HEAD .. ("X: y\r\n"):rep(257),
            },
        } do
            for _, bytes in ipairs(answers) do
                answer:begin "POST"
                assert.equal(state, answer:feed(bytes))
                assert.equal(state, answer:feed "more")
                assert.equal(state, answer:ended())
                assert.is_false(answer:reusable())
            end
        end
    end)

    it("may end with the connection", function()
        assert.equal("more", answer:feed(HEAD .. "\r\nhello"))
        assert.equal("done", answer:ended())
        assert.is_false(answer:reusable())
        answer:begin "POST"
        assert.equal("malformed", answer:ended())
        assert.is_nil(answer:status())
        answer:begin "POST"
        answer:feed(HELLO:sub(1, -2))
        assert.equal("malformed", answer:ended())
        assert.equal(200, answer:status())
    end)

    it("does not let a connection be used again when there is more, or when the server says so", function()
        assert.equal("done", answer:feed(HELLO .. "x"))
        assert.is_false(answer:reusable())
        for _, bytes in ipairs {
            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            HEAD .. "Connection: close\r\nContent-Length: 0\r\n\r\n",
        } do
            answer:begin "POST"
            assert.equal("done", answer:feed(bytes))
            assert.is_false(answer:reusable())
        end
        answer:begin "POST"
        answer:feed(HELLO)
        assert.is_true(answer:reusable())
        answer:ended()
        assert.is_false(answer:reusable())
    end)

    it("does not let a connection be used again when the socket's buffer of 4096 bytes was full", function()
        local function answer_of(bytes)
            local head = HEAD .. "Content-Length: %d\r\n\r\n"
            local body = bytes - #head:format(1000)
            return head:format(body) .. ("x"):rep(body)
        end
        for _, case in ipairs {
            { 4096, false, 4096 }, { 4095, true, 4095 }, { 4097, true, 4097 }, { 4097, true, 4096, 1 },
            { 8192, false, 800, 1600, 1696, 4096 }, { 8192, false, 4096, 4096 },
            { 5096, false, 1000, 4096 }, { 5096, false, 1000, 800, 3296 }, { 5097, true, 1000, 800, 3297 },
            { 6000, true, 3000, 3000 },
        } do
            local bytes = answer_of(case[1])
            answer:begin "POST"
            local at = 1
            for i = 3, #case do
                answer:feed(bytes:sub(at, at + case[i] - 1))
                at = at + case[i]
            end
            assert.equal(#bytes + 1, at)
            assert.equal(200, answer:status())
            assert.equal(case[2], answer:reusable(), table.concat({ unpack(case, 3) }, ", "))
            assert.equal("done", answer:ended())
        end
        answer:begin "POST"
        answer:feed(HELLO)
        assert.is_true(answer:reusable())
    end)

    it("forgets the one before", function()
        answer:feed "garbage"
        answer:begin "DELETE"
        assert.is_nil(answer:status())
        assert.equal("done", answer:feed "HTTP/1.1 204 No Content\r\n\r\n")
        assert.is_true(answer:reusable())
    end)

    it("may be used after it was collected, by whoever still holds it", function()
        local collect = getmetatable(answer).__gc
        answer:feed(HELLO:sub(1, -2))
        collect(answer)
        collect(answer)
        local ok, why = pcall(answer.feed, answer, HELLO)
        assert.is_false(ok)
        assert.truthy(why:find("call begin first", 1, true), why)
        answer:begin "POST"
        assert.same({ "done", 200 }, { answer:feed(HELLO), answer:status() })
        ok, why = pcall(collect, io.stdout)
        assert.is_false(ok)
        assert.truthy(why:find("twilio_sms.core.http1 expected", 1, true), why)
        collect(answer)
    end)

    it("raises for misuse", function()
        local fresh = core.http1()
        for _, case in ipairs {
            { "call begin first", fresh.feed, fresh, HELLO },
            { "call begin first", fresh.ended, fresh },
            { "string expected", answer.feed, answer, 5 },
            { "string expected", answer.feed, answer },
            { "invalid option 'HEAD'", answer.begin, answer, "HEAD" },
            { "string expected", answer.begin, answer },
            { "twilio_sms.core.http1 expected", answer.feed, io.stdout, HELLO },
            { "twilio_sms.core.http1 expected", answer.status, {} },
        } do
            local ok, why = pcall(unpack(case, 2))
            assert.is_false(ok)
            assert.truthy(why:find(case[1], 1, true), why)
        end
        assert.is_nil(fresh:status())
        assert.is_false(fresh:reusable())
    end)
end)

local core = require "twilio_sms.core"
local https = require "twilio_sms.server"

describe("core.poster", function()
    local server, poster, url

    before_each(function()
        server = assert(https.new { tls = false })
        url = ("http://127.0.0.1:%d/"):format(server:port())
        poster = assert(core.poster {})
    end)

    after_each(function()
        poster:close()
        server:close()
    end)

    local function next_request()
        for _ = 1, 2000 do
            poster:step(0)
            server:step(1)
            local request = server:next()
            if request then
                return request
            end
        end
        error "no request came"
    end

    local function result()
        for _ = 1, 2000 do
            server:step(0)
            poster:step(1)
            local id, answer, fault = poster:result()
            if id then
                return id, answer, fault
            end
        end
        error "no result came"
    end

    it("takes a table, and answers with one", function()
        local id = assert(poster:submit {
            url = url .. "a", method = "POST", headers = { { "X-One", "1" }, { "X-Two", "" } }, body = "b\0c",
            connect_timeout_ms = 1000, read_timeout_ms = 1000, total_timeout_ms = 1000, max_body = 1000,
            follow = true,
        })
        assert.equal(1, poster:pending())
        local request = next_request()
        assert.same({ "POST", "/a", "b\0c", "1", "" }, { request:method(), request:path(), request:body(),
            request:header "X-One", request:header "X-Two" })
        request:reply(201, { { "X-Answer", "yes" }, { "x-answer", "no" } }, "d\0e")
        local got, answer, fault = result()
        assert.same({ id, 201, "d\0e", "yes, no" },
            { got, answer.status, answer.body, answer.headers["x-answer"] })
        assert.equal("number", type(answer.duration_ms))
        assert.is_nil(fault)
        assert.equal(0, poster:pending())
        assert.is_nil(poster:result())
    end)

    it("posts nothing, and gets", function()
        poster:submit { url = url }
        local request = next_request()
        assert.same({ "POST", "" }, { request:method(), request:body() })
        request:reply(204, {}, "")
        result()
        poster:submit { url = url, method = "GET" }
        request = next_request()
        assert.equal("GET", request:method())
        request:reply(204, {}, "")
        result()
    end)

    it("names faults", function()
        local id = poster:submit { url = url }
        next_request():drop "close"
        local got, answer, fault = result()
        assert.same({ id, "read" }, { got, fault.fault })
        assert.is_nil(answer)
        assert.same({ "string", "number" }, { type(fault.message), type(fault.duration_ms) })
        server:close()
        server = assert(https.new { tls = false })
        poster:submit { url = url }
        fault = select(3, result())
        assert.equal("connect", fault.fault)
    end)

    it("answers nil and an error for what cannot be sent", function()
        for _, request in ipairs {
            {}, { url = "" }, { url = url .. "\n" }, { url = url, headers = { { "A", "b\r\nC: d" } } },
        } do
            local id, err = poster:submit(request)
            assert.is_nil(id)
            assert.equal("MessageError.InvalidRequest", err.type)
        end
    end)

    it("raises on misuse", function()
        for _, case in ipairs {
            { function() poster:submit() end, "table expected" },
            { function() poster:submit { url = 1 } end, "'url' must be a string, not a number" },
            { function() poster:submit { [1] = 1 } end, "unknown option" },
            { function() poster:submit { uri = "x" } end, "unknown option 'uri'" },
            { function() poster:submit { url = url, method = "PUT" } end, "must be 'GET' or 'POST'" },
            { function() poster:submit { url = url, headers = { "A: b" } } end, "'headers' must be a table" },
            { function() poster:submit { url = url, headers = { { "A" } } } end, "must be a string" },
            { function() poster:submit { url = url, max_body = 0 } end, "whole number from 1" },
            { function() poster:submit { url = url, read_timeout_ms = 1.5 } end, "whole number from 1" },
            { function() poster:submit { url = url, follow = 1 } end, "'follow' must be a boolean" },
            { function() core.poster { ca = "x" } end, "unknown option 'ca'" },
            { function() core.poster() end, "table expected" },
        } do
            local ok, why = pcall(case[1])
            assert.is_false(ok)
            assert.truthy(why:find(case[2], 1, true), why)
        end
        local many = {}
        for i = 1, 65 do
            many[i] = { "A", "b" }
        end
        assert.has_error(function() poster:submit { url = url, headers = many } end, "more than 64 headers")
    end)

    it("can be waited on, together with something else", function()
        assert.equal(-1, poster:timeout_ms())
        assert.is_true(poster:pollfd() >= 0)
        assert.is_true(poster:watch(server:pollfd()))
        poster:submit { url = url }
        assert.is_true(poster:timeout_ms() >= 0)
        local request
        for _ = 1, 100 do
            poster:step(1000)
            server:step(0)
            request = server:next()
            if request then
                break
            end
        end
        request:reply(204, {}, "")
        server:step(0)
        assert.is_true(poster:watch(-1))
        assert.equal(204, select(2, result()).status)
    end)

    it("says so when it is closed", function()
        poster:submit { url = url }
        assert.equal("twilio_sms.core.poster (open)", tostring(poster))
        poster:close()
        poster:close()
        assert.equal("twilio_sms.core.poster (closed)", tostring(poster))
        assert.has_error(function() poster:step(0) end, "the poster is closed")
    end)
end)

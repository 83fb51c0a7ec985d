local answering = require "answering"
local simulator = require "simulator"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local TO = "+15005550010"

local INTERNAL, CONNECTION = "ServerError.InternalError", "NetworkError.ConnectionFailed"
local INVALID, NO_SID = "MessageError.InvalidRequest", "accepted_no_sid"

describe("bad answers", function()
    local BIG = ("x"):rep(10 * 1024 * 1024)
    local JUNK = {}
    for i = 1, 4096 do
        JUNK[i] = string.char(i * 167 % 256)
    end
    JUNK = table.concat(JUNK)

    local function reply(status, body, headers)
        return function(request) request:reply(status, headers, body) end
    end

    local function cut(status, body)
        return function(request) request:drop("cut", status, nil, body) end
    end

    local function raw(bytes)
        return function(request) request:raw(bytes) end
    end

    local function drop(how)
        return function(request) request:drop(how) end
    end

    local ROW = ([[{"sid":"SM00000000000000000000000000000000","to":"%s","from":"%s","body":"x",
        "direction":"outbound-api","status":"queued"}]]):format(TO, simulator.FROM)

    -- Sends a message, or makes another call. The server does `answer` to each request but lists, which have
    -- these rows.
    local function ask(rows, options, answer, call)
        local server = answering.start(function(request)
            if request:path():find("Messages.json", 1, true) and request:method() == "GET" then
                request:reply(200, nil, ('{"messages":[%s],"next_page_uri":null}'):format(rows))
            else
                answer(request)
            end
        end)
        local client = server:client(options)
        call = call or function() return client:send { to = TO, body = "x" } end
        local value, err = server:during(call, client)
        local stats = client:stats()
        client:close()
        server:stop()
        return value, err, stats
    end

    -- What the client is told: the type of the error, whether the message may exist, and some of the text.
    local CASES = {
        { "a 201 of 10 MB", reply(201, BIG), INTERNAL, NO_SID, "cut off" },
        { "a 201 of binary junk", reply(201, JUNK), INTERNAL, NO_SID, "unreadable" },
        { "a 201 of HTML", reply(201, "<html>OK</html>"), INTERNAL, NO_SID, "unreadable" },
        { "a 201 without a body", reply(201, ""), INTERNAL, NO_SID, "unreadable" },
        { "a 201 without a SID", reply(201, '{"status":"queued"}'), INTERNAL, NO_SID, "unreadable" },
        { "a 201 with a SID that is none", reply(201, '{"sid":"../../x"}'), INTERNAL, NO_SID, "unreadable" },
        { "a 201 with a SID that is a number", reply(201, '{"sid":5}'), INTERNAL, NO_SID, "unreadable" },
        { "a 201 nested a million deep", reply(201, ("["):rep(1000000)), INTERNAL, NO_SID, "unreadable" },
        { "half of a 201", cut(201, answering.message()), INTERNAL, NO_SID, "cut off" },
        { "a 201 with a header of 1 MB", raw("HTTP/1.1 201 Created\r\nX: " .. ("x"):rep(1048576)), INTERNAL,
            NO_SID, "cut off" },
        { "a 400 of 10 MB", reply(400, BIG), INVALID, "in_doubt", "HTTP 400" },
        { "a 400 of binary junk", reply(400, JUNK), INVALID, "rejected", "HTTP 400" },
        { "a 400 of HTML", reply(400, "<html><title>No</title>"), INVALID, "rejected", "an HTML page: No" },
        { "half of a 400", cut(400, '{"code":21610,"message":"x"}'), INVALID, "in_doubt", "cut off" },
        { "a 502 of HTML", reply(502, "<html><title>Bad Gateway</title>"), "ServerError.ServiceUnavailable",
            "in_doubt", "Bad Gateway" },
        { "a redirect", reply(302, "", { Location = "https://example.com/" }), INTERNAL, "in_doubt",
            "redirect" },
        { "bytes that are no HTTP", raw(JUNK), CONNECTION, "in_doubt", "HTTP" },
        { "nothing", drop "close", CONNECTION, "in_doubt", "" },
        { "a reset", drop "reset", CONNECTION, "in_doubt", "" },
    }
    for _, case in ipairs(CASES) do
        local what, answer, kind, outcome, text = unpack(case, 1, 5)
        it("to a message are errors that say whether it may exist: " .. what, function()
            local message, err, stats = ask("", { in_doubt = "stop" }, answer)
            assert.is_nil(message)
            assert.same({ kind, outcome }, { err.type, err.outcome })
            assert.truthy(err.message:find(text, 1, true), err.message)
            assert.is_nil(err.message:find "[%c\127]")
            assert.equal(1, stats.requests)
        end)

        if outcome ~= "rejected" then
            it("to a message do not hide that it exists: " .. what, function()
                local message, err, stats = ask(ROW, {}, answer)
                assert.is_nil(err)
                assert.is_true(message.verified)
                assert.equal("SM" .. ("0"):rep(32), message.sid)
                assert.same({ 1, 2 }, { message.attempts, stats.requests })
            end)
        end
    end

    it("to a look are errors, after three of them", function()
        local sid = "SM" .. ("0"):rep(32)
        for _, case in ipairs {
            { reply(200, BIG), INTERNAL }, { reply(200, JUNK), INTERNAL }, { reply(200, "[]"), INTERNAL },
            { reply(200, "null"), INTERNAL }, { reply(200, '{"sid":null}'), INTERNAL },
            { raw(JUNK), CONNECTION },
        } do
            local message, err, stats = ask("", {}, case[1], function(client) return client:get(sid) end)
            assert.is_nil(message)
            assert.same({ case[2], 3, 3 }, { err.type, err.attempts, stats.requests })
        end
    end)

    it("to a list are errors", function()
        for _, body in ipairs {
            "", "{}", "[]", '{"messages":5}', '{"messages":[5]}', '{"messages":{}}',
            '{"messages":[{"sid":"x"}]}',
        } do
            local server = answering.start(reply(200, body))
            local client = server:client()
            local rows, err = server:during(client.list, client)
            assert.is_nil(rows, body)
            assert.equal(INTERNAL, err.type)
            client:close()
            server:stop()
        end
    end)

    it("to a list may name a next page elsewhere, where the credentials never go", function()
        local other = answering.start(reply(200, "{}"))
        local server
        server = answering.start(reply(200, ('{"messages":[%s],"next_page_uri":"%s/x"}'):format(
            answering.message(), other.url)))
        local client = server:client()
        local rows, err = server:during(client.list, client)
        assert.is_nil(rows)
        assert.same({ "MessageError.InvalidRequest", "not_sent" }, { err.type, err.outcome })
        assert.same({ 1, 0 }, { server.count, other.count })
        client:close()
        server:stop()
        other:stop()
    end)
end)

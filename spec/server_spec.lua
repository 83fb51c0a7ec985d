local curl = require "curl_peer"
local https = require "twilio_sms.server"

describe("twilio_sms.server", function()
    local ca_file, server

    before_each(function()
        ca_file = os.tmpname()
        server = assert(https.new { ca_file = ca_file })
    end)

    after_each(function()
        server:close()
        os.remove(ca_file)
    end)

    it("shows a request and sends the answer", function()
        local peer = curl.start(server, "/a%20b?x=1&y", "-H", "X-Two: 1", "-H", "X-two: 2",
            "--data-binary", "a=b\nc")
        local request = curl.request(server)
        assert.equal("POST", request:method())
        assert.equal("/a%20b?x=1&y", request:target())
        assert.equal("/a%20b", request:path())
        assert.equal("x=1&y", request:query())
        assert.equal("a=b\nc", request:body())
        assert.equal("1", request:header "X-TWO")
        assert.is_nil(request:header "X-Three")
        assert.equal("1, 2", request:headers()["x-two"])
        assert.equal("localhost:" .. ("%d"):format(server:port()), request:headers().host)
        assert.truthy(request:peer():match "^127%.0%.0%.1:%d+$" or request:peer():match "^%[::1%]:%d+$")
        assert.equal(1, request:connection())
        assert.equal("twilio_sms.server.request (open)", tostring(request))
        request:reply(201, { ["Content-Type"] = "text/plain" }, "done")
        assert.equal("twilio_sms.server.request (answered)", tostring(request))
        local got = curl.finish(server, peer)
        assert.equal(201, got.status)
        assert.equal("done", got.body)
        assert.truthy(got.head:find("\r\nContent-Type: text/plain\r\n", 1, true))
    end)

    it("keeps headers that are a list in order", function()
        local peer = curl.start(server, "/")
        curl.request(server):reply(200, { { "X-A", "1" }, { "X-A", "2" } })
        local got = curl.finish(server, peer)
        assert.truthy(got.head:find("\r\nX-A: 1\r\nX-A: 2\r\n", 1, true))
        assert.equal("", got.body)
    end)

    it("puts a body together from pieces", function()
        local peer = curl.start(server, "/")
        curl.request(server):reply(200, nil, { "a", "", "b\0c", ("d"):rep(20000) })
        local got = curl.finish(server, peer)
        assert.equal("ab\0c" .. ("d"):rep(20000), got.body)
        peer = curl.start(server, "/")
        curl.request(server):drop("cut", 200, nil, { "ab", "cd" })
        assert.equal("ab", curl.finish(server, peer).body)
    end)

    it("has a query that is nil when there is none", function()
        local peer = curl.start(server, "/")
        local request = curl.request(server)
        assert.is_nil(request:query())
        assert.equal("", request:body())
        request:reply(204)
        assert.equal(204, curl.finish(server, peer).status)
    end)

    -- The numbers are those of curl's manual, section EXIT CODES.
    for how, exit in pairs { reset = 56, close = 52 } do
        it("drops with a " .. how, function()
            local peer = curl.start(server, "/")
            curl.request(server):drop(how)
            local got = curl.finish(server, peer)
            assert.same({ 0, exit }, { got.status, got.exit })
        end)
    end

    it("cuts an answer in half", function()
        local peer = curl.start(server, "/")
        curl.request(server):drop("cut", 201, { ["X-A"] = "1" }, "0123456789")
        local got = curl.finish(server, peer)
        assert.same({ 201, 18 }, { got.status, got.exit })
        assert.equal("01234", got.body)
        assert.truthy(got.head:find("\r\nContent-Length: 10\r\n", 1, true))
    end)

    it("sends raw bytes", function()
        local peer = curl.start(server, "/")
        curl.request(server):raw "not HTTP at all\r\n\r\n"
        assert.equal(1, curl.finish(server, peer).exit)
    end)

    it("serves without TLS on loopback", function()
        local plain = assert(https.new { tls = false })
        local peer = curl.start(plain, "/")
        curl.request(plain):reply(200, nil, "plain")
        assert.equal("plain", curl.finish(plain, peer).body)
        plain:close()
    end)

    it("answers an error that can be read when it cannot start", function()
        local again, err = https.new { ca_file = ca_file, port = server:port() }
        assert.is_nil(again)
        assert.equal("NetworkError.ConnectionFailed", err.type)
        local cause
        again, cause = https.new { ca_file = "/nowhere/ca.pem" }
        assert.is_nil(again)
        assert.equal("ConfigurationError.InvalidOption", cause.type)
        assert.truthy(tostring(cause):find("ConfigurationError.InvalidOption: ca_file", 1, true))
    end)

    it("raises on misuse", function()
        local function message(...)
            local ok, why = pcall(...)
            assert.is_false(ok)
            return why
        end
        assert.truthy(message(https.new):find("table expected", 1, true))
        assert.truthy(message(https.new, { porrt = 1 }):find("unknown option 'porrt'", 1, true))
        assert.truthy(message(https.new, { 1 }):find("unknown option", 1, true))
        assert.truthy(message(https.new, { host = 1 }):find("'host' must be a string, not a number", 1, true))
        assert.truthy(message(https.new, { tls = 1 }):find("'tls' must be a boolean, not a number", 1, true))
        assert.truthy(message(https.new, { port = 1.5 }):find("'port' must be a whole number", 1, true))
        assert.truthy(message(https.new, { port = 0 / 0 }):find("'port' must be a whole number", 1, true))
        assert.truthy(message(https.new, { host = "a\0b" }):find("zero byte", 1, true))
        assert.truthy(message(server.step, server, "soon"):find("number expected", 1, true))

        local peer = curl.start(server, "/")
        local request = curl.request(server)
        for _, arguments in ipairs {
            { 99 }, { "x" }, { 200, "x" }, { 200, { { "a" } } }, { 200, { "a" } }, { 200, { a = 1 } },
            { 200, { [true] = "1" } }, { 200, { ["a b"] = "1" } }, { 200, { a = "1\r\nb: 2" } },
            { 200, { ["Content-Length"] = "1" } }, { 200, nil, 5 }, { 200, nil, { "a", 1 } },
        } do
            message(request.reply, request, arguments[1], arguments[2], arguments[3])
        end
        local many = {}
        for i = 1, 65 do
            many[i] = { "a", "b" }
        end
        assert.truthy(message(request.reply, request, 200, many):find("too many headers", 1, true))
        message(request.drop, request, "gently")
        message(request.drop, request)
        message(request.raw, request)
        request:reply(200)
        assert.equal(200, curl.finish(server, peer).status)
        assert.truthy(message(request.reply, request, 200):find("answered before", 1, true))
        assert.truthy(message(request.body, request):find("answered before", 1, true))
        assert.truthy(message(server.next, request):find("twilio_sms.server", 1, true))
    end)

    it("can be closed twice, and not used afterwards", function()
        server:close()
        server:close()
        assert.equal("twilio_sms.server (closed)", tostring(server))
        for _, method in ipairs { "step", "next", "port", "ca_file", "stop", "connections", "pollfd",
            "timeout", "events" } do
            local ok, why = pcall(server[method], server, 0)
            assert.is_false(ok)
            assert.truthy(why:find("closed", 1, true))
        end
    end)

    it("lets a request outlive its server", function()
        local peer = curl.start(server, "/")
        local request = curl.request(server)
        server:close()
        peer:close()
        assert.equal("GET", request:method())
        request:reply(200, nil, "nobody")
    end)

    it("closes the connection of a request that was forgotten", function()
        local peer = curl.start(server, "/")
        curl.request(server)
        collectgarbage()
        collectgarbage()
        local got = curl.finish(server, peer)
        assert.same({ 0, 52 }, { got.status, got.exit })
    end)

    it("stays alive as long as one of its requests", function()
        local seen = setmetatable({}, { __mode = "v" })
        local function begin()
            seen[1] = assert(https.new { tls = false })
            local peer = curl.start(seen[1], "/")
            return curl.request(seen[1]), peer
        end
        local request, peer = begin()
        collectgarbage()
        collectgarbage()
        assert.truthy(seen[1])
        request:reply(200)
        assert.equal(200, curl.finish(seen[1], peer).status)
        request = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.is_nil(seen[1])
    end)

    it("stops when what was begun is done", function()
        local peer = curl.start(server, "/")
        local request = curl.request(server)
        server:stop()
        assert.equal(1, server:connections())
        request:reply(200, nil, "last")
        local got = curl.finish(server, peer)
        assert.equal("last", got.body)
        assert.truthy(got.head:find("\r\nConnection: close\r\n", 1, true))
        assert.equal(0, server:connections())
    end)

    it("can be waited on by other loops", function()
        assert.equal("r", server:events())
        assert.truthy(server:pollfd() >= 0)
        assert.is_nil(server:timeout())
        local peer = curl.start(server, "/")
        local request = curl.request(server)
        assert.is_nil(server:timeout())
        request:reply(200)
        assert.truthy(server:timeout() <= 15)
        curl.finish(server, peer)
    end)
end)

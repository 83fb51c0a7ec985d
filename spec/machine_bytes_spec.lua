local answering = require "answering"
local core = require "twilio_sms.core"
local sms = require "twilio_sms"
local virtual_transport = require "virtual_transport"

local TO = "+15005550010"
local START_MS = 1700000000000
local MESSAGES = "/2010-04-01/Accounts/AC" .. ("0"):rep(32) .. "/Messages.json"

local accepted = virtual_transport.accepted
local unpack = table.unpack or unpack -- luacheck: ignore 113

-- What a server sees of a request.
local function head_of(bytes)
    local head, body = bytes:match "^(.-)\r\n\r\n(.*)$"
    local line, rest = (head .. "\r\n"):match "^(.-)\r\n(.*)$"
    local headers = {}
    for name, value in rest:gmatch "([^\r\n:]+): ([^\r\n]*)\r\n" do
        headers[name:lower()] = value
    end
    return line, headers, body
end

describe("a machine for sockets", function()
    local machine

    local function open(changes)
        machine = assert(core.machine(virtual_transport.options(changes)))
        machine:at(1000, START_MS)
        return machine
    end

    before_each(function()
        open()
    end)

    after_each(function()
        machine:close()
    end)

    local function send()
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        return id, select(2, machine:next_bytes())
    end

    -- An answer that has read these bytes.
    local function answer_of(bytes, method)
        local answer = core.http1()
        answer:begin(method or "POST")
        answer:feed(bytes)
        return answer
    end

    local function http(status, body, more)
        return ("HTTP/1.1 %d \r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, more or "", body)
    end

    it("hands out a request as it goes over the wire", function()
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        local taken, bytes, method, timeout_ms = machine:next_bytes()
        assert.same({ id, "POST", 15000 }, { taken, method, timeout_ms })
        assert.equal(0, select("#", machine:next_bytes()))
        local line, headers, body = head_of(bytes)
        assert.equal("POST " .. MESSAGES .. " HTTP/1.1", line)
        assert.equal("api.twilio.com", headers.host)
        assert.equal("To=%2B15005550010&From=%2B15005550006&Body=Hello", body)
        assert.equal(tostring(#body), headers["content-length"])
        assert.is_true(machine:finish(id, answer_of(http(201, accepted(1).body))))
        assert.equal("queued", select(2, machine:result()).status)
    end)

    it("hands it out in pieces for those who want that", function()
        send()
        local whole = select(2, send())
        assert(machine:submit("send", { to = TO, body = "Hello" }))
        local _, pieces = machine:next_bytes(true)
        assert.equal(whole, table.concat(pieces))
        assert.same({ "To=", "%2B15005550010", "&From=", "%2B15005550006", "&Body=", "Hello" },
            { unpack(pieces, 2) })
        assert(machine:submit("delete", { sid = ("SM%032d"):format(1) }))
        local _, request, method = machine:next_bytes(true)
        assert.equal("DELETE", method)
        assert.equal(1, #request)
    end)

    -- What libcurl sends, and what a socket would send, for the same.
    local function compare(operation, fields, path)
        local seen
        local server = answering.start(function(request)
            seen = {
                line = ("%s %s HTTP/1.1"):format(request:method(), request:target()),
                headers = request:headers(), body = request:body() or "",
            }
            request:reply(404, nil, "")
        end)
        local options = virtual_transport.options { base_url = server.url .. path, ca_file = server.ca_file }
        local client = assert(core.client(options))
        assert(client:submit(operation, fields))
        server:during(function()
            while not client:result() do
                client:step(0)
                sms.loop.sleep(1)
            end
        end)
        client:close()
        machine:close()
        machine = assert(core.machine(options))
        server:stop()
        assert(machine:submit(operation, fields))
        local line, headers, body = head_of(select(2, machine:next_bytes()))
        assert.same({ line = line, headers = headers, body = body }, seen)
    end

    it("sends what libcurl sends", function()
        compare("send", { to = TO, body = "Grüße & more" }, "")
        compare("send", { to = TO, body = "Hello" }, "/some/path/")
        compare("fetch", { sid = ("SM%032d"):format(1) }, "/some/path")
        compare("list", { to = TO, page_size = 7 }, "")
        compare("delete", { sid = ("SM%032d"):format(1) }, "")
    end)

    it("shows who it is by the API key, if there is one", function()
        local function authorization()
            return select(2, head_of(select(2, send()))).authorization
        end
        assert.equal("Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4"
            .. "OWFiY2RlZg==", authorization())
        open { api_key = "SK" .. ("0"):rep(31) .. "1", api_secret = "0123456789abcdefghijklmnopqrstuv" }
        assert.equal("Basic U0swMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTowMTIzNDU2Nzg5YWJjZGVmZ2hpamtsbW5v"
            .. "cHFyc3R1dg==", authorization())
    end)

    it("says where to connect to", function()
        assert.same({
            host = "api.twilio.com", port = 443, connect_timeout_ms = 5000, max_concurrency = 256,
            http_version = "1.1",
        }, machine:transport_options())
        open {
            base_url = "https://[::1]:8443/path", connect_timeout_ms = 700, max_concurrency = 3,
            http_version = "auto", ca_file = "/etc/hosts", proxy = "http://127.0.0.1:3128",
        }
        assert.same({
            host = "::1", port = 8443, connect_timeout_ms = 700, max_concurrency = 3, http_version = "auto",
            ca_file = "/etc/hosts", proxy = "http://127.0.0.1:3128",
        }, machine:transport_options())
        local line, headers = head_of(select(2, send()))
        assert.same({ "POST /path" .. MESSAGES .. " HTTP/1.1", "[::1]:8443" }, { line, headers.host })
        open { edge = "dublin", region = "ie1" }
        assert.equal("api.dublin.ie1.twilio.com", machine:transport_options().host)
    end)

    it("reads the headers that matter", function()
        open { retry = { rate_limit = { attempts = 1 } } }
        local id = send()
        machine:finish(id, answer_of(http(429, '{"code":20429,"message":"Too many requests"}',
            "X-Other: 1\r\nretry-after: 7\r\nTWILIO-REQUEST-ID: RQ1\r\n")))
        local err = select(3, machine:result())
        assert.same({ "throttled", 7000, "RQ1", 429 },
            { err.outcome, err.retry_after_ms, err.request_id, err.http_status })
    end)

    local CREATED = "HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n"

    -- What the server sends before it closes the connection; and what that comes to.
    local ENDS = {
        { "", "in_doubt", "ConnectionFailed", "without an answer" },
        { "HTTP/1.1 20", "in_doubt", "ConnectionFailed", "before its answer began" },
        { "HTTP/1.1 100 Continue\r\n\r\n", "in_doubt", "ConnectionFailed", "before its answer began" },
        { "nonsense", "in_doubt", "ConnectionFailed", "not HTTP/1.1" },
        { "HTTP/1.1 201 Created\r\nDate", "accepted_no_sid", "InternalError", "cut off" },
        { CREATED .. '{"sid"', "accepted_no_sid", "InternalError", "cut off" },
        { "HTTP/1.1 201 Created\r\nContent-Length: 1, 2\r\n\r\n", "accepted_no_sid", "InternalError",
            "cut off" },
        { "HTTP/1.1 400 \r\nContent-Length: 9\r\n\r\n{", "in_doubt", "InvalidRequest", "" },
        { http(400, "{}"), "rejected", "InvalidRequest", "" },
        { "HTTP/1.1 400 \r\n\r\n{}", "rejected", "InvalidRequest", "" },
        { http(503, ""), "in_doubt", "ServiceUnavailable", "" },
    }

    it("says by itself what is wrong with an answer", function()
        for _, case in ipairs(ENDS) do
            open { in_doubt = "stop" }
            local id = send()
            local answer = answer_of(case[1])
            answer:ended()
            assert.is_true(machine:finish(id, answer))
            local _, _, err = machine:result()
            assert.same({ case[2], case[3] }, { err.outcome, err.kind })
            assert.truthy(tostring(err):find(case[4], 1, true), tostring(err))
        end
    end)

    it("takes a whole record for proof, even when it was cut off behind it", function()
        local id = send()
        machine:finish(id, answer_of(CREATED .. accepted(3).body), "Timeout", "no answer in time")
        assert.equal(("SM%032d"):format(3), select(2, machine:result()).sid)
    end)

    it("takes a fault from outside, which knows more", function()
        for _, case in ipairs {
            { "", "in_doubt", "Timeout", "no answer in time" },
            { "HTTP/1.1 201 Created\r\n", "accepted_no_sid", "InternalError", "cut off" },
            { "HTTP/1.1 400 \r\nContent-Length: 9\r\n\r\n", "in_doubt", "InvalidRequest", "" },
            { http(400, "{}"), "rejected", "InvalidRequest", "" },
        } do
            open { in_doubt = "stop" }
            local id = send()
            assert.is_true(machine:finish(id, answer_of(case[1]), "Timeout", "no answer in time"))
            local _, _, err = machine:result()
            assert.same({ case[2], case[3] }, { err.outcome, err.kind })
            assert.truthy(tostring(err):find(case[4], 1, true), tostring(err))
        end
        open { in_doubt = "stop" }
        local id = send()
        machine:finish(id, answer_of "", "NetworkError.Timeout")
        assert.equal("Timeout", select(3, machine:result()).kind)
    end)

    it("uses an answer up, so that it cannot be taken for another's", function()
        local first, second = send(), send()
        local answer = answer_of(http(201, accepted(1).body))
        assert.is_true(machine:finish(first, answer))
        assert.same({ true, 201 }, { answer:reusable(), answer:status() })
        local ok, why = pcall(machine.finish, machine, second, answer)
        assert.is_false(ok)
        assert.matches("call begin first", why)
        answer:begin "POST"
        answer:feed(http(201, accepted(2).body))
        assert.is_true(machine:finish(second, answer))
        assert.equal(("SM%032d"):format(1), select(2, machine:result()).sid)
        assert.equal(("SM%032d"):format(2), select(2, machine:result()).sid)
        answer:begin "POST"
        answer:feed(http(204, ""))
        assert.is_false(machine:finish(second, answer))
    end)

    it("raises for answers that are none, and the request stays on the wire", function()
        local id = send()
        for _, case in ipairs {
            { "not over", answer_of "HTTP/1.1 201 Created\r\n" },
            { "no kind of error", answer_of(http(201, "")), "Weather" },
            { "string expected", answer_of(http(201, "")), 5 },
            { "string expected", answer_of(http(201, "")), "Timeout", {} },
            { "call begin first", core.http1() },
            { "twilio_sms.core.http1 expected", io.stdout },
            { "table expected", "answer" },
        } do
            local ok, why = pcall(machine.finish, machine, id, unpack(case, 2))
            assert.is_false(ok)
            assert.truthy(why:find(case[1], 1, true), why)
        end
        assert.is_true(machine:finish(id, accepted(1)))
    end)

    it("shows a tap all of it", function()
        machine:set_tap(true)
        local id = send()
        local date, body = "Tue, 14 Nov 2023 22:13:20 GMT", accepted(1).body
        machine:finish(id, answer_of(http(201, body, "Date: " .. date .. "\r\n")))
        local seen = machine:tap()
        assert.same({ true, 201, true, body, { { "Date", date } } },
            { seen.sent, seen.status, seen.complete, seen.body, seen.headers })
    end)
end)

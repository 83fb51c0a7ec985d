local core = require "twilio_sms.core"
local virtual_transport = require "virtual_transport"

local TO = "+15005550010"
local START_MS = 1700000000000
local MESSAGES = "/2010-04-01/Accounts/AC" .. ("0"):rep(32) .. "/Messages.json"

local accepted = virtual_transport.accepted

describe("a machine", function()
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

    local function wait(ms)
        local now_ms = machine:now_ms() + ms
        machine:at(now_ms, START_MS + now_ms - 1000)
    end

    it("hands out a request, and takes what it came to", function()
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        assert.same({ id, "POST", MESSAGES, "To=%2B15005550010&From=%2B15005550006&Body=Hello", 15000 },
            { machine:next() })
        assert.is_nil(machine:next())
        assert.equal(0, machine:news())
        assert.is_nil(machine:result())
        wait(80)
        assert.is_true(machine:finish(id, accepted(1)))
        assert.equal(1, machine:news())
        local done, message = machine:result()
        assert.same({ id, accepted(1).body:match "SM%d+", "queued", 1, "accepted" },
            { done, message.sid, message.status, message.attempts, message.outcome })
        assert.equal(0, machine:news())
    end)

    it("takes a form apart for those who want that", function()
        local message = {
            to = TO, body = "", media = { "https://a.test/?b=1&c=%20", "https://a.test/2" },
            send_at = START_MS / 1000 + 3600, messaging_service_sid = "MG" .. ("a"):rep(32),
        }
        assert(machine:submit("send", message))
        local _, _, _, form = machine:next()
        assert(machine:submit("send", message))
        local _, _, _, list = machine:next(true)
        assert.same(core.form_decode(form, true), list)
        assert.same("https://a.test/?b=1&c=%20", list[6])
        assert(machine:submit("delete", { sid = ("SM%032d"):format(1) }))
        assert.equal("", (select(4, machine:next(true))))
    end)

    it("asks for other things with GET and DELETE, without a form", function()
        local sid = ("SM%032d"):format(1)
        assert(machine:submit("fetch", { sid = sid, timeout_ms = 700 }))
        local path = ("%s/%s.json"):format(MESSAGES:match "^(.*)%.json$", sid)
        assert.same({ "GET", path, "", 700 }, { select(2, machine:next()) })
        assert(machine:submit("delete", { sid = sid }))
        local id, method, _, form = machine:next()
        assert.same({ "DELETE", "" }, { method, form })
        assert.is_true(machine:finish(id, { status = 204 }))
        assert.same({ id, true }, { machine:result() })
    end)

    it("answers nothing when no request must leave", function()
        assert.equal(0, select("#", machine:next()))
        assert.equal(0, select("#", machine:due_ms()))
    end)

    it("knows when it wants to be asked again", function()
        open { rate = { per_second = 0, per_number = 1 } }
        for _ = 1, 2 do
            assert(machine:submit("send", { to = TO, body = "Hello" }))
        end
        assert.equal(1000, machine:due_ms())
        assert.truthy(machine:next())
        assert.is_nil(machine:next())
        assert.equal(2000, machine:due_ms())
        wait(999)
        assert.is_nil(machine:next())
        wait(1)
        assert.truthy(machine:next())
        assert.is_nil(machine:due_ms())
    end)

    it("looks for a message in doubt, after its pause", function()
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        machine:next()
        assert.is_true(machine:finish(id, { sent = true, fault = "ConnectionFailed", message = "reset" }))
        assert.is_nil(machine:next())
        wait(machine:due_ms() - machine:now_ms())
        local again, method, path, form = machine:next()
        assert.same({ id, "GET", "" }, { again, method, form })
        assert.truthy(path:find(MESSAGES .. "?To=%2B15005550010", 1, true))
        local row = '{"sid":"%s","to":"%s","from":"%s","body":"Hello","direction":"outbound-api",'
            .. '"num_media":"0","status":"sent","date_created":"Tue, 14 Nov 2023 22:13:20 +0000"}'
        row = row:format(("SM%032d"):format(7), TO, "+15005550006")
        assert.is_true(machine:finish(id, {
            status = 200, body = { '{"messages":[', row, ']}' },
            headers = { { "Date", "Tue, 14 Nov 2023 22:13:21 GMT" } },
        }))
        local _, message = machine:result()
        assert.same({ ("SM%032d"):format(7), true }, { message.sid, message.verified })
    end)

    it("sends again what was never sent", function()
        open { retry = { connection = { base_ms = 100 } } }
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        machine:next()
        machine:finish(id, { sent = false, fault = "DnsResolutionFailed", message = "no such host" })
        wait(100)
        local again, method = machine:next()
        assert.same({ id, "POST" }, { again, method })
    end)

    it("reads the headers that matter, whatever their case, and no others", function()
        open { retry = { rate_limit = { attempts = 1 } } }
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        machine:next()
        machine:finish(id, {
            status = 429, body = '{"code":20429,"message":"Too many requests"}',
            headers = { { "X-Other", "1" }, { "retry-after", "7" }, { "TWILIO-REQUEST-ID", "RQ1" } },
        })
        local _, message, err = machine:result()
        assert.is_nil(message)
        assert.same({ "throttled", 7000, "RQ1", 429 },
            { err.outcome, err.retry_after_ms, err.request_id, err.http_status })
    end)

    it("takes an answer for proof that the request was sent", function()
        for _, transfer in ipairs { { status = 201, sent = false }, { status = 201, fault = "Timeout" } } do
            open { in_doubt = "stop" }
            local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
            machine:next()
            assert.is_true(machine:finish(id, transfer))
            local _, _, err = machine:result()
            assert.equal("accepted_no_sid", err.outcome)
        end
    end)

    it("takes an answer for complete unless a fault or the transport says otherwise", function()
        for _, case in ipairs {
            { { status = 400 }, "rejected" },
            { { status = 400, complete = false }, "in_doubt" },
            { { status = 400, fault = "ConnectionFailed" }, "in_doubt" },
            { { status = 400, fault = "ConnectionFailed", complete = true }, "rejected" },
        } do
            open { in_doubt = "stop" }
            local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
            machine:next()
            machine:finish(id, case[1])
            assert.equal(case[2], select(3, machine:result()).outcome)
        end
    end)

    it("says when an id is not on the wire", function()
        local transfer = { sent = false, fault = "Timeout" }
        assert.is_false(machine:finish(0, transfer))
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        assert.is_false(machine:finish(id, transfer))
        machine:next()
        assert.is_true(machine:finish(id, accepted(1)))
        assert.is_false(machine:finish(id, accepted(1)))
        assert.equal(1, machine:news())
    end)

    it("asks checks like any other client", function()
        machine:set_checks(true)
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        assert.is_nil(machine:next())
        assert.equal(1, machine:news())
        local asked, question = machine:check()
        assert.same({ id, TO }, { asked, question.to })
        assert.is_true(machine:answer(id, "defer", "later", 500))
        assert.equal(1500, machine:due_ms())
        wait(500)
        assert.is_nil(machine:next())
        machine:check()
        machine:answer(id, "deny", "opted_out")
        assert.equal("MessageError.OptedOut", select(3, machine:result()).type)
    end)

    it("cancels, tells events and counts at its own moment", function()
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        wait(250)
        assert.is_true(machine:cancel(id))
        local seen = {}
        local event = machine:event()
        while event do
            seen[#seen + 1] = event.type .. " " .. event.at_ms
            event = machine:event()
        end
        assert.equal("done " .. START_MS + 250, seen[#seen])
        assert.equal(1, machine:stats().submitted)
    end)

    it("does the same with the same seed", function()
        local function run(seed)
            open { seed = seed, retry = { unavailable = { base_ms = 1000 } } }
            local due = {}
            for _ = 1, 5 do
                local id = assert(machine:submit("fetch", { sid = ("SM%032d"):format(1) }))
                machine:next()
                machine:finish(id, { status = 503, body = "" })
                due[#due + 1] = machine:due_ms()
            end
            machine:close()
            return table.concat(due, " ")
        end
        local first = run(7)
        assert.equal(first, run(7))
        assert.not_equal(first, run(8))
        open()
    end)

    it("knows where its requests go", function()
        assert.equal("https://api.twilio.com", machine:origin())
        open { base_url = "https://localhost:8443" }
        assert.equal("https://localhost:8443", machine:origin())
    end)

    it("never goes back in time, but lets the wall clock jump", function()
        assert.equal(1000, machine:now_ms())
        machine:at(1000, START_MS - 3600000)
        machine:at(1001, 0)
        assert.has_error(function() machine:at(1000, START_MS) end)
        assert.has_error(function() machine:at(1001.5, START_MS) end)
        assert.has_error(function() machine:at(0 / 0, START_MS) end)
        assert.has_error(function() machine:at(2000) end)
        assert.has_error(function() machine:at(2000, -1) end)
        assert.equal(1001, machine:now_ms())
    end)

    it("answers errors of options and requests", function()
        local none, err = core.machine { account_sid = "nonsense" }
        assert.is_nil(none)
        assert.equal("InvalidAccountSid", err.kind)
        none, err = machine:submit("send", { to = "nobody", body = "Hello" })
        assert.is_nil(none)
        assert.equal("not_sent", err.outcome)
    end)

    it("raises for transfers that are none, and the request stays on the wire", function()
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        machine:next()
        for _, case in ipairs {
            { {}, "sent must be" },
            { { sent = 1 }, "sent must be a boolean" },
            { { sent = true, fault = "Weather" }, "'Weather' is no kind of error" },
            { { sent = true, fault = 5 }, "fault must be a string" },
            { { sent = true, message = {} }, "message must be a string" },
            { { status = 20 }, "from 100 to 999" },
            { { status = 200.5 }, "from 100 to 999" },
            { { status = 0 / 0 }, "from 100 to 999" },
            { { status = "200" }, "status must be a number" },
            { { status = 200, complete = 1 }, "complete must be a boolean" },
            { { status = 200, headers = "Date" }, "headers must be a table" },
            { { status = 200, headers = { "Date" } }, "list of { name, value }" },
            { { status = 200, headers = { { "Date" } } }, "list of { name, value }" },
            { { status = 200, body = 5 }, "string or a list of strings" },
            { { status = 200, body = { "a", {} } }, "string or a list of strings" },
        } do
            local ok, why = pcall(machine.finish, machine, id, case[1])
            assert.is_false(ok)
            assert.truthy(why:find(case[2], 1, true), why)
        end
        assert.has_error(function() machine:finish(id) end)
        assert.has_error(function() machine:finish("x", { sent = true }) end)
        assert.is_true(machine:finish(id, accepted(1)))
    end)

    it("has no driver, and the other kind of client needs none", function()
        for _, name in ipairs { "step", "start", "pollfd", "timeout_ms" } do
            local ok, why = pcall(machine[name], machine, 0)
            assert.is_false(ok)
            assert.matches("has no driver", why)
        end
        local client = assert(core.client(virtual_transport.options { base_url = "https://127.0.0.1:1" }))
        for _, name in ipairs {
            "at", "next", "next_bytes", "finish", "due_ms", "news", "origin", "transport_options",
        } do
            local ok, why = pcall(client[name], client, 1, { sent = true })
            assert.is_false(ok)
            assert.matches("has a driver of its own", why)
        end
        assert.truthy(math.abs(client:now_ms() - core.now_ms()) < 60000)
        client:close()
    end)

    it("asks no metamethods of a transfer, which could take its ground away", function()
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        machine:next()
        local answer = accepted(1)
        assert.has_error(function()
            machine:finish(id, setmetatable({}, {
                __index = function(_, name)
                    machine:close()
                    return answer[name]
                end,
            }))
        end, "transfer.sent must be true or false where there is no status")
        assert.is_true(machine:finish(id, answer))
    end)

    it("raises when it is closed", function()
        machine:close()
        for _, name in ipairs {
            "at", "next", "next_bytes", "finish", "due_ms", "news", "origin", "transport_options",
            "now_ms", "tap", "set_tap",
        } do
            local ok, why = pcall(machine[name], machine)
            assert.is_false(ok)
            assert.matches("the client is closed", why)
        end
    end)
end)

describe("a tap", function()
    local machine

    before_each(function()
        machine = assert(core.machine(virtual_transport.options()))
        machine:at(1000, START_MS)
    end)

    after_each(function()
        machine:close()
    end)

    local function exchange(transfer)
        local id = assert(machine:submit("send", { to = TO, body = "Hello" }))
        machine:next()
        machine:at(machine:now_ms() + 80, START_MS)
        machine:finish(id, transfer)
        return id
    end

    it("keeps nothing until it is on", function()
        exchange(accepted(1))
        assert.equal(0, select("#", machine:tap()))
        machine:set_tap(true)
        exchange(accepted(2))
        assert.truthy(machine:tap())
        assert.is_nil(machine:tap())
        exchange(accepted(3))
        machine:set_tap(false)
        machine:set_tap(true)
        assert.is_nil(machine:tap())
    end)

    it("tells all of a request and its answer", function()
        machine:set_tap(true)
        local answer = accepted(1)
        answer.headers = {
            { "Twilio-Request-Id", "RQ1" }, { "X-Other", "x" }, { "date", "Tue, 14 Nov 2023 22:13:20 GMT" },
            { "Retry-After", "" },
        }
        local id = exchange(answer)
        assert.same({
            call_id = id, operation = "send", lookup = false, method = "POST",
            origin = "https://api.twilio.com", path = MESSAGES,
            form = "To=%2B15005550010&From=%2B15005550006&Body=Hello",
            sent = true, status = 201, complete = true, body = answer.body,
            headers = {
                { "Date", "Tue, 14 Nov 2023 22:13:20 GMT" }, { "Retry-After", "" },
                { "Twilio-Request-Id", "RQ1" },
            },
            started_ms = 1000, ended_ms = 1080,
        }, machine:tap())
    end)

    it("tells faults, and which requests look for a message", function()
        machine:set_tap(true)
        local id = exchange { sent = true, fault = "Timeout", message = "no answer" }
        local fault = machine:tap()
        assert.same({ true, "Timeout", "no answer", false, "" },
            { fault.sent, fault.fault, fault.message, fault.complete, fault.body })
        assert.is_nil(fault.status)
        machine:at(machine:due_ms(), START_MS)
        machine:next()
        machine:finish(id, { status = 200, body = '{"messages":[]}' })
        local look = machine:tap()
        assert.same({ id, "send", true, "GET", "" },
            { look.call_id, look.operation, look.lookup, look.method, look.form })
    end)

    it("works for libcurl's client too", function()
        local client = assert(core.client(virtual_transport.options {
            base_url = "https://127.0.0.1:1", retry = { connection = { attempts = 1 } },
        }))
        client:set_tap(true)
        assert(client:submit("send", { to = TO, body = "Hello" }))
        while not client:result() do
            client:step(1000)
        end
        local seen = client:tap()
        assert.same({ "https://127.0.0.1:1", false, "ConnectionFailed" },
            { seen.origin, seen.sent, seen.fault })
        client:close()
    end)
end)

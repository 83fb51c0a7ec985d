local answering = require "answering"
local core = require "twilio_sms.core"
local simulator = require "simulator"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local NO_SUCH = "SM" .. ("f"):rep(32)

describe("a client", function()
    local sim, client, to
    local recipients = 0

    setup(function()
        sim = simulator.start [[
            send_ms = 20, deliver_ms = 20,
            script = {
                { on = "list", to = "+15005559999", times = 2, action = "status", status = 503 },
            },
        ]]
    end)

    teardown(function()
        sim:stop()
    end)

    -- Each test writes to a person of its own.
    before_each(function()
        recipients = recipients + 1
        to = ("+1500555%04d"):format(1000 + recipients)
        client = sim:client()
    end)

    after_each(function()
        client:close()
    end)

    local function send(fields)
        local message = { to = to, body = "x" }
        for name, value in pairs(fields or {}) do
            message[name] = value
        end
        return assert(client:send(message))
    end

    local function expect_404(message, err)
        assert.is_nil(message)
        assert.same({ "MessageError.InvalidRequest", 20404, 404, "rejected", 1 },
            { err.type, err.code, err.http_status, err.outcome, err.attempts })
    end

    describe("gets", function()
        it("a message", function()
            local sent = send()
            local message = assert(client:get(sent.sid))
            assert.equal(sent.sid, message.sid)
            assert.is_nil(message.outcome)
            assert.matches("/Feedback%.json$", message.subresource_uris.feedback)
        end)

        it("an error for one that is not there, or is no sid", function()
            expect_404(client:get(NO_SUCH))
            for _, sid in ipairs { "", "SM123", "PN" .. ("0"):rep(32), "SM" .. ("0"):rep(33), "SM/../x" } do
                local message, err = client:get(sid)
                assert.is_nil(message)
                assert.same({ "MessageError.InvalidRequest", "not_sent" }, { err.type, err.outcome })
            end
            assert.equal(1, client:stats().requests)
        end)

        it("many messages, and an error for each that it cannot get", function()
            local sids, bodies = {}, {}
            for i = 1, 20 do
                sids[i] = send { body = "number " .. i }.sid
            end
            sids[21], sids[22], sids[23] = NO_SUCH, "nonsense", 5
            local types = {}
            for index, message, err in client:get_many(sids, { concurrency = 5 }) do
                bodies[index] = message and message.body
                types[index] = err and err.outcome
            end
            for i = 1, 20 do
                assert.equal("number " .. i, bodies[i])
                assert.is_nil(types[i])
            end
            assert.same({ "rejected", "not_sent", "not_sent" }, { types[21], types[22], types[23] })
        end)
    end)

    describe("lists", function()
        it("the newest first, over as many pages as it takes", function()
            local sids = {}
            for i = 1, 7 do
                table.insert(sids, 1, send { body = "number " .. i }.sid)
            end
            local function list(filter)
                local before = client:stats().requests
                filter.to = to
                local got = {}
                for i, row in ipairs(assert(client:list(filter))) do
                    got[i] = row.sid
                end
                return got, client:stats().requests - before
            end
            local got, requests = list {}
            assert.same({ sids, 1 }, { got, requests })
            got, requests = list { page_size = 2 }
            assert.same({ sids, 4 }, { got, requests })
            got, requests = list { page_size = 2, limit = 5 }
            assert.same({ { unpack(sids, 1, 5) }, 3 }, { got, requests })
            got, requests = list { page_size = 2, limit = 4 }
            assert.same({ { unpack(sids, 1, 4) }, 2 }, { got, requests })
            got, requests = list { limit = 1 }
            assert.same({ { sids[1] }, 1 }, { got, requests })
            got, requests = list { limit = 5000 }
            assert.same({ sids, 1 }, { got, requests })
        end)

        it("nobody's messages as an empty list", function()
            assert.same({}, assert(client:list { to = to }))
            assert.is_nil(assert(client:page { to = to }).next_page_uri)
        end)

        it("by sender and by day", function()
            send { from = "+15005550021" }
            local last = send { from = "+15005550022" }
            assert(client:wait(last.sid, { interval_ms = 10 }))
            local rows = assert(client:list { to = to, from = "+15005550022" })
            assert.equal(1, #rows)
            assert.equal(last.sid, rows[1].sid)
            local today = os.date("!%Y-%m-%d", rows[1].date_sent_unix)
            for _, case in ipairs {
                { 2, "date_sent", today }, { 0, "date_sent", "2010-01-01" },
                { 2, "date_sent_after", today }, { 2, "date_sent_after", "2010-01-01" },
                { 2, "date_sent_before", today }, { 0, "date_sent_before", "2010-01-01" },
            } do
                rows = assert(client:list { to = to, [case[2]] = case[3] })
                assert.equal(case[1], #rows, case[2] .. " " .. case[3])
            end
        end)

        it("one page at a time", function()
            for i = 1, 5 do
                send { body = "number " .. i }
            end
            local bodies, sizes = {}, {}
            local page = assert(client:page { to = to, page_size = 2 })
            while page do
                sizes[#sizes + 1] = #page
                for _, row in ipairs(page) do
                    bodies[#bodies + 1] = row.body
                end
                page = page.next_page_uri and assert(client:page { page_uri = page.next_page_uri })
            end
            assert.same({ 2, 2, 1 }, sizes)
            assert.same({ "number 5", "number 4", "number 3", "number 2", "number 1" }, bodies)
        end)

        it("further pages by the very address that the server gave", function()
            local path = ("/2010-04-01/Accounts/%s/Messages.json"):format(simulator.ACCOUNT_SID)
            local second = path .. "?To=%2b1&PageToken=PA%2FSM~x%3D%3d&&Unknown=+%20&PageSize=2"
            local targets = {}
            local server = answering.start(function(request, count)
                targets[count] = request:target()
                local next_page = count == 1 and ('"%s"'):format(second) or "null"
                request:reply(200, nil,
                    ('{"messages":[%s],"next_page_uri":%s}'):format(answering.message(), next_page))
            end)
            finally(function() server:stop() end)
            local own = server:client()
            assert.equal(2, #assert(server:during(own.list, own, { to = to })))
            assert.same({ path .. "?To=%2B" .. to:sub(2) .. "&PageSize=50", second }, targets)
            own:close()
        end)

        it("to an end, even when the server always names another page", function()
            local server = answering.start(function(request)
                request:reply(200, nil, ('{"messages":[],"next_page_uri":"%s"}'):format(request:target()))
            end)
            finally(function() server:stop() end)
            local own = server:client()
            assert.same({}, assert(server:during(own.list, own)))
            assert.equal(1, server.count)
            own:close()
        end)

        it("with a refusal for addresses that are not its own, before the credentials leave", function()
            local list = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID .. "/Messages.json"
            for _, uri in ipairs {
                "https://example.com" .. list, "//example.com" .. list, "@example.com" .. list,
                (list:gsub("0001", "0002")), (list:gsub("Messages", "Calls")), list .. "/../x",
                list .. "?a\r\nb", list .. "#a", "/", "Messages.json",
            } do
                local page, err = client:page { page_uri = uri }
                assert.is_nil(page)
                assert.same({ "MessageError.InvalidRequest", "not_sent" }, { err.type, err.outcome })
            end
            assert.equal(0, client:stats().requests)
        end)

        it("with a refusal for filters that cannot be meant", function()
            for _, filter in ipairs {
                { to = "Bob Miller the Second" }, { to = 5 }, { state = "sent" },
                { date_sent = "yesterday" }, { date_sent_after = "2026-02-30" },
                { page_size = 1001 }, { page_size = -1 }, { page_size = 1.5 },
            } do
                local rows, err = client:list(filter)
                assert.is_nil(rows)
                assert.same({ "MessageError.InvalidRequest", "not_sent" }, { err.type, err.outcome })
            end
            assert.equal(0, client:stats().requests)
        end)

        it("in spite of a server that is away for a moment", function()
            assert.same({}, assert(client:list { to = "+15005559999" }))
            assert.equal(2, client:stats().retries)
        end)
    end)

    it("cancels what is scheduled, and nothing else", function()
        local scheduled = send { messaging_service_sid = simulator.SERVICE_SID, send_at = os.time() + 86400 }
        assert.equal("canceled", assert(client:cancel(scheduled.sid)).status)
        assert.equal("canceled", assert(client:wait(scheduled.sid)).status)
        local done = assert(client:wait(send().sid, { interval_ms = 10 }))
        local message, err = client:cancel(done.sid)
        assert.is_nil(message)
        assert.same({ 30409, "rejected" }, { err.code, err.outcome })
        expect_404(client:cancel(NO_SUCH))
    end)

    it("redacts a message, but not before its end", function()
        local scheduled = send { messaging_service_sid = simulator.SERVICE_SID, send_at = os.time() + 86400 }
        local message, err = client:redact(scheduled.sid)
        assert.is_nil(message)
        assert.equal(20009, err.code)
        local done = assert(client:wait(send { body = "secret" }.sid, { interval_ms = 10 }))
        assert.equal("secret", done.body)
        assert.equal("", assert(client:redact(done.sid)).body)
        assert.equal("", assert(client:get(done.sid)).body)
        assert.equal("", assert(client:redact(done.sid)).body)
        expect_404(client:redact(NO_SUCH))
    end)

    it("deletes a message", function()
        local done = assert(client:wait(send().sid, { interval_ms = 10 }))
        assert.is_true(assert(client:delete(done.sid)))
        expect_404(client:get(done.sid))
        expect_404(client:delete(done.sid))
        assert.same({}, assert(client:list { to = to }))
    end)

    it("lists, reads and deletes media", function()
        local sent = send { media = { "https://example.com/a.png", "https://example.com/b.gif" } }
        local media = assert(client:media(sent.sid))
        assert.equal(2, #media)
        assert.matches("^ME%x+$", media[1].sid)
        assert.same({ "image/png", "image/gif" }, { media[1].content_type, media[2].content_type })
        assert.equal(sent.sid, media[1].parent_sid)
        local medium = assert(client:media(sent.sid, media[2].sid, { timeout_ms = 5000 }))
        assert.same(media[2], medium)
        assert.truthy(math.abs(medium.date_created_unix - os.time()) < 60)
        assert.is_true(assert(client:delete_media(sent.sid, media[1].sid)))
        assert.same({ medium }, assert(client:media(sent.sid, { timeout_ms = 5000 })))
        expect_404(client:media(sent.sid, media[1].sid))
        expect_404(client:delete_media(sent.sid, media[1].sid))
        assert.same({}, assert(client:media(send().sid)))
        local _, err = client:media(sent.sid, "ME123")
        assert.equal("not_sent", err.outcome)
    end)

    it("gives feedback", function()
        local sent = send { provide_feedback = true }
        local feedback = assert(client:feedback(sent.sid, "confirmed"))
        assert.same({ "confirmed", sent.sid }, { feedback.outcome, feedback.message_sid })
        assert.equal("unconfirmed", assert(client:feedback(sent.sid, "unconfirmed")).outcome)
        expect_404(client:feedback(NO_SUCH, "confirmed"))
    end)

    describe("waits", function()
        it("until a message has arrived", function()
            local message = assert(client:wait(send().sid, { interval_ms = 10 }))
            assert.equal("delivered", message.status)
            assert.matches("^%-0%.%d+$", message.price)
            assert.truthy(message.date_sent_unix >= message.date_created_unix)
        end)

        it("until a message has failed", function()
            local sent = send { to = "+15005550004", messaging_service_sid = simulator.SERVICE_SID }
            local message = assert(client:wait(sent.sid, { interval_ms = 10 }))
            assert.same({ "failed", 21610 }, { message.status, message.error_code })
            assert.truthy(message.error_message)
        end)

        it("no longer than it is told, and answers the last state then", function()
            local sent = send { messaging_service_sid = simulator.SERVICE_SID, send_at = os.time() + 86400 }
            for _, opts in ipairs {
                { timeout_ms = 60, interval_ms = 20 }, { timeout_ms = 60, interval_ms = 60000 },
                { timeout_ms = 0 },
            } do
                local before = core.now_ms()
                local message, err = client:wait(sent.sid, opts)
                assert.is_nil(message)
                assert.equal("NetworkError.Timeout", err.type)
                assert.matches("still scheduled", err.message)
                assert.same({ sent.sid, "scheduled" }, { err.last.sid, err.last.status })
                local took = core.now_ms() - before
                assert.truthy(took >= opts.timeout_ms and took < 30000, took)
            end
        end)

        it("not at all for what is not there", function()
            expect_404(client:wait(NO_SUCH))
        end)
    end)
end)

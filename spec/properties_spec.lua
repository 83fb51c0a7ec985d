-- Each property sees a stream of events that breaks it, and the same stream when it is in order.
local properties = require "twilio_sms.sim.properties"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local TO, FROM = "+15558675310", "+15005550006"

-- Tells a list of events, each { at_ms, kind, fields }, and answers the watcher.
local function watch(events, opts)
    local watcher = properties.new(opts)
    for _, given in ipairs(events) do
        local event = { at_ms = given[1], kind = given[2] }
        for name, value in pairs(given[3] or {}) do
            event[name] = value
        end
        watcher:tell(event)
    end
    watcher:finish()
    return watcher
end

-- The distinct properties that a stream breaks, in the order in which it does.
local function broken_by(events, opts)
    local seen, out = {}, {}
    for _, violation in ipairs(watch(events, opts):violations()) do
        if not seen[violation.property] then
            seen[violation.property] = true
            out[#out + 1] = violation.property
        end
    end
    return table.concat(out, " ")
end

local function extend(fields, more)
    for name, value in pairs(more or {}) do
        fields[name] = value
    end
    return fields
end

local function submit(at_ms, id, more)
    local fields = { client = "app", call_id = id, operation = "send", to = TO, from = FROM }
    fields.body = "text " .. id
    return { at_ms, "submit", extend(fields, more) }
end

local function request(at_ms, id, more)
    local path = "/2010-04-01/Accounts/AC1/Messages.json"
    return { at_ms, "request", extend({ client = "app", call_id = id, method = "POST", path = path }, more) }
end

local function look_up(at_ms, id)
    return request(at_ms, id, { method = "GET", path = "/2010-04-01/Accounts/AC1/Messages.json?To=1" })
end

local function accept(at_ms, id, sid, more)
    local fields = { client = "app", call_id = id, sid = sid, to = TO, from = FROM }
    return { at_ms, "accept", extend(fields, more) }
end

local function accepted(at_ms, id, sid, more)
    local fields = { client = "app", call_id = id, ok = true, outcome = "accepted", sid = sid }
    return { at_ms, "result", extend(fields, more) }
end

local function failed(at_ms, id, outcome, kind, more)
    local fields = { client = "app", call_id = id, ok = false, outcome = outcome, error = kind }
    return { at_ms, "result", extend(fields, more) }
end

local function client_event(at_ms, name, more)
    return { at_ms, "client_event", extend({ client = "app", type = name }, more) }
end

local function answer(at_ms, id)
    return { at_ms, "answer", { client = "app", call_id = id, status = 201 } }
end

local QUICK = { rate = { per_second = 0, per_number = 0 } }
local function clients(options)
    return { clients = { app = options } }
end

describe("a watcher", function()
    it("has nothing to say about a message that is sent once", function()
        local watcher = watch {
            submit(0, 1), request(0, 1), accept(30, 1, "SM1"), answer(60, 1), accepted(60, 1, "SM1"),
        }
        assert.are.same({}, watcher:violations())
    end)

    it("says when, by whom and at which event", function()
        local watcher = watch { submit(5, 1), failed(9, 1, "not_sent", "Timeout"), accept(12, 1, "SM1") }
        local violation = watcher:violations()[1]
        assert.are.same({ "P2", 12, 3, "app", 1, TO }, {
            violation.property, violation.at_ms, violation.event, violation.client, violation.call_id,
            violation.to,
        })
    end)

    it("has a sentence for every property that it names", function()
        for number = 1, 14 do
            assert.is_string(properties.PROPERTIES["P" .. number])
        end
    end)

    it("refuses options that it does not know", function()
        assert.has_error(function() properties.new { client = {} } end)
    end)
end)

describe("P1", function()
    local twice = {
        submit(0, 1), request(0, 1), accept(30, 1, "SM1"), request(2000, 1), accept(2030, 1, "SM2"),
        accepted(2060, 1, "SM2"),
    }

    it("is broken by a message that is accepted twice", function()
        assert.are.equal("P1", broken_by(twice))
    end)

    it("is not, when the option in_doubt is resend", function()
        assert.are.equal("", broken_by(twice, clients { in_doubt = "resend" }))
    end)
end)

describe("P2", function()
    it("is broken by a sid that the carrier never gave", function()
        assert.are.equal("P2", broken_by { submit(0, 1), request(0, 1), accepted(60, 1, "SM9") })
    end)

    it("is broken by a sid of another message", function()
        assert.are.equal("P2", broken_by({
            submit(0, 1), submit(0, 2), request(0, 1), request(0, 2), accept(30, 1, "SM1"),
            accepted(60, 2, "SM1"), failed(70, 1, "in_doubt", "Timeout"),
        }, clients(QUICK)))
    end)

    it("is broken by two calls with one sid, although their messages are the same", function()
        assert.are.equal("P2", broken_by({
            submit(0, 1, { body = "same" }), submit(0, 2, { body = "same" }), request(0, 1), request(0, 2),
            accept(30, 1, "SM1"), accepted(60, 1, "SM1"), accepted(60, 2, "SM1"),
        }, clients(QUICK)))
    end)

    it("lets identical messages have each other's sid", function()
        assert.are.equal("", broken_by({
            submit(0, 1, { body = "same" }), submit(0, 2, { body = "same" }), request(0, 1), request(0, 2),
            accept(30, 1, "SM1"), accept(30, 2, "SM2"), accepted(60, 1, "SM2"), accepted(60, 2, "SM1"),
        }, clients(QUICK)))
    end)

    for _, outcome in ipairs { "not_sent", "rejected" } do
        it(("is broken by %s, when the carrier has it"):format(outcome), function()
            local start = { submit(0, 1), request(0, 1), accept(30, 1, "SM1") }
            start[4] = failed(60, 1, outcome, "Timeout")
            assert.are.equal("P2", broken_by(start))
            start[3], start[4] = start[4], accept(90, 1, "SM1")
            assert.are.equal("P2", broken_by(start))
        end)
    end

    it("takes in_doubt for what it is", function()
        assert.are.equal("", broken_by {
            submit(0, 1), request(0, 1), accept(30, 1, "SM1"), failed(60, 1, "in_doubt", "Timeout"),
        })
    end)
end)

describe("P3", function()
    it("is broken by a call that never ends", function()
        local events = { submit(0, 1), request(0, 1), { 75001, "seen", { name = "time" } } }
        assert.are.equal("P3", broken_by(events))
        events[3] = { 74000, "seen", { name = "time" } }
        assert.are.equal("", broken_by(events))
    end)

    it("is not, when the client has died", function()
        assert.are.equal("", broken_by {
            submit(0, 1), request(0, 1), { 10, "crash", { client = "app" } },
            { 100000, "seen", { name = "time" } },
        })
    end)

    it("is broken by two results", function()
        assert.are.equal("P3", broken_by {
            submit(0, 1), failed(60, 1, "not_sent", "Timeout"), failed(61, 1, "not_sent", "Timeout"),
        })
    end)

    it("is broken by a result that nobody asked for", function()
        assert.are.equal("P3", broken_by { failed(60, 1, "not_sent", "Timeout") })
    end)

    it("is broken by a caller who waits in vain, or gets two answers", function()
        local asked = { 0, "asked", { key = "app 1", client = "app" } }
        local answered = { 10, "answered", { key = "app 1", client = "app" } }
        local later = { 100000, "seen", { name = "time" } }
        assert.are.equal("P3", broken_by { asked, later })
        assert.are.equal("", broken_by { asked, answered, later })
        assert.are.equal("P3", broken_by { asked, answered, answered, later })
    end)
end)

describe("P4", function()
    local function ledger(at_ms, state, scope)
        return { at_ms, "ledger", { to = TO, scope = scope, state = state } }
    end

    it("is broken by a message to somebody who opted out before it left", function()
        assert.are.equal("P4", broken_by { submit(0, 1), ledger(5, "opted_out", FROM), request(6, 1) })
        assert.are.equal("P4", broken_by { submit(0, 1), ledger(5, "opted_out"), request(6, 1) })
    end)

    it("is not by one that was faster, goes out from another number, or after a START", function()
        assert.are.equal("", broken_by { submit(0, 1), request(4, 1), ledger(5, "opted_out", FROM) })
        local elsewhere = ledger(5, "opted_out", "+15005550009")
        assert.are.equal("", broken_by { submit(0, 1), elsewhere, request(6, 1) })
        assert.are.equal("", broken_by {
            submit(0, 1), ledger(3, "opted_out", FROM), ledger(5, "opted_in", FROM), request(6, 1),
        })
    end)

    it("is not by a look-up for a message that has left", function()
        assert.are.equal("", broken_by {
            submit(0, 1), request(4, 1), ledger(5, "opted_out", FROM), look_up(2000, 1),
        })
    end)
end)

describe("P5", function()
    -- Messages with these times between them, each from somebody else to somebody else.
    local function series(gaps_ms, more)
        local events, at_ms = {}, 0
        for id, gap_ms in ipairs(gaps_ms) do
            at_ms = at_ms + gap_ms
            local fields = { to = ("+1555867%04d"):format(id), from = ("+1500555%04d"):format(id) }
            events[#events + 1] = submit(at_ms, id, extend(fields, more))
            events[#events + 1] = request(at_ms, id)
            events[#events + 1] = failed(at_ms, id, "rejected", "InvalidRequest")
        end
        return events
    end
    local account = clients { rate = { per_second = 10, burst = 3, per_number = 0 } }

    it("is broken by one more than the burst at once", function()
        assert.are.equal("", broken_by(series { 0, 0, 0 }, account))
        assert.are.equal("P5", broken_by(series { 0, 0, 0, 0 }, account))
    end)

    it("is broken by a millisecond too early", function()
        assert.are.equal("", broken_by(series { 0, 0, 0, 100, 100, 100 }, account))
        assert.are.equal("P5", broken_by(series { 0, 0, 0, 100, 99 }, account))
    end)

    it("is broken by an interval in the middle of a run", function()
        assert.are.equal("", broken_by(series { 0, 5000, 0, 0, 100, 100, 100 }, account))
        assert.are.equal("P5", broken_by(series { 0, 5000, 0, 0, 100, 99, 101 }, account))
    end)

    it("counts senders and recipients for themselves", function()
        local sender = clients { rate = { per_second = 0, per_number = 1 } }
        assert.are.equal("", broken_by(series({ 0, 1000, 1000 }, { from = FROM }), sender))
        assert.are.equal("P5", broken_by(series({ 0, 999 }, { from = FROM }), sender))
        local recipient = clients { rate = { per_second = 0, per_number = 0, per_recipient = 0.5 } }
        assert.are.equal("", broken_by(series({ 0, 2000 }, { to = TO }), recipient))
        assert.are.equal("P5", broken_by(series({ 0, 1999 }, { to = TO }), recipient))
    end)

    it("counts segments when the limits do, and lets a long message leave a debt", function()
        local segments = clients { rate = { per_second = 10, burst = 3, per_number = 0, unit = "segment" } }
        local long = ("x"):rep(700) -- five segments
        assert.are.equal("", broken_by(series({ 0, 500 }, { body = long }), segments))
        assert.are.equal("P5", broken_by(series({ 0, 499 }, { body = long }), segments))
    end)

    it("counts clients that share a region together, and others not", function()
        local function two(region)
            local options = { rate = { per_second = 10, burst = 1, per_number = 0 }, shared = region }
            return broken_by({
                submit(0, 1), submit(0, 1, { client = "web" }),
                request(0, 1), request(0, 1, { client = "web" }),
            }, { clients = { app = options, web = options } })
        end
        assert.are.equal("P5", two "one")
        assert.are.equal("", two(nil))
    end)
end)

describe("P6", function()
    local function leaves(at_ms, id)
        return client_event(at_ms, "attempt", { call_id = id, attempt = 1 })
    end
    local function ends(at_ms, id)
        return client_event(at_ms, "done", { call_id = id, attempt = 0, error = "ServerError.InternalError" })
    end
    local first, second = submit(0, 1), submit(0, 2)

    it("is broken by a message that overtakes another one of its number", function()
        assert.are.equal("", broken_by { first, second, leaves(5, 1), leaves(5, 2) })
        assert.are.equal("P6", broken_by { first, second, leaves(5, 2), leaves(6, 1) })
    end)

    it("is not by numbers that pass each other, nor by what failed, was put off, or is sent again", function()
        local other = submit(0, 2, { from = "+15005550009" })
        assert.are.equal("", broken_by { first, other, leaves(5, 2), leaves(6, 1) })
        assert.are.equal("", broken_by { first, second, ends(1, 1), leaves(5, 2) })
        local put_off = { 1, "deferred", { client = "app", body = "text 1" } }
        assert.are.equal("", broken_by { first, second, put_off, leaves(5, 2), leaves(6, 1) })
        assert.are.equal("", broken_by { first, second, leaves(1, 1), leaves(5, 2), leaves(900, 1) })
    end)
end)

describe("P7", function()
    local function breaker(at_ms, state)
        return client_event(at_ms, "breaker", { text = state })
    end

    it("is broken by a transition that is none", function()
        assert.are.equal("P7", broken_by { breaker(0, "half_open") })
        assert.are.equal("P7", broken_by { breaker(0, "open"), breaker(5, "closed") })
        assert.are.equal("", broken_by {
            breaker(0, "open"), breaker(5, "half_open"), breaker(6, "open"), breaker(7, "half_open"),
            breaker(8, "closed"),
        })
    end)

    local half_open = { submit(0, 1), submit(0, 2), breaker(0, "open"), breaker(10, "half_open") }
    local function probes(...)
        local events = { unpack(half_open) }
        for _, event in ipairs { ... } do
            events[#events + 1] = event
        end
        return broken_by(events, clients(QUICK))
    end

    it("is broken by a second probe", function()
        local one, two = { call_id = 1 }, { call_id = 2 }
        assert.are.equal("P7", probes(client_event(20, "attempt", one), client_event(30, "attempt", two)))
        assert.are.equal("", probes(client_event(20, "attempt", one), client_event(25, "response", one),
            client_event(30, "attempt", two)))
    end)

    it("is broken by a breaker that refuses for ever", function()
        local one = { call_id = 1 }
        local lease_and_reset_ms = 15000 + 1000 + 30000
        local function refused_at(at_ms)
            return broken_by({
                submit(0, 1), breaker(0, "open"), breaker(10, "half_open"), client_event(10, "attempt", one),
                { 15, "crash", { client = "app" } }, submit(at_ms, 2, { client = "web" }),
                client_event(at_ms, "done", {
                    client = "web", call_id = 2, attempt = 0, error = "ServerError.TemporarilyUnavailable",
                }),
            }, { clients = { app = { shared = "one" }, web = { shared = "one" } } })
        end
        assert.are.equal("", refused_at(lease_and_reset_ms))
        assert.are.equal("P7", refused_at(lease_and_reset_ms + 2000))
    end)
end)

describe("P8", function()
    it("is broken by one attempt more than any rule allows", function()
        local events = { submit(0, 1) }
        for attempt = 1, 5 do
            events[#events + 1] = request(attempt * 1000, 1)
        end
        assert.are.equal("", broken_by(events))
        events[#events + 1] = request(6000, 1)
        assert.are.equal("P8", broken_by(events))
    end)

    it("is broken by a request after the deadline, or by a message close to it", function()
        assert.are.equal("", broken_by { submit(0, 1), request(58000, 1) })
        assert.are.equal("P8", broken_by { submit(0, 1), request(58001, 1) })
        assert.are.equal("", broken_by { submit(0, 1), look_up(59999, 1) })
        assert.are.equal("P8", broken_by { submit(0, 1), look_up(60000, 1) })
    end)

    it("knows that half of a short time is enough", function()
        local short = clients { timeout_ms = 1000 }
        assert.are.equal("", broken_by({ submit(0, 1), request(500, 1) }, short))
        assert.are.equal("P8", broken_by({ submit(0, 1), request(501, 1) }, short))
    end)

    it("is broken by a late result", function()
        assert.are.equal("", broken_by { submit(0, 1), failed(60001, 1, "in_doubt", "Timeout") })
        assert.are.equal("P8", broken_by { submit(0, 1), failed(60002, 1, "in_doubt", "Timeout") })
    end)

    it("is broken by a retry that the quota does not pay for", function()
        local function retry(at_ms, id)
            return client_event(at_ms, "retry", { call_id = id, error = "ServerError.InternalError" })
        end
        local function retries(count, more)
            local events = { submit(0, 1) }
            for at_ms = 1, count do
                events[#events + 1] = retry(at_ms, 1)
            end
            for _, event in ipairs(more or {}) do
                events[#events + 1] = event
            end
            return broken_by(events, clients { retry = { quota = 30 } })
        end
        assert.are.equal("", retries(2))
        assert.are.equal("P8", retries(3))
        local success = { accept(5, 1, "SM1"), client_event(6, "done", { call_id = 1 }), submit(7, 2) }
        success[4], success[5] = retry(8, 2), retry(9, 2)
        assert.are.equal("", retries(2, success)) -- a success pays back
    end)
end)

describe("P9", function()
    it("is broken by a request while the breaker is open", function()
        local one = { call_id = 1 }
        local open = client_event(0, "breaker", { text = "open" })
        assert.are.equal("P9", broken_by { submit(0, 1), open, client_event(5, "attempt", one) })
        assert.are.equal("", broken_by {
            submit(0, 1), open, client_event(5, "breaker", { text = "half_open" }),
            client_event(5, "attempt", one),
        })
    end)
end)

describe("P10", function()
    local function status(name)
        return { 0, "status", { sid = "SM1", status = name } }
    end
    local queued = { 0, "accept", { sid = "SM1" } }
    local function tracked(name, code)
        return { 1, "tracked", { sid = "SM1", status = name, error_code = code } }
    end

    it("is broken by a message that goes back, or moves twice", function()
        local all = { queued, status "sent", status "delivered" }
        local function with(...)
            return broken_by { all[1], all[2], all[3], ... }
        end
        assert.are.equal("", with(tracked "queued", tracked "sent", tracked "delivered"))
        assert.are.equal("P10", with(tracked "delivered", tracked "sent"))
        assert.are.equal("P10", with(tracked "sent", tracked "sent"))
    end)

    it("is broken by a status that the carrier never said", function()
        assert.are.equal("P10", broken_by { queued, tracked "failed" })
    end)

    it("is broken by a handler that runs twice, or for what was forged", function()
        local handled = { 1, "handled", { about = "inbound", sid = "SM1" } }
        local other = { 1, "handled", { about = "status", sid = "SM1", status = "sent" } }
        assert.are.equal("", broken_by { handled, other })
        assert.are.equal("P10", broken_by { handled, handled })
        local forged = { 1, "handled", { about = "inbound", sid = "SM2", forged = true } }
        assert.are.equal("P10", broken_by { forged })
    end)

    it("is broken by a good answer to a forged webhook", function()
        local function answered(code)
            return broken_by { { 1, "webhook_answer", { sid = "SM1", forged = true, status = code } } }
        end
        assert.are.equal("", answered(403))
        assert.are.equal("P10", answered(204))
    end)
end)

describe("P11", function()
    it("is broken by one request too many at a time", function()
        local one = clients { max_concurrency = 1, rate = QUICK.rate }
        local first, second = submit(0, 1), submit(0, 2)
        assert.are.equal("", broken_by({ first, second, request(0, 1), answer(5, 1), request(5, 2) }, one))
        assert.are.equal("P11", broken_by({ first, second, request(0, 1), request(4, 2) }, one))
    end)

    it("is broken by what a client counts, and by a table that grows", function()
        local small = clients { max_concurrency = 5, rate = { max_queue = 10 } }
        local function stats(queued, in_flight)
            local fields = { client = "app", queued = queued, in_flight = in_flight }
            return broken_by({ { 0, "stats", fields } }, small)
        end
        assert.are.equal("", stats(15, 5))
        assert.are.equal("P11", stats(16, 0))
        assert.are.equal("P11", stats(0, 6))
        assert.are.equal("P11", broken_by { { 0, "size", { name = "table", count = 11, most = 10 } } })
    end)
end)

describe("P12", function()
    local function said(text)
        return broken_by({
            submit(0, 1, { body = "the private text" }),
            { 1, "said", { client = "app", call_id = 1, what = "an error", text = text } },
        }, { secrets = { "the token" } })
    end

    it("is broken by a token, a number or a text in what is said", function()
        assert.are.equal("", said "the recipient has opted out")
        assert.are.equal("P12", said "Basic the token")
        assert.are.equal("P12", said("no route to " .. TO))
        assert.are.equal("P12", said("no route to " .. TO:sub(2)))
        assert.are.equal("P12", said("from=" .. FROM))
        assert.are.equal("P12", said "body 'the private text' is too long")
    end)

    it("is broken by a number that an event does not mask", function()
        local function attempt(to)
            return broken_by { submit(0, 1), client_event(0, "attempt", { call_id = 1, to = to }) }
        end
        assert.are.equal("", attempt "+1********10")
        assert.are.equal("P12", attempt(TO))
    end)
end)

describe("P13", function()
    local one = { "0 submit", "1 request", "2 answer" }

    it("is broken by two logs that differ, and says where", function()
        assert.is_nil(properties.compare(one, { "0 submit", "1 request", "2 answer" }))
        local violation = properties.compare(one, { "0 submit", "1 request", "3 answer" })
        assert.are.same({ "P13", 3 }, { violation.property, violation.event })
        assert.is_truthy(violation.text:find("3 answer", 1, true))
    end)

    it("is broken by a log that ends early", function()
        assert.are.equal("P13", properties.compare(one, { "0 submit" }).property)
    end)
end)

describe("P14", function()
    local calm = { 0, "calm" }
    local settled_ms = 30000 + 15000 + 60000 + 1000

    it("is broken by a failure long after the last fault", function()
        local function failing(at_ms, fault)
            return broken_by { calm, submit(at_ms, 1), failed(at_ms, 1, "not_sent", fault) }
        end
        assert.are.equal("", failing(settled_ms - 1, "ConnectionFailed"))
        assert.are.equal("P14", failing(settled_ms, "ConnectionFailed"))
        assert.are.equal("", failing(settled_ms, "OptedOut"))
    end)

    it("is broken by a limit that stays although nothing leaves", function()
        local function refused(since_ms)
            return broken_by {
                calm, submit(settled_ms, 1), request(settled_ms, 1), accept(settled_ms, 1, "SM1"),
                accepted(settled_ms, 1, "SM1"), submit(settled_ms + since_ms, 2),
                failed(settled_ms + since_ms, 2, "not_sent", "AccountRateLimited"),
            }
        end
        assert.are.equal("", refused(62000))
        assert.are.equal("P14", refused(62001))
    end)

    it("is broken by a call that does not end then", function()
        local events = { submit(0, 1), calm, { 75001, "seen", { name = "time" } } }
        assert.are.equal("P3 P14", broken_by(events))
    end)
end)

describe("what is to be seen sometimes", function()
    it("has a name of its own each", function()
        local seen = {}
        for _, name in ipairs(properties.SOMETIMES) do
            assert.is_nil(seen[name])
            seen[name] = true
        end
    end)

    it("is counted", function()
        local one = { call_id = 1 }
        local seen = watch({
            submit(0, 1), { 0, "fault", { action = "drop_after", operation = "send" } },
            client_event(0, "limited", one), client_event(1, "denied", { call_id = 1, text = "opted_out" }),
            client_event(2, "breaker", { text = "open" }), client_event(3, "breaker", { text = "half_open" }),
            client_event(3, "attempt", one), request(3, 1), { 4, "crash", { client = "app" } },
            { 5, "webhook_answer", { forged = true, status = 403 } },
        }):seen()
        for _, name in ipairs {
            "fault drop_after", "limiter wait", "opted out after waiting", "breaker closed to open",
            "breaker open to half_open", "crash while on the wire", "probe lost in a crash",
            "forged webhook refused",
        } do
            assert.are.equal(1, seen[name], name)
        end
    end)
end)

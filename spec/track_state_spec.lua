local core = require "twilio_sms.core"
local state = require "twilio_sms.track.state"

local SID = "SM00000000000000000000000000000001"

local STATUSES = {
    "scheduled", "accepted", "receiving", "queued", "sending", "sent", "partially_delivered",
    "canceled", "failed", "undelivered", "received", "delivered", "read",
}

local function of(status, code, at, source, more)
    local report = { sid = SID, status = status, error_code = code }
    for name, value in pairs(more or {}) do
        report[name] = value
    end
    return assert(state.of(report, at or 1, source or "callback"))
end

local function joined(states)
    local out = states[1]
    for i = 2, #states do
        out = state.join(out, states[i])
    end
    return out
end

-- Calls f with every word of this length in which each of 1..n stands at least once.
local function each_word(n, length, f)
    local word, counts, missing = {}, {}, n
    local function extend(i)
        if missing > length - i + 1 then
            return
        elseif i > length then
            f(word)
            return
        end
        for letter = 1, n do
            word[i] = letter
            counts[letter] = (counts[letter] or 0) + 1
            missing = missing - (counts[letter] == 1 and 1 or 0)
            extend(i + 1)
            counts[letter] = counts[letter] - 1
            missing = missing + (counts[letter] == 0 and 1 or 0)
        end
    end
    extend(1)
end

-- What may be heard of one message, and what must be known in the end.
local HISTORIES = {
    {
        "a delivery", { "delivered" },
        of("accepted", nil, 1, "send", { to = "+15005550010" }), of("queued", nil, 2), of("sent", nil, 3),
        of("delivered", nil, 4, nil, { from = "+15005550006" }),
    },
    {
        "a failure whose reason comes in one of two reports", { "undelivered", 30003, "Unreachable" },
        of("queued", nil, 1, "send"), of("sent", nil, 2), of("undelivered", nil, 3),
        of("undelivered", 30003, 4, "poll", { error_message = "Unreachable" }), of("undelivered", 30003, 5),
    },
    {
        "receipts that contradict each other", { "delivered" },
        of("sent", nil, 1), of("undelivered", 30008, 2), of("delivered", nil, 3), of("failed", 30001, 4),
    },
    {
        "two reasons", { "undelivered", 30005 },
        of("failed", 30007, 1), of("undelivered", 30003, 2), of("undelivered", 30005, 3), of("sent", nil, 4),
    },
    {
        "a schedule that is taken back", { "canceled" },
        of("scheduled", nil, 1, "send"), of("accepted", nil, 2, "poll"), of("canceled", nil, 3),
    },
    {
        "a state that came after this library", { "sent", 99999 },
        of("teleported", nil, 1), of("vanished", 99999, 2), of("sent", nil, 3), of("queued", nil, 4),
    },
    {
        "states that nobody knows", { "vanished", 99999 },
        of("teleported", nil, 1), of("vanished", 99999, 2), of("vanished", nil, 3),
    },
    {
        "a reason that was given too early", { "failed", 30036 },
        of("queued", nil, 1), of("sending", 30036, 2), of("failed", nil, 3),
    },
    {
        "an inbound message", { "received" },
        of("receiving", nil, 1), of("received", nil, 2), of("failed", 30001, 3),
    },
    {
        "the same at the same time from two", { "read" },
        of("delivered", nil, 5, "poll"), of("delivered", nil, 5, "callback"), of("read", nil, 5),
        of("sent", nil, 5),
    },
}

describe("what is known of a message", function()
    for _, history in ipairs(HISTORIES) do
        it("does not depend on order and repetition: " .. history[1], function()
            local wanted, states = history[2], {}
            for i = 3, #history do
                states[#states + 1] = history[i]
            end
            local first = joined(states)
            assert.same(wanted, { first.status, first.error_code, first.error_message })
            local words = 0
            for length = #states, 6 do
                each_word(#states, length, function(word)
                    local known = states[word[1]]
                    for i = 2, length do
                        known = state.join(known, states[word[i]])
                    end
                    assert(state.equal(first, known), "another end after " .. table.concat(word, " "))
                    words = words + 1
                end)
            end
            assert.equal(({ [3] = 732, [4] = 1824, [5] = 1920 })[#states], words)
        end)
    end

    it("is a join: commutative, associative, idempotent", function()
        local pool = {}
        for i, status in ipairs(STATUSES) do
            pool[#pool + 1] = of(status, i % 3 == 0 and 30000 + i or nil, i % 4, i % 2 == 0 and "poll" or nil)
        end
        pool[#pool + 1] = of("sent", nil, 1, nil, { to = "+15005550010", callback_ref = "a" })
        pool[#pool + 1] = of("sent", nil, 1, nil, { to = "rcs:+15005550010", callback_ref = "b" })
        for _, history in ipairs(HISTORIES) do
            pool[#pool + 1] = joined { history[4], history[#history] }
        end
        for _, a in ipairs(pool) do
            assert(state.equal(a, state.join(a, a)))
            for _, b in ipairs(pool) do
                local ab = state.join(a, b)
                assert(state.equal(ab, state.join(b, a)), a.status .. " and " .. b.status)
                for _, c in ipairs(pool) do
                    assert(state.equal(state.join(ab, c), state.join(a, state.join(b, c))),
                        a.status .. ", " .. b.status .. " and " .. c.status)
                end
            end
        end
    end)

    it("moves only forwards, and every end outranks every step on the way", function()
        for i, lower in ipairs(STATUSES) do
            for j = i + 1, #STATUSES do
                assert.equal(STATUSES[j], state.join(of(STATUSES[j]), of(lower)).status)
                assert.falsy(core.is_terminal(lower) and not core.is_terminal(STATUSES[j]))
            end
            assert.equal(core.is_terminal(lower), of(lower).terminal)
            assert.equal(lower, state.join(of(lower), of("teleported")).status)
        end
    end)

    it("leaves what it joins as it was", function()
        local a, b = of("queued", nil, 1), of("failed", 30001, 2, nil, { to = "+15005550010" })
        state.join(a, b)
        assert.same(of("queued", nil, 1), a)
        assert.same(of("failed", 30001, 2, nil, { to = "+15005550010" }), b)
    end)

    it("has a timeline in the order of the way, each entry with its first time", function()
        local known = joined {
            of("delivered", nil, 30), of("sent", nil, 40), of("queued", nil, 10, "send"),
            of("sent", nil, 20, "poll"), of("sent", nil, 50),
        }
        assert.same({
            { status = "queued", at = 10, source = "send" },
            { status = "sent", at = 20, source = "poll" },
            { status = "delivered", at = 30, source = "callback" },
        }, known.timeline)
        assert.equal(30, state.since(known))
    end)

    it("keeps the first source of what is heard twice in one second", function()
        for _, first in ipairs { "send", "callback", "poll" } do
            for _, second in ipairs { "send", "callback", "poll" } do
                local known, report = of("queued", nil, 10, first), of("queued", nil, 10, second)
                local learned = state.learn(known, report)
                assert.same({ { status = "queued", at = 10, source = first } }, learned.timeline)
                assert.equal(second, report.timeline[1].source)
            end
        end
        local known = state.learn(of("sent", nil, 10, "send"), of("sent", nil, 9, "poll"))
        assert.same({ { status = "sent", at = 9, source = "poll" } }, known.timeline)
        known = state.learn(of("failed", 30001, 10, "send"), of("failed", 30003, 10, "poll"))
        assert.equal(2, #known.timeline)
    end)

    it("keeps the latest 32 entries of a timeline, whatever the order", function()
        local states = {}
        for i = 1, 50 do
            states[i] = of("step" .. i, nil, i)
        end
        states[51] = of("sent", nil, 51)
        local forwards, backwards = joined(states), nil
        for i = 51, 1, -1 do
            backwards = backwards and state.join(backwards, states[i]) or states[i]
        end
        assert.equal(32, #forwards.timeline)
        assert.equal("sent", forwards.timeline[32].status)
        assert.same(forwards, backwards)
    end)

    it("keeps the reason only for as long as there is one", function()
        local failed = of("undelivered", 30008, 1, nil, { error_message = "Unknown error" })
        local known = state.join(failed, of("undelivered", nil, 2))
        assert.same({ 30008, "Unknown error", "undelivered" },
            { known.error_code, known.error_message, known.error_status })
        known = state.join(known, of("delivered", nil, 3))
        assert.is_nil(known.error_code)
        assert.is_nil(known.error_message)
        assert.equal(30008, known.timeline[2].error_code)
    end)

    describe("from one report", function()
        it("takes what a callback and what a message say", function()
            local event = {
                type = "status", message_sid = SID, status = "undelivered", error_code = 30003,
                error_message = "Unreachable", to = "+15005550010", from = "+15005550006",
                account_sid = "AC1", messaging_service_sid = "MG1", callback_ref = "order-1",
                raw_dlr_done_date = "2601021504",
            }
            local known = assert(state.of(event, 7, "callback"))
            for _, name in ipairs {
                "status", "error_code", "error_message", "to", "from", "account_sid",
                "messaging_service_sid", "callback_ref", "raw_dlr_done_date",
            } do
                assert.equal(event[name], known[name])
            end
            assert.is_true(known.terminal)
            assert.equal(SID, known.sid)
        end)

        it("takes a code as text, and no nonsense for one", function()
            assert.equal(30003, of("failed", "30003").error_code)
            for _, code in ipairs { "", "x", 0, -1, 1.5, 1e300, 0 / 0, {}, true } do
                assert.is_nil(of("failed", code).error_code)
            end
        end)

        it("cuts texts that are too long, and replaces bytes that a store may refuse", function()
            local known = of(("x"):rep(100), nil, 1, "callback", {
                error_message = ("m"):rep(1000), to = "\255\0\n" .. ("t"):rep(1000), callback_ref = {},
            })
            assert.same({ 32, 256, 128 }, { #known.status, #known.error_message, #known.to })
            assert.equal("???ttt", known.to:sub(1, 6))
            assert.is_nil(known.callback_ref)
        end)

        it("is nothing without a sid or a status", function()
            for _, report in ipairs {
                {}, { sid = SID }, { status = "sent" }, { sid = "", status = "sent" },
                { sid = 5, status = "sent" }, { sid = "SM/1", status = "sent" },
                { sid = ("S"):rep(65), status = "sent" }, { sid = SID, status = "" },
                { sid = SID, status = 5 },
            } do
                assert.is_nil(state.of(report, 1, "poll"))
            end
        end)
    end)

    it("is compared in depth", function()
        assert.is_true(state.equal({ a = { 1, { b = 2 } } }, { a = { 1, { b = 2 } } }))
        assert.is_false(state.equal({ a = 1 }, { a = 1, b = 2 }))
        assert.is_false(state.equal({ a = 1, b = 2 }, { a = 1 }))
        assert.is_false(state.equal({ a = { 1 } }, { a = { 2 } }))
    end)
end)

local core = require "twilio_sms.core"
local memory = require "twilio_sms.memory"
local state = require "twilio_sms.track.state"
local track = require "twilio_sms.track"
local tracking = require "tracking"

local ACCOUNT_SID, TO = tracking.ACCOUNT_SID, tracking.TO
local sid, event, message = tracking.sid, tracking.event, tracking.message

-- Calls f with every order of the numbers 1..n.
local function each_order(n, f)
    local order = {}
    for i = 1, n do
        order[i] = i
    end
    local function go(k)
        if k > n then
            f(order)
            return
        end
        for i = k, n do
            order[k], order[i] = order[i], order[k]
            go(k + 1)
            order[k], order[i] = order[i], order[k]
        end
    end
    go(1)
end

-- A record without what says when to look again, which depends on when reports came.
local function known_part(record)
    record.looks, record.next_look_at = nil, nil
    return record
end

for _, kind in ipairs(tracking.STORES) do
    local name, open = kind[1], kind[2]

    describe("a tracker " .. name, function()
        local store, close, tracker, clock

        before_each(function()
            store, close = open()
            tracker, clock = tracking.tracker { store = store }
        end)

        after_each(function()
            close()
        end)

        it("knows what was sent", function()
            local record, changed = tracker:sent(message(1, "queued"))
            assert.is_true(changed)
            assert.same({
                sid = sid(1), account_sid = ACCOUNT_SID, status = "queued", terminal = false, to = TO,
                looks = 0, timeline = { { status = "queued", at = 1000000, source = "send" } },
                next_look_at = 1000000 + 3600,
            }, record)
            assert.same(record, tracker:get(sid(1)))
        end)

        it("knows nothing of what it has not heard of, which is no error", function()
            local record, err = tracker:get(sid(1))
            assert.is_nil(record)
            assert.is_nil(err)
        end)

        it("follows a message to its end", function()
            tracker:sent(message(1, "accepted"))
            clock.now_s = clock.now_s + 1
            tracker:update(event(1, "sent"))
            clock.now_s = clock.now_s + 1
            local record, changed = tracker:update(event(1, "undelivered", 30003))
            assert.is_true(changed)
            assert.same({ "undelivered", 30003, true }, { record.status, record.error_code, record.terminal })
            assert.is_nil(record.next_look_at)
            assert.same({
                { status = "accepted", at = 1000000, source = "send" },
                { status = "sent", at = 1000001, source = "callback" },
                { status = "undelivered", at = 1000002, source = "callback", error_code = 30003 },
            }, tracker:get(sid(1)).timeline)
        end)

        it("is not moved backwards by what comes late, nor changed by what comes twice", function()
            tracker:update(event(1, "undelivered", 30003))
            for _, late in ipairs {
                event(1, "sent"), event(1, "undelivered"), event(1, "undelivered", 30003),
            } do
                local record, changed = tracker:update(late)
                assert.is_false(changed)
                assert.same({ "undelivered", 30003 }, { record.status, record.error_code })
            end
        end)

        it("follows messages that somebody else has sent, and takes their registration later", function()
            tracker:update(event(1, "delivered"))
            local record, changed = tracker:sent(message(1, "accepted"), { batch = "march" })
            assert.is_false(changed)
            assert.same({ "delivered", "march" }, { record.status, record.batch })
            assert.equal(1, tracker:batch("march").delivered)
        end)

        it("lists what is scheduled for somebody, until it is not", function()
            local scheduled = message(1, "scheduled")
            tracker:sent(scheduled, { send_at = clock.now_s + 900 })
            tracker:sent(message(2, "queued"))
            local rcs = message(3, "scheduled")
            rcs.to = "rcs:" .. TO
            tracker:sent(rcs)
            local other = message(4, "scheduled")
            other.to = TO .. "/7"
            tracker:sent(other)
            assert.same({ sid(1), sid(3) }, tracker:scheduled_to(TO))
            assert.same({ sid(1), sid(3) }, tracker:scheduled_to("sms:" .. TO))
            assert.same({ sid(4) }, tracker:scheduled_to(TO .. "/7"))
            tracker:update(event(1, "canceled"))
            tracker:update(event(3, "queued"))
            assert.same({}, tracker:scheduled_to(TO))
        end)

        it("learns later for when a message is scheduled", function()
            tracker:sent(message(1, "scheduled"))
            local send_at = clock.now_s + 86400
            local record, changed = tracker:sent(message(1, "scheduled"), { send_at = send_at })
            assert.is_false(changed)
            assert.same({ send_at, send_at + 3600 }, { record.send_at, record.next_look_at })
            assert.equal(1, #store:list("message_due", {}))
        end)

        it("counts a batch", function()
            local statuses = { "delivered", "read", "failed", "undelivered", "canceled", "sent", "queued" }
            for i, status in ipairs(statuses) do
                tracker:sent(message(i, status), { batch = "march" })
            end
            tracker:sent(message(8, "queued"), { batch = "march 2" })
            local counted = tracker:batch("march")
            assert.same({
                total = 7, terminal = 5, delivered = 2, failed = 2, silent = 0, missing = 0, open = 2,
                done = false, by_status = {
                    delivered = 1, read = 1, failed = 1, undelivered = 1, canceled = 1, sent = 1, queued = 1,
                },
            }, counted)
            tracker:update(event(6, "delivered"))
            tracker:update(event(7, "failed", 30001))
            counted = tracker:batch("march")
            assert.same({ 7, 3, 3, true }, { counted.total, counted.delivered, counted.failed, counted.done })
            local failed = {}
            tracker:batch("march", function(row)
                if row.status == "failed" then
                    failed[#failed + 1] = { row.sid, row.error_code or 0 }
                end
            end)
            assert.same({ { sid(3), 0 }, { sid(7), 30001 } }, failed)
            assert.same({ 0, true }, { tracker:batch("april").total, tracker:batch("april").done })
        end)

        it("leaves a message in its batch", function()
            tracker:sent(message(1, "queued"), { batch = "march" })
            local record, err = tracker:sent(message(1, "queued"), { batch = "april" })
            assert.is_nil(record)
            assert.matches("in the batch 'march' already", err.message)
            assert.equal("march", tracker:sent(message(1, "queued")).batch)
            assert.equal(0, tracker:batch("april").total)
        end)

        it("forgets what is old and finished, with all its rows", function()
            tracker:sent(message(1, "delivered"), { batch = "march" })
            tracker:sent(message(2, "scheduled"), { batch = "march", send_at = clock.now_s + 86400 })
            clock.now_s = clock.now_s + 60
            tracker:sent(message(3, "delivered"), { batch = "march" })
            assert.equal(1, tracker:purge(clock.now_s))
            assert.is_nil(tracker:get(sid(1)))
            assert.equal(2, tracker:batch("march").total)
            assert.equal(2, tracker:purge(clock.now_s + 86400 * 2))
            for _, space in ipairs { "message", "message_due", "message_to", "batch" } do
                assert.same({}, store:list(space, {}))
            end
        end)

        it("has every change in the store before it tells of it", function()
            local told = {}
            tracker.on_change = function(record, old_status)
                assert.equal(record.status, tracker:get(record.sid).status)
                told[#told + 1] = (old_status or "nothing") .. " to " .. record.status
            end
            tracker:sent(message(1, "queued"))
            tracker:update(event(1, "failed"))
            tracker:update(event(1, "sent"))
            tracker:update(event(1, "failed", 30001)) -- the reason is news
            assert.same({ "nothing to queued", "queued to failed", "failed to failed" }, told)
        end)

        it("takes reports of any order and number, also from two trackers at once", function()
            local reports = {
                { 1, message(1, "accepted"), "send" }, { 2, event(1, "sent") },
                { 3, event(1, "undelivered", 30008) }, { 4, message(1, "delivered"), "poll" },
            }
            local second, second_clock = tracking.tracker { store = store }
            local wanted
            each_order(#reports, function(order)
                for turn = 1, #order + 1 do
                    local report = reports[order[(turn - 1) % #order + 1]] -- the first comes again in the end
                    clock.now_s, second_clock.now_s = report[1], report[1]
                    local one = turn % 2 == 0 and second or tracker
                    assert(one:update(report[2], report[3]))
                end
                local record = known_part(tracker:get(sid(1)))
                wanted = wanted or record
                assert.same(wanted, record)
                assert(tracker:purge(2 ^ 33))
            end)
            assert.same({ "delivered", 4 }, { wanted.status, #wanted.timeline })
        end)
    end)
end

describe("a tracker", function()
    local store, tracker, clock

    before_each(function()
        store = memory.new()
        tracker, clock = tracking.tracker { store = store }
    end)

    it("stores the same after every order of five reports, with one of them twice", function()
        local reports = {
            { 1, message(1, "queued"), "send" }, { 2, event(1, "sent") }, { 3, event(1, "failed", 30001) },
            { 4, event(1, "undelivered") }, { 5, event(1, "unheard_of", 7) },
        }
        local wanted, ends = nil, 0
        each_order(#reports, function(order)
            for doubled = 1, #order do
                for turn = 0, #order do
                    local report = reports[order[turn == 0 and doubled or turn]]
                    clock.now_s = report[1]
                    tracker:update(report[2], report[3])
                end
                local record = known_part(tracker:get(sid(1)))
                wanted = wanted or record
                assert(state.equal(wanted, record), "another end after " .. table.concat(order, " "))
                tracker:purge(2 ^ 33)
                ends = ends + 1
            end
        end)
        assert.equal(600, ends)
        assert.same({ "undelivered", 30001 }, { wanted.status, wanted.error_code })
    end)

    it("keeps one store for all when it has none", function()
        local own = track.new { account_sid = ACCOUNT_SID }
        local before_s = os.time()
        own:sent(message(1, "queued"))
        assert.truthy(own:get(sid(1)).timeline[1].at >= before_s)
    end)

    it("counts a batch that is longer than a page", function()
        for i = 1, 1234 do
            tracker:sent(message(i, i % 2 == 0 and "delivered" or "sent"), { batch = "long" })
        end
        local counted = tracker:batch("long")
        assert.same({ 1234, 617, 617 }, { counted.total, counted.delivered, counted.open })
    end)

    it("keeps a change whose listener fails, and says what that has raised", function()
        tracker.on_change = function() error({ "oops" }) end
        local record, changed, raised = tracker:update(event(1, "sent"))
        assert.same({ "sent", true, { "oops" } }, { record.status, changed, raised })
        assert.equal("sent", tracker:get(sid(1)).status)
        assert.is_nil((select(3, tracker:update(event(1, "sent")))))
    end)

    it("goes by the account of a message", function()
        local foreign = event(1, "scheduled")
        foreign.account_sid = "AC" .. ("1"):rep(32)
        assert.equal(foreign.account_sid, tracker:update(foreign).account_sid)
        assert.same({}, tracker:scheduled_to(TO))
        assert.same({ sid(1) }, tracking.tracker {
            store = store, account_sid = foreign.account_sid,
        }:scheduled_to(TO))
    end)

    it("refuses a report that says nothing, without an error being raised", function()
        for _, report in ipairs {
            {}, { type = "inbound", message_sid = sid(1) }, { sid = sid(1), status = 5 },
        } do
            local record, err = tracker:update(report)
            assert.is_nil(record)
            assert.equal("MessageError.InvalidRequest", err.type)
        end
        assert.same({}, store:list("message", {}))
    end)

    describe("whose store", function()
        -- A store that answers `method` with what `f` answers, until that is nil.
        local function breaking(method, f)
            return setmetatable({
                [method] = function(_, ...)
                    local answer = { f(...) }
                    if answer[1] == nil and answer[2] == nil then
                        return store[method](store, ...)
                    end
                    return answer[1], answer[2]
                end,
            }, { __index = function(_, name)
                return function(_, ...) return store[name](store, ...) end
            end })
        end

        local broken = core.error("ServiceUnavailable", "the disk is full")

        it("cannot be read says so", function()
            local one = tracking.tracker { store = breaking("read", function() return nil, broken end) }
            for _, call in ipairs {
                function() return one:get(sid(1)) end, function() return one:sent(message(1, "queued")) end,
                function() return one:update(event(1, "sent")) end, function() return one:wait(sid(1)) end,
            } do
                local answer, err = call()
                assert.is_nil(answer)
                assert.equal(broken, err)
            end
        end)

        it("cannot be written says so, and nobody is told", function()
            local told = false
            local one = tracking.tracker {
                store = breaking("write", function() return nil, broken end),
                on_change = function() told = true end,
            }
            local record, err = one:sent(message(1, "queued"))
            assert.is_nil(record)
            assert.equal(broken, err)
            assert.is_false(told)
        end)

        it("cannot be listed or purged says so", function()
            local one = tracking.tracker { store = breaking("list", function() return nil, broken end) }
            one:attach(tracking.client())
            for _, call in ipairs {
                function() return one:batch("march") end, function() return one:scheduled_to(TO) end,
                function() return one:reconcile() end,
            } do
                local answer, err = call()
                assert.falsy(answer)
                assert.equal(broken, err)
            end
            one = tracking.tracker { store = breaking("purge", function() return nil, broken end) }
            assert.same({ nil, broken }, { one:purge(5) })
        end)

        it("is changed by another at the same moment loses neither change", function()
            local other = tracking.tracker { store = store }
            local interposed = 0
            local one = tracking.tracker {
                store = breaking("write", function()
                    interposed = interposed + 1
                    if interposed <= 3 then
                        assert(other:update(event(1, ({ "queued", "sent", "failed" })[interposed])))
                    end
                end),
            }
            local record = one:sent(message(1, "accepted"), { batch = "march" })
            assert.equal(4, interposed)
            assert.same({ "failed", "march", 4 }, { record.status, record.batch, #record.timeline })
            assert.equal(1, one:batch("march").failed)
        end)

        it("is always changed by others gives up in the end", function()
            local one = tracking.tracker { store = breaking("write", function() return false end) }
            local record, err = one:update(event(1, "sent"))
            assert.is_nil(record)
            assert.equal("ServerError.TemporarilyUnavailable", err.type)
        end)
    end)

    it("raises misuse at the caller", function()
        local function message_of(f, ...)
            local ok, err = pcall(f, ...)
            assert.is_false(ok)
            return err
        end
        local calls = {
            { "account_sid", function() track.new {} end },
            { "account_sid", function() track.new { account_sid = "AC/1" } end },
            { "unknown option 'acount'", function() track.new { acount = "AC1" } end },
            { "silent_s", function() track.new { account_sid = "AC1", silent_s = 0 } end },
            { "must have the method 'read'", function() track.new { account_sid = "AC1", store = {} } end },
            { "'store' must have", function() track.new { account_sid = "AC1", store = true } end },
            { "not nil", function() tracker:sent() end },
            { "unknown option", function() tracker:sent(message(1, "queued"), { name = "x" }) end },
            { "name of a batch", function() tracker:sent(message(1, "queued"), { batch = "a/b" }) end },
            { "name of a batch", function() tracker:batch("") end },
            { "name of a batch", function() tracker:batch(5) end },
            { "send_at", function() tracker:sent(message(1, "queued"), { send_at = 1.5 }) end },
            { "not a string", function() tracker:update("sent") end },
            { "source", function() tracker:update(event(1, "sent"), 5) end },
            { "sid", function() tracker:get() end },
            { "sid", function() tracker:wait("") end },
            { "timeout_ms", function() tracker:wait(sid(1), { timeout_ms = -1 }) end },
            { "interval_ms", function() tracker:wait(sid(1), { interval_ms = 0 }) end },
            { "address", function() tracker:scheduled_to() end },
            { "needs a client", function() tracker:reconcile() end },
            { "before_s", function() tracker:purge() end },
            { "a colon, as in tracker:sent%(message%)", function() tracker.sent(message(1, "queued")) end },
            { "a colon, as in tracker:get%(sid%)", function() tracker.get(sid(1)) end },
            { "a colon, as in tracker:batch%(name%)", function() tracker.batch("march") end },
        }
        for _, call in ipairs(calls) do
            local err = message_of(call[2])
            assert.matches(call[1], err)
            assert.matches("^spec/track_spec.lua:%d+:", err)
        end
    end)

    it("keeps the client that it has", function()
        local first, second = tracking.client(), tracking.client()
        tracker:attach(first)
        tracker:attach(second)
        first:tell(message(1, "delivered"))
        assert.equal("delivered", assert(tracker:wait(sid(1))).status)
        assert.same({ {}, { sid(1) } }, { second.asked, first.asked })
    end)

    it("keeps the first source of what is heard twice in one second", function()
        tracker:sent(message(1, "queued"))
        tracker:update(message(1, "queued"))
        assert.equal("send", tracker:get(sid(1)).timeline[1].source)
        tracker:update(message(2, "sent"))
        tracker:update(event(2, "sent"))
        assert.equal("poll", tracker:get(sid(2)).timeline[1].source)
    end)

    it("has a name", function()
        assert.equal("twilio_sms.track", tostring(tracker))
    end)
end)

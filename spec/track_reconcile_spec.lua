local core = require "twilio_sms.core"
local memory = require "twilio_sms.memory"
local tracking = require "tracking"

local sid, event, message = tracking.sid, tracking.event, tracking.message

local HOUR, DAY = 3600, 86400

-- Numbers that are the same in every run.
local function random_numbers(seed)
    return function(most)
        seed = (seed * 16807) % 2147483647
        return seed % most + 1
    end
end

for _, kind in ipairs(tracking.STORES) do
    local name, open = kind[1], kind[2]

    describe("looking after silent messages " .. name, function()
        local store, close, client, tracker, clock

        before_each(function()
            store, close = open()
            client = tracking.client()
            tracker, clock = tracking.tracker { store = store, client = client }
        end)

        after_each(function()
            close()
        end)

        local function expect(wanted, found)
            for _, what in ipairs { "looked", "changed", "terminal", "missing", "silent" } do
                assert.equal(wanted[what] or 0, found[what], what)
            end
        end

        it("asks about those that were silent for too long, and no others", function()
            tracker:sent(message(1, "queued"))
            tracker:sent(message(2, "queued"))
            tracker:sent(message(3, "delivered"))
            clock.now_s = clock.now_s + HOUR - 1
            tracker:update(event(2, "sent"))
            expect({}, tracker:reconcile())
            clock.now_s = clock.now_s + 1
            client:tell(message(1, "delivered"))
            local found = tracker:reconcile()
            expect({ looked = 1, changed = 1, terminal = 1 }, found)
            assert.same({}, found.failed)
            assert.same({ sid(1) }, client.asked)
            assert.equal("delivered", tracker:get(sid(1)).status)
            expect({}, tracker:reconcile())
        end)

        it("asks less and less often, gives up, and listens all the same", function()
            tracker:sent(message(1, "sent"), { batch = "march" })
            client:tell(message(1, "sent"))
            local begun_s, hours = clock.now_s, {}
            for hour = 1, 100 do
                clock.now_s = begun_s + hour * HOUR
                local found = tracker:reconcile()
                if found.looked > 0 then
                    hours[#hours + 1] = hour
                    assert.equal(hour == 79 and 1 or 0, found.silent)
                end
            end
            assert.same({ 1, 3, 7, 15, 31, 55, 79 }, hours)
            assert.is_true(tracker:get(sid(1)).silent)
            local counted = tracker:batch("march")
            assert.same({ 1, 0, true }, { counted.silent, counted.open, counted.done })
            local record = tracker:update(event(1, "delivered"))
            assert.same({ "delivered", nil }, { record.status, record.silent })
            assert.equal(1, tracker:batch("march").delivered)
        end)

        it("begins anew when a message has moved", function()
            tracker:sent(message(1, "queued"))
            for _, status in ipairs { "queued", "queued", "sent" } do
                clock.now_s = tracker:get(sid(1)).next_look_at
                client:tell(message(1, status))
                tracker:reconcile()
            end
            assert.same({ 0, clock.now_s + HOUR }, {
                tracker:get(sid(1)).looks, tracker:get(sid(1)).next_look_at,
            })
        end)

        it("marks what Twilio no longer has", function()
            tracker:sent(message(1, "queued"), { batch = "march" })
            clock.now_s = clock.now_s + HOUR
            local found = tracker:reconcile()
            expect({ looked = 1, missing = 1 }, found)
            assert.same({}, found.failed)
            local record = tracker:get(sid(1))
            assert.same({ "queued", true, nil }, { record.status, record.missing, record.next_look_at })
            local counted = tracker:batch("march")
            assert.same({ 1, true }, { counted.missing, counted.done })
            clock.now_s = clock.now_s + 10 * DAY
            expect({}, tracker:reconcile())
            assert.is_nil(tracker:update(event(1, "sent")).missing)
        end)

        it("does not miss what has ended meanwhile and was deleted then", function()
            tracker:sent(message(1, "sent"))
            clock.now_s = clock.now_s + HOUR
            local get = client.get
            function client:get(...)
                tracker:update(event(1, "delivered"))
                return get(self, ...)
            end
            local found = tracker:reconcile()
            expect({ looked = 1, terminal = 1 }, found)
            assert.same({ "delivered", nil }, { tracker:get(sid(1)).status, tracker:get(sid(1)).missing })
        end)

        it("keeps due what Twilio does not answer", function()
            tracker:sent(message(1, "queued"))
            tracker:sent(message(2, "queued"))
            clock.now_s = clock.now_s + HOUR
            local down = core.error("ServiceUnavailable", "HTTP 503")
            client.errors[sid(1)] = down
            client:tell(message(2, "delivered"))
            local found = tracker:reconcile()
            expect({ looked = 2, changed = 1, terminal = 1 }, found)
            assert.same({ [sid(1)] = down }, found.failed)
            client.errors = {}
            client:tell(message(1, "delivered"))
            expect({ looked = 1, changed = 1, terminal = 1 }, tracker:reconcile())
        end)

        it("takes those first that wait longest, as many as it is told", function()
            for i = 9, 1, -1 do
                tracker:sent(message(i, "queued"))
                client:tell(message(i, "delivered"))
                clock.now_s = clock.now_s + 1
            end
            clock.now_s = clock.now_s + HOUR
            expect({ looked = 2, changed = 2, terminal = 2 }, tracker:reconcile { limit = 2 })
            assert.same({ sid(9), sid(8) }, client.asked)
        end)

        it("leaves the messages of other accounts to those who can ask about them", function()
            local foreign = event(1, "sent")
            foreign.account_sid = "AC" .. ("1"):rep(32)
            tracker:update(foreign)
            clock.now_s = clock.now_s + HOUR
            expect({}, tracker:reconcile())
        end)
    end)
end

describe("looking after silent messages", function()
    local client, tracker, clock

    before_each(function()
        client = tracking.client()
        tracker, clock = tracking.tracker { client = client, store = memory.new() }
    end)

    describe("that failed because of a STOP", function()
        local learned, answer

        local ledger = {
            learn = function(_, learnt)
                learned[#learned + 1] = learnt
                return (table.unpack or unpack)(answer, 1, 2) -- luacheck: ignore 113
            end,
        }

        before_each(function()
            learned, answer = {}, { { action = "stop" } }
            local sent = message(1, "accepted")
            sent.messaging_service_sid = "MG" .. ("0"):rep(32)
            tracker:sent(sent)
            local failed = message(1, "failed", 21610)
            failed.messaging_service_sid = sent.messaging_service_sid
            client:tell(failed)
            tracker:sent(message(2, "accepted"))
            client:tell(message(2, "failed", 30001))
            clock.now_s = clock.now_s + HOUR
        end)

        it("teaches the opt-out list", function()
            assert.equal(2, tracker:reconcile { optout = ledger }.terminal)
            assert.same({ {
                type = "status", status = "failed", error_code = 21610, message_sid = sid(1),
                account_sid = tracking.ACCOUNT_SID, to = tracking.TO,
                messaging_service_sid = "MG" .. ("0"):rep(32),
            } }, learned)
        end)

        it("looks again when the opt-out list could not learn", function()
            local broken = core.error("ServiceUnavailable", "the disk is full")
            answer = { nil, broken }
            local found = tracker:reconcile { optout = ledger }
            assert.same({ 1, { [sid(1)] = broken } }, { found.terminal, found.failed })
            answer = { {} }
            assert.equal(1, tracker:reconcile { optout = ledger }.terminal)
            assert.equal(2, #learned)
        end)
    end)

    it("tells what a listener has raised, and goes on", function()
        for i = 1, 3 do
            tracker:sent(message(i, "queued"))
            client:tell(message(i, "delivered"))
        end
        tracker.on_change = function(record)
            if record.sid == sid(2) then
                error("oops", 0)
            end
        end
        clock.now_s = clock.now_s + HOUR
        local found = tracker:reconcile()
        assert.same({ 3, 3, { [sid(2)] = "oops" } }, { found.changed, found.terminal, found.failed })
    end)

    it("knows nothing of messages that a purge has taken meanwhile", function()
        tracker:sent(message(1, "queued"))
        clock.now_s = clock.now_s + HOUR
        local get = client.get
        function client:get(...)
            tracker:purge(2 ^ 33)
            return get(self, ...)
        end
        local found = tracker:reconcile()
        assert.same({ 1, 0, {} }, { found.looked, found.missing, found.failed })
        assert.is_nil(tracker:get(sid(1)))
    end)

    it("is misused with a number that is none, or an option that there is not", function()
        for _, opts in ipairs { { limit = 0 }, { limit = 1001 }, { limit = 1.5 }, { limits = 5 } } do
            assert.has_error(function() tracker:reconcile(opts) end)
        end
    end)

    local WAYS = {
        { "queued", "sending", "sent", "delivered" }, { "accepted", "queued", "sent", "undelivered" },
        { "accepted", "failed" }, { "queued", "sent", "delivered", "read" }, { "scheduled", "canceled" },
        { "queued", "sent" },
    }

    it("brings a crowd to its true end, whatever was late, doubled or lost", function()
        for seed = 1, 5 do
            local random = random_numbers(seed)
            client = tracking.client()
            tracker, clock = tracking.tracker { client = client, store = memory.new() }
            local mail, truth = {}, {}
            for i = 1, 200 do
                local way = WAYS[random(#WAYS)]
                local last = way[#way]
                local code = (last == "failed" or last == "undelivered") and 30000 + random(8) or nil
                truth[i] = { last, code }
                if random(10) > 1 then -- else its program died before it could register it
                    mail[#mail + 1] = { random(1000), "sent", message(i, way[1]) }
                end
                for step = 2, #way do
                    local times = ({ 0, 1, 1, 1, 2, 5 })[random(6)]
                    if way[step] == "read" then
                        times = math.max(times, 1) -- nobody looks again after "delivered"
                    end
                    for _ = 1, times do
                        mail[#mail + 1] = {
                            random(1000), "update", event(i, way[step], step == #way and code or nil),
                        }
                    end
                end
                client:tell(message(i, last, code))
            end
            table.sort(mail, function(a, b) return a[1] < b[1] end)
            local heard = {}
            for _, letter in ipairs(mail) do
                clock.now_s = clock.now_s + 1
                assert(tracker[letter[2]](tracker, letter[3]))
                heard[letter[3].sid or letter[3].message_sid] = true
            end
            local looks = 0
            repeat
                clock.now_s = clock.now_s + HOUR
                local found = tracker:reconcile { limit = 37 }
                looks = looks + found.looked
            until clock.now_s > 1000000 + 10 * DAY
            local count = 0
            for i = 1, 200 do
                local record = tracker:get(sid(i))
                if heard[sid(i)] then
                    count = count + 1
                    assert.same(truth[i], { record.status, record.error_code })
                    assert.truthy(record.terminal or record.silent)
                    assert.is_nil(record.next_look_at)
                else
                    assert.is_nil(record)
                end
            end
            assert.truthy(count > 150 and looks > 20, count .. " " .. looks)
        end
    end)
end)

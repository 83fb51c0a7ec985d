local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local memory = require "twilio_sms.memory"
local tracking = require "tracking"

local sid, event, message = tracking.sid, tracking.event, tracking.message

-- Runs f inside of a loop and outside.
local function both(f)
    f()
    loop.run(f)
end

describe("waiting for the end of a message", function()
    local store, client, tracker

    before_each(function()
        store, client = memory.new(), tracking.client()
        tracker = tracking.tracker { store = store, client = client }
    end)

    after_each(function()
        assert.is_nil(next(tracker.watches)) -- nobody is left behind
    end)

    it("is over at once when it is known already, and nobody is asked", function()
        tracker:update(event(1, "delivered"))
        both(function()
            assert.equal("delivered", tracker:wait(sid(1)).status)
        end)
        assert.same({}, client.asked)
    end)

    it("ends with a callback in the same process", function()
        tracker.client = nil
        tracker:sent(message(1, "queued"))
        local woken
        loop.run(function()
            loop.spawn(function()
                woken = assert(tracker:wait(sid(1), { interval_ms = 60000, timeout_ms = 60000 })).status
            end)
            loop.sleep(1)
            tracker:update(event(1, "sent"))
            loop.sleep(1)
            assert.is_nil(woken)
            tracker:update(event(1, "delivered"))
        end)
        assert.equal("delivered", woken)
    end)

    it("ends with a callback that comes while the store is being read", function()
        local slow, reads, go_on = {}, 0, false
        for _, method in ipairs { "write", "list", "purge" } do
            slow[method] = function(_, ...) return store[method](store, ...) end
        end
        function slow.read(_, ...)
            local record, version = store:read(...)
            reads = reads + 1
            if reads == 3 then -- by who waits, after a first look
                repeat loop.sleep(1) until go_on
            end
            return record, version
        end
        tracker = tracking.tracker { store = slow }
        local woken
        loop.run(function()
            tracker:sent(message(1, "queued"))
            loop.spawn(function()
                woken = tracker:wait(sid(1), { interval_ms = 60000, timeout_ms = 5000 })
            end)
            loop.sleep(1)
            tracker:update(event(1, "delivered"))
            go_on = true
            for _ = 1, 500 do -- much less than until the next look
                loop.sleep(woken and 0 or 2)
            end
            assert.equal("delivered", woken and woken.status)
        end)
    end)

    it("ends with a callback even while a look hangs", function()
        local looks = 0
        function client:get(asked)
            loop.sleep(50)
            looks = looks + 1
            return self.truth[asked]
        end
        client:tell(message(1, "sent"))
        local looks_then
        loop.run(function()
            loop.spawn(function()
                assert.equal("delivered", assert(tracker:wait(sid(1))).status)
                looks_then = looks
            end)
            loop.sleep(1)
            tracker:update(event(1, "delivered"))
        end)
        assert.same({ 0, 1 }, { looks_then, looks })
        assert.equal(2, #tracker:get(sid(1)).timeline) -- what the look has brought was not lost
    end)

    it("ends with a look, and the tracker learns from it", function()
        both(function()
            local seen = 0
            function client:get(asked)
                seen = seen + 1
                self:tell(message(1, ({ "queued", "sent", "undelivered" })[seen], seen == 3 and 30003 or nil))
                return self.truth[asked]
            end
            local record = assert(tracker:wait(sid(1), { interval_ms = 2 }))
            assert.same({ "undelivered", 30003, 3 }, { record.status, record.error_code, seen })
            assert.same(record, tracker:get(sid(1)))
            assert.equal("poll", record.timeline[1].source)
            tracker:purge(2 ^ 33)
        end)
    end)

    it("sees what another process has stored", function()
        tracker.client = nil
        local other = tracking.tracker { store = store }
        loop.run(function()
            loop.spawn(function()
                assert.equal("read", assert(tracker:wait(sid(1), { interval_ms = 2 })).status)
            end)
            loop.sleep(1)
            other:update(event(1, "read"))
        end)
    end)

    it("lasts no longer than it is told, and answers the last state then", function()
        client:tell(message(1, "sent"))
        both(function()
            for _, opts in ipairs {
                { timeout_ms = 20, interval_ms = 5 }, { timeout_ms = 20, interval_ms = 60000 },
                { timeout_ms = 20 },
            } do
                local before_ms = core.now_ms()
                local record, err = tracker:wait(sid(1), opts)
                assert.is_nil(record)
                assert.equal("NetworkError.Timeout", err.type)
                assert.matches("still sent", err.message)
                assert.same({ sid(1), "sent" }, { err.last.sid, err.last.status })
                assert.truthy(core.now_ms() - before_ms >= 20)
            end
        end)
    end)

    it("of no time only looks into the store", function()
        both(function()
            local record, err = tracker:wait(sid(1), { timeout_ms = 0 })
            assert.is_nil(record)
            assert.matches("nothing is known", err.message)
            assert.is_nil(err.last)
        end)
        assert.same({}, client.asked)
    end)

    it("ends when Twilio does not know the message, or refuses to tell", function()
        both(function()
            local before_ms = core.now_ms()
            local record, err = tracker:wait(sid(1), { interval_ms = 60000 })
            assert.is_nil(record)
            assert.equal(404, err.http_status)
            assert.truthy(core.now_ms() - before_ms < 30000)
        end)
    end)

    it("goes on when a look fails in passing", function()
        local n = 0
        function client:get(asked)
            table.insert(self.asked, asked)
            if #self.asked % 4 ~= 0 then
                return nil, core.error("ServiceUnavailable", "HTTP 503")
            end
            return message(n, "delivered")
        end
        both(function()
            n = n + 1
            assert.equal("delivered", assert(tracker:wait(sid(n), { interval_ms = 1 })).status)
            assert.equal(4 * n, #client.asked)
        end)
    end)

    it("asks once for all who wait for the same", function()
        client:tell(message(1, "delivered"))
        local get = client.get
        function client:get(...)
            loop.sleep(5)
            return get(self, ...)
        end
        local ended = 0
        loop.run(function()
            for _ = 1, 10 do
                loop.spawn(function()
                    assert.equal("delivered", assert(tracker:wait(sid(1))).status)
                    ended = ended + 1
                end)
            end
        end)
        assert.same({ 10, 1 }, { ended, #client.asked })
    end)

    it("fails alone when the client was closed meanwhile, and does not end the loop", function()
        function client:get()
            error "the client is closed"
        end
        local others, err = 0, nil
        loop.run(function()
            loop.spawn(function() err = select(2, tracker:wait(sid(1))) end)
            loop.sleep(5)
            others = others + 1
        end)
        assert.equal(1, others)
        assert.matches("the client is closed", tostring(err))
    end)

    it("grows its pauses", function()
        client:tell(message(1, "sent"))
        local pauses, now_ms = {}, 0
        local real_wait_for, real_now_ms = loop.wait_for, core.now_ms
        loop.wait_for = function(_, ms) -- luacheck: ignore 122
            pauses[#pauses + 1] = ms
            now_ms = now_ms + ms
        end
        core.now_ms = function() return now_ms end -- luacheck: ignore 122
        local ok, _, err = pcall(tracker.wait, tracker, sid(1), { timeout_ms = 20000 })
        loop.wait_for, core.now_ms = real_wait_for, real_now_ms -- luacheck: ignore 122
        assert.is_true(ok)
        assert.equal("NetworkError.Timeout", err.type)
        assert.equal("500 750 1125 1687 2530 3795 5000 4613", table.concat(pauses, " "))
        assert.equal(20000, now_ms)
        assert.equal(#pauses, #client.asked)
    end)
end)

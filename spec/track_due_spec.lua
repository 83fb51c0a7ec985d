local due = require "twilio_sms.track.due"

local HOUR, DAY = 3600, 86400

local function record(status, at, more)
    local out = { status = status, looks = 0, timeline = { { status = status, at = at, source = "send" } } }
    for name, value in pairs(more or {}) do
        out[name] = value
    end
    return out
end

-- Looks again and again without hearing anything new. Answers when the looks were.
local function looks_at(one, now_s)
    local times = {}
    due.plan(one, now_s, due.SILENT_S)
    while one.next_look_at do
        times[#times + 1] = one.next_look_at
        one.looks = one.looks + 1
        due.plan(one, one.next_look_at, due.SILENT_S)
        assert(#times < 100, "it never ends")
    end
    return times
end

describe("looks after a silent message", function()
    it("come after growing pauses, and end after three days", function()
        local one = record("sent", 0)
        local hours = {}
        for i, at in ipairs(looks_at(one, 0)) do
            hours[i] = at / HOUR
        end
        assert.same({ 1, 3, 7, 15, 31, 55, 79 }, hours)
        assert.is_true(one.silent)
    end)

    it("are not for what is finished, or gone", function()
        for _, one in ipairs {
            record("delivered", 0, { terminal = true }), record("sent", 0, { missing = true }),
        } do
            due.plan(one, 0, 60)
            assert.is_nil(one.next_look_at)
            assert.is_nil(one.silent)
        end
    end)

    it("of a schedule begin when it is due, and end three days later", function()
        local one = record("scheduled", 0, { send_at = 20 * DAY })
        local times = looks_at(one, 0)
        assert.equal(20 * DAY + HOUR, times[1])
        assert.truthy(times[#times] >= 23 * DAY and times[#times] < 25 * DAY)
    end)

    it("of a schedule for an unknown time go on for as long as there may be one", function()
        local times = looks_at(record("scheduled", 0), 0)
        assert.equal(HOUR, times[1])
        assert.truthy(times[#times] >= 38 * DAY and times[#times] < 40 * DAY)
        assert.truthy(#times < 50)
    end)

    it("never come more often than the first pause says", function()
        local one = record("sent", 0, { looks = 3 })
        due.plan(one, 0, 2 * DAY)
        assert.equal(2 * DAY, one.next_look_at)
    end)

    it("happen once at least, however old the message is", function()
        local one = record("sent", 0)
        due.plan(one, 30 * DAY, HOUR)
        assert.equal(30 * DAY + HOUR, one.next_look_at)
    end)

    it("begin anew when it moves", function()
        local one = record("sent", 0, { looks = 7, silent = true })
        one.status, one.looks = "partially_delivered", 0
        one.timeline[2] = { status = "partially_delivered", at = 10 * DAY }
        due.plan(one, 10 * DAY, HOUR)
        assert.is_nil(one.silent)
        assert.equal(10 * DAY + HOUR, one.next_look_at)
    end)
end)

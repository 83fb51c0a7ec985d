local delivery = require "twilio_sms.sim.delivery"
local random = require "twilio_sms.sim.random"

local function new(opts)
    return delivery.new(opts, random.new(7), 1)
end

-- How often each fate comes in so many draws.
local function count_fates(way, draws)
    local times = {}
    for _ = 1, draws do
        local status, code = way:fate()
        local key = code and status .. " " .. code or status
        times[key] = (times[key] or 0) + 1
    end
    return times
end

local function is_near(count, share, draws)
    local deviation = math.sqrt(draws * share * (1 - share))
    return math.abs((count or 0) - draws * share) < 5 * deviation
end

describe("twilio_sms.sim.delivery", function()
    it("delivers everything at once unless it is told otherwise", function()
        local way = new {}
        assert.same({ "delivered" }, { way:fate() })
        assert.same({ 0, 0, 0 },
            { way:delay_ms "send_ms", way:delay_ms "sending_ms", way:delay_ms "deliver_ms" })
    end)

    it("takes a number as it is, without a draw", function()
        local chance = random.new(7)
        local before = chance.state
        assert.equal(250, delivery.draw(250, chance))
        assert.equal(before, chance.state)
    end)

    it("draws between quantiles", function()
        local chance, below = random.new(7), { 0, 0, 0 }
        for _ = 1, 8000 do
            local ms = delivery.draw({ 100, 200, 1000 }, chance)
            assert.truthy(ms >= 100 and ms <= 1000 and ms % 1 == 0)
            below[1] = below[1] + (ms < 150 and 1 or 0)
            below[2] = below[2] + (ms < 200 and 1 or 0)
            below[3] = below[3] + (ms < 600 and 1 or 0)
        end
        assert.truthy(is_near(below[1], 0.25, 8000))
        assert.truthy(is_near(below[2], 0.5, 8000))
        assert.truthy(is_near(below[3], 0.75, 8000))
        assert.equal(70, delivery.draw({ 70 }, chance))
    end)

    it("lets shares of the messages fail, each with its status", function()
        local way = new {
            errors = {
                { code = 30003, share = 0.1 }, { code = 30450, share = 0.05 },
                { code = 30007, share = 0.02, status = "failed" },
            },
            no_receipt = 0.2,
        }
        local draws = 20000
        local times = count_fates(way, draws)
        for key, share in pairs {
            ["undelivered 30003"] = 0.1, ["failed 30450"] = 0.05, ["failed 30007"] = 0.02, sent = 0.2,
            delivered = 0.63,
        } do
            assert.truthy(is_near(times[key], share, draws), key)
        end
    end)

    it("can let all fail", function()
        local way = new { errors = { { code = 30005, share = 1 } } }
        assert.same({ ["undelivered 30005"] = 500 }, count_fates(way, 500))
    end)

    it("knows a usual day", function()
        local way = new(delivery.REALISTIC)
        local times = count_fates(way, 20000)
        for _, given in ipairs(delivery.REALISTIC.errors) do
            assert.truthy(is_near(times["undelivered " .. given.code], given.share, 20000), given.code)
        end
    end)

    it("draws the same for the same seed", function()
        local one, two = new(delivery.REALISTIC), new(delivery.REALISTIC)
        for _ = 1, 100 do
            assert.equal(one:delay_ms "deliver_ms", two:delay_ms "deliver_ms")
            assert.same({ one:fate() }, { two:fate() })
        end
    end)

    it("refuses what makes no sense", function()
        for _, case in ipairs {
            { { send_ms = -1 }, "send_ms must be whole milliseconds" },
            { { deliver_ms = { 5, 4 } }, "deliver_ms must be whole milliseconds, or an ascending list" },
            { { deliver_ms = { "1" } }, "deliver_ms must be" },
            { { sending_ms = {} }, "sending_ms is an empty list" },
            { { sending_ms = 0 / 0 }, "sending_ms must be" },
            { { delivr_ms = 1 }, "did you mean 'deliver_ms'?" },
            { { errors = { { code = 30003 } } }, "error 1 needs a code, a share" },
            { { errors = { { code = 30003, share = 2 } } }, "error 1 needs" },
            { { errors = { { code = 30003, share = 0.1, status = "lost" } } }, "error 1 needs" },
            { { errors = { { code = 30003, share = 0.6 } }, no_receipt = 0.6 }, "make more than 1" },
            { { no_receipt = -0.1 }, "less than 0" },
        } do
            local ok, message = pcall(new, case[1])
            assert.is_false(ok)
            assert.truthy(message:find(case[2], 1, true), message)
        end
    end)
end)

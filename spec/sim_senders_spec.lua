local senders = require "twilio_sms.sim.senders"

local SERVICE = "MG" .. ("0"):rep(32)
local ONE, TWO, THREE = "+15557122661", "+15557122662", "+15557122663"

local function new(list, limit_all)
    return senders.new({ senders = list, limit_all = limit_all, hold_s = 36000 }, 1)
end

-- Segments a second of a sender; nil without a limit.
local function rate_of(list, number)
    local queue = list:queue_of(number)
    return queue and 1000 / queue.segment_ms
end

describe("twilio_sms.sim.senders", function()
    local RATES = {
        { "+15557122661", "long_code", 1 },
        { "+18885550100", "toll_free", 3 },
        { "+18335550100", "toll_free", 3 },
        { "+18105550100", "long_code", 1 }, -- Michigan
        { "12345", "short_code", 100 },
        { "ACME Shop", "alphanumeric", 10 },
        { "+447700900123", "long_code", 10 },
        { "rcs:acme", "alphanumeric", 10 },
    }

    it("knows each kind and how fast it is", function()
        local all = new(nil, true)
        for _, row in ipairs(RATES) do
            assert.equal(row[2], senders.type_of(row[1]))
            assert.equal(row[3], rate_of(all, row[1]))
            assert.equal(36000 * row[3], all:queue_of(row[1]).most)
            assert.equal(all:queue_of(row[1]), all:queue_of(row[1]))
        end
    end)

    it("limits the listed ones only, unless all are to be", function()
        local list = new { [ONE] = {}, [TWO] = { per_second = 25 }, ["12345"] = { type = "long_code" } }
        assert.equal(1, rate_of(list, ONE))
        assert.equal(25, rate_of(list, TWO))
        assert.equal(10, rate_of(list, "12345"))
        assert.is_nil(list:queue_of(THREE))
        assert.is_nil(new(nil):queue_of(ONE))
    end)

    it("chooses the same number for the same person, each number about as often", function()
        local list = new { [SERVICE] = { type = "service", senders = { ONE, TWO, THREE } } }
        local times = {}
        for i = 1, 3000 do
            local person = ("+1555%07d"):format(i * 37)
            local number = list:choose(SERVICE, person, 1)
            times[number] = (times[number] or 0) + 1
            assert.equal(number, list:choose(SERVICE, person, 1))
        end
        for _, number in ipairs { ONE, TWO, THREE } do
            assert.truthy(times[number] > 800 and times[number] < 1200)
        end
        assert.is_nil(list:choose("MG1", "+15558675310", 1))
    end)

    it("stays with the number that a person wrote to", function()
        local list = new { [SERVICE] = { senders = { ONE, TWO, THREE } } }
        for _, number in ipairs { ONE, TWO, THREE } do
            list:hear(SERVICE, "+15558675310", number)
            assert.equal(number, list:choose(SERVICE, "+15558675310", 1))
        end
        list:hear("MG1", "+15558675310", ONE) -- a service without a pool
    end)

    it("turns to another number when the queue is full", function()
        local list = new { [ONE] = {}, [TWO] = {}, [SERVICE] = { senders = { ONE, TWO } } }
        local first = list:choose(SERVICE, "+15558675310", 1)
        local other = first == ONE and TWO or ONE
        list:queue_of(first):push { segments = 36000 }
        assert.equal(other, list:choose(SERVICE, "+15558675310", 1))
        list:queue_of(other):push { segments = 36000 }
        assert.truthy(list:choose(SERVICE, "+15558675310", 1)) -- where it fails
    end)

    it("has a queue for a service that has a throughput of its own", function()
        local list = new { [SERVICE] = { per_second = 40, senders = { ONE } }, MG2 = { senders = { TWO } } }
        assert.equal(40, rate_of(list, SERVICE))
        assert.is_nil(list:queue_of "MG2")
        assert.is_nil(new(nil, true):queue_of(SERVICE))
        local members = {}
        list:each_member(function(number, service)
            members[number] = service
        end)
        assert.same({ [ONE] = SERVICE, [TWO] = "MG2" }, members)
    end)

    it("refuses what makes no sense", function()
        for text, given in pairs {
            ["did you mean 'toll_free'?"] = { [ONE] = { type = "tollfree" } },
            ["did you mean 'per_second'?"] = { [ONE] = { persecond = 1 } },
            ["per_second must be above 0"] = { [ONE] = { per_second = 0 } },
            ["senders is a list of a messaging service's numbers"] = { [ONE] = { senders = { TWO } } },
            ["'MG1': senders is a list"] = { MG1 = { senders = {} } },
        } do
            local ok, message = pcall(new, given)
            assert.is_false(ok)
            assert.truthy(message:find(text, 1, true), message)
        end
        assert.is_false((pcall(new, { [ONE] = { per_second = 0 / 0 } })))
    end)
end)

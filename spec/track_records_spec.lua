local memory = require "twilio_sms.memory"
local records = require "twilio_sms.track.records"

local ACCOUNTS = { "AC1", "AC2" }
local STATUSES = { "scheduled", "queued", "sent", "delivered" }

-- Numbers that are the same in every run.
local function random_numbers(seed)
    return function(most)
        seed = (seed * 16807) % 2147483647
        return seed % most + 1
    end
end

local function keys_of(store, space)
    local keys = {}
    for _, row in ipairs(assert(store:list(space, { limit = 1000 }))) do
        keys[#keys + 1] = row.key
    end
    return keys
end

describe("the records of messages", function()
    local store

    before_each(function()
        store = memory.new()
    end)

    local function put(record)
        assert(records.change(store, record.sid, 100, function() return record end))
    end

    it("have the rows in the indexes that they should, and no others, whatever changes", function()
        local random = random_numbers(1)
        for _ = 1, 2000 do
            put {
                sid = "SM" .. random(20), account_sid = ACCOUNTS[random(2)], status = STATUSES[random(4)],
                to = random(3) > 1 and "+1555000" .. random(5) or nil, timeline = {},
                batch = random(3) > 1 and "batch " .. random(3) or nil,
                next_look_at = random(3) > 1 and random(100000) or nil,
            }
        end
        local wanted = { message_due = {}, message_to = {}, batch = {} }
        for _, row in ipairs(store:list("message", {})) do
            local record = row.record
            local function add(space, middle)
                table.insert(wanted[space], record.account_sid .. "/" .. middle .. "/" .. record.sid)
            end
            if record.next_look_at then
                add("message_due", ("%012d"):format(record.next_look_at))
            end
            if record.status == "scheduled" and record.to then
                add("message_to", record.to)
            end
            if record.batch then
                add("batch", record.batch)
            end
        end
        for space, keys in pairs(wanted) do
            table.sort(keys)
            assert.same(keys, keys_of(store, space))
            assert.truthy(#keys > 0)
        end
    end)

    it("are due in the order of their times, those of one account alone", function()
        for i, at in ipairs { 300, 99999, 5, 200 } do
            put { sid = "SM" .. i, account_sid = "AC1", status = "sent", timeline = {}, next_look_at = at }
        end
        put { sid = "SM5", account_sid = "AC2", status = "sent", timeline = {}, next_look_at = 1 }
        assert.same({ "SM3", "SM4", "SM1" }, records.due(store, "AC1", 300, 10))
        assert.same({ "SM3" }, records.due(store, "AC1", 300, 1))
        assert.same({}, records.due(store, "AC1", 4, 10))
    end)

    it("are not written when nothing changes", function()
        local record = { sid = "SM1", account_sid = "AC1", status = "sent", timeline = {} }
        put(record)
        put(record)
        assert.equal(1, select(2, store:read("message", "SM1")))
    end)

    it("are left alone when the change is called off", function()
        local new, err = records.change(store, "SM1", 100, function(old)
            assert.is_nil(old)
            return nil, "called off"
        end)
        assert.same({ nil, "called off" }, { new, err })
        assert.same({}, keys_of(store, "message"))
    end)

    it("have one address for SMS and RCS, and others as they are", function()
        assert.equal("+15550001", records.plain_address("+15550001"))
        assert.equal("+15550001", records.plain_address("rcs:+15550001"))
        assert.equal("+15550001", records.plain_address("sms:+15550001"))
        assert.equal("whatsapp:+15550001", records.plain_address("whatsapp:+15550001"))
    end)
end)

local message_list = require "twilio_sms.sim.message_list"

local NOW_MS = 1000000

describe("twilio_sms.sim.message_list", function()
    local list, made

    before_each(function()
        list, made = message_list.new(), {}
    end)

    local function add(to, fields)
        local message = fields or {}
        message.sid, message.to = "SM" .. #made + 1, to
        made[#made + 1] = message
        list:add(message)
        return message
    end

    -- The numbers of the messages on a page, and whether more follow.
    local function page(filter, cursor, size)
        local found, more = list:page(filter or {}, size or 50, cursor, NOW_MS)
        local out = {}
        for i, message in ipairs(found) do
            out[i] = tonumber(message.sid:sub(3))
        end
        return out, more
    end

    it("finds by sid", function()
        local message = add "a"
        assert.equal(message, list:find "SM1")
        assert.is_nil(list:find "SM2")
        assert.equal(1, list:size())
    end)

    it("lists all of them, and those to one recipient", function()
        for i = 1, 6 do
            add(i % 2 == 0 and "a" or "b")
        end
        assert.same({ 6, 5, 4, 3, 2, 1 }, (page()))
        assert.same({ 6, 4, 2 }, (page { to = "a" }))
        assert.same({ 5, 3, 1 }, (page { to = "b" }))
        assert.same({}, (page { to = "c" }))
        local found, more = page({ to = "a" }, nil, 2)
        assert.same({ { 6, 4 }, true }, { found, more })
    end)

    it("walks from the oldest to the newest", function()
        for _ = 1, 3 do
            add "a"
        end
        list:remove(made[1])
        local seen = {}
        for message in list:each() do
            seen[#seen + 1] = message.sid
        end
        assert.same({ "SM2", "SM3" }, seen)
    end)

    it("stays whole whichever message is taken out", function()
        for first = 1, 3 do
            for second = 1, 3 do
                list, made = message_list.new(), {}
                add "a"
                add "b"
                add "a"
                list:remove(made[first])
                local left = {}
                for i = 3, 1, -1 do
                    if i ~= first and (i ~= second or second == first) then
                        left[#left + 1] = i
                    end
                end
                if second ~= first then
                    list:remove(made[second])
                end
                assert.same(left, (page()))
                assert.equal(#left, list:size())
                add "a"
                table.insert(left, 1, 4)
                assert.same(left, (page()))
                for i = 1, 4 do
                    if list:find("SM" .. i) then
                        list:remove(made[i])
                    end
                end
                assert.same({ {}, {}, 0 }, { page(), page { to = "a" }, list:size() })
            end
        end
    end)

    it("goes on behind a cursor in both directions", function()
        for i = 1, 9 do
            add(i % 3 == 0 and "a" or "b")
        end
        assert.same({ 4, 3, 2, 1 }, (page({}, { sid = "SM5" })))
        assert.same({ 7, 6 }, (page({}, { sid = "SM5", newer = true }, 2)))
        assert.same({ 3 }, (page({ to = "a" }, { sid = "SM6" })))
        assert.same({ 9 }, (page({ to = "a" }, { sid = "SM6", newer = true })))
        assert.is_nil(list:page({}, 5, { sid = "SM0" }, NOW_MS))
    end)

    it("finds the place of a cursor from another list", function()
        for i = 1, 9 do
            add(i % 3 == 0 and "a" or "b")
        end
        assert.same({ 3 }, (page({ to = "a" }, { sid = "SM5" })))
        assert.same({ 6 }, (page({ to = "a" }, { sid = "SM5", newer = true }, 1)))
        assert.same({}, (page({ to = "a" }, { sid = "SM1" })))
        assert.same({ 3 }, (page({ to = "a" }, { sid = "SM1", newer = true }, 1)))
        assert.same({}, (page({ to = "c" }, { sid = "SM1" })))
        assert.same({}, (page({ to = "c" }, { sid = "SM1", newer = true })))
    end)

    it("does not show what is deleted, or not to be seen yet", function()
        add "a"
        add("a", { listed_ms = NOW_MS })
        add("a", { listed_ms = NOW_MS + 1 })
        assert.same({ 2, 1 }, (page { to = "a" }))
        assert.equal(made[3], list:find "SM3")
        made[2].deleted = true
        assert.same({ 1 }, (page()))
    end)

    it("knows sender and date", function()
        add("a", { from = "x", sent_s = 10 })
        add("a", { from = "y", sent_s = 20 })
        add("a", { from = "x" })
        assert.same({ 3, 1 }, (page { from = "x" }))
        assert.same({ 2 }, (page { sent_from_s = 11 }))
        assert.same({ 1 }, (page { sent_until_s = 19 }))
        assert.same({ 2, 1 }, (page { sent_from_s = 10, sent_until_s = 20 }))
    end)

    it("stays as large as what it holds", function()
        local last = 0
        local function run(count)
            for _ = 1, count do
                last = last + 1
                list:add { sid = "SM" .. last, to = "to " .. last % 7 }
                if list:size() > 50 then
                    list:remove(list:find("SM" .. last - 50))
                end
            end
            collectgarbage()
            collectgarbage()
            return collectgarbage "count"
        end
        local early_kb = run(2000)
        assert.truthy(run(4000) < early_kb + 64)
        assert.equal(50, list:size())
    end)

    it("is not held by a forgotten message", function()
        local first = add "a"
        add "a"
        list:remove(first)
        assert.same({ sid = "SM1", to = "a", seq = 1 }, first)
    end)
end)

local sorted_keys = require "twilio_sms.sorted_keys"

local function all(keys, from, behind)
    local list = {}
    for key in keys:each(from or "", behind) do
        list[#list + 1] = key
    end
    return list
end

describe("twilio_sms.sorted_keys", function()
    it("is empty at first", function()
        assert.same({}, all(sorted_keys.new()))
        assert.same({}, all(sorted_keys.new(), "a", true))
    end)

    it("keeps the order of the bytes", function()
        local keys = sorted_keys.new()
        for _, key in ipairs { "b", "\255", "a", "\0", "aa", "B", "é" } do
            keys:add(key)
        end
        assert.same({ "\0", "B", "a", "aa", "b", "é", "\255" }, all(keys))
        assert.same({ "aa", "b", "é", "\255" }, all(keys, "aa"))
        assert.same({ "b", "é", "\255" }, all(keys, "aa", true))
        assert.same({ "aa", "b", "é", "\255" }, all(keys, "a\0", true))
        assert.same({}, all(keys, "\255", true))
        assert.same({}, all(keys, "\255\0"))
    end)

    it("does as a sorted list does, over many runs", function()
        local keys, has, seed = sorted_keys.new(), {}, 5
        for step = 1, 20000 do
            seed = seed * 16807 % 2147483647
            local key = ("%04d"):format(seed % 3000)
            -- Grows in the first half, shrinks to little in the second.
            local grow = step < 10000 or seed % 5 == 0
            if grow and not has[key] then
                keys:add(key)
                has[key] = true
            elseif not grow and has[key] then
                keys:remove(key)
                has[key] = nil
            end
            if step % 2000 == 0 then
                local wanted = {}
                for one in pairs(has) do
                    wanted[#wanted + 1] = one
                end
                table.sort(wanted)
                assert.same(wanted, all(keys))
                local from = ("%04d"):format(step % 3000)
                while wanted[1] and wanted[1] < from do
                    table.remove(wanted, 1)
                end
                assert.same(wanted, all(keys, from))
            end
        end
        for key in pairs(has) do
            keys:remove(key)
        end
        assert.same({}, all(keys))
    end)
end)

-- The suite must find stores that are wrong: each is a good one with one mistake.
local conformance = require "twilio_sms.store_conformance"
local memory = require "twilio_sms.memory"

local function names_of(failures)
    local names = {}
    for i, failure in ipairs(failures) do
        assert.truthy(#failure.message > 0)
        names[i] = failure.name
    end
    return table.concat(names, "; ")
end

-- A way to open stores of which one method is another one, which is given the good one.
local function with(name, make)
    return function()
        local good = memory.new()
        local method = make(function(...) return good[name](good, ...) end)
        return setmetatable({ [name] = function(_, ...) return method(...) end }, {
            __index = function(_, key)
                return function(_, ...) return good[key](good, ...) end
            end,
        })
    end
end

local MISTAKES = {
    ["does not find what is there"] = { "read", function() return function() return nil, 0 end end },
    ["gives no version"] = { "read", function(read) return function(...) return (read(...)) end end },
    ["hands out the same table"] = { "read", function(read)
        local kept = {}
        return function(space, key)
            local record, version = read(space, key)
            kept[key] = kept[key] or record
            return kept[key], version
        end
    end },
    ["does not look at versions"] = { "write", function(write)
        return function(changes)
            for _, change in ipairs(changes) do
                change.version = nil
            end
            return write(changes)
        end
    end },
    ["writes one change after the other"] = { "write", function(write)
        return function(changes)
            for _, change in ipairs(changes or {}) do
                if not write { change } then
                    return false
                end
            end
            return true
        end
    end },
    ["forgets the time"] = { "write", function(write)
        return function(changes)
            for _, change in ipairs(changes) do
                change.at = 1
            end
            return write(changes)
        end
    end },
    ["does not remove"] = { "write", function(write)
        return function(changes)
            for _, change in ipairs(changes) do
                change.record = change.record or {}
            end
            return write(changes)
        end
    end },
    ["lists in the wrong order"] = { "list", function(list)
        return function(...)
            local rows = list(...)
            table.sort(rows, function(a, b) return a.key > b.key end)
            return rows
        end
    end },
    ["lists too much"] = { "list", function(list)
        return function(space, options)
            return list(space, options and { after = options.after, limit = options.limit })
        end
    end },
    ["begins again"] = { "list", function(list)
        return function(space, options)
            return list(space, options and { prefix = options.prefix, limit = options.limit })
        end
    end },
    ["purges too much"] = { "purge", function(purge)
        return function(space, before) return purge(space, before + 1) end
    end },
    ["purges without counting"] = { "purge", function(purge)
        return function(...)
            purge(...)
            return 0
        end
    end },
    ["stays open"] = { "close", function() return function() end end },
}

describe("twilio_sms.store_conformance.run", function()
    it("wants a function", function()
        for _, wrong in ipairs { false, {}, "x" } do
            local ok, err = pcall(function() conformance.run(wrong or nil) end)
            assert.is_false(ok)
            assert.matches("store_conformance_spec.lua:%d+: run takes a function that opens", err)
        end
    end)
end)

describe("twilio_sms.store_conformance", function()
    for mistake, how in pairs(MISTAKES) do
        it("finds a store that " .. mistake, function()
            local name, make = how[1], how[2]
            local failures = conformance.run(function()
                return with(name, make)()
            end)
            assert.not_equal("", names_of(failures))
        end)
    end

    it("finds nothing in a good one that is wrapped", function()
        assert.equal("", names_of(conformance.run(with("read", function(read) return read end))))
    end)

    it("reports a store that does not open", function()
        local failures, count = conformance.run(function() return nil, "no disk" end)
        assert.equal(count, #failures)
        assert.equal("the store was not opened: no disk", failures[1].message)
    end)
end)

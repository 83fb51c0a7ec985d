--- A core client whose finished transfers somebody looks at: what recorders are made of.
local M = {}

-- After each of these a transfer may have finished.
local MOVING = { "step", "start", "turn", "cancel", "answer", "submit" }

--- @param inner a core client
-- @tparam function on_transfer gets each transfer, as `tap` of a core client tells it
-- @tparam function on_close is called once, when the inner one is closed; its answers are those of close()
-- @treturn table a core client
function M.new(inner, on_transfer, on_close)
    local outer = { wanted = false, taps = {}, closed = false }
    local class = {}

    local function drain()
        local tap = inner:tap()
        while tap do
            on_transfer(tap)
            if outer.wanted then
                table.insert(outer.taps, tap)
            end
            tap = inner:tap()
        end
    end

    -- What this file does not know goes to the inner one.
    function class.__index(_, name)
        local method = inner[name]
        if type(method) ~= "function" then
            return method
        end
        return function(_, ...)
            return method(inner, ...)
        end
    end

    local function drained(...)
        drain()
        return ...
    end

    for _, name in ipairs(MOVING) do
        outer[name] = inner[name] and function(_, ...)
            return drained(inner[name](inner, ...))
        end
    end

    function outer.set_tap(_, wanted)
        outer.wanted = wanted
    end

    function outer.tap()
        return table.remove(outer.taps, 1)
    end

    function outer.close()
        if outer.closed then
            return true
        end
        outer.closed = true
        drain()
        inner:close()
        return on_close()
    end

    inner:set_tap(true)
    return setmetatable(outer, class)
end

return M

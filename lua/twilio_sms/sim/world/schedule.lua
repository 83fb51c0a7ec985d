--- Virtual time: a monotonic clock, a wall clock that may jump, and what is due when, on one heap.
--
-- An item is a table with `fire`, a function that gets the item. Milliseconds are whole.
local timeline = require "twilio_sms.timeline"

local M = {}

local Schedule = {}
local class = { __index = Schedule, __name = "twilio_sms.sim.world.schedule" }

--- @tparam number start_s Unix seconds of the first moment
function M.new(start_s)
    return setmetatable({
        mono_ms = 0, -- since the world began
        start_ms = start_s * 1000,
        jumped_ms = 0, -- how far the wall clock is from where it would be
        timeline = timeline.new(),
    }, class)
end

--- Unix milliseconds by a clock that never jumps: Twilio's.
function Schedule:true_ms()
    return self.start_ms + self.mono_ms
end

--- Unix milliseconds by the clocks of the programs in the world.
function Schedule:wall_ms()
    return self.start_ms + self.mono_ms + self.jumped_ms
end

--- Adds an item that fires at a monotonic moment; one that is past is due at once.
-- @treturn table a handle, for remove
function Schedule:add(at_ms, item)
    return self.timeline:add(at_ms, item)
end

--- Adds an item that nobody takes out.
function Schedule:push(at_ms, item)
    self.timeline:push(at_ms, item)
end

--- Takes an item out; one that has fired is ignored.
function Schedule:remove(handle)
    self.timeline:remove(handle)
end

--- Fires what is due now, in order; what that adds for now as well.
function Schedule:fire()
    local items, now_ms = self.timeline, self.mono_ms
    local item = items:take(now_ms)
    while item do
        item.fire(item)
        item = items:take(now_ms)
    end
end

--- When something is due next; nil for never.
function Schedule:due_ms()
    return self.timeline:due_ms()
end

return M

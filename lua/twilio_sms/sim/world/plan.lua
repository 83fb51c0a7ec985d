--- What is to be done in a world at which moment: functions that run as coroutines when their time has come.
local M = {}

local Handle = {}
local class = { __index = Handle, __name = "twilio_sms.sim.world.plan.handle" }

--- What was planned does not happen any more.
function Handle:stop()
    self.stopped = true
end

local function fire_once(handle)
    if not handle.stopped then
        handle.loop:spawn(handle.f)
    end
end

local function fire_again(handle)
    if not handle.stopped then
        handle.loop:spawn(handle.f)
        handle.at_ms = handle.at_ms + handle.every_ms
        handle.schedule:add(handle.at_ms, handle)
    end
end

--- Calls f() at a monotonic moment.
-- @tparam table parts schedule (`twilio_sms.sim.world.schedule`), loop
-- @treturn table a handle with stop()
function M.once(parts, at_ms, f)
    local handle = setmetatable({ fire = fire_once, f = f, loop = parts.loop, stopped = false }, class)
    parts.schedule:add(at_ms, handle)
    return handle
end

--- Calls f() every so many milliseconds, the first time after as many.
-- @treturn table a handle with stop()
function M.again(parts, every_ms, f)
    local schedule = parts.schedule
    local handle = setmetatable({
        fire = fire_again, f = f, loop = parts.loop, stopped = false,
        schedule = schedule, at_ms = schedule.mono_ms + every_ms, every_ms = every_ms,
    }, class)
    schedule:add(handle.at_ms, handle)
    return handle
end

--- Plans what a script wants to be done.
-- @tparam table world
-- @tparam table actions of `twilio_sms.sim.script`
function M.script(world, actions)
    for _, action in ipairs(actions) do
        local function act()
            action.f(world)
        end
        if action.at_s then
            world:after(action.at_s, act)
        else
            world:after(action.from_s, function()
                local handle = world:every(action.every_s, act)
                if action.until_s then
                    world:after(action.until_s - action.from_s, function() handle:stop() end)
                end
            end)
        end
    end
end

return M

--- The driver for clients of a world in virtual time (`twilio_sms.sim.world`) that are made elsewhere, or
-- that another driver wraps. The world's own clients (world:client{...}) need none.
local M = {}

--- Makes a driver.
-- @tparam table world
-- @tparam[opt] string name which events call the client by
function M.new(world, name)
    if type(world) ~= "table" or type(world.driver) ~= "function" then
        error("sim takes a world, as in sms.driver.sim(sms.sim.new{...})", 2)
    end
    return world:driver(name)
end

return M

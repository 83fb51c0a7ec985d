--- The driver that clients have unless they are given another: libcurl, in C.
local core = require "twilio_sms.core"

local M = {}

local Driver = {}
local class = { __index = Driver, __name = "twilio_sms.driver.curl" }

--- Makes a client's core.
-- @tparam table opts see docs/configuration.md
-- @tparam[opt] boolean from_env whether the TWILIO_ variables are read first
-- @treturn userdata|nil
function Driver:open(opts, from_env)
    return core.client(opts, from_env)
end

--- Makes a driver.
function M.new()
    return setmetatable({}, class)
end

return M

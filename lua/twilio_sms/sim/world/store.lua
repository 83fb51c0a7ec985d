--- A store in memory that fails when it is told to, as a disk or a server does.
--
--     store:fail { on = "write", times = 1 }                nothing is written
--     store:fail { on = "write", times = 1, after = true }  it is written, and the answer is lost
--     store:fail { on = "read" }                            until store:heal()
local core = require "twilio_sms.core"
local memory = require "twilio_sms.memory"
local options = require "twilio_sms.options"

local M = {}

local Store = {}
local class = { __index = Store, __name = "twilio_sms.sim.world.store" }

function class.__tostring()
    return class.__name
end

local FAULT = { on = "string", times = "number", after = "boolean" }
local OPERATIONS = { read = true, write = true, list = true, purge = true }

function M.new()
    return setmetatable({ memory = memory.new(), faults = {}, failed = 0 }, class)
end

--- Lets operations fail from now on.
-- @tparam table fault on ("read", "write", "list" or "purge"), times (default: until heal is called), after
-- (whether a change is made before the answer is lost)
function Store:fail(fault)
    options.check_self(self, class, "store:fail{...}", 2)
    fault = options.check(fault, FAULT, 2)
    if not OPERATIONS[fault.on] then
        error("option 'on' must be 'read', 'write', 'list' or 'purge'", 2)
    end
    self.faults[fault.on] = { left = fault.times or math.huge, after = fault.after }
end

--- Lets everything work again.
function Store:heal()
    self.faults = {}
end

local function perform(self, operation, ...)
    local fault = self.faults[operation]
    if not fault or fault.left <= 0 then
        return self.memory[operation](self.memory, ...)
    end
    fault.left = fault.left - 1
    self.failed = self.failed + 1
    if fault.after then
        self.memory[operation](self.memory, ...)
    end
    return nil, core.error("InternalError", ("the store failed to %s"):format(operation))
end

for operation in pairs(OPERATIONS) do
    Store[operation] = function(self, ...)
        return perform(self, operation, ...)
    end
end

--- Forgets everything.
function Store:close()
    self.memory:close()
end

class.__close = Store.close

return M

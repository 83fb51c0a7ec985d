--- Chance from a seed: the same numbers in every Lua, on every machine.
--
-- The minimal standard generator of Park and Miller with the multiplier 48271; its products stay below 2^47,
-- so that they are exact in LuaJIT's numbers too. For simulations, never for secrets.
local M = {}

local MODULUS, MULTIPLIER = 2147483647, 48271

local Random = {}
local class = { __index = Random, __name = "twilio_sms.sim.random" }

--- @tparam number seed a whole number
function M.new(seed)
    local random = setmetatable({ state = math.floor(seed) % (MODULUS - 1) + 1 }, class)
    for _ = 1, 4 do -- seeds that are close begin apart
        random:next()
    end
    return random
end

--- The next whole number in 1 .. 2^31 - 2.
function Random:next()
    local state = self.state * MULTIPLIER % MODULUS
    self.state = state
    return state
end

--- Whether something of this probability happens now.
function Random:chance(probability)
    return self:next() <= probability * (MODULUS - 1)
end

--- A number from 0 up to, but not, 1.
function Random:fraction()
    return (self:next() - 1) / (MODULUS - 1)
end

--- An identifier like Twilio's: a prefix and 32 hex digits.
function Random:sid(prefix)
    local a, b, c, d = self:next(), self:next(), self:next(), self:next()
    return ("%s%08x%08x%08x%08x"):format(prefix, a, b, c, d)
end

return M

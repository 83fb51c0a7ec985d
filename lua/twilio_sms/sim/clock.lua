--- A clock that may run fast, slowly or not at all, and that can be moved on. It never goes back.
local M = {}

local Clock = {}
local class = { __index = Clock, __name = "twilio_sms.sim.clock" }

--- @tparam table opts start_ms (Unix milliseconds), speed (how many of its seconds one real second has; 0
-- stands still), real_ms (a function: real milliseconds that never go back)
function M.new(opts)
    return setmetatable({
        speed = opts.speed,
        real_ms = opts.real_ms,
        start_ms = opts.start_ms,
        base_ms = opts.start_ms, -- what it shows at
        base_real_ms = opts.real_ms(),
    }, class)
end

--- Unix milliseconds, a whole number.
function Clock:now_ms()
    return math.floor(self.base_ms + (self.real_ms() - self.base_real_ms) * self.speed)
end

--- Moves it on to a moment; one that has passed changes nothing.
function Clock:jump_to(moment_ms)
    if moment_ms > self:now_ms() then
        self.base_ms, self.base_real_ms = math.floor(moment_ms), self.real_ms()
    end
end

--- How many real milliseconds there are to a moment: 0 when it has come, infinite when it never will.
function Clock:real_ms_to(moment_ms)
    local left_ms = moment_ms - self:now_ms()
    if left_ms <= 0 then
        return 0
    end
    return self.speed > 0 and math.ceil(left_ms / self.speed) or math.huge
end

return M

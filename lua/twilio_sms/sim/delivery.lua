--- What becomes of messages on their way: how long each step takes, which ones fail, and how.
local options = require "twilio_sms.options"

local M = {}

local Delivery = {}
local class = { __index = Delivery, __name = "twilio_sms.sim.delivery" }

-- The codes that a receipt brings are `undelivered`; with the others the message never left Twilio (docs
-- "Outbound Message Status in Status Callbacks"). Error dictionary.
local RECEIPT = {
    [30003] = true, -- unreachable handset
    [30004] = true, -- blocked by the recipient or the carrier
    [30005] = true, -- unknown handset
    [30006] = true, -- landline
    [30007] = true, -- filtered
    [30008] = true, -- unknown error
}
local STATUSES = { undelivered = true, failed = true }

local KEYS = {
    send_ms = "any", sending_ms = "any", deliver_ms = "any", errors = "table", no_receipt = "number",
}
local ERROR_KEYS = { code = "number", share = "number", status = "string" }

--- Raises for what is no delay.
-- @tparam string name for the message
-- @param delay milliseconds, or an ascending list of them
-- @tparam number level as for error
function M.check_delay(name, delay, level)
    local list = type(delay) == "table" and delay or { delay }
    local least = 0
    for _, ms in ipairs(list) do
        if type(ms) ~= "number" or not (ms >= least and ms < math.huge) or ms % 1 ~= 0 then
            error(("%s must be whole milliseconds, or an ascending list of them"):format(name), level + 1)
        end
        least = ms
    end
    if #list == 0 then
        error(name .. " is an empty list", level + 1)
    end
end

-- A share as a limit for whole numbers: comparing those is the same in every Lua.
local function check_errors(errors, no_receipt, level)
    local limit, fates = 0, {}
    for i, given in ipairs(errors) do
        options.check(given, ERROR_KEYS, level + 1)
        local code, share = given.code, given.share
        local status = given.status or RECEIPT[code] and "undelivered" or "failed"
        if not code or not share or share < 0 or share > 1 or not STATUSES[status] then
            error(("delivery: error %d needs a code, a share from 0 to 1, and as its status 'failed' or "
                .. "'undelivered'"):format(i), level + 1)
        end
        limit = limit + share
        fates[i] = { limit = limit, code = code, status = status }
    end
    if no_receipt > 0 then
        limit = limit + no_receipt
        fates[#fates + 1] = { limit = limit, status = "sent" }
    end
    if no_receipt < 0 or limit > 1 + 1e-9 then
        error("delivery: the shares of errors and no_receipt make more than 1, or less than 0", level + 1)
    end
    return fates
end

--- @tparam table opts send_ms (from queued on), sending_ms (as long as a message is `sending`; 0 leaves that
-- status out), deliver_ms (from sent on): milliseconds, or an ascending list of them, evenly spaced quantiles
-- from the fastest to the slowest, between which is drawn; errors (a list of code, share, status; status is
-- "undelivered" for what receipts say and "failed" for the rest), no_receipt (the share that stays `sent`)
-- @tparam table random `twilio_sms.sim.random`
-- @tparam number level as for error
function M.new(opts, random, level)
    options.check(opts, KEYS, level + 1)
    local delivery = { random = random }
    for _, name in ipairs { "send_ms", "sending_ms", "deliver_ms" } do
        local delay = opts[name] or 0
        M.check_delay(name, delay, level + 1)
        delivery[name] = delay
    end
    delivery.fates = check_errors(opts.errors or {}, opts.no_receipt or 0, level + 1)
    return setmetatable(delivery, class)
end

--- Draws a delay.
-- @tparam number|table delay as in the options
-- @treturn number whole milliseconds
function M.draw(delay, random)
    if type(delay) == "number" then
        return delay
    end
    local place = random:fraction() * (#delay - 1) + 1
    local below = math.floor(place)
    local low = delay[below]
    local high = delay[below + 1] or low
    return math.floor(low + (high - low) * (place - below) + 0.5)
end

--- How long a step takes: "send_ms", "sending_ms" or "deliver_ms".
function Delivery:delay_ms(name)
    local delay = self[name]
    return type(delay) == "number" and delay or M.draw(delay, self.random)
end

--- Draws what becomes of a message.
-- @treturn string "delivered", "undelivered", "failed", or "sent" when no receipt ever comes
-- @treturn number|nil the error code
function Delivery:fate()
    local fates = self.fates
    if #fates == 0 then
        return "delivered"
    end
    local draw = self.random:fraction()
    for i = 1, #fates do
        local fate = fates[i]
        if draw < fate.limit then
            return fate.status, fate.code
        end
    end
    return "delivered"
end

--- What a carrier with a usual day does.
--
-- Assumptions, not measurements: Twilio publishes no distribution. The codes are those that its dictionary
-- names for delivery; half of all receipts come within three seconds, one in ten takes longer than half a
-- minute, and some never come.
M.REALISTIC = {
    send_ms = { 50, 100, 150, 250, 500, 2000 },
    sending_ms = { 20, 50, 100, 200, 400 },
    deliver_ms = { 400, 1000, 1500, 2000, 2500, 3000, 4000, 6000, 12000, 30000, 300000 },
    errors = {
        { code = 30003, share = 0.012 },
        { code = 30005, share = 0.008 },
        { code = 30006, share = 0.005 },
        { code = 30007, share = 0.006 },
        { code = 30008, share = 0.003 },
    },
    no_receipt = 0.01,
}

return M

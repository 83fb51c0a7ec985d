--- What stops messages on their way although nothing is wrong with them: limits of carriers, and guards.
--
-- Each guard is asked about a message when it would leave, or is created, and answers an error code or nil.
-- What they remember is bounded by what happens within their periods.
local options = require "twilio_sms.options"
local senders = require "twilio_sms.sim.senders"
local timezone = require "twilio_sms.timezone"

local M = {}

local Guards = {}
local class = { __index = Guards, __name = "twilio_sms.sim.guards" }

local REPLIES_MOST, REPLY_WITHIN_MS = 15, 30000 -- error 14107
local PUMPING_BLOCK_MS = { 900000, 1800000 } -- 15 to 30 minutes, error 30450
local DAY_MS = 86400000

local LIMITS = { per_second = "number", per_day = "number" }
local PUMPING = { digits = "number", messages = "number", within_s = "number" }

-- What was touched within a period is found; what was not is forgotten at the latest after two.
local function new_memory(period_ms)
    return { period_ms = period_ms, young = {}, old = {}, turns_ms = 0 }
end

local function recall(memory, key, now_ms)
    if now_ms >= memory.turns_ms then
        local is_late = now_ms >= memory.turns_ms + memory.period_ms
        memory.old, memory.young = is_late and {} or memory.young, {}
        memory.turns_ms = now_ms + memory.period_ms
    end
    local entry = memory.young[key]
    if not entry then
        entry = memory.old[key] or { count = 0, since_ms = now_ms, last_ms = now_ms, until_ms = 0 }
        memory.young[key] = entry
    end
    return entry
end

local function is_positive(value)
    return value > 0 -- which NaN is not
end

local function check_positive(name, given, level)
    for key, value in pairs(given) do
        if not is_positive(value) then
            error(("%s: %s must be above 0"):format(name, key), level + 1)
        end
    end
end

--- @tparam table opts loop_guard (boolean), carrier_limits (per_second and per_day, in segments, of all US
-- long codes together), pumping (digits of a prefix, default 7, and how many messages to it within_s seconds
-- are the most, default 100 within 60)
-- @tparam table random `twilio_sms.sim.random`
-- @tparam number level as for error
function M.new(opts, random, level)
    local limits = options.check(opts.carrier_limits, LIMITS, level + 1)
    local pumping = options.check(opts.pumping, PUMPING, level + 1)
    check_positive("carrier_limits", limits, level + 1)
    check_positive("pumping", pumping, level + 1)
    local within_ms = (pumping.within_s or 60) * 1000
    return setmetatable({
        random = random,
        has_limits = opts.carrier_limits ~= nil,
        per_second = limits.per_second or math.huge,
        per_day = limits.per_day or math.huge,
        second_ms = 0, in_second = 0,
        day_ends_ms = 0, in_day = 0,
        pacific = limits.per_day and timezone.load "America/Los_Angeles",
        replies = opts.loop_guard and new_memory(REPLY_WITHIN_MS) or nil,
        prefixes = opts.pumping and new_memory(math.max(within_ms, PUMPING_BLOCK_MS[2])) or nil,
        prefix_length = (pumping.digits or 7) + 1, -- with the plus sign
        prefix_most = pumping.messages or 100,
        within_ms = within_ms,
    }, class)
end

--- The loop guard: after more than 15 replies between two numbers, each within 30 s of the last, all fail for
-- 30 s (error 14107).
-- @treturn number|nil an error code
function Guards:reply(from, to, now_ms)
    if not self.replies then
        return nil
    end
    if to < from then
        from, to = to, from
    end
    local entry = recall(self.replies, from .. " " .. to, now_ms)
    if now_ms < entry.until_ms then
        return 14107
    elseif now_ms - entry.last_ms > REPLY_WITHIN_MS then
        entry.count = 0
    end
    entry.count, entry.last_ms = entry.count + 1, now_ms
    if entry.count > REPLIES_MOST then
        entry.count, entry.until_ms = 0, now_ms + REPLY_WITHIN_MS
        return 14107
    end
end

-- SMS pumping protection: a sudden mass of messages to one prefix blocks it for a while (error 30450).
local function pumping(self, message, now_ms)
    local entry = recall(self.prefixes, message.to:sub(1, self.prefix_length), now_ms)
    if now_ms < entry.until_ms then
        return 30450
    elseif now_ms - entry.since_ms >= self.within_ms then
        entry.since_ms, entry.count = now_ms, 0
    end
    entry.count = entry.count + 1
    if entry.count > self.prefix_most then
        local low, high = PUMPING_BLOCK_MS[1], PUMPING_BLOCK_MS[2]
        entry.until_ms = now_ms + low + math.floor((high - low) * self.random:fraction())
        entry.count = 0
        return 30450
    end
end

-- The day of the carriers ends at midnight US Pacific (error 30023); without a time zone database, at 08:00
-- UTC.
local function day_end_ms(self, now_ms)
    local offset_s = self.pacific and self.pacific:offset_at(math.floor(now_ms / 1000)) or -28800
    local local_ms = now_ms + offset_s * 1000
    return now_ms + DAY_MS - local_ms % DAY_MS
end

-- The limits of carriers for US long codes: so many segments a second (error 30022) and a day (30023).
local function carrier_limits(self, message, now_ms)
    if not message.from:find "^%+1" or senders.type_of(message.from) ~= "long_code" then
        return nil
    end
    if now_ms >= self.day_ends_ms then
        self.day_ends_ms, self.in_day = day_end_ms(self, now_ms), 0
    end
    local second_ms = now_ms - now_ms % 1000
    if second_ms ~= self.second_ms then
        self.second_ms, self.in_second = second_ms, 0
    end
    if self.in_day + message.segments > self.per_day then
        return 30023
    elseif self.in_second + message.segments > self.per_second then
        return 30022
    end
    self.in_day = self.in_day + message.segments
    self.in_second = self.in_second + message.segments
end

--- What stops a message that would leave now.
-- @treturn number|nil an error code
function Guards:leave(message, now_ms)
    local code = self.prefixes and not message.is_trusted and pumping(self, message, now_ms)
    return code or self.has_limits and carrier_limits(self, message, now_ms) or nil
end

return M

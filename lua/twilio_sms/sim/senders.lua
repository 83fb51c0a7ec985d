--- What an account sends from: how fast each sender is, and which one a messaging service chooses.
local options = require "twilio_sms.options"
local sender_queue = require "twilio_sms.sim.sender_queue"

local M = {}

local Senders = {}
local class = { __index = Senders, __name = "twilio_sms.sim.senders" }

-- Message segments a second (Twilio help "Understanding Twilio Rate Limits and Message Queues"); outside of
-- the USA and Canada long codes are as fast as alphanumeric senders.
local PER_SECOND = { long_code = 1, toll_free = 3, short_code = 100, alphanumeric = 10 }
local INTERNATIONAL_PER_SECOND = 10

local TYPES = { long_code = true, toll_free = true, short_code = true, alphanumeric = true, service = true }
local KEYS = { type = "string", per_second = "number", senders = "table" }

--- What kind of sender a number is.
-- @treturn string "long_code", "toll_free", "short_code" or "alphanumeric"
function M.type_of(number)
    if number:find "^%d%d%d%d?%d?%d?%d?%d?$" then
        return "short_code"
    elseif number:find "^%+18([03-8])%1%d%d%d%d%d%d%d$" then
        return "toll_free"
    end
    return number:find "^%+%d" and "long_code" or "alphanumeric"
end

local function default_rate(number, kind)
    if kind == "long_code" and not number:find "^%+1" then
        return INTERNATIONAL_PER_SECOND
    end
    return PER_SECOND[kind]
end

local function is_positive(value)
    return value > 0 -- which NaN is not
end

local function check(number, given, level)
    options.check(given, KEYS, level + 1)
    local kind = given.type or number:find "^MG" and "service" or M.type_of(number)
    if not TYPES[kind] then
        error(("sender '%s': there is no type '%s'%s"):format(number, kind, options.hint(kind, TYPES)),
            level + 1)
    elseif given.per_second and not is_positive(given.per_second) then
        error(("sender '%s': per_second must be above 0"):format(number), level + 1)
    elseif given.senders and (kind ~= "service" or #given.senders == 0) then
        error(("sender '%s': senders is a list of a messaging service's numbers"):format(number), level + 1)
    end
    return kind
end

-- A service has a queue of its own only when it has a throughput of its own; otherwise its throughput is the
-- sum of its senders'.
local function add(self, number, given, level)
    local kind = check(number, given, level + 1)
    local rate = given.per_second or kind ~= "service" and default_rate(number, kind)
    if rate then
        self.queues[number] = sender_queue.new(rate, self.hold_s)
    end
    if given.senders then
        self.pools[number] = { numbers = given.senders, heard = {} }
    end
end

--- @tparam table opts senders (by number or MessagingServiceSid: type, per_second, and for a service
-- senders, a list of numbers), limit_all (whether senders that are not listed have the throughput of their
-- type; by default they have no limit), hold_s (how many seconds of traffic a queue holds)
-- @tparam number level as for error
function M.new(opts, level)
    local senders = setmetatable({
        hold_s = opts.hold_s,
        limit_all = opts.limit_all,
        queues = {}, -- by number or service; false for those without
        pools = {}, -- by service
    }, class)
    for number, given in pairs(opts.senders or {}) do
        add(senders, number, given, level + 1)
    end
    return senders
end

--- Calls a function with each number of each service that has a pool.
function Senders:each_member(f)
    for service, pool in pairs(self.pools) do
        for _, number in ipairs(pool.numbers) do
            f(number, service)
        end
    end
end

--- The queue of a number or service; nil when there is none.
function Senders:queue_of(number)
    local queue = self.queues[number]
    if queue == nil and self.limit_all and not number:find "^MG" then
        queue = sender_queue.new(default_rate(number, M.type_of(number)), self.hold_s)
        self.queues[number] = queue
    end
    return queue or nil
end

-- The same place for the same person, all places about as often.
local function place_of(person, count)
    local sum = 0
    for i = 1, #person do
        sum = (sum * 31 + person:byte(i)) % 1000003
    end
    return sum % count + 1
end

--- The number from which a messaging service texts a person: always the same one, or the one that the person
-- wrote to (Twilio docs "Messaging Services", Sticky Sender), as long as it has room.
-- @tparam string service
-- @tparam string person
-- @tparam number segments
-- @treturn string|nil nil when the service has no pool
function Senders:choose(service, person, segments)
    local pool = self.pools[service]
    if not pool then
        return nil
    end
    local numbers = pool.numbers
    local number = pool.heard[person]
    local place = place_of(person, #numbers)
    number = number or numbers[place]
    for i = 0, #numbers - 1 do
        local queue = self:queue_of(number)
        if not queue or queue:has_room(segments) then
            return number
        end
        number = numbers[(place + i) % #numbers + 1]
    end
    return number
end

--- A person wrote to a number of a service, and is texted from there.
function Senders:hear(service, person, number)
    local pool = self.pools[service]
    if pool then
        pool.heard[person] = number
    end
end

return M

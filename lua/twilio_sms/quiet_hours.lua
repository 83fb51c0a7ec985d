--- A check that lets no message leave while it is night where the recipient is.
--
--     local quiet = assert(quiet_hours.new {
--         from = "21:00", to = "08:00",
--         zone = { ["+49"] = "Europe/Berlin", ["+1"] = { "America/New_York", "Pacific/Honolulu" } },
--     })
--     client:hook("check", quiet:hook())
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local timezone = require "twilio_sms.timezone"

local M = {}

local Quiet = {}
local class = { __index = Quiet, __name = "twilio_sms.quiet_hours" }

function class.__tostring()
    return class.__name
end

local DAY_S = 86400
local MINUTE_S = 60

local function is_quiet(self, zone, unix_s)
    local clock_s = (unix_s + zone:offset_at(unix_s)) % DAY_S
    if self.from_s < self.to_s then
        return clock_s >= self.from_s and clock_s < self.to_s
    end
    return clock_s >= self.from_s or clock_s < self.to_s
end

-- When the window ends that a moment lies in.
local function end_of(self, zone, unix_s)
    local offset_s = zone:offset_at(unix_s)
    local ends = unix_s + (self.to_s - unix_s - offset_s) % DAY_S
    if zone:offset_at(ends) == offset_s then
        return ends
    end
    -- The clock is changed in between, on two nights a year: find the first minute that is not quiet.
    local minute = unix_s - unix_s % MINUTE_S
    repeat
        minute = minute + MINUTE_S
    until not is_quiet(self, zone, minute)
    return minute
end

local WAIT_MOST_S = 2 * DAY_S

-- The first moment at which it is night in none of the zones; nil when there is none.
local function all_awake(self, zones, unix_s)
    local at, again = unix_s, true
    while again do
        again = false
        for _, zone in ipairs(zones) do
            if is_quiet(self, zone, at) then
                at, again = end_of(self, zone, at), true
            end
        end
        if at - unix_s > WAIT_MOST_S then
            return nil
        end
    end
    return at
end

-- ---- Zones of a number --------------------------------------------------------------------------

-- Loads what a zone or a list of zones names, each once.
local function load_all(self, names)
    local zones = {}
    if type(names) == "string" then
        names = { names }
    elseif type(names) ~= "table" or not names[1] then
        return nil, core.error("InvalidOption", "a zone is a name like 'Europe/Berlin', or a list of them")
    end
    for i, name in ipairs(names) do
        local zone, err = self.loaded[name], nil
        if not zone then
            zone, err = timezone.load(tostring(name), self.zoneinfo)
        end
        if not zone then
            return nil, err
        end
        self.loaded[name], zones[i] = zone, zone
    end
    return zones
end

-- The zones of the longest prefix.
local function by_prefix(table_of_zones)
    return function(number)
        for length = #number, 1, -1 do
            local names = table_of_zones[number:sub(1, length)]
            if names then
                return names
            end
        end
    end
end

--- How long to wait until a person may be written to.
-- @tparam string number
-- @tparam[opt] number unix_s from when on; default: now
-- @treturn number|nil milliseconds, 0 when it may be now; nil and why when that cannot be told
function Quiet:wait_ms(number, unix_s)
    options.check_self(self, class, "quiet:wait_ms(number)", 2)
    if type(number) ~= "string" then
        error("number must be a string, not " .. options.kind_of(number), 2)
    end
    local now = unix_s or self.clock()
    local names = self.zone(number:match "%+%d+$" or number) or self.default
    if not names then
        if self.unknown == "allow" then
            return 0
        end
        return nil, "quiet hours: the time zone of the recipient is not known"
    end
    local zones, err = load_all(self, names)
    if not zones then
        return nil, "quiet hours: " .. tostring(err.message)
    end
    local at = all_awake(self, zones, now)
    if not at then
        return nil, "quiet hours: there is no hour in which it is day in all zones of the recipient"
    end
    return math.ceil((at - now) * 1000)
end

--- A function for client:hook("check", f). It puts messages off until the window ends; one that is scheduled
-- into the window is refused.
function Quiet:hook()
    options.check_self(self, class, "quiet:hook()", 2)
    return function(question)
        local wait_ms, why = self:wait_ms(question.to, question.send_at)
        if not wait_ms then
            return false, why
        elseif wait_ms == 0 then
            return true
        elseif question.send_at then
            return false, "quiet hours: the message is scheduled into them"
        end
        return "defer", wait_ms
    end
end

-- ---- Making one ---------------------------------------------------------------------------------

local OPTIONS = {
    from = "string", to = "string", zone = "any", default = "any", unknown = "string", clock = "function",
    zoneinfo = "string",
}

local function read_clock(name, text)
    local hours, minutes = (text or ""):match "^(%d%d):(%d%d)$"
    if not hours or hours + 0 > 23 or minutes + 0 > 59 then
        error(("option '%s' must be a time like '21:00'"):format(name), 3)
    end
    return hours * 3600 + minutes * 60
end

-- A zone that no number could ever be in would be left out in silence.
local function check_zones(zone, default)
    local kind = type(zone)
    if kind ~= "nil" and kind ~= "table" and kind ~= "function" then
        error("option 'zone' must be a table or a function", 3)
    elseif default == nil and (zone == nil or kind == "table" and next(zone) == nil) then
        error("a time zone is needed: option 'zone', or 'default', or both", 3)
    end
    for prefix in pairs(kind == "table" and zone or {}) do
        if type(prefix) ~= "string" or not prefix:find "^%+%d*$" then
            error(("option 'zone': '%s' is no prefix like '+49'"):format(tostring(prefix)), 3)
        end
    end
end

--- Makes the check.
-- @tparam table opts from and to, local times like "21:00"; zone, a table from prefixes of numbers to the
--   name of a time zone or a list of names (all of them must be awake), or a function that answers such for a
--   number; default, for numbers that have none (one of the two is needed); unknown, "refuse" (default) or
--   "allow", for others; clock, a function that gives Unix seconds; zoneinfo, the folder of the time zone
--   database
-- @treturn table|nil nil and an error when a zone does not exist
function M.new(opts)
    opts = options.check(opts, OPTIONS, 2)
    local self = {
        from_s = read_clock("from", opts.from), to_s = read_clock("to", opts.to),
        default = opts.default, unknown = opts.unknown or "refuse", clock = opts.clock or os.time,
        zoneinfo = opts.zoneinfo, loaded = {},
    }
    if self.from_s == self.to_s then
        error("options 'from' and 'to' must differ", 2)
    elseif self.unknown ~= "refuse" and self.unknown ~= "allow" then
        error("option 'unknown' must be 'refuse' or 'allow'", 2)
    end
    check_zones(opts.zone, opts.default)
    self.zone = type(opts.zone) == "function" and opts.zone or by_prefix(opts.zone or {})
    local all = { opts.default }
    for _, names in pairs(type(opts.zone) == "table" and opts.zone or {}) do
        all[#all + 1] = names
    end
    for _, names in ipairs(all) do
        local zones, err = load_all(self, names)
        if not zones then
            return nil, err
        end
    end
    return setmetatable(self, class)
end

return M

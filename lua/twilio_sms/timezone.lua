--- Reads the time zone database of the system (TZif files, RFC 8536): what a local clock shows at a moment.
local core = require "twilio_sms.core"
local date = require "twilio_sms.date"

local M = {}

local Zone = {}
Zone.__index = Zone

local LARGEST_FILE_BYTES = 262144 -- the largest ones are a few kilobytes
local DAY_S = 86400

-- ---- The rule for all times behind the table: a POSIX TZ string, RFC 8536 section 3.3 -------------

-- "[+-]hh[:mm[:ss]]" in seconds, and what stands behind it.
local function read_clock(text)
    local sign, hours, rest = text:match "^([+-]?)(%d%d?%d?)(.*)$"
    if not sign then
        return nil
    end
    local seconds = hours * 3600
    for _, unit in ipairs { 60, 1 } do
        local number, after = rest:match "^:(%d%d)(.*)$"
        if number then
            seconds, rest = seconds + number * unit, after
        end
    end
    return sign == "-" and -seconds or seconds, rest
end

-- "EST5" or "<-03>3": the seconds east of Greenwich, and what stands behind. The sign in the text is of west.
local function read_offset(text, default)
    local rest = text:match "^%a%a%a+(.*)$" or text:match "^<[%w+-]+>(.*)$"
    if not rest then
        return nil
    end
    local west, after = read_clock(rest)
    if west then
        return -west, after
    end
    return default, rest
end

-- "M3.2.0/2", "J60" or "59": when daylight saving begins or ends in a year.
local function read_day(text)
    local month, week, weekday, rest = text:match "^,M(%d%d?)%.(%d)%.(%d)(.*)$"
    local rule = { month = tonumber(month), week = tonumber(week), weekday = tonumber(weekday), time = 7200 }
    if month then
        if rule.month < 1 or rule.month > 12 or rule.week < 1 or rule.week > 5 or rule.weekday > 6 then
            return nil
        end
    else
        local julian
        julian, rule.day, rest = text:match "^,(J?)(%d%d?%d?)(.*)$"
        if not julian then
            return nil
        end
        rule.no_leap_day, rule.day = julian == "J", tonumber(rule.day)
    end
    if rest:sub(1, 1) == "/" then
        rule.time, rest = read_clock(rest:sub(2))
    end
    return rule.time and rule, rest
end

-- @treturn table|nil standard, and saving, start, stop unless all the year is the same
local function read_rule(text)
    local standard, rest = read_offset(text)
    local rule = { standard = standard }
    if not standard or rest == "" then
        return standard and rule
    end
    rule.saving, rest = read_offset(rest, standard + 3600)
    if rule.saving then
        rule.start, rest = read_day(rest)
    end
    if rule.start then
        rule.stop, rest = read_day(rest)
    end
    return rule.stop and rest == "" and rule or nil
end

local function midnight(year, month, day)
    return (date.read(("%04d-%02d-%02d"):format(year, month, day)))
end

-- The moment that a rule means in a year, as if the local clock were Greenwich's.
local function moment_of(rule, year)
    if not rule.month then
        local day = rule.day
        if rule.no_leap_day then
            local is_leap = midnight(year, 3, 1) - midnight(year, 2, 28) == 2 * DAY_S
            day = is_leap and day >= 60 and day or day - 1
        end
        return midnight(year, 1, 1) + day * DAY_S + rule.time
    end
    local first = midnight(year, rule.month, 1)
    local after = rule.month == 12 and midnight(year + 1, 1, 1) or midnight(year, rule.month + 1, 1)
    local weekday_of_first = (first / DAY_S + 4) % 7 -- 1970-01-01 was a Thursday
    local moment = first + ((rule.weekday - weekday_of_first) % 7 + (rule.week - 1) * 7) * DAY_S
    return (moment < after and moment or moment - 7 * DAY_S) + rule.time -- week 5 is the last one
end

local function offset_by_rule(rule, unix_s)
    if not rule.saving then
        return rule.standard
    end
    local year = os.date("!*t", math.floor(unix_s + rule.standard)).year
    local start = moment_of(rule.start, year) - rule.standard
    local stop = moment_of(rule.stop, year) - rule.saving
    local saving
    if start < stop then
        saving = unix_s >= start and unix_s < stop
    else
        saving = unix_s >= start or unix_s < stop -- the summer of the south
    end
    return saving and rule.saving or rule.standard
end

-- ---- The table ----------------------------------------------------------------------------------

local function unsigned(text, at)
    local a, b, c, d = text:byte(at, at + 3)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

local function signed(text, at)
    local value = unsigned(text, at)
    return value < 2147483648 and value or value - 4294967296
end

local HEADER_BYTES = 44

-- The header at a place, and where the block behind it ends, for times of this size.
local function read_header(text, at, time_bytes)
    if #text < at + HEADER_BYTES - 1 or text:sub(at, at + 3) ~= "TZif" then
        return nil
    end
    local h = { at = at + HEADER_BYTES, version = text:byte(at + 4) }
    local utc, std, leap = unsigned(text, at + 20), unsigned(text, at + 24), unsigned(text, at + 28)
    h.times, h.types, h.chars = unsigned(text, at + 32), unsigned(text, at + 36), unsigned(text, at + 40)
    h.after = h.at + h.times * (time_bytes + 1) + h.types * 6 + h.chars + leap * (time_bytes + 4) + std + utc
    return h.types > 0 and h.after <= #text + 1 and h or nil
end

-- Moments at which the offset changes, and the offsets from then on; `first` is the one before.
local function read_block(text, h, time_bytes)
    local zone = { moments = {}, offsets = {} }
    local indexes = h.at + h.times * time_bytes
    local types = indexes + h.times
    local function offset_of(index)
        return index < h.types and signed(text, types + index * 6) or nil
    end
    for i = 1, h.times do
        local at = h.at + (i - 1) * time_bytes
        zone.moments[i] = time_bytes == 4 and signed(text, at)
            or signed(text, at) * 4294967296 + unsigned(text, at + 4)
        zone.offsets[i] = offset_of(text:byte(indexes + i - 1))
        if not zone.offsets[i] or i > 1 and zone.moments[i] <= zone.moments[i - 1] then
            return nil
        end
    end
    zone.first = offset_of(0)
    return zone
end

local function parse(text)
    local h = read_header(text, 1, 4)
    if not h then
        return nil
    elseif h.version == 0 then
        return read_block(text, h, 4)
    end
    h = read_header(text, h.after, 8)
    local zone = h and read_block(text, h, 8)
    local footer = zone and text:match("^\n([^\n]*)\n", h.after)
    if not footer then
        return nil
    elseif footer ~= "" then
        zone.rule = read_rule(footer)
        return zone.rule and zone
    end
    return zone
end

--- How far a local clock is ahead of UTC.
-- @tparam number unix_s
-- @treturn number seconds, negative in the west
function Zone:offset_at(unix_s)
    local moments = self.moments
    local low, high = 0, #moments -- the last change that is not later lies between
    if self.rule and (high == 0 or unix_s >= moments[high]) then
        return offset_by_rule(self.rule, unix_s)
    end
    while low < high do
        local middle = math.floor((low + high + 1) / 2)
        if moments[middle] <= unix_s then
            low = middle
        else
            high = middle - 1
        end
    end
    return low == 0 and self.first or self.offsets[low]
end

M.FOLDER = "/usr/share/zoneinfo"

--- Reads a zone.
-- @tparam string name such as "Europe/Berlin"
-- @tparam[opt] string folder of the database
-- @treturn table|nil
function M.load(name, folder)
    local path = (folder or M.FOLDER) .. "/" .. name
    local ok = name:find "^%w[%w_+/-]*$"
    local file = ok and io.open(path, "rb")
    local text = file and file:read(LARGEST_FILE_BYTES)
    if file then
        file:close()
    end
    if not text then
        local why = ("there is no time zone '%s' in %s"):format(name, folder or M.FOLDER)
        return nil, core.error("InvalidOption", why)
    end
    local zone = parse(text)
    if not zone then
        return nil, core.error("InvalidOption", path .. " is no time zone file, or damaged")
    end
    return setmetatable(zone, Zone)
end

return M

--- Dates as Twilio writes and reads them. Times are Unix seconds.
local M = {}

local DAY_S = 86400
local WEEKDAYS = { [0] = "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
local MONTH_NUMBERS = {}
for number, name in ipairs(MONTHS) do
    MONTH_NUMBERS[name] = number
end

local floor = math.floor

-- Days since 1970-01-01 in the Gregorian calendar, whose years are counted from March here: then the odd day
-- of a leap year is the last.
local function days_of(year, month, day)
    if month <= 2 then
        year, month = year - 1, month + 12
    end
    local of_years = 365 * year + floor(year / 4) - floor(year / 100) + floor(year / 400)
    return of_years + floor((153 * (month - 3) + 2) / 5) + day - 719469
end

local function civil_of(days)
    local shifted = days + 719468
    local era = floor(shifted / 146097)
    local of_era = shifted - era * 146097
    local of_years = of_era - floor(of_era / 1460) + floor(of_era / 36524) - floor(of_era / 146096)
    local year = floor(of_years / 365)
    local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
    local shifted_month = floor((5 * of_year + 2) / 153)
    local day = of_year - floor((153 * shifted_month + 2) / 5) + 1
    local month = shifted_month < 10 and shifted_month + 3 or shifted_month - 9
    return year + era * 400 + (month <= 2 and 1 or 0), month, day
end

local function write(time_s, zone)
    local days = floor(time_s / DAY_S)
    local of_day = floor(time_s - days * DAY_S)
    local year, month, day = civil_of(days)
    return ("%s, %02d %s %04d %02d:%02d:%02d %s"):format(WEEKDAYS[(days + 4) % 7], day, MONTHS[month], year,
        floor(of_day / 3600), floor(of_day % 3600 / 60), of_day % 60, zone)
end

--- "Thu, 24 Aug 2023 05:01:45 +0000" (RFC 2822), as in records.
function M.rfc2822(time_s)
    return write(time_s, "+0000")
end

--- "Thu, 24 Aug 2023 05:01:45 GMT" (RFC 9110 section 5.6.7), as in headers.
function M.http(time_s)
    return write(time_s, "GMT")
end

local function assemble(year, month, day, hour, minute, second, zone)
    year, month, day = tonumber(year), tonumber(month), tonumber(day)
    hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
    if month < 1 or month > 12 or day < 1 or day > 31 or hour > 23 or minute > 59 or second > 60 then
        return nil
    end
    local offset_s = 0
    if zone ~= "Z" and zone ~= "" then
        local sign, hours, minutes = zone:match "^([+-])(%d%d):?(%d%d)$"
        if not sign then
            return nil
        end
        offset_s = (hours * 3600 + minutes * 60) * (sign == "-" and -1 or 1)
    end
    return days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset_s
end

--- Reads "2026-04-01", ISO 8601 with or without fraction and zone, and RFC 2822.
-- @treturn[1] number the first second that is meant
-- @treturn[1] number the last one, which is another only for a whole day
-- @treturn[2] nil when it is none of these
function M.read(text)
    local year, month, day = text:match "^(%d%d%d%d)-(%d%d)-(%d%d)$"
    if year then
        local first = assemble(year, month, day, 0, 0, 0, "Z")
        return first, first and first + DAY_S - 1
    end
    local hour, minute, second, zone
    year, month, day, hour, minute, second, zone =
        text:match "^(%d%d%d%d)-(%d%d)-(%d%d)[T ](%d%d):(%d%d):(%d%d)%.?%d*(.*)$"
    if not year then
        day, month, year, hour, minute, second, zone =
            text:match "^%a%a%a, (%d%d?) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) ([+-]%d%d%d%d)$"
        month = MONTH_NUMBERS[month]
    end
    local moment = year and month and assemble(year, month, day, hour, minute, second, zone)
    return moment or nil, moment or nil
end

return M

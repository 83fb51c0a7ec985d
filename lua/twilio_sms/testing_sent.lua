--- Which of the messages that were sent fit a description, and what to say when none does.
local options = require "twilio_sms.options"

local M = {}

local FIELDS = {
    to = "string", from = "string", body = "string", service = "string", status = "string",
    error_code = "number", segments = "number", client = "string", sid = "string",
}
local STATUSES = {
    accepted = true, scheduled = true, queued = true, sending = true, sent = true, delivered = true,
    undelivered = true, failed = true, canceled = true,
}
-- In the order in which they are told.
local ORDER = { "to", "from", "service", "body", "status", "error_code", "segments", "client", "sid" }

-- ---- Descriptions --------------------------------------------------------------------------------

local Pattern = {}
local pattern_class = { __index = Pattern, __name = "twilio_sms.testing.pattern" }

function pattern_class.__tostring(self)
    return ("matching %q"):format(self.pattern)
end

--- Stands for every text in which a Lua pattern is found.
-- @tparam string pattern
-- @tparam number level as for error
function M.matching(pattern, level)
    if type(pattern) ~= "string" then
        error("matching takes a Lua pattern, not " .. options.kind_of(pattern), level + 1)
    elseif not pcall(string.find, "", pattern) then
        error(("matching takes a Lua pattern, which '%s' is not"):format(pattern), level + 1)
    end
    return setmetatable({ pattern = pattern }, pattern_class)
end

-- What is wrong with a value. One of another type would fit no message, and that no such message was sent
-- would prove nothing.
local function value_error(name, value)
    local wanted = FIELDS[name]
    if name == "status" and type(value) == "string" and not STATUSES[value] then
        return ("there is no status '%s'%s"):format(value, options.hint(value, STATUSES))
    elseif type(value) == wanted or wanted == "string" and getmetatable(value) == pattern_class then
        return nil
    elseif wanted == "number" then
        return ("'%s' must be a number, not %s"):format(name, options.kind_of(value))
    end
    return ("'%s' must be a string or testing.matching(...), not %s"):format(name, options.kind_of(value))
end

--- Raises for what is no description.
-- @tparam table wanted
-- @tparam number level as for error
function M.check(wanted, level)
    if type(wanted) ~= "table" then
        error("a message is described by a table: { to = \"+1...\", body = \"...\" }", level + 1)
    end
    for name, value in pairs(wanted) do
        if not FIELDS[name] then
            local hint = options.hint(name, FIELDS)
            error(("messages have no '%s'%s"):format(tostring(name), hint), level + 1)
        end
        local why = value_error(name, value)
        if why then
            error(why, level + 1)
        end
    end
end

local function field_fits(wanted, value)
    if getmetatable(wanted) == pattern_class then
        return type(value) == "string" and value:find(wanted.pattern) ~= nil
    end
    return wanted == value
end

local function fits(wanted, message)
    for name, value in pairs(wanted) do
        if not field_fits(value, message[name]) then
            return false
        end
    end
    return true
end

--- Splits what the world has into what fits and what does not. What people wrote was not sent.
-- @tparam table wanted
-- @tparam table messages as of world:messages()
-- @treturn table those that fit, the oldest first
-- @treturn table the others
function M.split(wanted, messages)
    local good, others = {}, {}
    for _, message in ipairs(messages) do
        if message.direction ~= "inbound" then
            local list = fits(wanted, message) and good or others
            list[#list + 1] = message
        end
    end
    return good, others
end

-- ---- Nearness ------------------------------------------------------------------------------------

local function shared_start(a, b)
    local most, count = math.min(#a, #b), 0
    while count < most and a:byte(count + 1) == b:byte(count + 1) do
        count = count + 1
    end
    return count
end

-- How much two texts have in common at their ends: 1 for the same, at most half of that for others, so that
-- the right person with a wrong text is nearer than a neighbour's number with the right one.
local function likeness(a, b)
    if a == b then
        return 1
    end
    local from_start = shared_start(a, b)
    local from_end = math.min(shared_start(a:reverse(), b:reverse()), math.min(#a, #b) - from_start)
    return (from_start + from_end) / math.max(#a, #b) / 2
end

local function field_nearness(wanted, value)
    if field_fits(wanted, value) then
        return 1
    elseif type(wanted) == "string" and type(value) == "string" then
        return likeness(wanted, value)
    end
    return 0
end

-- The person counts for most, then the text.
local WEIGHTS = { to = 4, body = 2 }

local function nearness(wanted, message)
    local sum = 0
    for _, name in ipairs(ORDER) do
        if wanted[name] ~= nil then
            sum = sum + (WEIGHTS[name] or 1) * field_nearness(wanted[name], message[name])
        end
    end
    return sum
end

-- The nearest first; among equals the newest.
local function by_nearness(wanted, messages)
    local order = {}
    for i, message in ipairs(messages) do
        order[i] = { message = message, nearness = nearness(wanted, message), place = i }
    end
    table.sort(order, function(a, b)
        return a.nearness > b.nearness or a.nearness == b.nearness and a.place > b.place
    end)
    return order
end

-- ---- Texts ---------------------------------------------------------------------------------------

local LISTED_MOST = 10

-- A value as in a program; a line feed stays on its line.
local function quoted(value)
    if type(value) == "string" then
        return (("%q"):format(value):gsub("\\\n", "\\n"):gsub("\r", "\\r"))
    end
    return tostring(value)
end

local function described(wanted)
    local parts = {}
    for _, name in ipairs(ORDER) do
        if wanted[name] ~= nil then
            parts[#parts + 1] = ("%s = %s"):format(name, quoted(wanted[name]))
        end
    end
    return #parts > 0 and "{ " .. table.concat(parts, ", ") .. " }" or "{}"
end

-- What a message is, and in what it differs.
local function line_of(message, wanted)
    local shown, differs = {}, {}
    for _, name in ipairs(ORDER) do
        local is_wanted = wanted[name] ~= nil
        if message[name] ~= nil and (name == "to" or name == "from" or name == "body" or is_wanted) then
            shown[#shown + 1] = ("%s = %s"):format(name, quoted(message[name]))
        end
        if is_wanted and not field_fits(wanted[name], message[name]) then
            differs[#differs + 1] = name
        end
    end
    local line = "  { " .. table.concat(shown, ", ") .. " }"
    return #differs > 0 and line .. "   other " .. table.concat(differs, ", ") or line
end

local function list_of(order, wanted)
    local lines = {}
    for i = 1, math.min(#order, LISTED_MOST) do
        lines[i] = line_of(order[i].message, wanted)
    end
    if #order > LISTED_MOST then
        lines[#lines + 1] = ("  and %d more"):format(#order - LISTED_MOST)
    end
    return table.concat(lines, "\n")
end

--- What to say when it is not as it should be.
-- @tparam table wanted
-- @tparam string expected how many there should be: "at least one", "none", "2"
-- @tparam table good those that fit
-- @tparam table others
function M.text(wanted, expected, good, others)
    local found = #good == 0 and "none" or ("%d"):format(#good)
    local head = ("expected messages %s: %s, but there were: %s"):format(described(wanted), expected, found)
    if #good > 0 then
        return head .. ":\n" .. list_of(by_nearness(wanted, good), wanted)
    elseif #others == 0 then
        return head .. ". Nothing was sent at all."
    end
    return head .. ". What was sent, the closest first:\n" .. list_of(by_nearness(wanted, others), wanted)
end

return M

--- Judges the options of a log or a trace: a wrong type raises at the caller, a wrong value is an error.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"

local M = {}

local NUMBER_MOST = 2147483647

--- @tparam string of "log" or "trace"
-- @tparam string name of the option
-- @tparam string text with the values of string.format
-- @return nil and an error
function M.invalid(of, name, text, ...)
    return nil, core.error("InvalidOption", of .. "." .. name .. ": " .. text:format(...))
end

--- Raises for what is not there, or of a wrong type, or has an unknown name.
-- @tparam string of
-- @param given
-- @tparam table known names with the type that each must have, or "any"
-- @tparam number level as for error
-- @treturn table
function M.check(of, given, known, level)
    if given ~= nil and type(given) ~= "table" then
        error(("%s{...} takes a table, not %s"):format(of, options.kind_of(given)), level + 1)
    end
    for name, value in pairs(given or {}) do
        local wanted = known[name]
        if not wanted then
            local why = "unknown option '%s.%s'%s"
            error(why:format(of, tostring(name), options.hint(name, known)), level + 1)
        elseif wanted ~= "any" and type(value) ~= wanted then
            M.raise_type(of, name, "a " .. wanted, value, level + 1)
        end
    end
    return given or {}
end

--- Raises for a value of a wrong type.
function M.raise_type(of, name, wanted, value, level)
    local why = "option '%s.%s' must be %s, not %s"
    error(why:format(of, name, wanted, options.kind_of(value)), level + 1)
end

--- Whether a value is one of some words, or absent.
-- @tparam string of
-- @tparam string name
-- @tparam string|nil value
-- @tparam table words
-- @tparam[opt] string others what else it could be
-- @treturn boolean|nil true; or nil and an error
function M.one_of(of, name, value, words, others)
    local known, shown = {}, {}
    for i, word in ipairs(words) do
        known[word], shown[i] = true, "'" .. word .. "'"
    end
    if value == nil or known[value] then
        return true
    end
    local last = others or table.remove(shown)
    local list = table.concat(shown, ", ") .. " or " .. last
    return M.invalid(of, name, "it must be %s, not %q%s", list, value, options.hint(value, known))
end

--- Whether the numbers of some names are whole, and not too small.
-- @tparam string of
-- @tparam table given the options
-- @tparam table least the smallest value by name
-- @treturn boolean|nil true; or nil and an error
function M.whole(of, given, least)
    for name, low in pairs(least) do
        local value = given[name]
        if value ~= nil and (value % 1 ~= 0 or value < low or value > NUMBER_MOST) then
            return M.invalid(of, name, "it must be a whole number, %d or more", low)
        end
    end
    return true
end

--- Whether a value points at a secret that stands elsewhere.
function M.is_source(value)
    return type(value) == "table" and (type(value.env) == "string" or type(value.file) == "string")
end

return M

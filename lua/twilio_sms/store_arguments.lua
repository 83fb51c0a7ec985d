--- Checks what the methods of a store are called with: misuse raises at the caller of the method.
--
--     function Store:read(space, key)
--         arguments.read(space, key)
--         ...
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"

local M = {}

local CHANGE_FIELDS = { at = "any", key = "any", record = "any", space = "any", version = "any" }
local LIST_OPTIONS = { after = "any", limit = "any", prefix = "any" }
local SPACE_MOST, KEY_MOST, RECORD_MOST, ROWS_MOST = 64, 512, 1024 * 1024, 1000
local ROWS = 100
local EXACT_MOST = 2 ^ 53

-- In all that follows, level is as for error.

local function check_bytes(value, name, least, most, level)
    if type(value) ~= "string" then
        error(("'%s' must be a string, not %s"):format(name, options.kind_of(value)), level + 1)
    elseif #value < least or #value > most then
        error(("'%s' must have %d to %d bytes"):format(name, least, most), level + 1)
    end
end

local function check_whole(value, name, low, high, level)
    if type(value) ~= "number" or not (value >= low and value <= high) or value % 1 ~= 0 then
        error(("'%s' must be a whole number from %.0f to %.0f"):format(name, low, high), level + 1)
    end
end

local function check_space(space, level)
    check_bytes(space, "space", 1, SPACE_MOST, level + 1)
end

local function check_key(key, level)
    check_bytes(key, "key", 1, KEY_MOST, level + 1)
end

local function check_names(given, what, known, level)
    if type(given) ~= "table" then
        error(("%s must be a table, not %s"):format(what, options.kind_of(given)), level + 1)
    end
    for name in pairs(given) do
        if not known[name] then
            local hint = options.hint(name, known)
            error(("unknown field '%s'%s"):format(tostring(name), hint), level + 1)
        end
    end
end

local function text_of(record, level)
    if type(record) ~= "table" then
        error(("'record' must be a table, not %s"):format(options.kind_of(record)), level + 1)
    end
    local text, err = core.json_encode(record)
    if not text then
        error((err.message:gsub("^value", "record")), level + 1)
    elseif #text > RECORD_MOST then
        error("record: too much for one text", level + 1)
    end
    return text
end

local function read_change(change, level)
    check_names(change, "a change", CHANGE_FIELDS, level + 1)
    check_space(change.space, level + 1)
    check_key(change.key, level + 1)
    if change.at ~= nil then
        check_whole(change.at, "at", -EXACT_MOST, EXACT_MOST, level + 1)
    end
    if change.version ~= nil then
        check_whole(change.version, "version", 0, EXACT_MOST, level + 1)
    end
    return {
        space = change.space,
        key = change.key,
        text = change.record ~= nil and text_of(change.record, level + 1) or nil,
        at = change.at or os.time(),
        version = change.version,
    }
end

-- All of these are called by the methods themselves, so that two levels up is who calls the method.
local LEVEL = 2

--- Of store:read.
function M.read(space, key)
    check_space(space, LEVEL + 1)
    check_key(key, LEVEL + 1)
end

--- Of store:write.
-- @treturn table a list of changes, to be made in this order: space, key, text (the record as JSON, at most
-- 1 MiB; nil to remove it), at (now, where it was not given), version (nil, or what it must be)
function M.write(changes)
    local count, list = 0, {}
    for _ in pairs(type(changes) == "table" and changes or error("a list of changes expected", LEVEL + 1)) do
        count = count + 1
    end
    if count ~= #changes then
        error("a list of changes expected", LEVEL + 1)
    end
    for i = 1, count do
        list[i] = read_change(changes[i], LEVEL + 1)
    end
    return list
end

--- Of store:list.
-- @treturn string prefix, empty where none was given
-- @treturn string|nil after
-- @treturn number limit
function M.list(space, given)
    check_space(space, LEVEL + 1)
    given = given == nil and {} or given
    check_names(given, "options", LIST_OPTIONS, LEVEL + 1)
    local prefix, after, limit = given.prefix or "", given.after, given.limit or ROWS
    check_bytes(prefix, "prefix", 0, KEY_MOST, LEVEL + 1)
    check_bytes(after or "", "after", 0, KEY_MOST, LEVEL + 1)
    check_whole(limit, "limit", 1, ROWS_MOST, LEVEL + 1)
    return prefix, after, limit
end

--- Of store:purge.
function M.purge(space, before)
    check_space(space, LEVEL + 1)
    check_whole(before, "before", -EXACT_MOST, EXACT_MOST, LEVEL + 1)
end

return M

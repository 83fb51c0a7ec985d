--- JSON with its members in a fixed order, so that the same run gives the same bytes.
--
-- (The order of a Lua table is another in each process.)
local cjson = require "cjson"

local M = {}

local codec = cjson.new()

--- Stands for null; a member that is nil is left out.
M.null = {}

--- Text that is JSON already, as a member.
function M.raw(text)
    return { raw = text }
end

local function encode(value)
    local kind = type(value)
    if kind == "string" then
        -- Slashes may stay as they are, and URIs can be read then.
        return (codec.encode(value):gsub("\\/", "/"))
    elseif kind == "number" then
        return ("%d"):format(value)
    elseif value == M.null then
        return "null"
    end
    return value.raw
end

--- An object with these members.
-- @tparam table keys their names, in order
-- @tparam table values by name: strings, whole numbers, null, raw
function M.object(keys, values)
    local members = {}
    for _, key in ipairs(keys) do
        local value = values[key]
        if value ~= nil then
            members[#members + 1] = ('"%s":%s'):format(key, encode(value))
        end
    end
    return "{" .. table.concat(members, ",") .. "}"
end

--- An object with the members of a table, sorted by name.
function M.map(values)
    local keys = {}
    for key in pairs(values) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return M.object(keys, values)
end

--- A list of what is JSON already.
function M.list(texts)
    return "[" .. table.concat(texts, ",") .. "]"
end

--- Reads an object as tags are given.
-- @treturn table|nil
function M.decode(text)
    local ok, value = pcall(codec.decode, text)
    return ok and type(value) == "table" and value or nil
end

return M

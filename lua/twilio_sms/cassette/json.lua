--- JSON text on its way to a tape: rewritten value by value, its order, spacing and numbers kept.
--
-- Reading it into tables would lose which members were null, the order of all, and what a text was that has
-- been cut in the middle.
local core = require "twilio_sms.core"

local M = {}

local DEPTH_MOST = 64

local Reader = {}
Reader.__index = Reader

function Reader:emit(text)
    self.out[#self.out + 1] = text
end

-- Copies white space.
function Reader:space()
    local space = self.text:match("^[ \t\r\n]*", self.at)
    self:emit(space)
    self.at = self.at + #space
end

-- Copies a sign with the white space behind it. Answers whether it was there.
function Reader:sign(sign)
    if self.text:sub(self.at, self.at) ~= sign then
        return false
    end
    self:emit(sign)
    self.at = self.at + 1
    self:space()
    return true
end

-- Takes a string. Answers its value and its text, or nothing when it is cut or damaged.
function Reader:string()
    if self.text:sub(self.at, self.at) ~= '"' then
        return nil
    end
    local from = self.at + 1
    while true do
        local stop = self.text:find('["\\]', from)
        if not stop then
            return nil
        elseif self.text:sub(stop, stop) == '"' then
            local literal = self.text:sub(self.at, stop)
            local value = core.json_decode(literal)
            self.at = value and stop + 1 or self.at
            return value, literal
        end
        from = stop + 2
    end
end

local WORDS = { ["true"] = "boolean", ["false"] = "boolean", null = "null" }

function Reader:scalar(path)
    local value, literal = self:string()
    local kind = "string"
    if not value then
        -- A number at the very end of a cut text may have lost digits.
        literal = self.text:match("^[%w%.%+%-]+", self.at)
        kind = literal and (WORDS[literal] or tonumber(literal) and "number")
        if not kind then
            return false
        end
        value = literal
        self.at = self.at + #literal
    end
    self:emit(self.leaf(path, kind, value) or literal)
    return true
end

function Reader:list(path, depth)
    self:sign "["
    if self:sign "]" then
        return true
    end
    repeat
        if not self:value(path .. "[]", depth + 1) then
            return false
        end
    until not self:sign ","
    return self:sign "]"
end

function Reader:object(path, depth)
    self:sign "{"
    if self:sign "}" then
        return true
    end
    repeat
        local name = self:string()
        if not name then
            return false
        end
        self:emit(core.json_encode(self.name(name)))
        self:space()
        if not self:sign ":" or not self:value(path == "" and name or path .. "." .. name, depth + 1) then
            return false
        end
    until not self:sign ","
    return self:sign "}"
end

function Reader:value(path, depth)
    local first = self.text:sub(self.at, self.at)
    local done
    if depth > DEPTH_MOST then
        return false
    elseif first == "{" then
        done = self:object(path, depth)
    elseif first == "[" then
        done = self:list(path, depth)
    else
        done = self:scalar(path)
    end
    self:space()
    return done
end

local function same(name)
    return name
end

--- Rewrites the values of an object or a list.
-- @tparam string text may be cut anywhere: what cannot be understood any more is left out
-- @tparam function leaf gets path ("messages[].to"), type ("string", "number", "boolean", "null") and the
--   value (of a string its text, of others their JSON); answers the JSON to put there, or nil to keep it
-- @tparam[opt] function name gets the name of a member and answers the one to put there
-- @treturn string|nil the text; nil when it is neither an object nor a list
-- @treturn boolean whether it was read to its end
function M.rewrite(text, leaf, name)
    if not text:find "^[ \t\r\n]*[%[{]" then
        return nil, false
    end
    local reader = setmetatable({ text = text, at = 1, out = {}, leaf = leaf, name = name or same }, Reader)
    reader:space()
    local whole = reader:value("", 1) and reader.at > #text
    return table.concat(reader.out), whole
end

--- Calls visit(path, type, value) for each value of a text, in order.
-- @treturn boolean whether it was JSON to its end
function M.each(text, visit)
    local _, whole = M.rewrite(text, function(...) visit(...) end)
    return whole
end

--- The JSON of a value; tables are lists, or objects made by `object`.
function M.encode(value)
    if type(value) ~= "table" then
        return assert(core.json_encode(value))
    elseif value.json then
        return value.json
    end
    local items = {}
    for i, item in ipairs(value) do
        items[i] = M.encode(item)
    end
    return "[" .. table.concat(items, ",") .. "]"
end

--- An object whose members stay in this order.
-- @tparam table members a list of { name, value }; the value nil leaves one out
function M.object(members)
    local items = {}
    for _, member in ipairs(members) do
        if member[2] ~= nil then
            items[#items + 1] = M.encode(member[1]) .. ":" .. M.encode(member[2])
        end
    end
    return { json = "{" .. table.concat(items, ",") .. "}" }
end

return M

--- Messages from content templates, which Twilio keeps: their fields, with the values as JSON.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"

local M = {}

-- https://www.twilio.com/docs/api/errors/21658
local CHARACTERS_MOST = 1600
-- Numbers that a double holds exactly.
local WHOLE_MOST = 2 ^ 53

local function refuse(message, ...)
    return nil, core.error("InvalidRequest", message:format(...))
end

--- The text of a value: a string as it is, a whole number in decimal; nil for everything else.
function M.text_of(value)
    if type(value) == "string" then
        return value
    elseif type(value) == "number" then
        local is_integer = math.type and math.type(value) == "integer"
        if is_integer or (value == math.floor(value) and math.abs(value) <= WHOLE_MOST) then
            return ("%d"):format(value)
        end
    end
    return nil
end

--- What to call a value that has no text.
function M.describe(value)
    return type(value) == "number" and tostring(value) or "a " .. type(value)
end

-- What makes Twilio refuse the message: https://www.twilio.com/docs/api/errors/21656
local function check_value(name, text)
    local count, err = core.segments(text)
    if not count then
        return refuse("content variable '%s': %s", name, err.message)
    elseif text == "" then
        return refuse("content variable '%s' is empty", name)
    elseif text:find "[%z\1-\31\127]" then
        return refuse("content variable '%s' has a line end, a tab or another control character", name)
    elseif text:find "     " then
        return refuse("content variable '%s' has more than four spaces in a row", name)
    elseif count.characters > CHARACTERS_MOST then
        return nil, core.error("MessageTooLong",
            ("content variable '%s' has %d characters; Twilio takes at most %d"):format(name,
                count.characters, CHARACTERS_MOST))
    end
    return true
end

local function check_values(texts)
    for name, text in pairs(texts) do
        local good, err = check_value(name, text)
        if not good then
            return nil, err
        end
    end
    return true
end

-- A list gives the variables "1", "2" and so on, which is how Twilio calls those without names.
local function read_table(vars)
    local texts = {}
    for name, value in pairs(vars) do
        local key = M.text_of(name)
        if not key or key == "" or not core.segments(key) then
            return refuse("content variables have names or numbers")
        end
        local text = M.text_of(value)
        if not text then
            return refuse("content variable '%s' must be a string or a whole number, not %s", key,
                M.describe(value))
        end
        if texts[key] then
            return refuse("content variable '%s' is given twice", key)
        end
        texts[key] = text
    end
    return texts
end

-- Whether JSON that is well-formed is one object of strings: what is left of it without its strings tells.
-- A decoded table would not have the members that are null.
local function is_flat(json)
    local frame = json:gsub("\\.", ""):gsub('"[^"]*"', "s"):gsub("%s", "")
    local members = frame:match "^{(.*)}$"
    return members ~= nil and (members == "" or (members .. ","):gsub("s:s,", "") == "")
end

local function read_json(json)
    local texts, err = core.json_decode(json)
    if texts == nil and err then
        return refuse("the content variables are no JSON: %s", err.message)
    elseif not is_flat(json) then
        return refuse("the content variables are no JSON object of strings")
    end
    return texts
end

--- The fields of a message that has its text from a content template.
-- @tparam string content_sid HX...
-- @param variables values by name, or a list for those called "1", "2", ...; or the JSON of an object of
-- strings, which is passed on as it is; or nil
-- @treturn table|nil content_sid and content_variables, to be given to client:send; or nil and an error for
-- values that Twilio would refuse
function M.new(content_sid, variables)
    if type(content_sid) ~= "string" then
        error("content takes a content SID, not " .. options.kind_of(content_sid), 2)
    end
    local kind = type(variables)
    if kind ~= "nil" and kind ~= "table" and kind ~= "string" then
        error("the variables must be a table or JSON text, not a " .. kind, 2)
    end
    if #content_sid ~= 34 or not content_sid:find "^HX%x+$" then
        return refuse 'content_sid is not "HX" followed by 32 hex digits'
    end
    if kind == "nil" then
        return { content_sid = content_sid }
    end
    local texts, err = (kind == "table" and read_table or read_json)(variables)
    local good = texts
    if texts then
        good, err = check_values(texts)
    end
    local json = variables
    if good and kind == "table" then
        json, err = core.json_encode(texts)
        good = json
    end
    if not good then
        return nil, err
    end
    return { content_sid = content_sid, content_variables = json }
end

return M

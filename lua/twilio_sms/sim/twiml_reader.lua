--- Reads what a webhook was answered with: the messages that are to be sent.
--
-- A small strict reader of XML, without document types. Refusals carry the codes of Twilio's error
-- dictionary: 12100 not well-formed, 12102 another root, 12200 an unknown verb, attribute or noun, 12300 a
-- content type that is none for TwiML.
local M = {}

local DEPTH_MOST = 8
local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

-- ---- XML -----------------------------------------------------------------------------------------

local function utf8_of(code)
    local floor, char = math.floor, string.char
    if code < 0x80 then
        return char(code)
    elseif code < 0x800 then
        return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40)
    elseif code < 0x10000 then
        return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
    end
    return char(0xF0 + floor(code / 0x40000), 0x80 + floor(code / 0x1000) % 0x40,
        0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

local function character_of(name)
    local digits = name:match "^#(%d+)$"
    local hex = name:match "^#x(%x+)$"
    local code = digits and tonumber(digits) or hex and tonumber(hex, 16)
    if code then
        local good = code > 0 and code <= 0x10FFFF and (code < 0xD800 or code > 0xDFFF)
        return good and utf8_of(code) or nil
    end
    return ENTITIES[name]
end

-- Text with its entities replaced; nil when there is a bad one.
local function unescape(text)
    local good = true
    local out = text:gsub("&(#?%w*)(;?)", function(name, semicolon)
        local character = semicolon == ";" and character_of(name) or nil
        good = good and character ~= nil
        return character
    end)
    return good and out or nil
end

-- Reads the attributes from `at` on; answers them and the place behind them, or nil.
local function read_attributes(text, at)
    local attributes = {}
    while true do
        local from, to, name, quote = text:find("^%s+([%a_:][%w_:.-]*)%s*=%s*([\"'])", at)
        if not from then
            return attributes, at
        end
        local ending = text:find(quote, to + 1, true)
        local value = ending and unescape(text:sub(to + 1, ending - 1))
        if not value or value:find("<", 1, true) or attributes[name] then
            return nil
        end
        attributes[name] = value
        at = ending + 1
    end
end

-- What may stand anywhere and says nothing.
local SILENT = { { "<!--", "-->" }, { "<?", "?>" } }

local function skip_silent(text, at)
    for _, pair in ipairs(SILENT) do
        if text:sub(at, at + #pair[1] - 1) == pair[1] then
            local _, to = text:find(pair[2], at + #pair[1], true)
            return to and to + 1
        end
    end
end

local Reader = {}
Reader.__index = Reader

function Reader:add_text(raw, is_plain)
    local node = self.stack[#self.stack]
    local text = is_plain and raw or unescape(raw)
    if not text or node.root and text:find "%S" then
        return false
    end
    node.text = node.text .. text
    return true
end

function Reader:open(name, attributes, is_empty)
    local parent = self.stack[#self.stack]
    local node = { name = name, attributes = attributes, text = "" }
    parent[#parent + 1] = node
    if not is_empty then
        self.stack[#self.stack + 1] = node
    end
    return #self.stack <= DEPTH_MOST
end

function Reader:close(name)
    local node = table.remove(self.stack)
    return node.name == name
end

-- Reads what begins with "<" at this place; answers the place behind it, or nil.
function Reader:markup(text, at)
    local behind = skip_silent(text, at)
    if behind then
        return behind
    end
    local cdata = text:find("^<!%[CDATA%[", at) and text:find("]]>", at, true)
    if cdata then
        return self:add_text(text:sub(at + 9, cdata - 1), true) and cdata + 3 or nil
    end
    local _, to, closed = text:find("^</([%a_:][%w_:.-]*)%s*>", at)
    if closed then
        return self:close(closed) and to + 1 or nil
    end
    local name
    _, to, name = text:find("^<([%a_:][%w_:.-]*)", at)
    local attributes
    if name then
        attributes, at = read_attributes(text, to + 1)
    end
    local slash
    if attributes then
        _, to, slash = text:find("^%s*(/?)>", at)
    end
    return slash and self:open(name, attributes, slash == "/") and to + 1 or nil
end

-- The root element, or nil.
local function parse(text)
    local top = { root = true, text = "" }
    local reader = setmetatable({ stack = { top } }, Reader)
    local at = text:find "^\239\187\191" and 4 or 1
    while at and at <= #text do
        local markup = text:find("<", at, true) or #text + 1
        if not reader:add_text(text:sub(at, markup - 1)) then
            return nil
        end
        at = markup <= #text and reader:markup(text, markup) or markup > #text and markup or nil
        if #reader.stack == 0 then
            return nil
        end
    end
    return at and #reader.stack == 1 and #top == 1 and top[1] or nil
end

-- ---- TwiML ---------------------------------------------------------------------------------------

local ATTRIBUTES = {
    Message = { to = true, from = true, action = true, method = true, statusCallback = true },
    Redirect = { method = true },
    Body = {},
    Media = {},
}

local function knows_attributes(node)
    for name in pairs(node.attributes) do
        if not ATTRIBUTES[node.name][name] then
            return false
        end
    end
    return true
end

local function trim(text)
    return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end

local function read_message(node)
    local message = {
        verb = "message", body = trim(node.text), media = {},
        to = node.attributes.to, from = node.attributes.from,
        status_callback = node.attributes.statusCallback,
    }
    for _, child in ipairs(node) do
        local known = child.name == "Body" or child.name == "Media"
        if not known or #child > 0 or not knows_attributes(child) then
            return nil
        elseif child.name == "Body" then
            message.body = message.body .. child.text
        else
            table.insert(message.media, trim(child.text))
        end
    end
    return message
end

local VERBS = { Message = read_message }

function VERBS.Redirect(node)
    return #node == 0 and { verb = "redirect", url = trim(node.text), method = node.attributes.method }
end

local function read_twiml(text)
    if not text:find "%S" then
        return {}
    end
    local root = parse(text)
    if not root then
        return nil, 12100
    elseif root.name ~= "Response" then
        return nil, 12102
    end
    local verbs = {}
    for i, node in ipairs(root) do
        local read = VERBS[node.name]
        local verb = read and knows_attributes(node) and read(node)
        if not verb then
            return nil, 12200
        end
        verbs[i] = verb
    end
    return verbs
end

local XML = { ["text/xml"] = true, ["application/xml"] = true, ["text/html"] = true }

--- Reads an answer. A plain text is one message.
-- @tparam string|nil content_type
-- @tparam string body
-- @treturn[1] table a list of { verb = "message", body, media (a list), to, from, status_callback } and
-- { verb = "redirect", url, method }
-- @treturn[2] nil
-- @treturn[2] number an error code
function M.read(content_type, body)
    if body == "" then
        return {}
    end
    local kind = (content_type or ""):match "^%s*([^;%s]*)":lower()
    if kind == "text/plain" then
        return body:find "%S" and { { verb = "message", body = body, media = {} } } or {}
    elseif XML[kind] then
        return read_twiml(body)
    end
    return nil, 12300
end

return M

--- Texts with variables: what a text misses is found before anything is sent, and so is its length.
--
--     local reminder = sms.assert(template.new "Hi {{name}}, your table is ready.")
--     local body, err = reminder:render { name = "Ada" }
--
-- "{{name}}" stands for a variable, spaces inside of the braces do not count. A backslash takes its meaning
-- from a brace or a backslash behind it: "\{{name}}" is plain text. Values are inserted as they are: braces
-- in them mean nothing.
local content = require "twilio_sms.content"
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local smart_encoding = require "twilio_sms.smart_encoding"

local M = {
    --- The fields of a message from a content template that Twilio keeps: content(content_sid, variables).
    content = content.new,
}

local KNOWN = { defaults = "table", limits = "table", smart_encoded = "boolean" }
local BODY_MOST = 1600 -- characters of a body, https://www.twilio.com/docs/api/errors/21617

-- The dearest characters of each alphabet, two units each: an escaped one (the Euro sign), and one outside
-- of the first plane.
local GSM7_DEAREST = "\226\130\172"
local UCS2_DEAREST = "\240\159\152\128"

local function refuse(message, ...)
    return nil, core.error("InvalidRequest", message:format(...))
end

-- ---- Reading the text ----------------------------------------------------------------------------

-- A list of literals, { text=, at= }, and variables, { name= }; `at` is a byte of the source.
local function parse(source)
    local pieces, from, i = {}, 1, 1
    local plain = 0 -- pairs of braces that were opened as plain text, and may be closed as such
    local function add_literal(to)
        if to >= from then
            pieces[#pieces + 1] = { text = source:sub(from, to), at = from }
        end
    end
    while true do
        i = source:find("[\\{}]", i)
        if not i then
            add_literal(#source)
            return pieces
        end
        local two = source:sub(i, i + 1)
        if two:find "^\\[\\{}]" then
            add_literal(i - 1)
            plain = plain + (source:find("^{{%f[^{]", i + 1) and 1 or 0)
            from, i = i + 1, i + 2
        elseif two == "{{" then
            local name, behind = source:match("^[ \t]*([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*}}()", i + 2)
            if not name then
                return refuse("the braces at byte %d hold no name, or are not closed", i)
            end
            add_literal(i - 1)
            pieces[#pieces + 1] = { name = name }
            from, i = behind, behind
        elseif two == "}}" and plain > 0 then
            plain, i = plain - 1, i + 2
        elseif two == "}}" then
            return refuse("the braces at byte %d close nothing", i)
        else
            i = i + 1
        end
    end
end

-- Tabs and line ends are the only control characters that a text may have.
local function check_text(what, text)
    local count, err = core.segments(text)
    if not count then
        return refuse("%s: %s", what, err.message)
    end
    local at = text:find "[%z\1-\8\11\12\14-\31\127]"
    if at then
        return refuse("%s: a control character at byte %d", what, at)
    end
    return count
end

-- ---- Limits --------------------------------------------------------------------------------------

local function read_limit(name, given, level)
    local limit = given
    if type(given) == "number" then
        limit = { most = given }
    elseif type(given) ~= "table" then
        error(("the limit of '%s' must be a number or a table"):format(name), level + 1)
    end
    options.check(limit, { most = "number", cut = "boolean" }, level + 1)
    local most = limit.most
    if not most or most ~= math.floor(most) or most < 1 or most > BODY_MOST then
        error(("the limit of '%s' must be 1 to %d characters"):format(name, BODY_MOST), level + 1)
    end
    return { most = most, cut = limit.cut }
end

-- The limits of a template with others in their place; names that are none of its are an error.
local function read_limits(template, given, base, level)
    local limits = {}
    for name, limit in pairs(base) do
        limits[name] = limit
    end
    for name, limit in pairs(given or {}) do
        limits[name] = read_limit(tostring(name), limit, level + 1)
        if not template.known[name] then
            return refuse("limits: the text has no variable '%s'", tostring(name))
        end
    end
    return limits
end

-- ---- Values --------------------------------------------------------------------------------------

local function cut(text, most)
    local count = 0
    for at in text:gmatch "()[^\128-\191]" do
        count = count + 1
        if count > most then
            return text:sub(1, at - 1)
        end
    end
    return text
end

-- The text that stands for a value. The limit is that of the text which is inserted.
local function text_of(template, name, value)
    local text = content.text_of(value)
    if not text then
        return refuse("variable '%s' must be a string or a whole number, not %s", name,
            content.describe(value))
    end
    local count, err = check_text(("variable '%s'"):format(name), text)
    if not count then
        return nil, err
    end
    if template.smart_encoded then
        text = smart_encoding.apply(text)
        count = core.segments(text)
    end
    local limit = template.limits[name]
    if limit and count.characters > limit.most then
        if not limit.cut then
            return refuse("variable '%s' has %d characters, its limit is %d", name, count.characters,
                limit.most)
        end
        text = cut(text, limit.most)
    end
    return text
end

-- A value for one rendering. "Hi , your table is ready" is hardly ever meant: where nothing may stand, the
-- default says so.
local function value_of(template, name, value)
    local text, err = text_of(template, name, value)
    if text == "" and template.defaults[name] ~= "" then
        return refuse("variable '%s' is empty; where it may be, give it an empty default", name)
    end
    return text, err
end

-- ---- Rendering -----------------------------------------------------------------------------------

local Template = {}
local class = { __index = Template, __name = "twilio_sms.template" }

function class.__tostring()
    return class.__name
end

local function fill(template, text_for)
    local out = {}
    for i, piece in ipairs(template.pieces) do
        out[i] = piece.text or text_for(piece.name)
    end
    return table.concat(out)
end

--- Puts values into the text.
-- @tparam table|nil vars a string or a whole number for each variable that has no default
-- @treturn string|nil the text; or nil and an error that names the variable which is missing, empty, unknown,
-- too long or of the wrong type
function Template:render(vars)
    options.check_self(self, class, "template:render{...}", 2)
    if vars ~= nil and type(vars) ~= "table" then
        error("render takes a table of values, not " .. options.kind_of(vars), 2)
    end
    vars = vars or {}
    for name in pairs(vars) do
        if not self.known[name] then
            return refuse("the text has no variable '%s'", tostring(name))
        end
    end
    local texts = {}
    for _, name in ipairs(self.names) do
        local text, err = self.defaults[name], nil
        if vars[name] ~= nil then
            text, err = value_of(self, name, vars[name])
        end
        if not text then
            return nil, err or core.error("InvalidRequest", ("variable '%s' is missing"):format(name))
        end
        texts[name] = text
    end
    return fill(self, function(name) return texts[name] end)
end

--- Counts the segments of the text with these values.
-- @treturn table|nil as sms.segments; or nil and an error as from render
function Template:segments(vars)
    options.check_self(self, class, "template:segments{...}", 2)
    if vars ~= nil and type(vars) ~= "table" then
        error("segments takes a table of values, not " .. options.kind_of(vars), 2)
    end
    local text, err = self:render(vars)
    if not text then
        return nil, err
    end
    return core.segments(text)
end

--- The names of the variables, in the order in which they first come.
function Template:variables()
    options.check_self(self, class, "template:variables()", 2)
    local names = {}
    for i, name in ipairs(self.names) do
        names[i] = name
    end
    return names
end

-- ---- Checking ------------------------------------------------------------------------------------

-- The first character of the source, outside of variables, that is not in GSM-7: its byte and itself.
local function find_ucs2(template)
    for _, piece in ipairs(template.pieces) do
        if piece.text and core.segments(piece.text).first_ucs2 then
            for at, character in piece.source:gmatch "()([^\128-\191][\128-\191]*)" do
                local sent = template.smart_encoded and smart_encoding.apply(character) or character
                if core.segments(sent).first_ucs2 then
                    return piece.at + at - 1, character
                end
            end
        end
    end
end

local function worst(template, limits, character)
    return core.segments(fill(template, function(name)
        return character:rep(limits[name].most)
    end))
end

--- What the text can become at worst, each variable as long as its limit allows.
--
-- The answer has `variables`; `unbounded`, those without a limit; and, if the fixed text needs UCS-2,
-- `first_ucs2`, `first_ucs2_character` and `forced_by`: the byte and the character of the source that do it,
-- and that character. If no variable is unbounded, it also has `gsm7`, the worst count while all stays in
-- GSM-7; `ucs2`, the worst count of all when a value may be anything; and of the worse of both `encoding`,
-- `segments`, `units` and `characters`.
-- @tparam table|nil limits more limits, or others
-- @treturn table|nil or nil and an error when a limit names no variable
function Template:check(limits)
    options.check_self(self, class, "template:check{...}", 2)
    if limits ~= nil and type(limits) ~= "table" then
        error("check takes a table of limits, not " .. options.kind_of(limits), 2)
    end
    local all, err = read_limits(self, limits, self.limits, 2)
    if not all then
        return nil, err
    end
    local answer = { variables = self:variables(), unbounded = {} }
    answer.first_ucs2, answer.forced_by = find_ucs2(self)
    if answer.first_ucs2 then
        answer.first_ucs2_character = core.segments(self.source:sub(1, answer.first_ucs2 - 1)).characters + 1
    end
    for _, name in ipairs(self.names) do
        if not all[name] then
            answer.unbounded[#answer.unbounded + 1] = name
        end
    end
    if #answer.unbounded == 0 then
        if not answer.first_ucs2 then
            answer.gsm7 = worst(self, all, GSM7_DEAREST)
        end
        if answer.first_ucs2 or #self.names > 0 then
            answer.ucs2 = worst(self, all, UCS2_DEAREST)
        end
        for _, field in ipairs { "encoding", "segments", "units", "characters" } do
            answer[field] = (answer.ucs2 or answer.gsm7)[field]
        end
    end
    return answer
end

-- ---- Making one ----------------------------------------------------------------------------------

local function read_names(template)
    for _, piece in ipairs(template.pieces) do
        if piece.name and not template.known[piece.name] then
            template.known[piece.name] = true
            template.names[#template.names + 1] = piece.name
        end
    end
end

local function read_literals(template)
    for _, piece in ipairs(template.pieces) do
        if piece.text then
            piece.source = piece.text
            piece.text = template.smart_encoded and smart_encoding.apply(piece.text) or piece.text
        end
    end
end

local function read_defaults(template, given)
    for name, value in pairs(given or {}) do
        if not template.known[name] then
            return refuse("defaults: the text has no variable '%s'", tostring(name))
        end
        local text, err = text_of(template, name, value)
        if not text then
            return nil, err
        end
        template.defaults[name] = text
    end
    return true
end

--- Makes a template.
-- @tparam string source
-- @tparam table|nil opts `defaults`, values by name; `limits`, the most characters by name, as a number or
-- as { most = 20, cut = true }; `smart_encoded`, whether text and values are replaced as Twilio would do it
-- @treturn table|nil a template; or nil and an error for a text with broken braces or bytes, or a limit or
-- default for a variable that it does not have
function M.new(source, opts)
    if type(source) ~= "string" then
        error("new takes a text, not " .. options.kind_of(source), 2)
    end
    opts = options.check(opts, KNOWN, 2)
    local good, err = check_text("the text", source)
    local pieces
    if good then
        pieces, err = parse(source)
    end
    if not pieces then
        return nil, err
    end
    local template = setmetatable({
        source = source, pieces = pieces, names = {}, known = {}, defaults = {}, limits = {},
        smart_encoded = opts.smart_encoded,
    }, class)
    read_names(template)
    read_literals(template)
    template.limits, err = read_limits(template, opts.limits, {}, 2)
    if not template.limits then
        return nil, err
    end
    good, err = read_defaults(template, opts.defaults)
    if not good then
        return nil, err
    end
    return template
end

return M

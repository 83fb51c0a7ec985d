--- Makes messages of records: which column is what, what is missing, and by what key each row is known.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local template = require "twilio_sms.template"

local M = {}

local Rows = {}
Rows.__index = Rows

-- Columns that mean something by themselves; all others are variables of a template.
local FIELDS = {
    to = true, body = true, from = true, messaging_service_sid = true, media = true, send_at = true,
}
local KEY_MOST_BYTES = 128

-- ---- Columns -------------------------------------------------------------------------------------

-- A time or a service that is misspelt would be left out, and the message would go out at once, or from
-- another sender.
local DANGEROUS = { messaging_service_sid = true, media = true, send_at = true }

local function is_misspelt(name, known, used)
    local meant = not known[name] and not used[name] and options.nearest(name, known)
    return meant and DANGEROUS[meant] and meant
end

local KNOWN = { id = true }
for name in pairs(FIELDS) do
    KNOWN[name] = true
end

local function trim(text)
    return text:match "^%s*(.-)%s*$"
end

-- The names of the columns from the first record. Those that mean something are known in any case.
local function read_header(cells, used)
    local columns, has = {}, {}
    for i, cell in ipairs(cells) do
        local name = trim(cell)
        name = KNOWN[name:lower()] and name:lower() or name
        if name ~= "" and has[name] then
            return nil, ("the column '%s' is there twice"):format(name)
        end
        local meant = is_misspelt(name:lower(), KNOWN, used)
        if meant then
            return nil, ("unknown column '%s'; did you mean '%s'? If not, give it another name")
                :format(name, meant)
        end
        columns[i], has[name] = name, true
    end
    return columns, has
end

local function check_header(columns, has, self)
    local listed = table.concat(columns, ", ")
    if not has.to then
        local hint = #columns == 1 and columns[1]:find "[;\t]" and "; is --separator another one?" or ""
        return nil, ("there is no column 'to'; there are: %s%s"):format(listed, hint)
    elseif not (has.body or has.media or self.template) then
        return nil, ("there is no column 'body', and no --template; there are: %s"):format(listed)
    elseif has.body and self.template and not self.used.body then
        return nil, "there are a column 'body' and a template that does not use it: which one is the text?"
    end
    for _, name in ipairs(self.names) do
        if not has[name] then
            return nil, ("the template wants {{%s}}, and no column has that name; there are: %s")
                :format(name, listed)
        end
    end
    return true
end

-- ---- One row -------------------------------------------------------------------------------------

-- The cells of a record by their names; those that are empty are absent.
local function name_cells(self, cells)
    local columns, values = self.columns, {}
    if #cells ~= #columns then
        return nil, ("%d cells, but %d columns"):format(#cells, #columns)
    end
    for i, cell in ipairs(cells) do
        if cell ~= "" and columns[i] ~= "" then
            values[columns[i]] = cell
        end
    end
    if values.media then
        local urls = {}
        for url in values.media:gmatch "%S+" do
            urls[#urls + 1] = url
        end
        values.media = urls
    end
    if values.send_at and values.send_at:find "^%d+$" then
        values.send_at = tonumber(values.send_at)
    end
    return values
end

local function name_members(self, object)
    local values = {}
    for name, value in pairs(object) do
        local meant = is_misspelt(tostring(name), KNOWN, self.used)
        if meant then
            return nil, ("unknown member '%s'; did you mean '%s'?"):format(name, meant)
        elseif value ~= core.json_null and value ~= "" then
            values[name] = value
        end
    end
    if type(values.id) == "number" and values.id % 1 == 0 then
        values.id = ("%d"):format(values.id)
    end
    return values
end

local function fill(self, values)
    local variables = {}
    for _, name in ipairs(self.names) do
        variables[name] = values[name]
    end
    return self.template:render(variables)
end

local function fields_of(self, values)
    local fields, err = {}, nil
    for name in pairs(FIELDS) do
        fields[name] = values[name]
    end
    if self.template then
        fields.body, err = fill(self, values)
    end
    return not err and fields or nil, err
end

-- By what a row is known in the results file. Without an id that is its place and what it says.
local function key_of(self, number, values, fields)
    local id = values.id
    if self.keyed_by == "row" then
        return core.body_sha256(("%d\0%s\0%s"):format(number, fields.to, fields.body or "")):sub(1, 32)
    elseif type(id) ~= "string" then
        return nil, "it has no id, as other rows have"
    elseif #id > KEY_MOST_BYTES or not core.segments(id) then
        return nil, ("its id is longer than %d bytes, or not UTF-8"):format(KEY_MOST_BYTES)
    end
    return id
end

local function read(self, record, number)
    local values, why, fields, key
    if record.problem then
        return nil, record.problem
    elseif record.object then
        values, why = name_members(self, record.object)
    else
        values, why = name_cells(self, record)
    end
    if values then
        fields, why = fields_of(self, values)
    end
    if fields then
        local ok
        ok, why = self.check(fields)
        key = ok and key_of
    end
    if key then
        key, why = key(self, number, values, fields)
    end
    return key, key and fields or why
end

-- ---- All rows ------------------------------------------------------------------------------------

-- Takes the header off, and learns from the first row whether rows have ids.
local function begin(self, next_record)
    if self.input.format == "json" then
        local first = next_record()
        self.keyed_by = first and first.object and first.object.id ~= nil and "id" or "row"
        self.columns = { "JSON Lines" }
        return true
    end
    local cells, why, line = next_record()
    if not cells then
        return nil, ("%s, line %d: %s"):format(self.input.name, line, why or "there are no columns")
    end
    local columns, has = read_header(cells, self.used)
    local ok, problem = columns, has
    if columns then
        ok, problem = check_header(columns, has, self)
    end
    if not ok then
        return nil, ("%s: %s"):format(self.input.name, problem)
    end
    self.columns, self.keyed_by = columns, has.id and "id" or "row"
    return true
end

--- The rows, from the first one.
-- @treturn function an iterator over rows { number =, line =, key =, fields = }; one that cannot be sent has
--   `problem`, a sentence or an error, instead of key and fields. It answers nil and a sentence when the
--   input cannot be read on
function Rows:all()
    local next_record, number = self.input:records(), 0
    if self.input.format == "csv" then
        next_record()
    end
    return function()
        local record, line, at = next_record()
        if not record then
            return nil, line and ("%s, line %d: %s"):format(self.input.name, at, line) or nil
        end
        number = number + 1
        local key, fields = read(self, record, number)
        if not key then
            return { number = number, line = line, problem = fields }
        end
        return { number = number, line = line, key = key, fields = fields }
    end
end

--- What tells this input from others: the same must be said when it is sent on.
function Rows:identity()
    return {
        columns = self.columns, keyed_by = self.keyed_by,
        template = self.template_text and core.body_sha256(self.template_text) or nil,
    }
end

--- @tparam table input of `twilio_sms.cli.bulk.input`
-- @tparam string|nil text of the template
-- @tparam function check answers true for the fields of a message that can be sent; else nil and an error
-- @treturn table|nil nil and a sentence when the columns, or the template, cannot be
function M.new(input, text, check)
    local self = setmetatable({
        input = input, check = check, template_text = text, names = {}, used = {},
    }, Rows)
    if text then
        local made, err = template.new(text)
        if not made then
            return nil, "the template cannot be used: " .. err.message
        end
        self.template, self.names = made, made:variables()
        for _, name in ipairs(self.names) do
            self.used[name] = true
        end
    end
    local ok, why = begin(self, input:records())
    return ok and self or nil, why
end

return M

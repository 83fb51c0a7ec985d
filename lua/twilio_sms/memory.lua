--- A store in memory, for tests and for what may be lost with the process.
--
-- It keeps all that is written until that is removed or purged. Records are kept as the JSON text that a
-- store in a file has, so that both give back the same.
local core = require "twilio_sms.core"

local sorted_keys = require "twilio_sms.sorted_keys"

local M = {}

local Store = {}
Store.__index = Store
Store.__name = "twilio_sms.memory"

local CHANGE_FIELDS = { at = true, key = true, record = true, space = true, version = true }
local LIST_OPTIONS = { after = true, limit = true, prefix = true }
local MOST_SPACE, MOST_KEY, MOST_RECORD, MOST_ROWS = 64, 512, 1024 * 1024, 1000
local MOST_EXACT = 2 ^ 53

-- ---- Arguments: all of these raise at the caller of a method -------------------------------------

local function check_open(self)
    if not self.spaces then
        error("the store is closed", 3)
    end
end

local function check_bytes(value, name, least, most, level)
    if type(value) ~= "string" then
        error(("'%s' must be a string, not a %s"):format(name, type(value)), level)
    elseif #value < least or #value > most then
        error(("'%s' must have %d to %d bytes"):format(name, least, most), level)
    end
end

local function check_whole(value, name, low, high, level)
    if type(value) ~= "number" or not (value >= low and value <= high) or value % 1 ~= 0 then
        error(("'%s' must be a whole number from %.0f to %.0f"):format(name, low, high), level)
    end
end

local function check_names(given, what, names, level)
    if type(given) ~= "table" then
        error(("%s must be a table, not a %s"):format(what, type(given)), level)
    end
    for name in pairs(given) do
        if not names[name] then
            error(("unknown field '%s'"):format(tostring(name)), level)
        end
    end
end

local function record_text(record, level)
    if type(record) ~= "table" then
        error(("'record' must be a table, not a %s"):format(type(record)), level)
    end
    local text, err = core.json_encode(record)
    if not text then
        error((err.message:gsub("^value", "record")), level)
    elseif #text > MOST_RECORD then
        error("record: too much for one text", level)
    end
    return text
end

local function read_change(change)
    local level = 4
    check_names(change, "a change", CHANGE_FIELDS, level + 1)
    check_bytes(change.space, "space", 1, MOST_SPACE, level + 1)
    check_bytes(change.key, "key", 1, MOST_KEY, level + 1)
    if change.at ~= nil then
        check_whole(change.at, "at", -MOST_EXACT, MOST_EXACT, level + 1)
    end
    if change.version ~= nil then
        check_whole(change.version, "version", 0, MOST_EXACT, level + 1)
    end
    return {
        space = change.space,
        key = change.key,
        text = change.record ~= nil and record_text(change.record, level + 1) or nil,
        at = change.at or os.time(),
        version = change.version,
    }
end

local function read_changes(changes)
    local count, list = 0, {}
    for _ in pairs(type(changes) == "table" and changes or error("a list of changes expected", 3)) do
        count = count + 1
    end
    if count ~= #changes then
        error("a list of changes expected", 3)
    end
    for i = 1, count do
        list[i] = read_change(changes[i])
    end
    return list
end

-- ---- Methods -------------------------------------------------------------------------------------

local function space_of(self, name)
    local space = self.spaces[name]
    if not space then
        space = { rows = {}, keys = sorted_keys.new() }
        self.spaces[name] = space
    end
    return space
end

local function remove(space, key)
    if space.rows[key] then
        space.rows[key] = nil
        space.keys:remove(key)
    end
end

-- Makes one change, and puts what was there before on the list of what to put back.
local function apply(self, change, undo)
    local space = space_of(self, change.space)
    local row = space.rows[change.key]
    undo[#undo + 1] = { space = space, key = change.key, row = row }
    if not change.text then
        remove(space, change.key)
        return
    end
    if not row then
        space.keys:add(change.key)
    end
    space.rows[change.key] = { text = change.text, at = change.at, version = row and row.version + 1 or 1 }
end

local function put_back(undo)
    for i = #undo, 1, -1 do
        local space, key, row = undo[i].space, undo[i].key, undo[i].row
        if not row then
            remove(space, key)
        elseif not space.rows[key] then
            space.keys:add(key)
        end
        space.rows[key] = row
    end
end

--- @treturn table|nil the record
-- @treturn number its version, 0 when it is absent
function Store:read(space, key)
    check_open(self)
    check_bytes(space, "space", 1, MOST_SPACE, 3)
    check_bytes(key, "key", 1, MOST_KEY, 3)
    local row = space_of(self, space).rows[key]
    if not row then
        return nil, 0
    end
    return core.json_decode(row.text), row.version
end

--- Makes all changes or none.
-- @treturn boolean false when a version was another one
function Store:write(changes)
    check_open(self)
    local undo = {}
    for _, change in ipairs(read_changes(changes)) do
        local row = space_of(self, change.space).rows[change.key]
        if change.version and change.version ~= (row and row.version or 0) then
            put_back(undo)
            return false
        end
        apply(self, change, undo)
    end
    return true
end

--- @treturn table rows with key, record and version, by key
function Store:list(space, options)
    check_open(self)
    check_bytes(space, "space", 1, MOST_SPACE, 3)
    options = options == nil and {} or options
    check_names(options, "options", LIST_OPTIONS, 3)
    local prefix, after, limit = options.prefix or "", options.after, options.limit or 100
    check_bytes(prefix, "prefix", 0, MOST_KEY, 3)
    check_bytes(after or "", "after", 0, MOST_KEY, 3)
    check_whole(limit, "limit", 1, MOST_ROWS, 3)
    local behind = after ~= nil and not sorted_keys.less(after, prefix)
    local keys, rows, found = space_of(self, space).keys, space_of(self, space).rows, {}
    for key in keys:each(behind and after or prefix, behind) do
        if #found == limit or key:sub(1, #prefix) ~= prefix then
            break
        end
        local row = rows[key]
        found[#found + 1] = { key = key, record = core.json_decode(row.text), version = row.version }
    end
    return found
end

--- Removes the records of a space that were written before this Unix time.
-- @treturn number how many
function Store:purge(space, before)
    check_open(self)
    check_bytes(space, "space", 1, MOST_SPACE, 3)
    check_whole(before, "before", -MOST_EXACT, MOST_EXACT, 3)
    local old = {}
    for key, row in pairs(space_of(self, space).rows) do
        if row.at < before then
            old[#old + 1] = key
        end
    end
    for _, key in ipairs(old) do
        remove(space_of(self, space), key)
    end
    return #old
end

--- Forgets everything.
function Store:close()
    self.spaces = nil
end

Store.__close = Store.close

function Store:__tostring()
    return ("%s (%s)"):format(Store.__name, self.spaces and "open" or "closed")
end

--- An empty store.
function M.new()
    return setmetatable({ spaces = {} }, Store)
end

return M

--- A store in memory, for tests and for what may be lost with the process.
--
-- It keeps all that is written until that is removed or purged. Records are kept as the JSON text that a
-- store in a file has, so that both give back the same.
local arguments = require "twilio_sms.store_arguments"
local core = require "twilio_sms.core"
local sorted_keys = require "twilio_sms.sorted_keys"

local M = {}

local Store = {}
Store.__index = Store
Store.__name = "twilio_sms.memory"

local function check_open(self)
    if not self.spaces then
        error("the store is closed", 3)
    end
end

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
    arguments.read(space, key)
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
    for _, change in ipairs(arguments.write(changes)) do
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
    local prefix, after, limit = arguments.list(space, options)
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
    arguments.purge(space, before)
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

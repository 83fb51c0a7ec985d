--- Collects all strings that can be reached from a value: through tables, metatables, upvalues, the values of
-- userdata, and the stacks of coroutines; and what tostring says of each object.
local M = {}

local Walk = {}
Walk.__index = Walk

function Walk:add(value)
    local kind = type(value)
    if kind == "string" then
        self.strings[value] = true
    elseif (kind == "table" or kind == "function" or kind == "userdata" or kind == "thread")
        and not self.seen[value] then
        self.seen[value] = true
        self.waiting[#self.waiting + 1] = value
    end
end

function Walk:metatable(value)
    local meta = debug.getmetatable(value)
    self:add(meta)
    if type(meta) == "table" and rawget(meta, "__tostring") then
        local ok, text = pcall(tostring, value)
        self:add(ok and text or nil)
    end
end

local VISIT = {}

function VISIT.table(self, value)
    for key, member in next, value do
        self:add(key)
        self:add(member)
    end
    self:metatable(value)
end

VISIT["function"] = function(self, value)
    local i = 1
    local name, upvalue = debug.getupvalue(value, i)
    while name do
        self:add(upvalue)
        i = i + 1
        name, upvalue = debug.getupvalue(value, i)
    end
    if _VERSION == "Lua 5.1" then
        self:add(debug.getfenv(value)) -- luacheck: ignore 143
    end
end

function VISIT.userdata(self, value)
    if _VERSION == "Lua 5.1" then
        self:add(debug.getfenv(value)) -- luacheck: ignore 143
    else
        for n = 1, 4 do
            self:add((debug.getuservalue(value, n)))
        end
    end
    self:metatable(value)
end

function VISIT.thread(self, value)
    local level = 0
    local frame = debug.getinfo(value, level, "f")
    while frame do
        self:add(frame.func)
        local i = 1
        local name, slot = debug.getlocal(value, level, i)
        while name do
            self:add(slot)
            i = i + 1
            name, slot = debug.getlocal(value, level, i)
        end
        level = level + 1
        frame = debug.getinfo(value, level, "f")
    end
end

--- Collects them.
-- @tparam table|function|userdata|thread ... where to begin
-- @treturn table the strings, as keys
-- @treturn number how many objects there were
function M.strings(...)
    local walk = setmetatable({ strings = {}, seen = {}, waiting = {} }, Walk)
    for _, own in ipairs { walk, walk.strings, walk.seen, walk.waiting } do
        walk.seen[own] = true
    end
    for i = 1, select("#", ...) do
        walk:add((select(i, ...)))
    end
    local objects = 0
    while #walk.waiting > 0 do
        local value = table.remove(walk.waiting)
        objects = objects + 1
        VISIT[type(value)](walk, value)
    end
    return walk.strings, objects
end

--- Writes them to a file, each in a line.
-- @treturn number how many objects there were
function M.write(path, ...)
    local strings, objects = M.strings(...)
    local file = assert(io.open(path, "wb"))
    for text in pairs(strings) do
        file:write(text, "\n")
    end
    file:close()
    return objects
end

return M

-- Makes the results of a run comparable: sids become the names of the steps that answered them first, dates
-- become seconds since the start, and what may come in any order comes in one.
local M = {}

local SID = "%f[%w]%u%u" .. ("%x"):rep(32) .. "%f[%W]"
local TOKEN = "^%x+%-%x+%-%x+%-%x+%-%x+$"

local Names = {}
Names.__index = Names

local function learn(self, sid, step_name, place)
    if type(sid) == "string" and not self.by_sid[sid] then
        local number = self.counts[step_name] or 1
        self.counts[step_name] = number + 1
        local name = number == 1 and step_name or step_name .. " " .. number
        self.by_sid[sid] = ("%s<%s>"):format(sid:sub(1, 2), name)
        self.places[sid] = place
    end
end

local function rename(self, value)
    if type(value) == "string" then
        return (value:gsub(SID, self.by_sid))
    elseif type(value) ~= "table" then
        return value
    elseif value.date then
        return { date = value.date - self.start_s }
    end
    local out = {}
    for name, part in pairs(value) do
        out[name] = rename(self, part)
    end
    if type(out.token) == "string" and out.token:find(TOKEN) then
        out.token = "a token" -- they depend on the order in which webhooks leave
    end
    return out
end

-- Each one behind those that come before it by `rank`, and otherwise where it was.
local function sorted(list, rank)
    local places, out = {}, {}
    for i, item in ipairs(list) do
        out[i], places[item] = item, i
    end
    table.sort(out, function(a, b)
        local x, y = rank(a), rank(b)
        return x < y or x == y and places[a] < places[b]
    end)
    return out
end

local ORDERS = {}

-- The one that got through comes first.
function ORDERS.burst(_, list)
    return sorted(list, function(item)
        return item.sid and 0 or 1
    end)
end

-- Webhooks of different messages overtake each other; those of one message do not.
function ORDERS.receive(self, list)
    return sorted(list, function(item)
        return self.places[item.params.MessageSid] or math.huge
    end)
end

local function learn_all(self, value, step_name, place)
    if type(value) ~= "table" then
        return
    end
    learn(self, value.sid, step_name, place)
    for _, item in ipairs(value) do
        if type(item) == "table" then
            learn(self, item.sid or item.params and item.params.MessageSid, step_name, place)
        end
    end
end

--- @tparam table steps of the run
-- @tparam table results by name of the step: value or error
-- @tparam number start_s
-- @treturn table results by name
function M.results(steps, results, start_s)
    local self = setmetatable({ by_sid = {}, counts = {}, places = {}, start_s = start_s }, Names)
    local out = {}
    for place, step in ipairs(steps) do
        local result = results[step.name] or {}
        local order = ORDERS[step.op]
        learn_all(self, result.value, step.name, place)
        local value = result.value
        if order and type(value) == "table" then
            value = order(self, value)
        end
        out[step.name] = { value = rename(self, value), error = rename(self, result.error) }
    end
    return out
end

return M

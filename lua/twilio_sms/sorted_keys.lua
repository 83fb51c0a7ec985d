--- A set of strings in the order of their bytes.
--
-- They lie in a list of runs, each of which is short enough that to put a key into it costs little.
local M = {}

local Keys = {}
Keys.__index = Keys

local MOST_IN_RUN = 512

-- The operator < asks the locale for the order on PUC Lua.
local function less(a, b)
    for i = 1, math.min(#a, #b) do
        local x, y = a:byte(i), b:byte(i)
        if x ~= y then
            return x < y
        end
    end
    return #a < #b
end

-- The first place, from 1 to count + 1, whose key is not less; key_at says what lies in a place.
local function find(key, count, key_at)
    local low, high = 1, count + 1
    while low < high do
        local middle = math.floor((low + high) / 2)
        if less(key_at(middle), key) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

-- Where a key is, or would be: its run, the run's number, and the place in it.
local function locate(self, key)
    local runs = self.runs
    local number = find(key, #runs, function(i) return runs[i][#runs[i]] end)
    local run = runs[math.min(number, #runs)]
    if not run then
        return nil, 1, 1
    end
    return run, math.min(number, #runs), find(key, #run, function(i) return run[i] end)
end

--- Adds a key that is not in the set.
function Keys:add(key)
    local run, number, place = locate(self, key)
    if not run then
        self.runs[1] = { key }
        return
    end
    table.insert(run, place, key)
    if #run > MOST_IN_RUN then
        local upper = {}
        for i = MOST_IN_RUN / 2 + 1, #run do
            upper[#upper + 1] = run[i]
        end
        for i = #run, MOST_IN_RUN / 2 + 1, -1 do
            run[i] = nil
        end
        table.insert(self.runs, number + 1, upper)
    end
end

--- Removes a key that is in the set.
function Keys:remove(key)
    local run, number, place = locate(self, key)
    table.remove(run, place)
    if #run == 0 then
        table.remove(self.runs, number)
    end
end

--- Iterates over the keys from the first one that is not less than `from`, or behind it. The set must not
-- change meanwhile.
function Keys:each(from, behind)
    local run, number, place = locate(self, from)
    if run and behind and run[place] == from then
        place = place + 1
    end
    return function()
        while run and not run[place] do
            number, place = number + 1, 1
            run = self.runs[number]
        end
        place = place + 1
        return run and run[place - 1]
    end
end

--- An empty set.
function M.new()
    return setmetatable({ runs = {} }, Keys)
end

--- Whether a string comes before another one.
M.less = less

return M

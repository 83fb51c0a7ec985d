-- Compares what the clients got with what must come, and with each other, field by field, types included; and
-- holds docs/conformance.md against the result.
-- Usage: lua5.4 compare.lua START_S PAGE [--write] NAME=FILE ..., the first client being the measure of the
-- others; FILE has a line of JSON for each step
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path
local differences = require "differences"
local expected = require "expected"
local json = require "cjson"
local normal = require "normal"
local page = require "page"
local scenarios = require "scenarios"

local REAL_TIME_S = 30 -- a run is quicker than this; virtual time moves by far more
local SHOWN_MOST = 20

local start_s, page_path, write = math.tointeger(arg[1]), arg[2], false
local clients = {}
for i = 3, #arg do
    local name, file = arg[i]:match "^(%w+)=(.+)$"
    if arg[i] == "--write" then
        write = true
    else
        clients[#clients + 1] = { name = assert(name, "NAME=FILE, not " .. arg[i]), file = file }
    end
end

local steps = scenarios.steps(start_s)
local rows = expected.rows(steps)
local failed, shown = 0, 0

local function fail(text, ...)
    failed, shown = failed + 1, shown + 1
    if shown <= SHOWN_MOST then
        print("FAILED: " .. text:format(...))
    end
end

local function show(value)
    return value == nil and "nothing" or json.encode(value)
end

-- ---- Fields --------------------------------------------------------------------------------------

-- cjson reads every number as a float.
local function kind(value)
    return type(value) == "number" and (value % 1 == 0 and "integer" or "float") or type(value)
end

local CHECKS = {}

CHECKS["date"] = function(wanted, actual)
    local late_s = type(actual) == "table" and actual.date and actual.date - wanted.offset_s
    return late_s and late_s >= 0 and late_s <= REAL_TIME_S
end

CHECKS["text with"] = function(wanted, actual)
    return type(actual) == "string" and actual:find(wanted.part, 1, true) ~= nil
end

CHECKS["text like"] = function(wanted, actual)
    return type(actual) == "string" and actual:find(wanted.pattern) ~= nil
end

local function is_leaf(value)
    return type(value) ~= "table" or value.is ~= nil or value.date ~= nil
end

local function is_same(wanted, actual)
    if type(wanted) == "table" and wanted.is then
        return CHECKS[wanted.is](wanted, actual)
    elseif type(wanted) == "table" and type(actual) == "table" then -- both are dates
        return actual.date ~= nil and math.abs(actual.date - wanted.date) <= REAL_TIME_S
    end
    return kind(wanted) == kind(actual) and wanted == actual
end

-- The names of both, in one order.
local function names_of(a, b)
    local names, seen = {}, {}
    for _, t in ipairs { a, b } do
        for name in pairs(t) do
            if not seen[name] then
                names[#names + 1], seen[name] = name, true
            end
        end
    end
    table.sort(names, function(x, y)
        return tostring(x) < tostring(y)
    end)
    return names
end

-- Calls f(path, wanted, actual) for each field of either.
local function each_field(wanted, actual, path, f)
    local is_wanted, is_actual = not is_leaf(wanted), not is_leaf(actual)
    if not is_wanted and not is_actual then
        return f(path, wanted, actual)
    elseif wanted ~= nil and actual ~= nil and is_wanted ~= is_actual then
        return f(path, wanted, actual)
    end
    wanted, actual = wanted == nil and {} or wanted, actual == nil and {} or actual
    local names = names_of(wanted, actual)
    if #names == 0 then
        f(path, nil, nil) -- an empty list is something to compare as well
    end
    for _, name in ipairs(names) do
        local below = table.move(path, 1, #path, 1, {})
        below[#below + 1] = name
        each_field(wanted[name], actual[name], below, f)
    end
end

-- ---- Clients -------------------------------------------------------------------------------------

local function read(client)
    local results = {}
    for line in assert(io.lines(client.file)) do
        local result = json.decode(line)
        results[result.name] = result
    end
    return normal.results(steps, results, start_s)
end

local function new_counts()
    return { fields = 0, different = 0 }
end

-- Compares one step; the counts are of its area.
local function compare(client, step, wanted, result, counts, measure)
    each_field({ value = wanted.value, error = wanted.error }, result, {}, function(path, want, have)
        counts.fields = counts.fields + 1
        if is_same(want, have) then
            return
        end
        local difference = differences.of {
            client = client.name, step = step.name, path = path, expected = want, actual = have,
            result = result,
        }
        if difference then
            counts.different = counts.different + 1
            difference.seen = difference.seen or {}
            difference.seen[step.name] = true
        else
            fail("%s, %s: %s is %s, %s %s", client.name, step.name, table.concat(path, "."), show(have),
                measure, show(want))
        end
    end)
end

local function run(client, first)
    local counts, between = {}, new_counts()
    client.results = read(client)
    for _, step in ipairs(steps) do
        counts[step.area] = counts[step.area] or new_counts()
        local row = rows[step.name]
        if not row then
            fail("nothing is expected of %s", step.name)
        else
            compare(client, step, row, client.results[step.name], counts[step.area], "but must be")
        end
        if first then
            compare(client, step, first.results[step.name], client.results[step.name], between,
                ("but with %s"):format(first.name))
        end
    end
    client.counts, client.between = counts, between
end

-- ---- The whole -----------------------------------------------------------------------------------

-- How many of the fields belong to which of the two comparisons, if there were two.
local function shares_of(client, first)
    if not first then
        return ""
    end
    local expected_fields, expected_different = 0, 0
    for _, counts in pairs(client.counts) do
        expected_fields = expected_fields + counts.fields
        expected_different = expected_different + counts.different
    end
    return (" (%d and %d with what must come, %d and %d with %s)"):format(expected_fields, expected_different,
        client.between.fields, client.between.different, first.name)
end

local total = 0
for i, client in ipairs(clients) do
    run(client, i > 1 and clients[1])
    local fields, different = client.between.fields, client.between.different
    for _, counts in pairs(client.counts) do
        fields, different = fields + counts.fields, different + counts.different
    end
    total = total + fields
    print(("%s: %d steps, %d fields compared, %d differ for a known reason%s"):format(client.name, #steps,
        fields, different, shares_of(client, i > 1 and clients[1])))
end
for _, difference in ipairs(differences.list) do
    if not difference.seen then
        fail("this difference is there no more: %s, %s", difference.client, difference.what)
    end
end

local text = page.make { steps = steps, rows = rows, clients = clients, differences = differences.list,
    pages = expected.PAGES }
if write then
    local file = assert(io.open(page_path, "wb"))
    file:write(text)
    file:close()
else
    local file = io.open(page_path, "rb")
    local present = file and file:read "a"
    if present ~= text then
        fail("%s is not what this run says; write it anew with --write", page_path)
    end
end
print(("%d fields compared"):format(total))
print(("%d passed, %d failed"):format(total + 1 - failed, failed))
os.exit(failed == 0, true)

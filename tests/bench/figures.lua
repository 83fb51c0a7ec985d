-- What the programs here share that start others, read what they print, and show it: one line of results is
-- "name=value name=value ...".
local M = {
    missed = 0, -- how many goals
}

--- Whether a command ends well; what it prints is thrown away.
function M.succeeds(command)
    return (os.execute(command .. " > /dev/null 2>&1"))
end

--- What stands in front of a command that is to stay on one CPU; nothing where that cannot be.
function M.pin(cpu)
    local command = "taskset -c " .. cpu .. " "
    return M.succeeds(command .. "true") and command or ""
end

--- What a command prints; raises with it when the command fails.
function M.capture(command)
    local pipe = assert(io.popen(command .. " 2>&1"))
    local output = pipe:read("a")
    if not pipe:close() then
        error(command .. "\n" .. output, 0)
    end
    return output
end

--- A line of results as a table.
function M.read_line(output)
    local result = {}
    for name, value in output:gmatch("([%w_]+)=(%S+)") do
        result[name] = tonumber(value) or value
    end
    return result
end

function M.median(values)
    local sorted = table.move(values, 1, #values, 1, {})
    table.sort(sorted)
    local middle = #sorted // 2
    return #sorted % 2 == 1 and sorted[middle + 1] or (sorted[middle] + sorted[middle + 1]) / 2
end

--- One field of each result.
function M.column(results, name)
    local values = {}
    for i, result in ipairs(results) do
        values[i] = result[name]
    end
    return values
end

--- The median of the ratios formed in each round.
function M.ratio(results, base, name)
    local ratios = {}
    for i, result in ipairs(results) do
        ratios[i] = result[name] / base[i][name]
    end
    return M.median(ratios)
end

function M.title(format, ...)
    print("\n" .. format:format(...))
end

--- Prints a figure against its goal ("at most" 1.1, "at least" 0.95).
function M.goal(what, value, relation, limit)
    local ok = relation == "at most" and value <= limit or relation == "at least" and value >= limit
    if not ok then
        M.missed = M.missed + 1
    end
    print(("  %-58s %6.3f  (%s %.2f) %s"):format(what, value, relation, limit, ok and "ok" or "MISSED"))
end

--- Reads a command line: BUILD, sections, and options with a number.
-- @tparam string usage
-- @tparam table sections the names of all; they are wanted when none is named
-- @tparam table numbers the options by name, without "--", with their defaults
-- @treturn string BUILD
-- @treturn table the set of the sections that are wanted
-- @treturn table the numbers
function M.arguments(usage, sections, numbers)
    local build, wanted, i = nil, {}, 1
    while arg[i] do
        local name = arg[i]:match "^%-%-(%l+)$"
        if numbers[name] then
            numbers[name] = assert(math.tointeger(arg[i + 1]), arg[i] .. " wants a number")
            i = i + 1
        elseif not build then
            build = arg[i]
        else
            wanted[arg[i]] = true
        end
        i = i + 1
    end
    if not build then
        io.stderr:write("usage: ", usage, "\n")
        os.exit(2)
    end
    for _, name in ipairs(next(wanted) and {} or sections) do
        wanted[name] = true
    end
    return build, wanted, numbers
end

--- Prints how it ended, and ends the program: with status 1 when a goal was missed.
function M.finish()
    print(M.missed == 0 and "\nall goals are met" or ("\n%d goals are MISSED"):format(M.missed))
    os.exit(M.missed == 0, true)
end

return M

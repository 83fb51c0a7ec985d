-- Line coverage of the Lua modules.
--
--     LUA_COVERAGE=DIRECTORY LUA_INIT_5_4='pcall(require, "line_hook")' lua5.4 ...  records, children too
--     lua5.4 tests/coverage.lua DIRECTORY BUILD [LEAST]                             reports, worst file first
--
-- The nginx of the specs records when LUA_COVERAGE is set. What can be hit is what a compiler lists as having
-- an instruction: luac, or LuaJIT for what runs in nginx. Ends with 1 when less than LEAST percent were hit.

local function lines_of(command)
    local list = {}
    for line in assert(io.popen(command)):lines() do
        list[#list + 1] = line
    end
    return list
end

-- The lines that were run, as "resty/twilio_sms.lua:12".
local function lines_hit(directory)
    local hit = {}
    for _, name in ipairs(lines_of("ls " .. directory)) do
        for key in io.lines(directory .. "/" .. name) do
            local place = key:match "/lua5%.4/(%l+.*)$" or key:match "/luajit/(%l+.*)$"
            hit[place or false] = true
        end
    end
    return hit
end

-- The line of a row of a compiler's listing; nil when it has none, or none that a hook sees.
local function line_of(row)
    local line, instruction = row:match "^\t%d+\t%[(%d+)%]%s+(%w+)"
    return instruction ~= "VARARGPREP" and line or row:match "^%d+%s+%[(%d+)%]"
end

-- How much of a file was hit.
local function measure(path, listing, hit)
    local file = { path = path, count = 0, good = 0, missed = {} }
    local active = {}
    for _, row in ipairs(lines_of(listing)) do
        local line = line_of(row)
        if line and not active[line] then
            active[line] = true
            file.count = file.count + 1
            if hit[path .. ":" .. line] then
                file.good = file.good + 1
            else
                file.missed[#file.missed + 1] = line
            end
        end
    end
    return file
end

local function percent(part)
    return part.good / part.count * 100
end

local PARTS = {
    { folder = "twilio_sms", compiler = "luac5.4 -l -p", count = 0, good = 0 },
    { folder = "resty", compiler = "luajit -bL", count = 0, good = 0 },
}

local function report(directory, build, least)
    local hit = lines_hit(directory)
    local files, all = {}, { count = 0, good = 0 }
    for _, part in ipairs(PARTS) do
        local find = ("cd %s/lua5.4 && find %s -name '*.lua'"):format(build, part.folder)
        for _, path in ipairs(lines_of(find)) do
            local file = measure(path, ("%s %s/lua5.4/%s"):format(part.compiler, build, path), hit)
            files[#files + 1] = file
            for _, sum in ipairs { part, all } do
                sum.count, sum.good = sum.count + file.count, sum.good + file.good
            end
        end
    end
    table.sort(files, function(a, b)
        return percent(a) < percent(b) or percent(a) == percent(b) and a.path < b.path
    end)
    for _, file in ipairs(files) do
        print(("%5.1f %%  %4d lines  %-44s %s"):format(percent(file), file.count, file.path,
            table.concat(file.missed, " ")))
    end
    for _, part in ipairs(PARTS) do
        print(("lua/%s: %.1f %% of %d lines"):format(part.folder, percent(part), part.count))
    end
    print(("lua: %.1f %% of %d lines"):format(percent(all), all.count))
    os.exit(percent(all) >= least)
end

report(arg[1], arg[2], tonumber(arg[3] or 0))

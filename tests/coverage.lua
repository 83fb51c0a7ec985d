-- Line coverage of the Lua modules.
--
--     LUA_COVERAGE=DIRECTORY LUA_INIT_5_4='pcall(require, "line_hook")' lua5.4 ...  records, children too
--     lua5.4 tests/coverage.lua DIRECTORY BUILD                                     reports, worst file first
--
-- What can be hit is what luac lists as having an instruction.

local function lines_of(command)
    local list = {}
    for line in assert(io.popen(command)):lines() do
        list[#list + 1] = line
    end
    return list
end

local function report(directory, build)
    local hit = {}
    for _, name in ipairs(lines_of("ls " .. directory)) do
        for key in io.lines(directory .. "/" .. name) do
            hit[key:match "/lua5%.4/(twilio_sms.*)$" or false] = true
        end
    end
    local files, all, covered = {}, 0, 0
    for _, path in ipairs(lines_of(("cd %s/lua5.4 && find twilio_sms -name '*.lua'"):format(build))) do
        local active, count, good, missed = {}, 0, 0, {}
        for _, row in ipairs(lines_of(("luac5.4 -l -p %s/lua5.4/%s"):format(build, path))) do
            local line, instruction = row:match "^\t%d+\t%[(%d+)%]%s+(%w+)"
            if line and instruction ~= "VARARGPREP" and not active[line] then
                active[line] = true
                count = count + 1
                good = good + (hit[path .. ":" .. line] and 1 or 0)
                missed[#missed + 1] = not hit[path .. ":" .. line] and line or nil
            end
        end
        files[#files + 1] = { path = path, rate = good / count, count = count, missed = missed }
        all, covered = all + count, covered + good
    end
    table.sort(files, function(a, b) return a.rate < b.rate end)
    for _, file in ipairs(files) do
        print(("%5.1f %%  %4d lines  %-40s %s"):format(file.rate * 100, file.count, file.path,
            table.concat(file.missed, " ")))
    end
    print(("lua: %.1f %% of %d lines"):format(covered / all * 100, all))
end

report(arg[1], arg[2])

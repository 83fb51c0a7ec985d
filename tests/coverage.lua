-- Line coverage of the Lua modules.
--
--     LUA_COVERAGE=DIRECTORY LUA_INIT_5_4=@tests/coverage.lua lua5.4 ...    records, child processes too
--     lua5.4 tests/coverage.lua DIRECTORY BUILD                             reports, worst file first
--
-- What can be hit is what luac lists as having an instruction.

local function record(directory)
    local seen = {}

    local function hook(_, line)
        local source = debug.getinfo(2, "S").source
        local lines = seen[source]
        if not lines then
            lines = {}
            seen[source] = lines
        end
        lines[line] = true
    end

    local function write()
        local file = assert(io.open(os.tmpname():gsub("^.*/", directory .. "/"), "w"))
        for source, lines in pairs(seen) do
            local path = source:match "/lua5%.4/(twilio_sms.*%.lua)$"
            for line in pairs(path and lines or {}) do
                file:write(path, ":", line, "\n")
            end
        end
        file:close()
    end

    -- A hook belongs to one coroutine.
    local create, exit = coroutine.create, os.exit
    function coroutine.create(f) -- luacheck: ignore 122
        local co = create(f)
        debug.sethook(co, hook, "l")
        return co
    end
    function coroutine.wrap(f) -- luacheck: ignore 122
        local co = coroutine.create(f)
        local function pass(ok, ...)
            if not ok then
                error((...), 0)
            end
            return ...
        end
        return function(...)
            return pass(coroutine.resume(co, ...))
        end
    end
    debug.sethook(hook, "l")

    -- At the end of the state, and where a program does not wait for that.
    local at_end = setmetatable({}, { __gc = write })
    function os.exit(...) -- luacheck: ignore 122
        debug.sethook()
        setmetatable(at_end, nil)
        write()
        exit(...)
    end
    _G[at_end] = at_end -- luacheck: ignore 122
end

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
            hit[key] = true
        end
    end
    local files, all, covered = {}, 0, 0
    for _, path in ipairs(lines_of(("cd %s/lua5.4 && find twilio_sms -name '*.lua'"):format(build))) do
        local active, count, good, missed = {}, 0, 0, {}
        for _, row in ipairs(lines_of(("luac5.4 -l -p %s/lua5.4/%s"):format(build, path))) do
            local line = row:match "^\t%d+\t%[(%d+)%]"
            if line and not active[line] then
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

local directory = os.getenv "LUA_COVERAGE"
if arg and arg[0] and arg[0]:find "coverage%.lua$" then
    report(arg[1], arg[2])
elseif directory then
    record(directory)
end

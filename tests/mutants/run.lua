-- Breaks a copy of the tree in one place after the other (mutants.lua), and expects that the simulation finds
-- the broken property within 200 seeds each.
--
--     luajit tests/mutants/run.lua BUILD [part of a mutant's name]
local mutants = dofile "tests/mutants/mutants.lua"

local SEEDS = 200

local build, only = arg[1], arg[2]
local tree, out = build .. "/mutants/tree", build .. "/mutants/build"
local lua = "luajit"

local function run(format, ...)
    local command = format:format(...)
    local result = os.execute(command)
    return result == true or result == 0
end

local function check(ok, what)
    if not ok then
        io.stderr:write(what, "\n")
        os.exit(1)
    end
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

local function write(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
end

-- Replaces a text that must be there exactly once.
local function replace(text, old, new, mutant)
    local first, last = text:find(old, 1, true)
    check(first and not text:find(old, last + 1, true),
        ("mutant '%s': this text is not there once in %s:\n%s"):format(mutant.name, mutant.file, old))
    return text:sub(1, first - 1) .. new .. text:sub(last + 1)
end

local function mutated(original, mutant)
    local text = original
    for _, change in ipairs(mutant) do
        text = replace(text, change[1], change[2], mutant)
    end
    return text
end

-- The modules of one Lua are enough, without optimisation.
local function make()
    local modules = ("%s/%s"):format(out, lua)
    local files = ("$(cd lua && find twilio_sms -name '*.lua' | sed 's|^|%s/|')"):format(modules)
    local command = "cd '%s' && make -s BUILD='%s' OPT=-O1 HARDEN= '%s/twilio_sms/core.so' %s "
        .. "> '%s/../make.log' 2>&1"
    return run(command, tree, out, modules, files, out)
end

-- Answers the seeds that it took to find the property broken, and in which way; or nil, and what was found
-- instead.
local function simulate(mutant)
    local modules = ("%s/%s"):format(out, lua)
    local command = "LUA_PATH='%s/?.lua;%s/?/init.lua;;' LUA_CPATH='%s/?.so;;' %s tests/simulate.lua "
        .. "PART=seeds UNTIL=%s SEEDS=%d 2>&1"
    local pipe = assert(io.popen(command:format(modules, modules, modules, lua, mutant.property, SEEDS)))
    local found, count, rest = nil, nil, {}
    for line in pipe:lines() do
        found = line:match("^bad %d+ " .. mutant.property .. " (.*)") or found
        count = line:match "^sum (%d+)" or count
        if not line:find "^seen " then
            rest[#rest + 1] = line
        end
    end
    pipe:close()
    if found then
        return tonumber(count), found
    end
    return nil, table.concat(rest, "\n")
end

local function absolute(path)
    local pipe = io.popen(("cd '%s' && pwd"):format(path))
    local found = pipe:read()
    pipe:close()
    return found
end

check(run("mkdir -p '%s' '%s' && cp -rp Makefile csrc lua '%s/'", tree, out, tree), "cannot copy the tree")
tree, out = absolute(tree), absolute(out)
for _, mutant in ipairs(mutants) do -- newer than what an earlier run has built of it
    write(tree .. "/" .. mutant.file, read(mutant.file))
end
local caught, tried = 0, 0
for _, mutant in ipairs(mutants) do
    if not only or mutant.name:find(only, 1, true) then
        tried = tried + 1
        local path = tree .. "/" .. mutant.file
        local original = read(path)
        write(path, mutated(original, mutant))
        local is_built = make()
        local seeds, text
        if is_built then
            seeds, text = simulate(mutant)
        end
        write(path, original)
        check(is_built, ("mutant '%s' does not build: see %s/mutants/make.log"):format(mutant.name, build))
        caught = caught + (seeds and 1 or 0)
        local how = seeds and "caught" or "NOT CAUGHT"
        local line = "%s\n    %s by %s within %d seeds: %s"
        print(line:format(mutant.name, how, mutant.property, seeds or SEEDS, text))
    end
end
print(("%d mutants, %d caught"):format(tried, caught))
os.exit(caught == tried and 0 or 1)

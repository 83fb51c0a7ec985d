-- Plants secrets, numbers and texts that stand nowhere else, lets the library work with them in every way,
-- and searches all that it leaves behind.
-- Usage: lua5.4 tests/canary/main.lua SEARCH MEMORY DIRECTORY: memory_search, the program of memory.c, and an
-- empty directory; with the environment that run.sh makes
local SEARCH, MEMORY, DIRECTORY = assert(arg[1]), assert(arg[2]), assert(arg[3])
local HERE = "tests/canary/"
local ABORTED = 128 + 6 -- by SIGABRT
local LUAS = { "lua5.4", "luajit" }
local OUT = DIRECTORY .. "/out"

local passed, failed = 0, 0

local function report(ok, what, why)
    if ok then
        passed = passed + 1
    else
        failed = failed + 1
        print(("FAILED: %s\n%s"):format(what, why or ""))
    end
end

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs a program for ten minutes at most. Answers its exit status and what it prints.
local function run(line, ...)
    local command = ("timeout 600 sh -c %s 2>&1; echo \"status $?\""):format(quote(line:format(...)))
    local pipe = assert(io.popen(command))
    local text, status = pipe:read("*a"):match "^(.*)status (%d+)\n$"
    pipe:close()
    return tonumber(status), text
end

local function check_run(what, line, ...)
    local status, text = run(line, ...)
    report(status == 0, what, ("  exit status %d\n%s"):format(status, text:sub(-3000)))
    return text
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

local function lines_of(text)
    local lines = {}
    for line in text:gmatch "[^\n]+" do
        lines[#lines + 1] = line
    end
    return lines
end

local function empty_out()
    os.execute(("rm -rf %s && mkdir %s"):format(OUT, OUT))
end

-- ---- Searching ------------------------------------------------------------------------------------

local function secrets() return DIRECTORY .. "/secrets.needles" end
local function all() return DIRECTORY .. "/all.needles" end

local function found_in(needles, ...)
    local status, text = run("%s %s files %s", SEARCH, needles, table.concat({ ... }, " "))
    assert(status == 0, "the search itself has failed: " .. text) -- or it would have found nothing
    return lines_of(text)
end

local function check_clean(what, needles, ...)
    local found = found_in(needles, ...)
    report(#found == 0, what, "  " .. table.concat(found, "\n  "))
end

-- What memory_search has found in a process that nothing explains. Every stop must have been searched.
local function check_memory(what, stops, is_explained)
    local searched, found = 0, {}
    for _, line in ipairs(lines_of(read(DIRECTORY .. "/report"))) do
        local where, name = line:match "^(.-)\t(.*)$"
        if name:find "^searched %d%d%d%d%d%d%d+ bytes$" then
            searched = searched + 1
        elseif not is_explained(where, name) then
            found[#found + 1] = line
        end
    end
    report(searched == stops and #found == 0, what,
        ("  %d stops searched of %d\n  %s"):format(searched, stops, table.concat(found, "\n  ")))
end

-- ---- Servers --------------------------------------------------------------------------------------

-- Starts a program that prints where it is in one line, and ends with its standard input.
local function start(line, ...)
    local fifo = DIRECTORY .. "/ready"
    os.execute(("rm -f %s && mkfifo %s"):format(fifo, fifo))
    local process = assert(io.popen(("exec %s > %s"):format(line:format(...), fifo), "w"))
    local pipe = assert(io.open(fifo))
    local ready = pipe:read "*l"
    pipe:close()
    return process, assert(ready, "a server did not start")
end

local function with_simulator(lua, work)
    local process, ready = start("%s %ssimulator.lua %s", lua, HERE, DIRECTORY)
    local port, proxy_port, ca_file = ready:match "port=(%d+) proxy_port=(%d+) ca_file=(%S+)"
    work("https://localhost:" .. port, ca_file, proxy_port)
    process:close()
end

-- ---- Whether a leak would be found ------------------------------------------------------------------

-- All forms of a secret, made by other programs than those that the search goes by.
local function forms_of(path)
    local function made(command)
        return select(2, run(command, quote(path)))
    end
    local value = read(path):gsub("\n$", "")
    local forms = { value, (value:gsub("[^%w%-_.~]", function(c) return ("%%%02X"):format(c:byte()) end)) }
    forms[#forms + 1] = made "tr -d '\\n' < %s | od -An -v -tx1 | tr -d ' \\n'"
    forms[#forms + 1] = require("twilio_sms.core").json_encode(value)
    for _, before in ipairs { "", "A", "AC" } do
        forms[#forms + 1] = made("{ printf " .. quote(before) .. "; tr -d '\\n' < %s; } | base64 -w0")
    end
    assert(#forms == 7)
    return forms
end

local function check_controls()
    local names = { "auth_token", "api_secret", "ref_key", "proxy_password" }
    for _, name in ipairs(names) do
        local missed = {}
        for i, form in ipairs(forms_of(DIRECTORY .. "/" .. name)) do
            local path = ("%s/control"):format(DIRECTORY)
            write(path, "something before" .. form .. "and behind it")
            if #found_in(secrets(), path) < 1 then
                missed[#missed + 1] = ("form %d: %s"):format(i, form)
            end
            for _, part in ipairs { form:sub(1, #form - 1), form:sub(2) } do -- the half that is whole
                write(path, part)
                if #found_in(secrets(), path) < 1 then
                    missed[#missed + 1] = ("form %d, cut: %s"):format(i, part)
                end
            end
        end
        local what = "control: every form of " .. name .. " would be found"
        report(#missed == 0, what, table.concat(missed, "\n"))
    end
    for _, lua in ipairs(LUAS) do
        local status, text = run("%s %s run %s/report 0 %s %scontrol.lua %s", SEARCH, secrets(), DIRECTORY,
            lua, HERE, DIRECTORY)
        local heap = 0
        for _, line in ipairs(lines_of(read(DIRECTORY .. "/report"))) do
            heap = heap + (line:find "^stop 1 .*auth_token, raw" and 1 or 0)
        end
        report(status == 0 and heap >= 2,
            "control: a leak into the memory of " .. lua .. " would be found",
            text .. read(DIRECTORY .. "/report"))
        for _, place in ipairs { "upvalue", "local", "metatable", "registry", "tostring" } do
            local found = found_in(secrets(), ("%s/reachable-%s"):format(DIRECTORY, place))
            report(#found >= 2, ("control: a leak into a %s of %s would be found"):format(place, lua))
        end
    end
end

-- ---- Core dumps -----------------------------------------------------------------------------------

-- Where the kernel puts them; nil when it hands them to a program.
local function core_file()
    local pattern = read("/proc/sys/kernel/core_pattern"):match "^[^\n]*"
    if pattern:find "^|" or pattern:find "/" then
        return nil
    end
    local _, text = run("ls %s/cores/core*", DIRECTORY)
    return text:match "^(%S+core%S*)\n$"
end

local function is_proxy_password(name)
    return name:find "^proxy_password" ~= nil
end

-- Runs the C program into its abortion, while all is open.
local function check_dump(url, ca_file, proxy_port)
    os.execute(("rm -rf %s/cores && mkdir %s/cores"):format(DIRECTORY, DIRECTORY))
    local status, text = run("env -C %s/cores %s %s run %s/report 1 %s %s %s %s %s", DIRECTORY, SEARCH,
        secrets(), DIRECTORY, MEMORY, DIRECTORY, url, ca_file, proxy_port)
    report(status == ABORTED, "the C program is aborted", text)
    local path = core_file()
    if not path then
        print "no core dumps on this machine: which mappings they would hold was looked at instead"
        return
    end
    local others, proxy = {}, 0
    for _, line in ipairs(found_in(secrets(), path)) do
        local is_proxy = is_proxy_password(line:match "\t(.*)$")
        proxy = proxy + (is_proxy and 1 or 0)
        others[#others + 1] = not is_proxy and line or nil
    end
    report(#others == 0, "a core dump of the C program, open", table.concat(others, "\n"))
    report(proxy > 0, "control: what no page of its own protects is in the core dump")
end

-- ---- The programs -----------------------------------------------------------------------------------

-- While it is open, a secret stands in its own pages, which no core dump has, and nowhere else.
local function is_kept(where)
    return where:find "^stop 1 anonymous undumped$" ~= nil
end

local function check_c_program(url, ca_file, proxy_port)
    local program = ("%s %s %s %s %s"):format(MEMORY, DIRECTORY, url, ca_file, proxy_port)
    local copies = 0
    local text = check_run("the C program sends and receives", "%s %s run %s/report 0 %s", SEARCH, secrets(),
        DIRECTORY, program)
    check_memory("the memory of the C program, open and closed", 2, function(where, name)
        -- libcurl wants the password of a proxy as text in its own memory.
        local proxy = where == "stop 1 [heap]" and is_proxy_password(name)
        copies = copies + (proxy and name:find "raw, part 1" and 1 or 0)
        return proxy or is_kept(where)
    end)
    report(copies <= 2, "no more copies of the proxy's password than ours and libcurl's", "  " .. copies)
    write(OUT .. "/c-program", text)
    check_clean("what the C program prints", all(), OUT .. "/c-program")
end

local function check_lua_program(lua, where, url, ca_file)
    local what = ("%s, secrets from %s"):format(lua, where)
    local exports = {}
    for _, name in ipairs(where == "env" and { "auth_token", "api_secret", "ref_key" } or {}) do
        exports[#exports + 1] = ('CANARY_%s="$(cat %s/%s)"'):format(name:upper(), DIRECTORY, name)
    end
    check_run(what .. ": it sends and receives", "env %s %s %s run %s/report 0 %s %smemory.lua %s %s %s %s",
        table.concat(exports, " "), SEARCH, secrets(), DIRECTORY, lua, HERE, DIRECTORY, url, ca_file, where)
    check_memory(what .. ": its memory, open and closed", 2, function(place, name)
        -- The environment that the caller gave it lies on the first page of its stack.
        local is_environment = where == "env" and place:find "%[stack%]" and name:find ", raw, "
        return is_environment or is_kept(place)
    end)
    for _, moment in ipairs { "open", "closed" } do
        local of_client = ("%s/reachable-%s"):format(DIRECTORY, moment)
        check_clean(what .. ": strings of the client, " .. moment, all(), of_client)
        local of_all = ("%s/everything-%s"):format(DIRECTORY, moment)
        check_clean(what .. ": all strings, " .. moment, secrets(), of_all)
    end
end

-- The opt-out list and the tracker keep numbers: whom to write to no more, and what became of a message.
local KEEPS_NUMBERS = { ["messages.db"] = true, ["optout.db"] = true, ["results.jsonl"] = true }

local function is_for_all(name)
    return not KEEPS_NUMBERS[name] and not name:find "^asked%."
end

local function check_out(what, wanted)
    local seen = 0
    for name in io.popen("ls " .. OUT):lines() do
        seen = seen + 1
        local needles = is_for_all(name) and all() or secrets()
        check_clean(("%s: %s"):format(what, name), needles, OUT .. "/" .. name)
        report(is_for_all(name) or #found_in(all(), OUT .. "/" .. name) > 0,
            ("%s: %s is an exception without need"):format(what, name))
    end
    report(seen >= wanted, what .. ": there is something to search")
end

local function check_mixed(lua, url, ca_file)
    empty_out()
    local text = check_run(lua .. ": the mixed work is done", "%s %smixed.lua %s %s %s", lua, HERE, DIRECTORY,
        url, ca_file)
    write(OUT .. "/output", text)
    report(#text > 100000, lua .. ": the mixed work says what it did")
    check_out(lua .. ", mixed work", 3)
end

local function check_command_line(lua, url, ca_file)
    empty_out()
    run("%scommand_line.sh %s %s %s %s", HERE, lua, DIRECTORY, url, ca_file)
    local said = read(OUT .. "/masked.stderr") .. read(OUT .. "/masked.stdout")
    for _, word in ipairs { "OptedOut", "must not stand on a command line", "ConnectionFailed",
        "Twilio accepts them", "the signature is wrong" } do
        report(said:find(word, 1, true) ~= nil, ("%s, command line: it came to '%s'"):format(lua, word), said)
    end
    check_out(lua .. ", command line", 5)
end

local function check_hostile(lua)
    empty_out()
    local ca_file = DIRECTORY .. "/hostile-ca.pem"
    local process, port = start("%s %shostile.lua %s %s", lua, HERE, DIRECTORY, ca_file)
    local text = check_run(lua .. ": a hostile server is asked",
        "%s %shostile_client.lua %s https://localhost:%s %s", lua, HERE, DIRECTORY, port, ca_file)
    process:close()
    local has_stars = text:find "Basic %*%*%*%*%*%*%*%*" ~= nil
    report(has_stars, lua .. ": it does say the credentials back", text:sub(1, 1000))
    write(OUT .. "/hostile", text)
    check_out(lua .. ", hostile server", 2)
end

-- What starts other programs, whose arguments and environment anybody might read: nothing that has secrets.
local function check_children()
    local starters = [[popen|os\.execute|posix_spawn|fork\(|system\(|exec[lv]p?e?\(]]
    local _, text = run("grep -rlE %s lua csrc | sort", quote(starters))
    local known = "csrc/twilio_sms_testing.h\n" -- for tests in C
    report(text == known, "no other part starts programs", text)
    _, text = run("grep -rnE 'setenv|putenv' lua csrc")
    report(text == "", "no part changes the environment", text)
end

-- Specs of what has no secrets, and those that take long: worlds, the simulator itself, nginx, the command
-- line.
local WITHOUT = {
    "bulk_memory", "cli_", "copy", "date", "driver", "e164", "http1", "json", "keywords", "listener",
    "nginx", "properties", "quiet", "reliability", "resty", "segments", "server", "sim_", "smart", "sorted",
    "store_conf", "swarm", "template", "timezone", "world",
}
local SPECS_LEAST = 50

local function is_wanted(spec)
    for _, word in ipairs(WITHOUT) do
        if spec:find("spec/" .. word, 1, true) then
            return false
        end
    end
    return true
end

-- The specs, with the planted token in place of theirs.
local function check_suite()
    local specs = {}
    for spec in io.popen("ls spec/*_spec.lua"):lines() do
        specs[#specs + 1] = is_wanted(spec) and spec or nil
    end
    report(#specs >= SPECS_LEAST, "there are specs to run")
    for _, case in ipairs { { "control: a leak into an error would be found", HERE .. "leak.lua", 1 },
        { "the specs with the planted token", table.concat(specs, " "), 0 } } do
        empty_out()
        local text = check_run(case[1] .. " (they pass)", "lua5.4 %ssuite.lua %s -o plainTerminal %s", HERE,
            DIRECTORY, case[2])
        write(OUT .. "/output", text)
        local found = found_in(secrets(), OUT .. "/output", OUT .. "/errors")
        report((#found > 0) == (case[3] > 0), case[1], "  " .. table.concat(found, "\n  "))
    end
end

os.execute(("mkdir -p %s"):format(OUT))
report(run("lua5.4 %scanaries.lua %s", HERE, DIRECTORY) == 0, "the canaries are made")
report(run("lua5.4 %swebhooks.lua %s", HERE, DIRECTORY) == 0, "the webhooks are made")
check_controls()
check_children()
with_simulator("lua5.4", check_c_program)
with_simulator("lua5.4", check_dump)
for _, lua in ipairs(LUAS) do
    for _, where in ipairs { "file", "env" } do
        with_simulator(lua, function(url, ca_file) check_lua_program(lua, where, url, ca_file) end)
    end
    with_simulator(lua, function(url, ca_file) check_mixed(lua, url, ca_file) end)
    with_simulator(lua, function(url, ca_file) check_command_line(lua, url, ca_file) end)
    check_hostile(lua)
end
check_suite()
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and 0 or 1)

-- Compares the C API and the Lua API with a bare libcurl loop at the same work (bare_multi.c).
--
--     lua5.4 tests/bench/run.lua BUILD [section ...] [--rounds N] [--count N]
--
-- BUILD holds bench/bare_multi, bench/c_api and lua5.4/twilio_sms; what is missing is left out.
-- Sections: send, observe, http2, instructions, latency, connections, start, memory, signatures, listener;
-- without any, all.
-- Needs nginx with the Lua module, openssl, and valgrind for `instructions`; root or not.
-- The exit status is 1 when a goal is missed.
--
-- Method: a private nginx on CPU 0, the clients on CPU 1; the cases of a section run in turn, round
-- after round (A B C A B C ...), so that a noisy minute hits all of them. What counts is the CPU
-- time of the client for each send, because at 50 in flight the wall time is partly the server's.
-- Ratios are formed inside each round; tables show medians. Differences under a tenth are noise on
-- most machines: trust the instruction counts, which repeat within 0.2 %.
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path
local figures = require "figures"
local nginx = require "nginx"
local webhooks = require "webhooks"

local capture, column, goal, median = figures.capture, figures.column, figures.goal, figures.median
local ratio, title = figures.ratio, figures.title

local SECTIONS = {
    "send", "observe", "http2", "instructions", "latency", "connections", "start", "memory", "signatures",
    "listener",
}

local build, wanted, numbers = figures.arguments(
    "lua5.4 tests/bench/run.lua BUILD [section ...] [--rounds N] [--count N]",
    SECTIONS, { rounds = 9, count = 20000 })
local rounds, count = numbers.rounds, numbers.count

-- ---- Running programs

local server_pin, client_pin = figures.pin(0), figures.pin(1)

local lua_env = ("LUA_PATH_5_4='%s/lua5.4/?.lua;%s/lua5.4/?/init.lua;;' LUA_CPATH_5_4='%s/lua5.4/?.so;;' ")
    :format(build, build, build)

local function exists(path)
    local file = io.open(path, "rb")
    return file ~= nil and file:close()
end

local BARE = { name = "bare libcurl multi", command = build .. "/bench/bare_multi" }
local C_API = { name = "C API", command = build .. "/bench/c_api" }
-- Descriptor 9 takes a log.
local LUA_API = {
    name = "Lua API, send_many", command = "lua5.4 " .. here .. "/lua_api.lua",
    env = "9> /dev/null " .. lua_env,
}

BARE.present = exists(BARE.command)
C_API.present = exists(C_API.command)
LUA_API.present = exists(build .. "/lua5.4/twilio_sms/core.so")

local function arguments(options)
    local list = {}
    for name, value in pairs(options) do
        list[#list + 1] = "--" .. name:gsub("_", "-") .. (value == true and "" or " " .. value)
    end
    table.sort(list)
    return table.concat(list, " ")
end

-- Runs one program, with the words of `under` in front of its command; answers what it prints.
local function run(program, options, under)
    return capture(("%stimeout --foreground 600 %s%s %s"):format(program.env or "", under, program.command,
        arguments(options)))
end

-- Runs one program on its CPU; answers its line of results as a table.
local function measure(program, options)
    return figures.read_line(run(program, options, client_pin))
end

-- ---- Tables

-- Runs the cases in turn; answers for each the list of its results.
local function interleave(cases, times)
    local results = {}
    for round = 1, times do
        for i, case in ipairs(cases) do
            results[i] = results[i] or {}
            results[i][round] = measure(case.program, case.options)
        end
    end
    return results
end

local function print_cpu(case, results)
    local cpu = column(results, "cpu_us_per_send")
    print(("  %-36s %8.1f us/send (%.1f..%.1f)  %7.0f sends/s a core  %5.1f MB"):format(
        case.name or case.program.name, median(cpu), math.min(table.unpack(cpu)), math.max(table.unpack(cpu)),
        1e6 / median(cpu), median(column(results, "peak_kb")) / 1024))
end

-- The programs that are there, each with these options.
local function cases_of(programs, options)
    local cases = {}
    for _, program in ipairs(programs) do
        if program.present then
            cases[#cases + 1] = { program = program, options = options }
        else
            print("  " .. program.name .. ": not built, left out")
        end
    end
    return cases
end

local function find(cases, program)
    for i, case in ipairs(cases) do
        if case.program == program then
            return i
        end
    end
end

-- ---- Sections

local section = {}

local function compare_sends(options, c_limit, lua_limit)
    local cases = cases_of({ BARE, C_API, LUA_API }, options)
    local results = interleave(cases, rounds)
    for i, case in ipairs(cases) do
        print_cpu(case, results[i])
    end
    local c, lua = find(cases, C_API), find(cases, LUA_API)
    if c then
        local c_ratio = ratio(results[c], results[1], "cpu_us_per_send")
        goal("C API / bare libcurl, CPU", c_ratio, "at most", c_limit)
    end
    if c and lua then
        local lua_ratio = ratio(results[lua], results[c], "cpu_us_per_send")
        goal("Lua API / C API, CPU", lua_ratio, "at most", lua_limit)
    end
end

local function instructions(program, options, sends, only)
    options.count = sends
    local output = run(program, options, client_pin .. "valgrind --tool=callgrind "
        .. "--callgrind-out-file=/dev/null " .. (only and ("--toggle-collect='%s' "):format(only) or ""))
    return tonumber(output:match("Collected%s*:%s*(%d+)")) or error(output, 0)
end

local function can_count()
    local can = figures.succeeds("valgrind --version")
    if not can then
        print("  valgrind is not installed, left out")
    end
    return can
end

-- The instructions of one send among many; `only` counts those inside of functions of that name.
local function instructions_of_send(program, options, only)
    local few = instructions(program, options, 500, only)
    local many = instructions(program, options, 1500, only)
    return (many - few) / 1000
end

function section.send(server)
    title("Sends over HTTP/1.1: 50 in flight, TLS kept alive, %d sends, %d rounds", count, rounds)
    compare_sends({ base_url = server.url.fast, ca = server.ca_file, count = count }, 1.10, 1.30)
end

local function print_instructions(cases)
    local base
    for _, case in ipairs(cases) do
        local count_of = instructions_of_send(case.program, case.options)
        base = base or count_of
        print(("  %-36s %8.0f instructions, %.3f"):format(case.name, count_of, count_of / base))
    end
end

local function print_metrics_part(server)
    if C_API.present then
        local options = { base_url = server.url.fast, ca = server.ca_file }
        local all = instructions_of_send(C_API, options)
        local metrics = instructions_of_send(C_API, options, "tsms__measure_*")
        print(("  %-36s %8.0f of %.0f"):format("metrics, instructions of a send", metrics, all))
        goal("metrics, a send / without counting, instructions", all / (all - metrics), "at most", 1.02)
    end
end

-- What is counted and told about a send. Metrics are always on: their part is counted in instructions.
function section.observe(server)
    title("Logs and traces, against a client without them: 50 in flight, %d sends, %d rounds", count, rounds)
    if not LUA_API.present then
        print("  " .. LUA_API.name .. ": not built, left out")
        return
    end
    local cases = {}
    for i, given in ipairs {
        { name = "none" }, { name = "log at info, to a function", log = "function", limit = 1.05 },
        { name = "log at info, to a descriptor", log = "9", limit = 1.05 },
        { name = "traces", trace = "function", limit = 1.10 },
        { name = "both", log = "function", trace = "function" },
    } do
        cases[i] = { name = given.name, program = LUA_API, limit = given.limit, options = {
            base_url = server.url.fast, ca = server.ca_file, count = count,
            log = given.log or "none", trace = given.trace or "none",
        } }
    end
    local results = interleave(cases, rounds)
    for i, case in ipairs(cases) do
        print_cpu(case, results[i])
    end
    for i, case in ipairs(cases) do
        if case.limit then
            local cpu = ratio(results[i], results[1], "cpu_us_per_send")
            goal(case.name .. " / none, CPU", cpu, "at most", case.limit)
        end
    end
    if can_count() then
        print_instructions(cases)
        print_metrics_part(server)
    end
end

function section.http2(server)
    title("Sends over HTTP/2: 100 streams on one connection, %d sends, %d rounds", count, rounds)
    compare_sends({ base_url = server.url.http2, ca = server.ca_file, count = count, http = "auto",
        concurrency = 100 }, 1.10, 1.30)
end

function section.instructions(server)
    title("Instructions of a send in user space: (1500 sends - 500 sends) / 1000, 50 in flight, 3 rounds")
    if not can_count() then
        return
    end
    local cases = cases_of({ BARE, C_API }, { base_url = server.url.fast, ca = server.ca_file })
    local of = {}
    for round = 1, 3 do
        for i, case in ipairs(cases) do
            of[i] = of[i] or {}
            of[i][round] = instructions_of_send(case.program, case.options)
        end
    end
    for i, case in ipairs(cases) do
        print(("  %-36s %8.0f"):format(case.program.name, median(of[i])))
        if case.program == C_API then
            goal("C API / bare libcurl, instructions", median(of[i]) / median(of[1]), "at most", 1.10)
        end
    end
end

-- Whether as many are in flight as were asked for.
function section.latency(server)
    for _, concurrency in ipairs { 50, 200 } do
        local sends = concurrency * 40
        title("An answer takes 50 ms: %d in flight over HTTP/1.1, %d sends, 3 rounds", concurrency, sends)
        local cases = cases_of({ BARE, C_API, LUA_API }, { base_url = server.url.slow, ca = server.ca_file,
            count = sends, warmup = concurrency, concurrency = concurrency })
        local results = interleave(cases, 3)
        for i, case in ipairs(cases) do
            local rate = sends / median(column(results[i], "wall_s"))
            print(("  %-36s %8.0f sends/s of %d possible, %.1f us/send"):format(case.program.name, rate,
                concurrency * 20, median(column(results[i], "cpu_us_per_send"))))
            if i > 1 then
                goal(case.program.name .. " / bare libcurl, sends a second",
                    1 / ratio(results[i], results[1], "wall_s"), "at least", 0.95)
            end
        end
    end
end

-- The store of authorities decides what a connection costs, if it is parsed for each.
function section.connections(server)
    title("A new connection for each send, one at a time: 100 sends, %d rounds", rounds)
    local cases = {}
    local function add(program, name, ca_file, more)
        local options = { base_url = server.url.fresh, ca = ca_file, count = 100, warmup = 10 }
        options.concurrency = 1
        for key, value in pairs(more or {}) do
            options[key] = value
        end
        if program.present then
            cases[#cases + 1] = { program = program, name = program.name .. ", " .. name, options = options }
        end
        return #cases
    end
    add(BARE, "one certificate", server.ca_file)
    add(C_API, "one certificate", server.ca_file)
    local bare, c
    if server.bundle_file then
        bare = add(BARE, "bundle", server.bundle_file)
        c = C_API.present and add(C_API, "bundle", server.bundle_file)
        add(BARE, "bundle, default CApath", server.bundle_file, { default_capath = true, count = 30 })
    end
    local results = interleave(cases, rounds)
    for i, case in ipairs(cases) do
        print_cpu(case, results[i])
    end
    if c then
        goal("C API / bare libcurl, CPU with the system's bundle",
            ratio(results[c], results[bare], "cpu_us_per_send"), "at most", 1.15)
    end
end

function section.start()
    title("require \"twilio_sms\", CPU in a fresh Lua 5.4, median of 9")
    if not LUA_API.present then
        print("  not built, left out")
        return
    end
    local times = {}
    for i = 1, 9 do
        times[i] = tonumber(capture(lua_env .. client_pin
            .. [[lua5.4 -e 'local c = os.clock() require "twilio_sms" print((os.clock() - c) * 1000)']]))
    end
    print(("  %-36s %8.2f ms"):format("require", median(times)))
end

function section.memory(server)
    title("Peak memory and the number of sends: 50 in flight over HTTP/1.1")
    local options = { base_url = server.url.fast, ca = server.ca_file }
    for _, case in ipairs(cases_of({ BARE, C_API, LUA_API }, options)) do
        options.count = 10000
        local few = measure(case.program, options)
        options.count = 200000
        local many = measure(case.program, options)
        print(("  %-36s %8.1f MB after 10,000, %.1f MB after 200,000; %.1f and %.1f us/send"):format(
            case.program.name, few.peak_kb / 1024, many.peak_kb / 1024,
            few.cpu_us_per_send, many.cpu_us_per_send))
        goal(case.program.name .. ", peak at 200,000 / at 10,000", many.peak_kb / few.peak_kb, "at most",
            1.10)
    end
end

function section.signatures()
    title("A webhook of 20 fields, from the raw body to a verdict, %d rounds", rounds)
    local rows, costs = webhooks.signatures(function(command)
        return capture(client_pin .. "env " .. command)
    end, build, here, rounds)
    for _, name in ipairs { "bare", "c", "lua5.4", "luajit" } do
        print(("  %-36s %8.0f ns"):format(name, costs[name]))
    end
    for _, row in ipairs(rows) do
        if row.limit then
            goal(row.what, row.value, "at most", row.limit)
        else
            print(("  %-58s %6.3f"):format(row.what, row.value))
        end
    end
end

-- Each request is signed, has a sid of its own, and is answered with a message.
function section.listener()
    title("Webhooks through the listener over TLS, 100 at a time, 3 rounds")
    for _, kind in ipairs { "memory", "SQLite file" } do
        local results = webhooks.listener({
            lua = lua_env .. server_pin .. "lua5.4 " .. here .. "/webhook_listener.lua",
            load = client_pin .. build .. "/bench/webhook_load", capture = capture, store = kind ~= "memory",
            requests = kind == "memory" and 20000 or 5000, rounds = 3,
        })
        print(("  opt-outs and repeats in %-12s %8.0f requests/s, p50 %.1f ms, p99 %.1f ms"):format(kind,
            median(column(results, "per_s")), median(column(results, "p50_ms")),
            median(column(results, "p99_ms"))))
        goal("p99, ms", median(column(results, "p99_ms")), "at most", 200)
    end
end

for name in pairs(wanted) do
    if not section[name] then
        error("there is no section " .. name .. "; there are: " .. table.concat(SECTIONS, ", "), 0)
    end
end
if not BARE.present then
    error(BARE.command .. " is not built", 0)
end

do
    local server <close> = nginx.start(here, server_pin)
    for _, name in ipairs(SECTIONS) do
        if wanted[name] then
            section[name](server)
        end
    end
end
figures.finish()

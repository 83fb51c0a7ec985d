-- Measures sending and receiving in nginx's workers.
--
--     lua5.4 tests/bench/openresty.lua BUILD [section ...] [--rounds N] [--sends N]
--
-- BUILD holds bench/http_load, bench/webhook_load, bench/c_api and luajit/twilio_sms. Sections: isolation,
-- cost, limits, webhooks, growth; without any, all. Needs nginx with the Lua module and openssl; Redis's
-- store is left out where there is no redis-server. The exit status is 1 when a goal is missed.
--
-- Method: the two workers under test share CPU 1; what loads them, and the API's stand-in (nginx.conf, over
-- verified TLS; `slow` answers after 50 ms, `fast` at once), share CPU 0. So the workers disturb each other,
-- as on a full machine, and nothing else disturbs them. The pinger runs with real-time priority where that is
-- permitted, so that what it measures is the workers' doing. The cases of a section run in turn, round after
-- round; tables show medians, and ratios are formed inside each round.
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path
local figures = require "figures"
local nginx = require "nginx"
local openresty_server = require "openresty_server"

local capture, column, goal, median = figures.capture, figures.column, figures.goal, figures.median
local ratio, title = figures.ratio, figures.title

local SECTIONS = { "isolation", "cost", "limits", "webhooks", "growth" }

local build, wanted, numbers = figures.arguments("openresty.lua BUILD [section ...] [--rounds N] [--sends N]",
    SECTIONS, { rounds = 3, sends = 200000 })
local rounds, sends = numbers.rounds, numbers.sends

local load_pin, worker_pin = figures.pin(0), figures.pin(1)
local ping_pin = load_pin .. (figures.succeeds("chrt -f 2 true") and "chrt -f 2 " or "")

-- ---- Loading and measuring -----------------------------------------------------------------------

local function load_command(server, options)
    local list = { build .. "/bench/http_load --who /ping --processes 2 --port " .. server.plain }
    for name, value in pairs(options) do
        list[#list + 1] = ("--%s '%s'"):format(name, value)
    end
    return table.concat(list, " ")
end

-- Raises when something was not answered as it should have been.
local function check(server, result, what)
    if result.errors ~= 0 then
        error(("%s: %d of %d requests failed\n%s"):format(what, result.errors, result.requests,
            server:error_log()), 0)
    end
    return result
end

-- Loads the workers; answers the result, with the workers' CPU in microseconds for each send.
local function measure(server, options, sends_each)
    local before = server:cpu_s()
    local output = capture(load_pin .. load_command(server, options))
    local result = check(server, figures.read_line(output), options.path)
    result.sends_per_s = result.per_s * (sends_each or 1)
    result.cpu_us = (server:cpu_s() - before) * 1e6 / (result.requests * (sends_each or 1))
    return result
end

local function start(api, upstream, more)
    local opts = { here = here, build = build, pin = worker_pin, upstream = api.port[upstream] }
    opts.ca_file = api.ca_file
    for name, value in pairs(more or {}) do
        opts[name] = value
    end
    return openresty_server.start(opts)
end

-- ---- Sections ------------------------------------------------------------------------------------

local section = {}

local IN_FLIGHT = 200
local LATENCY_MS = 50 -- of nginx.conf's `slow`
local PINGS, PINGS_A_SECOND = 6000, 1000
local LEAD_S = 2 -- how long the load is there before the first ping

-- Pings while the workers do something else, for which `how` has options; without it, while they do nothing.
local function ping(server, how)
    local command = load_command(server, {
        path = "/ping", rate = PINGS_A_SECOND, count = PINGS, concurrency = 32, delay = LEAD_S,
    })
    -- Its connections are open before the workers have anything else to do.
    local pinger = assert(io.popen(ping_pin .. command .. " 2>&1"))
    local loaded
    if how then
        how.count, how.seconds = 1000000, LEAD_S + PINGS // PINGS_A_SECOND
        local output = capture("sleep 0.5; " .. load_pin .. load_command(server, how))
        loaded = check(server, figures.read_line(output), how.path)
    end
    local result = check(server, figures.read_line(pinger:read("a")), "ping")
    pinger:close()
    result.sends_per_s = loaded and loaded.per_s
    return result
end

function section.isolation(api)
    title("An unrelated location while %d sends are in flight (slow: 50 ms), %d pings at %d/s, %d rounds",
        IN_FLIGHT, PINGS, PINGS_A_SECOND, rounds)
    -- At a fixed rate, as requests of users come. A closed loop would keep its first 200 sends together for
    -- ever, since every answer takes as long, and each time their answers would come all at once.
    local function at_rate(path)
        return { path = path, rate = IN_FLIGHT * 1000 // LATENCY_MS, concurrency = 2 * IN_FLIGHT }
    end
    local cases = {
        { "idle" }, { "our client", at_rate "/ours" }, { "bare cosocket client", at_rate "/bare" },
        -- It cannot do as much: a closed loop.
        { "blocking client (libcurl)", { path = "/blocking", concurrency = IN_FLIGHT } },
    }
    local server <close> = start(api, "slow")
    local results = {}
    for round = 1, rounds do
        for i, case in ipairs(cases) do
            results[i] = results[i] or {}
            results[i][round] = ping(server, case[2])
        end
    end
    for i, case in ipairs(cases) do
        local p99 = column(results[i], "p99_ms")
        print(("  %-28s p50 %9.3f ms  p99 %9.3f ms (%.3f..%.3f)  %s"):format(case[1],
            median(column(results[i], "p50_ms")), median(p99), math.min(table.unpack(p99)),
            math.max(table.unpack(p99)), case[2]
                and ("%.0f sends/s"):format(median(column(results[i], "sends_per_s"))) or ""))
    end
    goal("our client / idle, p99 of the pings", ratio(results[2], results[1], "p99_ms"), "at most", 2)
    print(("  %-58s %6.3f"):format("bare cosocket client / idle", ratio(results[3], results[1], "p99_ms")))
    print(("  %-58s %6.0f"):format("blocking client / idle", ratio(results[4], results[1], "p99_ms")))
end

local RATE, MANY, MANY_AT_ONCE = 1000, 4000, 100

-- The same work by our client and by the bare one, both in this server.
local function compare(server, what, query, options, sends_each)
    local results = { ours = {}, bare = {} }
    for round = 1, rounds do
        for name, list in pairs(results) do
            options.path = "/" .. name .. query
            list[round] = measure(server, options, sends_each)
        end
    end
    for _, name in ipairs { "ours", "bare" } do
        local cpu = column(results[name], "cpu_us")
        print(("  %-44s %-5s %7.1f us/send (%.1f..%.1f)  %6.0f/s"):format(what, name, median(cpu),
            math.min(table.unpack(cpu)), math.max(table.unpack(cpu)),
            median(column(results[name], "sends_per_s"))))
    end
    return results
end

local function c_api(url, ca_file)
    return figures.read_line(capture(("%s%s/bench/c_api --base-url %s --ca %s --count %d --concurrency %d")
        :format(worker_pin, build, url, ca_file, 2 * MANY, 2 * MANY_AT_ONCE)))
end

function section.cost(api)
    title("The workers' CPU for a send, and sends a second, %d rounds", rounds)
    do
        local server <close> = start(api, "slow")
        measure(server, { path = "/ours", concurrency = IN_FLIGHT, count = 2000 }) -- opens connections
        measure(server, { path = "/bare", concurrency = IN_FLIGHT, count = 2000 })
        local fixed = compare(server, ("slow, in requests, %d/s"):format(RATE), "",
            { concurrency = IN_FLIGHT, count = 4 * RATE, rate = RATE })
        local full = compare(server, ("slow, in requests, %d in flight"):format(IN_FLIGHT), "",
            { concurrency = IN_FLIGHT, count = 100 * IN_FLIGHT })
        local many = compare(server, ("slow, many in a request, %d in flight"):format(2 * MANY_AT_ONCE),
            ("_many?count=%d&concurrency=%d"):format(MANY, MANY_AT_ONCE), { concurrency = 2, count = 2 },
            MANY)
        local function compare_cpu(what, results)
            goal("our client / bare, CPU, " .. what, ratio(results.ours, results.bare, "cpu_us"), "at most",
                1.25)
        end
        compare_cpu(("%d/s"):format(RATE), fixed)
        compare_cpu(("%d in flight"):format(IN_FLIGHT), full)
        compare_cpu("many in a request", many)
        goal(("our client / bare, sends a second, %d in flight"):format(IN_FLIGHT),
            ratio(full.ours, full.bare, "per_s"), "at least", 0.95)
        local c = {}
        for round = 1, rounds do
            c[round] = c_api(api.url.slow, api.ca_file)
            c[round].cpu_us = c[round].cpu_us_per_send
        end
        print(("  %-50s %7.1f us/send"):format("slow, C API, a process of its own, 200 in flight",
            median(column(c, "cpu_us"))))
        print(("  %-58s %6.3f"):format("our client in nginx, many in a request / C API, CPU",
            ratio(many.ours, c, "cpu_us")))
    end
    local server <close> = start(api, "fast")
    local fast = compare(server, "fast, in requests, 64 in flight", "", { concurrency = 64, count = 20000 })
    print(("  %-58s %6.3f"):format("our client / bare, sends a second without latency",
        ratio(fast.ours, fast.bare, "per_s")))
end

function section.limits()
    title("Limits, with a reload and a killed worker under load (tests/integration/nginx_limits.lua)")
    local modules = build .. "/lua5.4"
    local env = ("TWILIO_SMS_BUILD=%s LUA_PATH_5_4='%s/?.lua;%s/?/init.lua;;' LUA_CPATH_5_4='%s/?.so;;' ")
        :format(build, modules, modules, modules)
    if not os.execute(env .. "timeout 300 lua5.4 " .. here .. "/../integration/nginx_limits.lua 20") then
        figures.missed = figures.missed + 1
    end
end

local function load_webhooks(server, count)
    local command = "%s%s/bench/webhook_load --concurrency 100 --count %d --base-url https://localhost:%d "
        .. "--ca %s"
    local ok, output = pcall(capture, command:format(load_pin, build, count, server.tls, server.ca_file))
    if not ok then
        error(output .. "\n" .. server:error_log(), 0)
    end
    return figures.read_line(output)
end

function section.webhooks(api)
    title("100 signed webhooks at a time over TLS, %d rounds", rounds)
    for _, store in ipairs { "none", "sqlite", "redis" } do
        if store == "redis" and not figures.succeeds("command -v redis-server") then
            print("  redis-server is not installed, left out")
            return
        end
        local results = {}
        for round = 1, rounds do
            local server <close> = start(api, "fast", { store = store })
            results[round] = load_webhooks(server, store == "none" and 20000 or 5000)
        end
        print(("  store: %-8s %8.0f requests/s, p50 %.1f ms, p99 %.1f ms"):format(store,
            median(column(results, "per_s")), median(column(results, "p50_ms")),
            median(column(results, "p99_ms"))))
    end
end

-- What the workers hold: resident memory, Lua's heap after a collection, sockets.
local function holdings(server)
    os.execute("sleep 2") -- until what was closed is closed
    local heap_kb, seen = 0, {}
    repeat
        local answer = capture(("curl -sS http://127.0.0.1:%d/heap"):format(server.plain))
        local pid, kb = answer:match "(%d+) (%d+)"
        if not seen[pid] then
            seen[pid], heap_kb = true, heap_kb + kb
            seen[#seen + 1] = pid
        end
    until #seen == #server:workers()
    return { rss_kb = server:rss_kb(), heap_kb = heap_kb, sockets = server:sockets() }
end

local function print_holdings(what, held)
    print(("  %-44s %7.1f MB resident, %6.1f MB in Lua, %3d sockets"):format(what, held.rss_kb / 1024,
        held.heap_kb / 1024, held.sockets))
end

function section.growth(api)
    title("What the workers hold after %d sends and %d webhooks", sends, sends)
    local function load_sends(server, count)
        measure(server, { path = "/ours", concurrency = 100, count = count })
    end
    for what, load in pairs { sends = load_sends, webhooks = load_webhooks } do
        local server <close> = start(api, "fast")
        load(server, sends // 10)
        local before = holdings(server)
        print_holdings(("after %d %s"):format(sends // 10, what), before)
        load(server, sends)
        local after = holdings(server)
        print_holdings(("after %d more"):format(sends), after)
        goal(what .. ": resident memory, after / before", after.rss_kb / before.rss_kb, "at most", 1.10)
        goal(what .. ": Lua's heap, after / before", after.heap_kb / before.heap_kb, "at most", 1.10)
        goal(what .. ": sockets, after - before", after.sockets - before.sockets, "at most", 0)
    end
end

for name in pairs(wanted) do
    if not section[name] then
        error("there is no section " .. name .. "; there are: " .. table.concat(SECTIONS, ", "), 0)
    end
end

do
    local api <close> = nginx.start(here, load_pin)
    for _, name in ipairs(SECTIONS) do
        if wanted[name] then
            section[name](api)
        end
    end
end
figures.finish()

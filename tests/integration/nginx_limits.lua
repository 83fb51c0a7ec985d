-- Limits are exact over the workers of an nginx, also while it is reloaded and a worker is killed: the
-- simulator, which notes when each message arrives, never sees more than burst + rate · T in any window, for
-- the account and for each sender; and hardly less is sent than is permitted.
-- Usage: lua5.4 tests/integration/nginx_limits.lua [SECONDS]
--
-- Twice: 30 senders, whose own limits are what holds them; and 80, which the account's limit holds. Two
-- workers send as fast as they may. After a third of the time nginx is reloaded, after two thirds a worker is
-- killed.
--
-- What arrives has left a little earlier. How much earlier differs, and by no more than the longest exchange
-- took beyond the simulator's delay; so much closer together than they left messages may arrive
-- (rate_windows).
package.path = "spec/?.lua;" .. package.path
local core = require "twilio_sms.core"
local nginx = require "nginx"
local rate_windows = require "rate_windows"

local SECONDS = tonumber(arg[1] or 6)
local DELAY_MS = 50 -- as Twilio's API takes
local PER_SECOND, BURST = 50, 10
local PER_NUMBER = 1 -- without a burst
local USED_LEAST = 0.98
local CLOCK_MS = 2 -- two clocks that show whole milliseconds

local ACCOUNT_SID = "AC" .. ("a"):rep(32)
local TOKEN = ("12345678"):rep(4)

local directory = os.tmpname()
os.remove(directory)
assert(os.execute("mkdir -m 700 " .. directory))
local REGION = directory:match "[^/]+$"

-- ---- The meter -----------------------------------------------------------------------------------

-- A simulator that writes "moment sender" for each message that it accepts; it ends with this program.
local METER = ([[
    local core, https = require "twilio_sms.core", require "twilio_sms.server"
    local sim = assert(require("twilio_sms.sim.server").new {
        ca_file = %q, account_sid = %q, auth_token = %q, start = core.time_ms() / 1000,
        script = { { on = "send", action = "delay", delay_ms = %d } },
    })
    local arrivals = assert(io.open(%q, "w"))
    print(sim:port())
    io.stdout:flush()
    repeat
        sim:step(100)
        for _, entry in ipairs(sim.traffic:list()) do
            if entry.status == 201 then
                arrivals:write(("%%d %%s\n"):format(entry.at_ms, entry.form.From))
            end
        end
        sim.traffic:clear()
    until https.input_closed()
    arrivals:close()
]]):format(directory .. "/ca.pem", ACCOUNT_SID, TOKEN, DELAY_MS, directory .. "/arrivals")

local function start_meter()
    local answer = directory .. "/answer"
    assert(os.execute("mkfifo -m 600 " .. answer))
    local process = assert(io.popen(("exec lua5.4 -e '%s' > %s"):format(METER, answer), "w"))
    local pipe <close> = assert(io.open(answer))
    local port = pipe:read "n"
    os.remove(answer)
    return assert(port, "the simulator did not start"), process
end

local function read_arrivals()
    local all, by_sender = {}, {}
    for line in io.lines(directory .. "/arrivals") do
        local at_ms, sender = line:match "^(%d+) (.+)$"
        all[#all + 1] = tonumber(at_ms)
        by_sender[sender] = by_sender[sender] or {}
        table.insert(by_sender[sender], tonumber(at_ms))
    end
    return all, by_sender
end

-- ---- One run -------------------------------------------------------------------------------------

local function start_nginx(port, senders)
    local http = ([[
        lua_shared_dict limits 1m;
        init_by_lua_block {
            package.path = "%s/?.lua;" .. package.path
            load = require "nginx_limits_load"
            load.setup({
                account_sid = "%s", auth_token = "%s", base_url = "https://localhost:%d", shared = "%s",
                rate = { per_second = %d, burst = %d, per_number = %d, per_number_burst = 1 },
                max_concurrency = 128,
            }, %d)
        }
        init_worker_by_lua_block { load.start() }
    ]]):format(arg[0]:match "^(.*)/" or ".", ACCOUNT_SID, TOKEN, port, REGION, PER_SECOND, BURST, PER_NUMBER,
        senders)
    local locations = [[
        location = /figures { content_by_lua_block { load.figures() } }
        location = /stop { content_by_lua_block { load.stop() } }
    ]]
    return nginx.start { workers = 2, ca_file = directory .. "/ca.pem", http = http, server = locations,
        log_level = "warn" }
end

local function sleep_until(moment_ms)
    while core.now_ms() < moment_ms do
        core.poll({}, math.max(0, math.ceil(moment_ms - core.now_ms())))
    end
end

-- Lets the workers send. Answers when that ended, what failed, and the longest exchange.
local function load(server)
    local start_ms = core.now_ms()
    sleep_until(start_ms + SECONDS * 1000 / 3)
    server:reload()
    sleep_until(start_ms + SECONDS * 2000 / 3)
    server:kill(server:workers()[1])
    server:await_workers()
    sleep_until(start_ms + SECONDS * 1000)
    local until_ms = core.time_ms()
    assert(server:request("GET", "/stop") == 200)
    local _, _, figures = server:request("GET", "/figures")
    return until_ms, figures:match "^(%d+) (%d+)"
end


-- Prints what the meter saw. Answers whether it is as it must be.
local function judge(senders, until_ms, failed, slowest_ms)
    local all, by_sender = read_arrivals()
    local spread_ms = slowest_ms - DELAY_MS + CLOCK_MS
    local account_ms, window = rate_windows.crowding_ms(all, BURST, PER_SECOND)
    local worst_ms, worst_sender, sender_sum, permitted_sum, seen = -math.huge, nil, 0, 0, 0
    for sender, times in pairs(by_sender) do
        local crowding_ms = rate_windows.crowding_ms(times, 1, PER_NUMBER)
        if crowding_ms > worst_ms then
            worst_ms, worst_sender = crowding_ms, sender
        end
        local _, count, permitted = rate_windows.used(times, 1, PER_NUMBER, until_ms)
        sender_sum, permitted_sum, seen = sender_sum + count, permitted_sum + permitted, seen + 1
    end
    local used = rate_windows.used(all, BURST, PER_SECOND, until_ms)
    local is_held_by_senders = senders * PER_NUMBER < PER_SECOND
    if is_held_by_senders then
        used = sender_sum / permitted_sum
    end
    print(("%d senders, %.0f s: %d messages arrived, %s failed"):format(senders, SECONDS, #all, failed))
    print(("  account: the worst window has %d messages in %d ms, %.1f ms closer together than they leave")
        :format(window.count, window.to_ms and window.to_ms - window.from_ms or 0, account_ms))
    print(("  senders: the worst is %s, %.1f ms closer together"):format(worst_sender, worst_ms))
    print(("  explained by the way to the simulator: up to %d ms (the longest exchange took %d ms)"):format(
        spread_ms, slowest_ms))
    print(("  %.2f %% of what the %s limit permits"):format(used * 100,
        is_held_by_senders and "senders'" or "account's"))
    return failed == "0" and seen == senders and used >= USED_LEAST
        and account_ms <= spread_ms and worst_ms <= spread_ms
end

local function run(senders)
    local port, meter = start_meter()
    local server = start_nginx(port, senders)
    local until_ms, failed, slowest_ms = load(server)
    core.poll({}, 500) -- for what is under way
    local log = server:error_log()
    server:stop()
    meter:close()
    core.forget_shared(REGION, ACCOUNT_SID)
    local ok = judge(senders, until_ms, failed, tonumber(slowest_ms))
    if not ok then
        print("NOT as it must be; nginx has logged:\n" .. log:sub(-4000))
    end
    return ok
end

local ok = run(30)
ok = run(80) and ok
os.execute("rm -r " .. directory)
os.exit(ok)

--- A day of traffic in a world: how long it takes, and whether its memory stays flat.
--
--     luajit tests/bench/world_day.lua [--hours N] [--rate N] [--seed N] [--no-optout]
--
-- 24 virtual hours at 100 messages a second through one client with its limiter, breaker, retries, look-ups
-- and opt-out list; 1 % of the attempts end in doubt, half of them accepted and half not. At the end no
-- message may have been accepted twice, what ended well was accepted, all that was accepted is delivered, and
-- no more sends have failed than run into the fault at each of their attempts (about one in eight million).
-- Prints a line for each virtual hour; the exit status is 1 when a promise is broken.
local sms = require "twilio_sms"

local hours, rate, seed, optout = 24, 100, 1, true
local USAGE = "usage: luajit tests/bench/world_day.lua [--hours N] [--rate N] [--seed N] [--no-optout]\n"
do
    local i = 1
    while arg[i] do
        local value = tonumber(arg[i + 1])
        if arg[i] == "--no-optout" then
            optout, i = false, i - 1
        elseif arg[i] == "--hours" and value then
            hours = value
        elseif arg[i] == "--rate" and value then
            rate = value
        elseif arg[i] == "--seed" and value then
            seed = value
        else
            io.stderr:write(USAGE)
            os.exit(2)
        end
        i = i + 2
    end
end

-- Less often, but more at once: the live heap is a few tens of megabytes, and most of what is made dies
-- young.
collectgarbage("setpause", 400)

local IN_DOUBT = 0.01
local HOUR_S = 3600
local FAILED_MOST = 3
local KEPT_S = 120 -- longer than any send may take, so that a second copy would be seen

local world = sms.sim.new {
    seed = seed,
    log = false,
    carrier = { retain_s = KEPT_S, callbacks = false },
    script = {
        { on = "send", action = "drop_after", probability = IN_DOUBT / 2 },
        { on = "send", action = "drop_before", probability = IN_DOUBT / 2 },
    },
}
local client = sms.assert(world:client {
    from = "+15005550006",
    optout = optout,
    max_concurrency = 200,
    rate = { per_second = 2 * rate, burst = 3 * rate, per_number = 0, max_queue = 100000 },
})

local total = hours * HOUR_S * rate
local ended, failed = 0, 0
local tickets, first, last = {}, 1, 0

-- The sends that have ended, the oldest first.
local function take_tickets()
    local ticket = tickets[first]
    while ticket and ticket.done do
        tickets[first] = nil
        first = first + 1
        ended = ended + 1
        if not ticket.value then
            failed = failed + 1
            print(("send %d: %s"):format(ended, tostring(ticket.err)))
        end
        ticket = tickets[first]
    end
end

world:spawn(function()
    for i = 1, total do
        last = last + 1
        tickets[last] = sms.assert(client:submit {
            to = ("+1%010d"):format(2000000000 + i % 7000000000),
            body = ("Order %d has left our house."):format(i),
        })
        take_tickets()
        if i % rate == 0 then -- whole milliseconds do not add up to a second for every rate
            sms.loop.sleep(1000 - world:now_ms() % 1000)
        elseif i * 1000 % rate < 1000 then
            sms.loop.sleep(math.max(1, math.floor(1000 / rate)))
        end
    end
end)

local function resident_mb()
    local file = io.open "/proc/self/statm"
    local pages = file and file:read "*a":match "^%d+ (%d+)"
    if file then
        file:close()
    end
    return pages and pages * 4 / 1024 or 0
end

print(("%g virtual hours, %d messages a second, opt-out list %s"):format(hours, rate,
    optout and "on" or "off"))
print("hour  messages   seconds  us/message  Lua MB  RSS MB")
local started = os.clock()
local function report(hour)
    local seconds = os.clock() - started
    print(("%4g %9d %9.1f %11.2f %7.1f %7.1f"):format(hour, ended, seconds,
        seconds / math.max(1, ended) * 1e6, collectgarbage "count" / 1024, resident_mb()))
    io.stdout:flush()
end
for hour = 1, math.ceil(hours) do
    world:run(math.min(1, hours - hour + 1) * HOUR_S)
    report(math.min(hour, hours))
end
world:run(KEPT_S) -- lets the last ones end
take_tickets()

local stats = world:stats()
local delivered = stats.statuses.delivered or 0
local kept, lost = stats.faults.drop_after or 0, stats.faults.drop_before or 0
print(("%d sent, %d failed; %d accepted, %d twice; %d delivered"):format(ended, failed, stats.accepted,
    stats.duplicates, delivered))
print(("%d in doubt, %d of them accepted; %d look-ups"):format(kept + lost, kept, stats.operations.list or 0))
local is_good = ended == total and stats.accepted == total - failed and stats.duplicates == 0
    and delivered == stats.accepted and failed <= FAILED_MOST + total / 1000000
world:close()
if not is_good then
    print "NOT AS PROMISED"
    os.exit(1)
end

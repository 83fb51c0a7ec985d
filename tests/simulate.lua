-- Random hours under the eyes of all properties (docs/rehearsing.md).
--
--     lua tests/simulate.lua SEEDS=2000 [FIRST=1]      on all cores, and a sample on both Luas
--     lua tests/simulate.lua SEED=7 [WITHOUT=crash,hang] [CLIENTS=1] [MESSAGES=20] [LAG_MS=9000] [LOG=1]
--     lua tests/simulate.lua SEEDS=200 UNTIL=P7        until that property is broken; one process
--
-- The last line counts. It fails when a property was broken, when two runs of one seed differ, or when, in a
-- thousand seeds and more, something was never seen that must be seen sometimes.
local properties = require "twilio_sms.sim.properties"
local shrink = require "twilio_sms.sim.shrink"
local swarm = require "twilio_sms.sim.swarm"
local swarm_plan = require "twilio_sms.sim.swarm.plan"

local PROCESSES = 2
local SAMPLE_MOST = 20
local SEEDS_FOR_SOMETIMES = 1000
local SHRUNK_MOST = 3

local LUAS = { "lua5.4", "luajit" }
local THIS_LUA = jit and "luajit" or "lua5.4" -- luacheck: ignore 113

local function complain(why)
    io.stderr:write(why, "\n")
    os.exit(2)
end

-- The least whole number that each may be; false for what is no number.
local ARGUMENTS = {
    SEEDS = 1, SEED = 1, FIRST = 1, STEP = 1, WITHOUT = false, CLIENTS = 1, MESSAGES = 1, LAG_MS = 0,
    LOG = false, UNTIL = false, PART = false,
}
local DIGITS_MOST = 12

local function check_number(name, text)
    local least = ARGUMENTS[name]
    if not (text:find "^%d+$" and #text <= DIGITS_MOST and tonumber(text) >= least) then
        complain(("%s must be a whole number from %d"):format(name, least))
    end
end

local function read_arguments(given)
    local out = {}
    for _, text in ipairs(given) do
        local name, value = text:match "^([%u_]+)=(.*)$"
        if ARGUMENTS[name] == nil then
            complain(("unknown argument '%s'"):format(text))
        end
        out[name] = value ~= "" and value or nil
    end
    for name, text in pairs(out) do
        if ARGUMENTS[name] and out.PART ~= "digests" then -- for that SEEDS is a list
            check_number(name, text)
        end
    end
    return out
end

local function limits_of(args)
    local limits = {
        clients = tonumber(args.CLIENTS), messages = tonumber(args.MESSAGES), lag_ms = tonumber(args.LAG_MS),
        without = {},
    }
    for kind in (args.WITHOUT or ""):gmatch "[^,]+" do
        limits.without[kind] = true
    end
    return limits
end

-- ---- One seed ------------------------------------------------------------------------------------

local function print_violations(seed, violations)
    for _, violation in ipairs(violations) do
        print(("seed %d, %d ms, event %d: %s: %s [%s]"):format(seed, violation.at_ms, violation.event,
            violation.property, violation.text, properties.PROPERTIES[violation.property]))
    end
end

local function print_shrunk(seed, property, limits)
    local small = shrink.run(seed, property, limits)
    print(("  %s"):format(small.command))
    print(("  %d messages, troubles: %s"):format(small.messages, table.concat(small.kinds, ", ")))
    for _, line in ipairs(small.trace) do
        print("    " .. line)
    end
end

local function run_one(args)
    local seed, limits = tonumber(args.SEED), limits_of(args)
    local out = swarm.run(swarm_plan.new(seed, limits), { log = true })
    if args.LOG then
        print(table.concat(out.lines, "\n"))
    end
    print_violations(seed, out.violations)
    if out.violations[1] then
        print_shrunk(seed, out.violations[1].property, limits)
    end
    print(("seed %d: %d messages accepted, %d events, %d violations, digest %s"):format(seed, out.accepted,
        out.events, #out.violations, out.digest))
    return #out.violations == 0
end

-- ---- A part of them, for another process ---------------------------------------------------------

-- Lines for `read_part`: "bad SEED PROPERTY TEXT", "seen COUNT NAME", "sum SEEDS ACCEPTED EVENTS".
local function run_part(args)
    local first = tonumber(args.FIRST or 1)
    local last = first + tonumber(args.SEEDS or 100) - 1
    local accepted, events, seeds, seen = 0, 0, 0, {}
    for seed = first, last, tonumber(args.STEP or 1) do
        local out = swarm.run(swarm_plan.new(seed))
        local violation = out.violations[1]
        if violation then
            print(("bad %d %s %s"):format(seed, violation.property, violation.text))
        end
        seeds, accepted, events = seeds + 1, accepted + out.accepted, events + out.events
        for name, count in pairs(out.seen) do
            seen[name] = (seen[name] or 0) + count
        end
        if violation and violation.property == args.UNTIL then
            break
        end
    end
    for name, count in pairs(seen) do
        print(("seen %d %s"):format(count, name))
    end
    print(("sum %d %d %d"):format(seeds, accepted, events))
    return true
end

local function run_digests(args)
    for seed in args.SEEDS:gmatch "%d+" do
        print(seed, swarm.run(swarm_plan.new(tonumber(seed)), { log = true }).digest)
    end
    return true
end

-- ---- All of them ---------------------------------------------------------------------------------

local function start(lua, ...)
    return assert(io.popen(("%s tests/simulate.lua %s"):format(lua, table.concat({ ... }, " "))))
end

local function read_part(pipe, total)
    local is_whole = false
    for line in pipe:lines() do
        local seed, property = line:match "^bad (%d+) (%S+)"
        local count, name = line:match "^seen (%d+) (.*)$"
        local seeds, accepted, events = line:match "^sum (%d+) (%d+) (%d+)$"
        if seed then
            table.insert(total.bad, { seed = tonumber(seed), property = property })
        elseif count then
            total.seen[name] = (total.seen[name] or 0) + tonumber(count)
        elseif seeds then
            total.seeds, total.accepted = total.seeds + tonumber(seeds), total.accepted + tonumber(accepted)
            total.events, is_whole = total.events + tonumber(events), true
        end
    end
    pipe:close()
    if not is_whole then
        error("a process of the simulation has ended early", 0)
    end
end

local function run_parts(first, count)
    local pipes, total = {}, { bad = {}, seen = {}, seeds = 0, accepted = 0, events = 0 }
    for part = 0, math.min(PROCESSES, count) - 1 do
        pipes[part + 1] = start(THIS_LUA, "PART=seeds", "FIRST=" .. first + part, "STEP=" .. PROCESSES,
            "SEEDS=" .. count - part)
    end
    for _, pipe in ipairs(pipes) do
        read_part(pipe, total)
    end
    table.sort(total.bad, function(a, b)
        return a.seed < b.seed
    end)
    return total
end

-- The same seeds on both Luas, and once more on one of them. Answers how many differ.
local function compare_digests(first, count)
    local seeds = {}
    for i = 0, math.min(SAMPLE_MOST, count) - 1 do
        seeds[#seeds + 1] = ("%d"):format(first + math.floor(i * count / math.min(SAMPLE_MOST, count)))
    end
    local list = "SEEDS=" .. table.concat(seeds, ",")
    local runs = {}
    for i, lua in ipairs { LUAS[1], LUAS[2], THIS_LUA } do
        runs[i] = start(lua, "PART=digests", list)
    end
    local texts = {}
    for i, pipe in ipairs(runs) do
        texts[i] = {}
        for line in pipe:lines() do
            table.insert(texts[i], line)
        end
        pipe:close()
    end
    local differ = 0
    for i, seed in ipairs(seeds) do
        if not texts[1][i] or texts[1][i] ~= texts[2][i] or texts[2][i] ~= texts[3][i] then
            differ = differ + 1
            print(("P13: seed %s has different logs: make simulate SEED=%s LOG=1"):format(seed, seed))
        end
    end
    return differ, #seeds
end

local function print_seen(seen)
    local missing = 0
    for _, name in ipairs(properties.SOMETIMES) do
        print(("%9d  %s"):format(seen[name] or 0, name))
        missing = missing + (seen[name] and 0 or 1)
    end
    return missing
end

local function run_all(args)
    local first, count = tonumber(args.FIRST or 1), tonumber(args.SEEDS or 100)
    local total = run_parts(first, count)
    for i, bad in ipairs(total.bad) do
        if i > SHRUNK_MOST then
            print(("seed %d: %s: make simulate SEED=%d"):format(bad.seed, bad.property, bad.seed))
        else
            print_violations(bad.seed, { swarm.run(swarm_plan.new(bad.seed)).violations[1] })
            print_shrunk(bad.seed, bad.property)
        end
    end
    local differ, compared = compare_digests(first, count)
    local missing = print_seen(total.seen)
    print(("%d seeds of one virtual hour: %d messages, %d events, %d violations, %d of %d logs differ, "
        .. "%d of %d things never seen"):format(total.seeds, total.accepted, total.events, #total.bad, differ,
        compared, missing, #properties.SOMETIMES))
    return #total.bad == 0 and differ == 0 and (missing == 0 or count < SEEDS_FOR_SOMETIMES)
end

local args = read_arguments(arg)
local run = args.PART == "seeds" and run_part or args.PART == "digests" and run_digests
    or args.SEED and run_one or args.UNTIL and run_part or run_all
os.exit(run(args) and 0 or 1)

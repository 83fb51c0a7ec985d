--- Outages that happen, each by its name: scripts that are ready to use.
--
--     local world = sms.sim.new { script = sms.sim.scenarios.brown_out { share = 0.3 } }
--     local report = sms.sim.scenarios.run("lost_replies")     -- with a campaign around it
--
-- A scenario is a table: `name`, `about` (a sentence), `options` (their defaults), and `script`, a function
-- of the words (`twilio_sms.sim.script.words`) and the options. Called with options it is a script.
local options = require "twilio_sms.options"

local M = {}

local Scenario = {}
local class = { __index = Scenario, __name = "twilio_sms.sim.scenario" }

local function types_of(defaults)
    local types = {}
    for name in pairs(defaults) do
        types[name] = "number"
    end
    return types
end

-- Whole numbers, and the most of what rules take (`twilio_sms.sim.script.rule`).
local WHOLE = { delay_ms = 86400000, slow_ms = 86400000, retry_after = 86400, every = math.huge }

-- What is wrong with an option; nil when nothing is.
local function why_not(name, number)
    if name == "share" then
        return not (number > 0 and number <= 1) and "must be more than 0 and at most 1" or nil
    elseif not (number > 0 or number == 0 and name == "from_s") or number == math.huge then
        return "must be more than 0"
    elseif WHOLE[name] and (number % 1 ~= 0 or number > WHOLE[name]) then
        local most = WHOLE[name] < math.huge and ("at most %d"):format(WHOLE[name]) or "more than 0"
        return "must be a whole number, " .. most
    end
end

local function with_defaults(self, given, level)
    given = options.check(given, types_of(self.options), level + 1)
    local opts = {}
    for name, value in pairs(self.options) do
        local number = given[name] == nil and value or given[name]
        local why = why_not(name, number)
        if why then
            error(("option '%s' %s"):format(name, why), level + 1)
        end
        opts[name] = number
    end
    if opts.until_s <= opts.from_s then
        error("option 'until_s' must be after 'from_s'", level + 1)
    end
    return opts
end

--- The scenario as a script.
-- @tparam[opt] table opts those of the scenario
-- @tparam number level as for error
-- @treturn function of the words
function Scenario:with(opts, level)
    opts = with_defaults(self, opts, level + 1)
    return function(s)
        self.script(s, opts)
    end
end

--- The same, called: scenarios.brown_out { share = 0.3 }
function class.__call(self, opts)
    local script = self:with(opts, 2)
    return script -- and no tail call, which would shift the blame
end

local list = {}

-- Every scenario takes place between two moments, in seconds since the start.
local function define(name, about, defaults, script)
    defaults.from_s, defaults.until_s = defaults.from_s or 60, defaults.until_s or 180
    local scenario = { name = name, about = about, options = defaults }
    function scenario.script(s, opts)
        s.between(opts.from_s, opts.until_s, function()
            script(s, opts)
        end)
    end
    M[name] = setmetatable(scenario, class)
    list[#list + 1] = name
end

-- ---- The API -------------------------------------------------------------------------------------

define("brown_out", "Twilio answers half of all requests with 503, and the rest late.",
    { share = 0.5, delay_ms = 2000 },
    function(s, opts)
        s.on():fail(503):with(opts.share)
        s.on():delay(opts.delay_ms)
    end)

local OUTAGES_MOST = 10000

define("flapping", "Connections break for ten seconds, work for twenty, and so on.",
    { down_s = 10, up_s = 20 },
    function(s, opts)
        local every_s = opts.down_s + opts.up_s
        for i = 0, math.min(math.ceil((opts.until_s - opts.from_s) / every_s), OUTAGES_MOST) - 1 do
            local at_s = opts.from_s + i * every_s
            s.between(at_s, at_s + opts.down_s, function()
                s.on():drop_before()
            end)
        end
    end)

define("throttle_storm", "Nine of ten requests are too many: 429, come back in so many seconds.",
    { share = 0.9, retry_after = 2 },
    function(s, opts)
        s.on():fail(429, { retry_after = opts.retry_after }):with(opts.share)
    end)

define("slow_loris", "Every fourth message is accepted, but its answer takes longer than anybody waits.",
    { every = 4, slow_ms = 600000 },
    function(s, opts)
        s.on("send"):slow(opts.slow_ms):every(opts.every)
    end)

define("lost_replies", "Messages are accepted, and the connection breaks before the answer, or within it.",
    { share = 0.3 },
    function(s, opts)
        s.on("send"):drop_after():with(opts.share / 2)
        -- Asked only where the first one did not fire.
        s.on("send"):cut_after():with(opts.share / 2 / (1 - opts.share / 2))
    end)

-- ---- The way to the phone ------------------------------------------------------------------------

define("carrier_filtering", "A carrier takes three of ten messages for spam: undelivered, 30007.",
    { share = 0.3 },
    function(s, opts)
        s.on("delivery"):undelivered({ code = 30007 }):with(opts.share)
    end)

-- ---- Webhooks ------------------------------------------------------------------------------------

define("callback_storm", "Status callbacks come late, twice, in the wrong order, forged, or not at all.",
    { share = 0.2, delay_ms = 30000 },
    function(s, opts)
        s.on("callback"):lose():with(opts.share / 2)
        s.on("callback"):forge():with(opts.share)
        s.on("callback"):reorder():with(opts.share)
        s.on("callback"):delay(opts.delay_ms):with(opts.share)
        s.on("callback"):double()
    end)

-- ---- People and clocks ---------------------------------------------------------------------------

-- The last person who was texted and has not said STOP yet.
local function newest_person(world, stopped)
    local messages = world:messages()
    for i = #messages, 1, -1 do
        local message = messages[i]
        if message.direction ~= "inbound" and not stopped[message.to] then
            return message
        end
    end
end

define("stop_during_campaign", "Every few seconds whoever was texted last writes STOP.",
    { every_s = 4 },
    function(s, opts)
        local stopped = {}
        s.every(opts.every_s, function(world)
            local message = newest_person(world, stopped)
            if message then
                stopped[message.to] = true
                world:inbound(message.to, message.from, "STOP")
            end
        end)
    end)

define("clock_jump", "The clock of the machine is set an hour forward, and later back by two hours.",
    { jump_s = 3600 },
    function(s, opts)
        s.at(opts.from_s, function(world)
            world:jump_clock(opts.jump_s)
        end)
        s.at(opts.until_s, function(world)
            world:jump_clock(-2 * opts.jump_s)
        end)
    end)

-- ---- All of them ---------------------------------------------------------------------------------

--- The names of all scenarios, in the order of the manual.
function M.names()
    local names = {}
    for i, name in ipairs(list) do
        names[i] = name
    end
    return names
end

-- That there is no such scenario, and which there are.
local function unknown(name)
    local known = {}
    for _, each in ipairs(list) do
        known[each] = true
    end
    local hint = options.hint(name, known)
    if hint == "" then
        hint = "; there are " .. table.concat(list, ", ")
    end
    return ("no scenario is called '%s'%s"):format(tostring(name), hint)
end

--- Runs a scenario around a campaign, in a world (`twilio_sms.sim.scenario_run`).
-- @tparam string name
-- @tparam[opt] table opts
-- @treturn table a report
function M.run(name, opts)
    local scenario = type(name) == "string" and rawget(M, name)
    if getmetatable(scenario) ~= class then
        error(unknown(name), 2)
    end
    local run = require("twilio_sms.sim.scenario_run").run
    local report = run(scenario, opts, 2)
    return report
end

return setmetatable(M, {
    __index = function(_, name)
        error(unknown(name), 2)
    end,
})

--- Runs a campaign through a scenario in a world, and reports what a user cares about.
--
-- Some hundred messages to people who are texted more than once, by one client with an opt-out list, a
-- tracker and a receiver; the scenario happens in the middle. The world says what really became of them.
local options = require "twilio_sms.options"

local M = {}

local FROM = "+15005550006"
local PERSON = "+1555867%04d"
local URL = "https://app.example/sms"
local STATUS_URL = "https://app.example/status"
local RECONCILE_EVERY_S = 1800
local PATIENCE_S = 86400 -- after this everything that has not ended never will

local OPTIONS = {
    seed = "number", messages = "number", persons = "number", seconds = "number", client = "table",
    options = "table", log = "any",
}
local DEFAULTS = { seed = 1, messages = 240, persons = 60, seconds = 240 }

-- Those of the scenario have a table of their own.
local function check_places(scenario, given, level)
    for name in pairs(type(given) == "table" and given or {}) do
        if not OPTIONS[name] and scenario.options[name] ~= nil then
            error(("'%s' is an option of the scenario: it belongs into options = { %s = ... }")
                :format(name, name), level + 1)
        end
    end
end

local function settings_of(given, level)
    given = options.check(given, OPTIONS, level + 1)
    local settings = {}
    for name in pairs(OPTIONS) do
        settings[name] = given[name]
    end
    for name, value in pairs(DEFAULTS) do
        local number = settings[name] or value
        if number % 1 ~= 0 or number < 1 or number > 1e6 then
            error(("option '%s' must be a whole number from 1 to 1000000"):format(name), level + 1)
        end
        settings[name] = number
    end
    return settings
end

-- ---- What really happened ------------------------------------------------------------------------

local WATCH = {}

function WATCH.submit(truth, event)
    truth.recipient[event.call_id] = event.to
end

-- A person is safe from the moment at which the program has said that it knows.
function WATCH.inbound(truth, event)
    truth.said[event.sid] = event.from
end

function WATCH.webhook_answer(truth, event)
    if event.about == "inbound" and event.status and event.status < 300 and truth.said[event.sid] then
        truth.stopped[truth.said[event.sid]] = true
    end
end

function WATCH.request(truth, event)
    if event.method == "POST" and truth.stopped[truth.recipient[event.call_id]] then
        truth.texted_after_stop = truth.texted_after_stop + 1
    end
end

function WATCH.accept(truth, event)
    if event.call_id then
        truth.accepted[event.call_id] = (truth.accepted[event.call_id] or 0) + 1
    end
end

function WATCH.result(truth, event)
    truth.results[#truth.results + 1] = event
end

function WATCH.clock_jump(truth)
    truth.clock_jumps = truth.clock_jumps + 1
end

local function watch(world)
    local truth = {
        recipient = {}, said = {}, stopped = {}, accepted = {}, results = {},
        texted_after_stop = 0, clock_jumps = 0,
    }
    world:observe(function(event)
        local f = WATCH[event.kind]
        if f then
            f(truth, event)
        end
    end)
    return truth
end

-- ---- The campaign --------------------------------------------------------------------------------

local function merged(base, more)
    for name, value in pairs(more or {}) do
        base[name] = value
    end
    return base
end

-- The program under test: sends, keeps the opt-out list, follows each message.
local function app_of(world, settings, level)
    local ledger = world:optout { store = world:store() }
    local tracker = world:track { store = world:store() }
    local own = { from = FROM, optout = ledger, track = tracker }
    local client, err = world:client(merged(own, settings.client))
    if not client then
        world:close()
        error(tostring(err), level + 1)
    end
    local function say_nothing() end -- forged webhooks are refused; the answers to them tell enough
    local receiver = world:receiver {
        optout = ledger, track = tracker, store = world:store(), on_error = say_nothing,
    }
    world:webhook(URL, receiver)
    world:webhook(STATUS_URL, receiver)
    -- Callbacks get lost: silent messages are asked for.
    world:every(RECONCILE_EVERY_S, function()
        tracker:reconcile()
    end)
    return client, tracker
end

local function send(world, client, number, report)
    local value, err = client:send {
        to = PERSON:format(number % report.persons), body = ("Message %d"):format(number),
        status_callback = STATUS_URL,
    }
    report.ended = report.ended + 1
    report.last_ms = world:now_ms()
    if value then
        report.sent = report.sent + 1
        report.sids[#report.sids + 1] = value.sid
        return
    end
    report.failed = report.failed + 1
    report.failures[err.kind] = (report.failures[err.kind] or 0) + 1
end

local function plan(world, client, settings, report)
    for number = 1, settings.messages do
        world:after(settings.seconds * (number - 1) / settings.messages, function()
            send(world, client, number, report)
        end)
    end
end

-- ---- The report ----------------------------------------------------------------------------------

-- How many messages end in which status by the tracker.
local function statuses_of(tracker, sids)
    local statuses = {}
    for _, sid in ipairs(sids) do
        local record = tracker:get(sid)
        local status = record and record.status or "unknown"
        statuses[status] = (statuses[status] or 0) + 1
    end
    return statuses
end

local function count_duplicates(truth)
    local accepted, duplicates = 0, 0
    for _, times in pairs(truth.accepted) do
        accepted = accepted + times
        duplicates = duplicates + times - 1
    end
    return accepted, duplicates
end

-- What a result says about whether Twilio has the message; "in_doubt" says nothing.
local SAYS = { rejected = false, not_sent = false, accepted_no_sid = true }

local function count_false(truth)
    local count = 0
    for _, result in ipairs(truth.results) do
        local is_there, says = truth.accepted[result.call_id] ~= nil, SAYS[result.outcome]
        if result.ok then
            says = true
        end
        if truth.recipient[result.call_id] and says ~= nil and says ~= is_there then
            count = count + 1
        end
    end
    return count
end

--- Runs it. The report has
--
--     scenario, messages, digest
--     sent, failed         what the client said of them; failures by kind of error
--     unfinished           calls without a result
--     seconds              virtual ones, until the last call ended
--     accepted             messages that Twilio took
--     duplicates           how often it took one again
--     false_results        calls that said sent, and Twilio has nothing, or not sent, and it has
--     stops                people whose STOP was heard
--     texted_after_stop    requests that left for them after that
--     clock_jumps          of the program's clock
--     statuses             by the tracker, at the end
--     faults               by action
--     webhooks             `twilio_sms.sim.webhooks`, stats
--
-- @tparam table scenario
-- @tparam[opt] table opts seed (1), messages (240), persons (60: who gets them in turn), seconds (240: how
-- long the campaign takes), client (more options of the client), options (those of the scenario), log (as of
-- the world)
-- @tparam number level as for error
-- @treturn table the report
function M.run(scenario, opts, level)
    check_places(scenario, opts, level + 1)
    local settings = settings_of(opts, level + 1)
    local world = require("twilio_sms.sim.world").new {
        seed = settings.seed, script = scenario:with(settings.options, level + 1), log = settings.log,
        inbound_url = URL,
    }
    local truth = watch(world)
    local client, tracker = app_of(world, settings, level + 1)
    local report = {
        scenario = scenario.name, messages = settings.messages, persons = settings.persons,
        sent = 0, failed = 0, failures = {}, ended = 0, last_ms = 0, sids = {},
    }
    plan(world, client, settings, report)
    world:run_until(function()
        return report.ended == settings.messages
    end, PATIENCE_S)
    world:run(PATIENCE_S) -- what is under way arrives
    report.unfinished = settings.messages - report.ended
    report.accepted, report.duplicates = count_duplicates(truth)
    report.texted_after_stop, report.clock_jumps = truth.texted_after_stop, truth.clock_jumps
    report.false_results = count_false(truth)
    report.stops = 0
    for _ in pairs(truth.stopped) do
        report.stops = report.stops + 1
    end
    report.seconds = report.last_ms / 1000
    local stats = world:stats()
    report.faults, report.webhooks = stats.faults, stats.webhooks
    report.statuses = statuses_of(tracker, report.sids)
    report.digest = world:digest()
    report.persons, report.ended, report.last_ms, report.sids = nil, nil, nil, nil
    client:close()
    world:close()
    return report
end

return M

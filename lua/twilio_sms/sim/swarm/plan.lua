--- Draws a random hour from a seed: a program with its limits, what it sends and to whom, and its troubles.
--
-- Not everything that can happen happens in one run: each seed draws which faults there are and how many,
-- because a rare meeting of two is found sooner where nothing else happens (Groce et al., "Swarm Testing",
-- ISSTA 2012). Each topic has chance of its own, so that a trouble can be left out and everything else stays
-- as it was.
local random = require "twilio_sms.sim.random"

local M = {}

-- ---- Chance --------------------------------------------------------------------------------------

local Draw = {}
Draw.__index = Draw

local SEED_STEP, TOPIC_STEP = 7919, 104729

local function draw(seed, topic)
    local text = 0
    for i = 1, #topic do
        text = text * 31 % 65521 + topic:byte(i)
    end
    return setmetatable({ random = random.new(seed * SEED_STEP + text * TOPIC_STEP) }, Draw)
end

function Draw:between(least, most)
    return least + self.random:next() % (most - least + 1)
end

function Draw:chance(probability)
    return self.random:chance(probability)
end

function Draw:pick(list)
    return list[self:between(1, #list)]
end

-- ---- The program ---------------------------------------------------------------------------------

local CALM_S = 3000 -- nothing fails on purpose from here on
local FINALE_S = 3250 -- and here everything works
local END_S = 3600

M.END_S, M.CALM_S = END_S, CALM_S

local SENDERS = { "+15005550006", "+15005550016", "+15005550026" }
local SERVICE = "MG0123456789abcdef0123456789abcdef"

local function person(number)
    return ("+1555867%04d"):format(number)
end

local SETTLE_MOST_MS = 10000
local SETTLE_DEFAULT_MS = 5000 -- docs/configuration.md

local function draw_retry(d)
    local retry = { quota = d:pick { 30, 100, 500, 500 } }
    for _, name in ipairs { "unavailable", "internal", "timeout", "connection" } do
        retry[name] = { attempts = d:between(2, 4), base_ms = d:pick { 500, 1000, 4000 } }
    end
    retry.rate_limit = { attempts = d:between(2, 5), base_ms = d:pick { 200, 1000 } }
    retry.settle_ms = d:pick { 0, d:between(0, SETTLE_MOST_MS), d:between(0, SETTLE_MOST_MS) }
    return retry
end

local function draw_rate(d)
    return {
        per_second = d:pick { 1, 5, 10, 10 }, burst = d:pick { 1, 5, 30 },
        per_number = d:pick { 0.5, 1, 5, 0 }, per_number_burst = d:pick { 1, 1, 5 },
        per_recipient = d:chance(0.15) and 0.2 or 0,
        unit = d:pick { "message", "message", "segment" },
        wait = not d:chance(0.1),
        max_queue = d:pick { 8, 10000, 10000, 10000 },
    }
end

-- Whatever the lag: those that never send again keep the promise.
local function never_again(retry)
    for _, name in ipairs { "unavailable", "internal", "timeout", "connection" } do
        retry[name].attempts = 1
    end
    return retry
end

-- "verify" keeps its promise when the list lags for up to retry.settle_ms.
local function draw_lag(d, settle_ms)
    return d:pick { 0, d:between(0, settle_ms), settle_ms }
end

local function draw_options(d, plan)
    if plan.is_default then
        plan.lag_ms = draw_lag(d, SETTLE_DEFAULT_MS)
        return {}
    end
    local options = {
        timeout_ms = d:pick { 6000, 10000, 30000, 60000 },
        attempt_timeout_ms = d:pick { 2000, 5000, 15000 },
        max_concurrency = d:pick { 1, 4, 50 },
        rate = draw_rate(d),
        breaker = {
            failure_threshold = d:pick { 2, 3, 5 }, success_threshold = d:pick { 1, 2 },
            reset_timeout_ms = d:pick { 2000, 10000, 30000 },
        },
        retry = draw_retry(d),
    }
    if plan.is_far then
        options.in_doubt = d:pick { "stop", "verify" }
        options.retry = options.in_doubt == "verify" and never_again(options.retry) or options.retry
        plan.lag_ms = d:pick { 5000, 60000, 600000 }
    else
        options.in_doubt = d:pick { "verify", "verify", "verify", "resend", "stop" }
        plan.lag_ms = draw_lag(d, options.retry.settle_ms)
    end
    return options
end

-- ---- What it sends -------------------------------------------------------------------------------

local LONG = (" and a sentence that makes it longer than one segment"):rep(4)

local function new_message(plan, d, at_ms, fields)
    local number = #plan.messages + 1
    local message = {
        number = number,
        at_ms = at_ms,
        client = fields.client,
        to = fields.to,
        from = fields.from,
        service = fields.service,
        body = ("Private note %d-%d%s"):format(plan.seed, number, d:chance(0.1) and LONG or ""),
        has_callback = d:chance(0.4),
        how = fields.how or d:chance(0.04) and "deferred" or d:chance(0.03) and "cancelled" or "plain",
    }
    plan.messages[number] = message
    return message
end

local function add_twin(plan, message)
    local twin = {}
    for name, value in pairs(message) do
        twin[name] = value
    end
    twin.number, twin.at_ms = #plan.messages + 1, message.at_ms + 10
    plan.messages[twin.number] = twin
end

local function draw_campaign(d, plan)
    local at_ms, gap_ms = d:between(10, CALM_S - 300) * 1000, d:pick { 0, 20, 200, 1000 }
    local client, sender = d:pick(plan.clients), d:pick(SENDERS)
    local service = d:chance(0.15) and SERVICE or nil
    local first = d:between(1, plan.people)
    local count = d:between(5, 60)
    for i = 1, count do
        local message = new_message(plan, d, at_ms + (i - 1) * gap_ms, {
            client = client, to = person((first + i) % plan.people), from = not service and sender or nil,
            service = service,
        })
        if d:chance(0.02) and message.how == "plain" then
            add_twin(plan, message)
        end
    end
    return { at_ms = at_ms, first = first, count = count, sender = sender }
end

-- Single messages all the time: they are what probes an open breaker.
local function draw_trickle(d, plan)
    for _, client in ipairs(plan.clients) do
        local gap_s = d:pick { 15, 30, 60 }
        for at_s = d:between(1, gap_s), CALM_S, gap_s do
            new_message(plan, d, at_s * 1000 + d:between(0, 999), {
                client = client, to = person(d:between(0, plan.people - 1)), from = d:pick(SENDERS),
            })
        end
    end
end

local function draw_finale(d, plan)
    for place, client in ipairs(plan.clients) do
        for i = 1, 3 do
            new_message(plan, d, (FINALE_S + place * 5 + i * 60) * 1000, {
                client = client, to = person(9000 + place * 10 + i), from = SENDERS[1], how = "plain",
            })
        end
    end
end

-- People text STOP in the middle of a campaign, and some change their minds.
local function draw_words(d, plan, campaigns)
    for _, campaign in ipairs(campaigns) do
        for _ = 1, d:between(0, 4) do
            local one = person((campaign.first + d:between(1, campaign.count)) % plan.people)
            local at_ms = campaign.at_ms + d:between(-5000, 20000)
            local function write(after_s, text)
                local word = { from = one, to = campaign.sender, text = text }
                word.at_ms = math.max(0, at_ms) + after_s * 1000
                plan.words[#plan.words + 1] = word
            end
            write(0, d:pick { "STOP", "stop.", "QUIT" })
            if d:chance(0.3) then
                write(d:between(60, 300), "START")
            elseif d:chance(0.3) then
                write(d:between(1, 300), "Who is this?")
            end
        end
    end
end

-- ---- What goes wrong -----------------------------------------------------------------------------

local FAULTS = {}

function FAULTS.status(d)
    local status = d:pick { 429, 429, 500, 503, 503, 400 }
    return {
        status = status,
        retry_after = (status == 429 or status == 503) and d:chance(0.5) and d:between(1, 10) or nil,
        accepted = status >= 500 and d:chance(0.5) or nil,
        code = status == 400 and 21211 or nil,
    }
end

function FAULTS.html(d)
    return { status = d:pick { 502, 504 }, accepted = d:chance(0.5) or nil }
end

function FAULTS.garbage(d)
    return { accepted = d:chance(0.5) or nil }
end

function FAULTS.hang(d)
    return { accepted = d:chance(0.5) or nil }
end

function FAULTS.delay(d)
    return { delay_ms = d:pick { 300, 3000, 20000 } }
end

function FAULTS.slow(d)
    return { slow_ms = d:pick { 300, 3000, 20000 } }
end

local function no_fields()
    return {}
end

local REQUEST_FAULTS = {
    "status", "html", "garbage", "hang", "refused", "dns", "tls", "drop_before", "drop_after", "cut_after",
    "delay", "slow",
}
local WEBHOOK_FAULTS = { "delay", "double", "forge", "lose", "reorder" }

local function draw_window(d)
    local from_s = d:between(0, CALM_S - 200)
    return from_s, math.min(CALM_S - 60, from_s + d:pick { 20, 60, 200, 1000 })
end

local function draw_request_faults(plan)
    for _, action in ipairs(REQUEST_FAULTS) do
        local d = draw(plan.seed, action)
        if d:chance(0.3) then
            for _ = 1, d:between(1, 3) do
                local rule = (FAULTS[action] or no_fields)(d)
                rule.action = action
                rule.on = d:pick { "send", "send", nil } or nil
                rule.probability = d:pick { 0.05, 0.2, 0.5, 1 }
                rule.from_s, rule.until_s = draw_window(d)
                plan.rules[#plan.rules + 1] = rule
            end
        end
    end
end

local function draw_webhook_faults(plan)
    for _, action in ipairs(WEBHOOK_FAULTS) do
        local d = draw(plan.seed, "webhook " .. action)
        if d:chance(0.3) then
            for _, on in ipairs { "callback", "inbound" } do
                if on == "callback" or action ~= "reorder" then
                    local rule = { on = on, action = action, probability = d:pick { 0.1, 0.3 } }
                    rule.from_s, rule.until_s = draw_window(d)
                    rule.delay_ms = action == "delay" and d:pick { 1000, 30000 } or nil
                    plan.rules[#plan.rules + 1] = rule
                end
            end
        end
    end
end

local TROUBLES = {}

function TROUBLES.crash(d, plan)
    return {
        at_s = d:between(20, CALM_S - 200), client = d:pick(plan.clients), back_s = d:pick { 1, 20, 120 },
    }
end

-- The client dies while its probe of a half-open breaker is under way.
function TROUBLES.probe_crash(d)
    return { at_s = 0, times = d:between(1, 3), back_s = d:pick { 1, 5 } }
end

function TROUBLES.jump(d)
    return { at_s = d:between(1, CALM_S), by_s = d:pick { -7200, -30, -2, 3, 60, 86400 } }
end

function TROUBLES.store(d)
    return {
        at_s = d:between(1, CALM_S - 200), for_s = d:between(1, 60),
        on = d:pick { "read", "write", "write" }, after = d:chance(0.5) or nil,
    }
end

-- The receiver of webhooks answers 503, or is slow.
function TROUBLES.receiver(d)
    return { at_s = d:between(1, CALM_S - 200), for_s = d:between(5, 120), slow_ms = d:pick { 0, 0, 8000 } }
end

-- It starts again: what it had in memory is gone.
function TROUBLES.receiver_restart(d)
    return { at_s = d:between(1, CALM_S) }
end

function TROUBLES.replay(d)
    return { at_s = d:between(60, CALM_S) }
end

function TROUBLES.forgery(d)
    return { at_s = d:between(60, CALM_S) }
end

local TROUBLE_NAMES = {
    "crash", "probe_crash", "jump", "store", "receiver", "receiver_restart", "replay", "forgery",
}

local function draw_troubles(plan)
    for _, name in ipairs(TROUBLE_NAMES) do
        local d = draw(plan.seed, name)
        if d:chance(0.4) then
            for _ = 1, name == "probe_crash" and 1 or d:between(1, 3) do
                local trouble = TROUBLES[name](d, plan)
                trouble.kind = name
                plan.troubles[#plan.troubles + 1] = trouble
            end
        end
    end
end

-- ---- Leaving out ---------------------------------------------------------------------------------

local function name_of_rule(rule)
    local of_webhook = rule.on == "callback" or rule.on == "inbound"
    return of_webhook and "webhook_" .. rule.action or rule.action
end

local function filter(list, keep)
    local out = {}
    for _, item in ipairs(list) do
        if keep(item) then
            out[#out + 1] = item
        end
    end
    return out
end

--- The kinds of trouble that a plan has, for leaving them out.
-- @treturn table a list of names
function M.kinds(plan)
    local seen, out = {}, {}
    local function add(name)
        if not seen[name] then
            seen[name] = true
            out[#out + 1] = name
        end
    end
    for _, trouble in ipairs(plan.troubles) do
        add(trouble.kind)
    end
    for _, rule in ipairs(plan.rules) do
        add(name_of_rule(rule))
    end
    if plan.words[1] then
        add "words"
    end
    return out
end

local function leave_out(plan, limits)
    local without = limits.without or {}
    plan.lag_ms = limits.lag_ms or plan.lag_ms
    plan.troubles = filter(plan.troubles, function(trouble)
        return not without[trouble.kind]
    end)
    plan.rules = filter(plan.rules, function(rule)
        return not without[name_of_rule(rule)]
    end)
    if without.words then
        plan.words = {}
    end
    local last = plan.clients[limits.clients or #plan.clients]
    plan.messages = filter(plan.messages, function(message)
        local of_client = limits.clients ~= 1 or message.client == last
        return of_client and message.number <= (limits.messages or math.huge)
    end)
    return plan
end

--- Draws a plan.
-- @tparam number seed
-- @tparam[opt] table limits without (kinds of trouble as keys), messages and clients (only so many), lag_ms
-- (of the list, instead of the one that was drawn: what is drawn is what the clients' options can bear)
-- @treturn table
function M.new(seed, limits)
    local d = draw(seed, "program")
    local plan = {
        seed = seed,
        is_far = d:chance(0.2), -- whether the list may lag for longer than retry.settle_ms
        is_shared = d:chance(0.7),
        is_realistic = d:chance(0.2), -- whether the carrier has queues, limits and errors of its own
        clients = d:chance(0.6) and { "app", "jobs" } or { "app" },
        people = d:between(20, 80),
        latency_ms = d:pick { { 20, 80 }, { 1, 5 }, { 100, 400 } },
        is_default = d:chance(0.2), -- whether no option is given
        is_even = d:chance(0.5), -- whether each message lags for as long as the list may lag
        messages = {}, words = {}, rules = {}, troubles = {},
    }
    plan.options = draw_options(draw(seed, "options"), plan)
    local campaigns = {}
    d = draw(seed, "campaigns")
    for i = 1, d:between(2, 5) do
        campaigns[i] = draw_campaign(d, plan)
    end
    draw_trickle(draw(seed, "trickle"), plan)
    draw_finale(draw(seed, "finale"), plan)
    draw_words(draw(seed, "words"), plan, campaigns)
    draw_request_faults(plan)
    draw_webhook_faults(plan)
    draw_troubles(plan)
    return leave_out(plan, limits or {})
end

return M

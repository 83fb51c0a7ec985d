--- Delivers webhooks: signs, tries again, turns to the fallback, and keeps a log of it. No clock.
--
-- Those of one message go out one after another, those of different messages at the same time. What goes
-- over the wire is the poster's (`core.poster`); what an answer means is the owner's.
local form = require "twilio_sms.sim.webhook_form"
local timeline = require "twilio_sms.timeline"
local webhook_url = require "twilio_sms.sim.webhook_url"

local M = {}

local Webhooks = {}
local class = { __index = Webhooks, __name = "twilio_sms.sim.webhooks" }

local AT_ONCE_MOST = 100
local LOG_MOST = 1000
local LOGGED_BODY_MOST = 2048
local ANSWER_MOST = 65536
local CONTENT_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"
local SIGNATURE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local COUNTERS = {
    "started", "delivered", "failed", "attempts", "retried", "fallbacks", "lost", "doubled", "forged",
    "forged_accepted",
}

--- @tparam table opts poster; sign, a function of a URL and a list of parameters; random
-- (`twilio_sms.sim.random`); script (`twilio_sms.sim.script`, optional); answered, a function that gets a
-- webhook and its good answer, and says with an error code that it cannot be used (optional); disturbed, a
-- function that gets a webhook and the rule that the script has for it (optional); elapsed_ms, a function
-- that tells how much time the network had, where that is not what `step` is told (optional)
function M.new(opts)
    local counts = {}
    for _, name in ipairs(COUNTERS) do
        counts[name] = 0
    end
    return setmetatable({
        poster = opts.poster,
        sign = opts.sign,
        random = opts.random,
        script = opts.script,
        answered = opts.answered or function() end,
        disturbed = opts.disturbed or function() end,
        elapsed_ms = opts.elapsed_ms,
        now_ms = 0,
        counts = counts,
        chains = {}, -- by message: { queue =, busy =, held = }
        late = timeline.new(), -- webhooks that are delayed
        ready = { first = 1, last = 0 }, -- those that may start
        running = 0,
        open = 0, -- started and not at an end
        sent = {}, -- by the poster's ids
        entries = {}, first = 1, last = 0, -- the log
    }, class)
end

-- Servers answer in their own time, however fast the simulated one goes.
local function elapsed(self)
    return self.elapsed_ms and self.elapsed_ms() or self.now_ms
end

local function count(self, name)
    self.counts[name] = self.counts[name] + 1
end

-- ---- Log -----------------------------------------------------------------------------------------

local function note(self, webhook, fields)
    fields.kind = webhook.kind
    fields.url = webhook.target.signed_url
    fields.message_sid = webhook.message_sid
    fields.token = webhook.token
    fields.params = webhook.by_name
    fields.fallback = webhook.is_fallback or nil
    self.last = self.last + 1
    self.entries[self.last] = fields
    if self.last - self.first >= LOG_MOST then
        self.entries[self.first] = nil
        self.first = self.first + 1
    end
    return fields
end

--- What was sent and what came back, the oldest first, the last 1000 of it.
-- @treturn table a list of { kind, url, message_sid, token, params (by name), attempt, status and body or
-- fault and message, duration_ms }; fallback, double, forged and lost are true where they apply;
-- error_code tells what was wrong with an answer
function Webhooks:log()
    local out = {}
    for i = self.first, self.last do
        local copy = {}
        for name, value in pairs(self.entries[i]) do
            copy[name] = value
        end
        out[#out + 1] = copy
    end
    return out
end

--- Counts: started, delivered (answered with 2xx), failed (in the end, by the last URL), pending, attempts
-- (requests), retried, fallbacks, lost, doubled, forged, and forged_accepted (answered with 2xx).
function Webhooks:stats()
    local stats = { pending = self.open }
    for name, value in pairs(self.counts) do
        stats[name] = value
    end
    return stats
end

-- ---- Requests ------------------------------------------------------------------------------------

local function token_of(random)
    local hex = random:sid ""
    return ("%s-%s-%s-%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(13, 16), hex:sub(17, 20),
        hex:sub(21))
end

-- What somebody would send who does not have the key.
local function forged_signature(random)
    local out = {}
    for i = 1, 27 do
        local place = random:next() % 64 + 1
        out[i] = SIGNATURE_ALPHABET:sub(place, place)
    end
    return table.concat(out) .. "="
end

local function request_of(webhook, signature, left_ms)
    local target = webhook.target
    local request = {
        method = webhook.method,
        url = target.request_url .. webhook.query,
        headers = {
            { "User-Agent", "TwilioProxy/1.1" },
            { "X-Twilio-Signature", signature },
            { "I-Twilio-Idempotency-Token", webhook.token },
        },
        follow = true,
        connect_timeout_ms = target.connect_timeout_ms,
        read_timeout_ms = target.read_timeout_ms,
        total_timeout_ms = left_ms,
        max_body = ANSWER_MOST,
    }
    if webhook.method == "POST" then
        table.insert(request.headers, { "Content-Type", CONTENT_TYPE })
        request.body = webhook.body
    end
    return request
end

-- `how` is nil, or "double" or "forged".
local function post(self, webhook, how)
    local left_ms = webhook.target.total_timeout_ms - (elapsed(self) - webhook.started_ms)
    local signature = how == "forged" and forged_signature(self.random) or webhook.signature
    local request = request_of(webhook, signature, math.max(1, left_ms))
    local sent = { webhook = webhook, how = how, attempt = webhook.attempt }
    local id, err = self.poster:submit(request, sent)
    count(self, "attempts")
    if not id then -- a URL that cannot even be asked for
        id = "refused " .. self.counts.attempts
        self.refused = self.refused or {}
        table.insert(self.refused, { id = id, fault = { fault = "other", message = err.message } })
    end
    self.sent[id] = sent
end

local function attempt(self, webhook)
    webhook.attempt = webhook.attempt + 1
    post(self, webhook)
    if webhook.is_double and webhook.attempt == 1 then
        count(self, "doubled")
        post(self, webhook, "double")
    end
end

local function aim(self, webhook, url)
    local target = webhook_url.read(url)
    webhook.target = target
    webhook.token = token_of(self.random)
    webhook.by_name = form.by_name(webhook.params)
    webhook.attempt = 0
    if webhook.method == "GET" then
        local mark = target.request_url:find("?", 1, true) and "&" or "?"
        webhook.query = mark .. form.encode(webhook.params)
        webhook.signature = self.sign(target.signed_url .. webhook.query, {})
    else
        webhook.query, webhook.body = "", form.encode(webhook.params)
        webhook.signature = self.sign(target.signed_url, webhook.params)
    end
    return webhook
end

local function start(self, webhook)
    webhook.started_ms = elapsed(self)
    if webhook.is_forged then
        count(self, "forged")
        post(self, webhook, "forged")
    else
        attempt(self, webhook)
    end
end

local function start_ready(self)
    local ready = self.ready
    while ready.first <= ready.last and self.running < AT_ONCE_MOST do
        local webhook = ready[ready.first]
        ready[ready.first] = nil
        ready.first = ready.first + 1
        self.running = self.running + 1
        start(self, webhook)
    end
end

-- ---- Order ---------------------------------------------------------------------------------------

local function go_on(self, chain)
    local webhook = not chain.busy and table.remove(chain.queue, 1)
    if webhook then
        chain.busy = webhook
        self.ready.last = self.ready.last + 1
        self.ready[self.ready.last] = webhook
    end
end

local function enqueue(self, webhook)
    local sid = webhook.message_sid
    local chain = self.chains[sid] or { queue = {} }
    self.chains[sid] = chain
    if webhook.waits_for_next and not chain.held then
        chain.held = webhook
        return
    end
    table.insert(chain.queue, webhook)
    if chain.held then
        table.insert(chain.queue, chain.held)
        chain.held = nil
    end
    go_on(self, chain)
end

local function finish(self, webhook)
    local sid = webhook.message_sid
    local chain = self.chains[sid]
    self.running = self.running - 1
    self.open = self.open - 1
    chain.busy = nil
    go_on(self, chain)
    if not chain.busy and not chain.held then
        self.chains[sid] = nil
    end
end

-- ---- Answers -------------------------------------------------------------------------------------

-- TLS belongs to connecting: the docs do not name it.
local FAULTS = { connect = "ct", tls = "ct", read = "rt" }
-- Error dictionary: 11200 could not be fetched, 11205 no connection, 11220 no TLS.
local CODES = { connect = 11205, tls = 11220 }
local RETRIEVAL_FAILURE = 11200

local function is_good(answer)
    return answer ~= nil and answer.status >= 200 and answer.status < 300
end

local function class_of(answer, fault)
    if fault then
        return FAULTS[fault.fault]
    elseif answer.status >= 500 then
        return "5xx"
    end
    return answer.status >= 400 and "4xx" or nil
end

local function fail(self, webhook, code)
    local fallback = webhook.fallback_url
    if not fallback then
        count(self, "failed")
        return finish(self, webhook)
    end
    count(self, "fallbacks")
    table.insert(webhook.params, { "ErrorCode", ("%d"):format(code) })
    table.insert(webhook.params, { "ErrorUrl", webhook.target.signed_url })
    webhook.fallback_url, webhook.is_fallback, webhook.is_double = nil, true, nil
    webhook.started_ms = elapsed(self)
    attempt(self, aim(self, webhook, fallback))
end

local function judge(self, webhook, entry, answer, fault)
    local target = webhook.target
    if is_good(answer) then
        entry.error_code = self.answered(webhook, answer)
        if entry.error_code then
            return fail(self, webhook, entry.error_code)
        end
        count(self, "delivered")
        return finish(self, webhook)
    end
    local failure = class_of(answer, fault)
    local in_time = elapsed(self) - webhook.started_ms < target.total_timeout_ms
    if failure and target.retry_on[failure] and webhook.attempt <= target.retries and in_time then
        count(self, "retried")
        return attempt(self, webhook)
    end
    return fail(self, webhook, fault and CODES[fault.fault] or RETRIEVAL_FAILURE)
end

local function read_result(self, id, answer, fault)
    local sent = self.sent[id]
    self.sent[id] = nil
    local webhook, how = sent.webhook, sent.how
    local entry = note(self, webhook, {
        attempt = sent.attempt,
        status = answer and answer.status,
        body = answer and answer.body:sub(1, LOGGED_BODY_MOST),
        fault = fault and fault.fault,
        message = fault and fault.message,
        duration_ms = (answer or fault).duration_ms,
        double = how == "double" or nil,
        forged = how == "forged" or nil,
    })
    if how == "forged" then
        if is_good(answer) then
            count(self, "forged_accepted")
        end
        attempt(self, webhook)
    elseif not how then
        judge(self, webhook, entry, answer, fault)
    end
end

local function read_results(self)
    local id, answer, fault = self.poster:result()
    while id do
        read_result(self, id, answer, fault)
        id, answer, fault = self.poster:result()
    end
    local refused = self.refused
    self.refused = nil
    for _, one in ipairs(refused or {}) do
        read_result(self, one.id, nil, one.fault)
    end
end

-- ---- What the owner calls ------------------------------------------------------------------------

local EFFECTS = {}

function EFFECTS.double(webhook)
    webhook.is_double = true
end

function EFFECTS.forge(webhook)
    webhook.is_forged = true
end

-- The last one of a message has none behind it that it could let pass.
function EFFECTS.reorder(webhook)
    webhook.waits_for_next = not webhook.is_last
end

function EFFECTS.delay() end

--- Sends a webhook, unless the script says otherwise.
-- @tparam table webhook kind ("inbound" or "callback"), url, params (a list of { name, value }, which is
-- taken over), message_sid, method ("POST" or "GET"; default POST), fallback_url (optional), is_last (of its
-- message)
function Webhooks:send(webhook)
    webhook.method = webhook.method or "POST"
    form.shuffle(webhook.params, self.random)
    aim(self, webhook, webhook.url)
    count(self, "started")
    local rule = self.script and self.script:decide(webhook.kind, webhook.by_name, self.now_ms)
    if rule then
        self.disturbed(webhook, rule)
    end
    if rule and rule.action == "lose" then
        count(self, "lost")
        note(self, webhook, { lost = true })
        return
    end
    self.open = self.open + 1
    if rule then
        EFFECTS[rule.action](webhook)
    end
    if rule and rule.delay_ms then
        self.late:add(self.now_ms + rule.delay_ms, webhook)
    else
        enqueue(self, webhook)
    end
end

--- Moves everything on that can move without waiting.
-- @treturn boolean whether anything did
function Webhooks:step(now_ms)
    self.now_ms = math.max(self.now_ms, now_ms)
    local logged, attempts = self.last, self.counts.attempts
    local due = self.late:take(self.now_ms)
    while due do
        enqueue(self, due)
        due = self.late:take(self.now_ms)
    end
    repeat
        start_ready(self)
        read_results(self)
    until self.ready.first > self.ready.last and not self.refused or self.running >= AT_ONCE_MOST
    return self.last > logged or self.counts.attempts > attempts
end

--- Whether a request is under way or about to be.
function Webhooks:is_busy()
    return self.running > 0 or self.ready.first <= self.ready.last
end

--- Whether something may start now, though nothing has come back.
function Webhooks:is_ready()
    return self.ready.first <= self.ready.last and self.running < AT_ONCE_MOST or self.refused ~= nil
end

--- When `step` wants to be called although the poster has nothing; nil for never.
function Webhooks:due_ms()
    return self.late:due_ms()
end

return M

--- The simulator as an HTTPS server that unmodified clients of Twilio can be pointed at.
--
--     local sim = assert(require("twilio_sms.sim.server").new { ca_file = "/tmp/ca.pem" })
--     -- clients: base_url = sim:url(), ca_file = sim:ca_file(), account_sid and auth_token as given here
--     while true do sim:step(100) end
--
-- As a program of its own, which ends when its standard input does:
--
--     lua5.4 -e 'require("twilio_sms.sim.server").run { ca_file = "/tmp/ca.pem", seed = 7 }'
--
-- It prints "ready port=40123 ca_file=/tmp/ca.pem". GET /_sim/stats tells what really happened.
--
-- With `inbound_url` persons can write: `sim:inbound{ from =, to =, body = }` sends a signed webhook there,
-- and what it is answered with goes back to the person. Messages with a StatusCallback get their callbacks.
local core = require "twilio_sms.core"
local https = require "twilio_sms.server"

local api = require "twilio_sms.sim.api"
local carrier = require "twilio_sms.sim.carrier"
local control = require "twilio_sms.sim.control"
local conversation = require "twilio_sms.sim.conversation"
local options = require "twilio_sms.options"
local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"
local timeline = require "twilio_sms.sim.timeline"
local webhooks = require "twilio_sms.sim.webhooks"

local M = {
    ACCOUNT_SID = "AC" .. ("0"):rep(31) .. "1",
    AUTH_TOKEN = ("0"):rep(31) .. "2",
}

local Sim = {}
local class = { __index = Sim, __name = "twilio_sms.sim.server" }

function class.__tostring()
    return class.__name
end

local OPTIONS = {
    account_sid = "string", auth_token = "string", api_keys = "table",
    seed = "number", script = "table", numbers = "table", service_number = "string", marker = "string",
    send_ms = "number", deliver_ms = "number", max_concurrency = "number",
    host = "string", port = "number", ca_file = "string", certificate_file = "string", key_file = "string",
    tls = "boolean", max_connections = "number",
    inbound_url = "string", fallback_url = "string", webhook_method = "string", webhook_ca_file = "string",
    callbacks = "boolean", service_sid = "string",
}

local INBOUND = {
    from = "string", to = "string", body = "string", media = "table", messaging_service_sid = "string",
    opt_out_type = "string", params = "table",
}

local STEP_MOST_MS = 200 -- how long the end of the input may go unnoticed

local function set_of(list)
    local set = {}
    for _, item in ipairs(list) do
        set[item] = true
    end
    return set
end

local function credentials_of(opts, account_sid)
    local credentials = { [account_sid] = opts.auth_token or M.AUTH_TOKEN }
    for key, secret in pairs(opts.api_keys or {}) do
        credentials[key] = secret
    end
    return credentials
end

-- Each part has chance of its own, so that a look at the list does not change the next sid.
local function parts_of(opts, poster, signer, level)
    local seed = opts.seed or 1
    local account_sid = opts.account_sid or M.ACCOUNT_SID
    local rules = opts.script and script.new(opts.script, random.new(seed + 2), level + 1)
    local webhook_rules = opts.script and script.new(opts.script, random.new(seed + 4), level + 1)
    local parts = {}
    parts.carrier = carrier.new {
        account_sid = account_sid,
        random = random.new(seed),
        send_ms = opts.send_ms or 200,
        deliver_ms = opts.deliver_ms or 1000,
        service_number = opts.service_number or "+15005550006",
        service_sid = opts.service_sid,
        numbers = opts.numbers and set_of(opts.numbers),
        marker = opts.marker,
        callbacks = opts.callbacks ~= false,
    }
    parts.outbox = webhooks.new {
        poster = poster,
        sign = function(url, params)
            return signer:sign(url, params)
        end,
        random = random.new(seed + 3),
        script = webhook_rules,
        answered = function(webhook, answer)
            return parts.conversation:answered(webhook, answer)
        end,
    }
    parts.conversation = conversation.new {
        carrier = parts.carrier,
        webhooks = parts.outbox,
        url = opts.inbound_url,
        fallback_url = opts.fallback_url,
        method = opts.webhook_method,
    }
    parts.api = api.new {
        carrier = parts.carrier,
        random = random.new(seed + 1),
        credentials = credentials_of(opts, account_sid),
        script = rules,
        max_concurrency = opts.max_concurrency,
        webhooks = parts.outbox,
    }
    return parts
end

local function check_method(method, level)
    if method ~= nil and method ~= "POST" and method ~= "GET" then
        error("option 'webhook_method' must be 'POST' or 'GET'", level + 1)
    end
end

--- Starts a simulator; it works while `step` is called.
-- @tparam table opts account_sid, auth_token (default: those of this module), api_keys (secrets by SK...),
-- seed, script (`twilio_sms.sim.script`), numbers (a list of the account's own; default: every well-formed
-- sender), service_number, service_sid (the messaging service that it belongs to), marker, send_ms,
-- deliver_ms (`twilio_sms.sim.carrier`), max_concurrency; inbound_url, fallback_url, webhook_method,
-- webhook_ca_file, callbacks; and host, port, tls, ca_file, certificate_file, key_file, max_connections
-- (`twilio_sms.server`)
-- @treturn table|nil a simulator, or nil and an error
function M.new(opts)
    opts = options.check(opts, OPTIONS, 2)
    check_method(opts.webhook_method, 2)
    local signer = core.signer()
    local ok, err = signer:add(opts.auth_token or M.AUTH_TOKEN)
    if not ok then
        return nil, err
    end
    local poster
    poster, err = core.poster { ca_file = opts.webhook_ca_file }
    if not poster then
        return nil, err
    end
    local sim = parts_of(opts, poster, signer, 2)
    sim.server, err = https.new {
        host = opts.host, port = opts.port, tls = opts.tls, ca_file = opts.ca_file,
        certificate_file = opts.certificate_file, key_file = opts.key_file,
        max_connections = opts.max_connections,
    }
    if not sim.server then
        poster:close()
        return nil, err
    end
    sim.poster = poster
    sim.hears_server = sim.server:pollfd() >= 0 and poster:watch(sim.server:pollfd())
    sim.scheme = opts.tls == false and "http" or "https"
    sim.late = timeline.new() -- answers that are still to be given
    sim.waiting = 0
    sim.started_ms = os.time() * 1000 - core.now_ms()
    return setmetatable(sim, class)
end

--- Where clients find it, "https://localhost:40123".
function Sim:url()
    return ("%s://localhost:%d"):format(self.scheme, self.server:port())
end

--- The port that it listens on.
function Sim:port()
    return self.server:port()
end

--- The file with the certificate that clients must trust.
function Sim:ca_file()
    return self.server:ca_file()
end

--- What really happened (`twilio_sms.sim.api`).
function Sim:stats()
    return self.api:stats()
end

-- Unix milliseconds that never go back.
local function now(self)
    return self.started_ms + core.now_ms()
end

local function send(request, answer)
    if answer.drop then
        request:drop(answer.drop)
    elseif answer.raw then
        request:raw(answer.raw)
    elseif answer.cut then
        request:drop("cut", answer.status, answer.headers, answer.body)
    else
        request:reply(answer.status, answer.headers, answer.body)
    end
end

local function answer_to(self, request, now_ms)
    local asked = {
        method = request:method(),
        path = request:path(),
        query = request:query(),
        authorization = request:header "Authorization",
        body = request:body(),
        peer = request:peer(),
        concurrent = self.waiting + 1,
    }
    return control.handle(self, asked) or self.api:handle(asked, now_ms)
end

local function handle(self, request, now_ms)
    local answer = answer_to(self, request, now_ms)
    if answer.delay_ms and answer.delay_ms > 0 then
        self.waiting = self.waiting + 1
        self.late:add(now_ms + answer.delay_ms, { request = request, answer = answer })
    else
        send(request, answer)
    end
end

local function send_late(self, now_ms)
    local due = self.late:take(now_ms)
    while due do
        self.waiting = self.waiting - 1
        send(due.request, due.answer)
        due = self.late:take(now_ms)
    end
end

-- Does everything that needs no waiting, and says whether there was anything.
local function work(self, request, now_ms)
    local late_ms = self.late:due_ms()
    local is_busy = request ~= nil or late_ms ~= nil and late_ms <= now_ms
    while request do
        handle(self, request, now_ms)
        request = self.server:next()
    end
    send_late(self, now_ms)
    local change_ms = self.carrier:callback_due_ms()
    if change_ms and change_ms <= now_ms then
        self.carrier:advance(now_ms)
    end
    self.conversation:tell_changes()
    return self.outbox:step(now_ms) or is_busy
end

-- Milliseconds until something is due by the clock; nil for never.
local function due_in_ms(self)
    local due_ms = math.huge
    for _, part_ms in ipairs {
        self.late:due_ms() or math.huge,
        self.outbox:due_ms() or math.huge,
        self.carrier:callback_due_ms() or math.huge,
    } do
        due_ms = math.min(due_ms, part_ms)
    end
    local wait_ms = due_ms - now(self)
    local server_s = self.server:timeout()
    wait_ms = math.max(0, math.min(wait_ms, server_s and server_s * 1000 or math.huge))
    return wait_ms < math.huge and math.ceil(wait_ms) or nil
end

local WAIT_MOST_MS = 1000000000

local function wait_ms_of(self, until_ms)
    local left_ms = math.max(0, until_ms - core.now_ms())
    local most_ms = self.hears_server and WAIT_MOST_MS or 1
    return math.min(left_ms, due_in_ms(self) or most_ms, most_ms)
end

--- Answers what has come and sends what is due, waiting at most timeout_ms for something to do (-1: for
-- ever).
function Sim:step(timeout_ms)
    local until_ms = timeout_ms >= 0 and core.now_ms() + math.ceil(timeout_ms) or math.huge
    local is_done
    repeat
        self.server:step(0) -- lets the answers of the last turn leave
        local request = self.server:next()
        self.poster:step(request and 0 or wait_ms_of(self, until_ms))
        if not request then
            self.server:step(0)
            request = self.server:next()
        end
        is_done = work(self, request, now(self)) or core.now_ms() >= until_ms
    until is_done
end

--- A person writes: to `inbound_url` goes a signed webhook, and what it is answered with is sent. Twilio's
-- keywords (STOP, START and their like) count, with or without a URL.
-- @tparam table opts from, to, body (default: empty), media (a list of URLs), messaging_service_sid,
-- opt_out_type ("STOP", "START" or "HELP"), params (more of the webhook by name, such as FromCountry)
-- @treturn string the message's sid
-- @treturn boolean whether there is a URL to tell of it
function Sim:inbound(opts)
    options.check_self(self, class, "sim:inbound{...}", 2)
    options.check(opts, INBOUND, 2)
    if not opts or not opts.from or not opts.to then
        error("a person's message needs from and to", 2)
    end
    self.carrier:advance(now(self))
    local message = self.conversation:receive({
        From = opts.from, To = opts.to, Body = opts.body, MessagingServiceSid = opts.messaging_service_sid,
        MediaUrl = opts.media and #opts.media > 0 and opts.media or nil, OptOutType = opts.opt_out_type,
    }, opts.params)
    return message.sid, self.conversation.url ~= nil
end

--- Changes `inbound_url`, for a program that knows its port only when it runs.
-- @tparam string|nil url
function Sim:set_inbound_url(url)
    self.conversation.url = url
end

--- What webhooks were sent and how they were answered (`twilio_sms.sim.webhooks`, log).
function Sim:webhooks()
    return self.outbox:log()
end

--- For foreign loops, as cqueues wants it: readable when `step` has work.
function Sim:pollfd()
    return self.poster:pollfd()
end

--- What a loop waits for on pollfd, as cqueues wants it.
function Sim:events()
    return self.server:events()
end

--- Seconds until `step` wants to be called anyway; nil for never.
function Sim:timeout()
    local own_ms, poster_ms = due_in_ms(self), self.poster:timeout_ms()
    if poster_ms >= 0 then
        own_ms = math.min(own_ms or poster_ms, poster_ms)
    end
    return own_ms and own_ms / 1000
end

--- Closes all connections, and breaks off webhooks that are under way.
function Sim:close()
    self.poster:close()
    self.server:close()
end

class.__close = Sim.close

--- Runs a simulator until standard input ends, so that it never outlives the program that started it.
-- When it cannot start, it says why in one line, and ends the program with status 1.
-- @tparam table opts as for `new`; without ca_file and certificate_file the CA's certificate goes into a file
-- that is removed at the end
function M.run(opts)
    local own_file
    opts = options.check(opts, OPTIONS, 2)
    if opts.tls ~= false and not opts.ca_file and not opts.certificate_file then
        own_file = os.tmpname()
    end
    local settings = { ca_file = own_file }
    for name, value in pairs(opts) do
        settings[name] = value
    end
    local sim, err = M.new(settings)
    if not sim then
        os.remove(own_file or "")
        io.stderr:write("the simulator cannot start: ", tostring(err), "\n")
        os.exit(1, true)
    end
    print(("ready port=%d ca_file=%s"):format(sim:port(), sim:ca_file()))
    io.stdout:flush()
    while not https.input_closed() do
        sim:step(STEP_MOST_MS)
    end
    sim:close()
    if own_file then
        os.remove(own_file)
    end
end

return M

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
-- It prints "ready port=40123 ca_file=/tmp/ca.pem". GET /_sim/stats tells what really happened
-- (`twilio_sms.sim.control`).
--
-- With `inbound_url` persons can write: `sim:inbound{ from =, to =, body = }` sends a signed webhook there,
-- and what it is answered with goes back to the person. Messages with a StatusCallback get their callbacks.
--
-- Its time may go faster than the real one, or stand still and be moved on: `speed`, `start`, `sim:advance`.
-- With `proxy = true` it takes the connections of programs that only know https://api.twilio.com.
local core = require "twilio_sms.core"
local https = require "twilio_sms.server"

local clock = require "twilio_sms.sim.clock"
local control = require "twilio_sms.sim.control"
local options = require "twilio_sms.options"
local server_messages = require "twilio_sms.sim.server.messages"
local server_options = require "twilio_sms.sim.server.options"
local server_parts = require "twilio_sms.sim.server.parts"
local timeline = require "twilio_sms.timeline"
local traffic = require "twilio_sms.sim.traffic"

local M = {
    ACCOUNT_SID = "AC" .. ("0"):rep(31) .. "1",
    AUTH_TOKEN = ("0"):rep(31) .. "2",
}

local Sim = {}
local class = { __index = Sim, __name = "twilio_sms.sim.server" }

function class.__tostring()
    return class.__name
end

local INBOUND = {
    from = "string", to = "string", body = "string", media = "table", messaging_service_sid = "string",
    opt_out_type = "string", params = "table",
}

-- A client that waits for ever is let go after this, in real time: longer than any waits for one attempt.
local HANG_MS = 3600000

-- ---- Starting ------------------------------------------------------------------------------------

-- A copy with what is not given filled in.
local function settings_of(opts)
    local settings = { account_sid = M.ACCOUNT_SID, auth_token = M.AUTH_TOKEN, seed = 1, speed = 1 }
    for name, value in pairs(opts) do
        settings[name] = value
    end
    return settings
end

local function new_clock(opts)
    return clock.new {
        start_ms = math.floor((opts.start or os.time()) * 1000),
        speed = opts.speed,
        real_ms = core.now_ms,
    }
end

local function scenario_name(script)
    return type(script) == "table" and type(script.script) == "function" and script.name or nil
end

-- Puts the account as it is at the start in place, and the clock back.
local function begin(self, level)
    self.clock = new_clock(self.opts)
    local with = { poster = self.poster, signer = self.signer, clock = self.clock, elapsed_ms = core.now_ms }
    for name, part in pairs(server_parts.make(self.opts, with, level + 1)) do
        self[name] = part
    end
    self.scenario = scenario_name(self.opts.script)
    self.faults, self.last_fault = {}, 0
    self.traffic = traffic.new()
    self.late = timeline.new() -- answers that are still to be given
    self.hanging = timeline.new() -- those that never will, by real time
    self.quiet = {} -- answers that wait until no webhook is under way
    self.waiting = 0
end

local function new_poster(self)
    local path = self.opts.webhook_ca_file
    local why = path and server_options.ca_file_error(path)
    if why then
        return nil, core.error("InvalidOption", why)
    end
    return core.poster { ca_file = path }
end

local function open_server(self)
    local opts = self.opts
    local server, err = https.new {
        host = opts.host, port = opts.port, tls = opts.tls, ca_file = opts.ca_file,
        certificate_file = opts.certificate_file, key_file = opts.key_file,
        max_connections = opts.max_connections,
    }
    if server and (opts.proxy or opts.proxy_port) then
        self.proxy, err = server:open_proxy(opts.proxy_port)
        if not self.proxy then
            server:close()
            return nil, err
        end
    end
    self.server = server
    return server, err
end

local function watch_server(self)
    self.hears_server = self.server:pollfd() >= 0 and self.poster:watch(self.server:pollfd())
end

--- Starts a simulator; it works while `step` is called.
-- @tparam table opts account_sid, auth_token (default: those of this module), api_keys (secrets by SK...),
-- seed, script (`twilio_sms.sim.script`), numbers (a list of the account's own; default: every well-formed
-- sender), service_number, service_sid (the messaging service that it belongs to), marker, send_ms,
-- deliver_ms, realistic and carrier (`twilio_sms.sim.carrier`), max_concurrency; start (Unix seconds;
-- default: now), speed (default 1; 0 stands still); inbound_url, fallback_url, webhook_method,
-- webhook_ca_file, callbacks; and host, port, tls, ca_file, certificate_file, key_file, max_connections,
-- proxy, proxy_port (`twilio_sms.server`)
-- @treturn table|nil a simulator, or nil and an error
function M.new(opts)
    opts = server_options.check(opts, 2)
    local sim = setmetatable({ opts = settings_of(opts), signer = core.signer() }, class)
    local ok, err = sim.signer:add(sim.opts.auth_token)
    if not ok then
        return nil, err
    end
    sim.poster, err = new_poster(sim)
    if not sim.poster then
        return nil, err
    end
    begin(sim, 2)
    ok, err = open_server(sim)
    if not ok then
        sim.poster:close()
        return nil, err
    end
    watch_server(sim)
    return sim
end

-- ---- Where it is ---------------------------------------------------------------------------------

--- Where clients find it, "https://localhost:40123".
function Sim:url()
    return ("%s://localhost:%d"):format(self.opts.tls == false and "http" or "https", self.server:port())
end

--- The port that it listens on.
function Sim:port()
    return self.server:port()
end

--- The port of the CONNECT proxy; nil without one.
function Sim:proxy_port()
    return self.proxy
end

--- The file with the certificate that clients must trust.
function Sim:ca_file()
    return self.server:ca_file()
end

-- ---- Working -------------------------------------------------------------------------------------

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

local function read(self, request)
    return {
        method = request:method(),
        path = request:path(),
        query = request:query(),
        authorization = request:header "Authorization",
        host = request:header "Host",
        origin = request:header "Origin",
        fetch_site = request:header "Sec-Fetch-Site",
        content_type = request:header "Content-Type",
        body = request:body(),
        peer = request:peer(),
        concurrent = self.waiting + 1,
    }
end

local function hold(self, list, due_ms, request, answer)
    self.waiting = self.waiting + 1
    list:add(due_ms, { request = request, answer = answer })
end

local function handle(self, request)
    local asked = read(self, request)
    local answer = control.handle(self, asked)
    if answer then
        if answer.when_quiet then
            table.insert(self.quiet, { request = request, answer = answer })
        else
            send(request, answer)
        end
        return
    end
    local now_ms = self.clock:now_ms()
    answer = self.api:handle(asked, now_ms)
    self.traffic:add(asked, answer, now_ms)
    -- One that trickles comes as a whole when its last byte would.
    local delay_ms = (answer.delay_ms or 0) + (answer.slow_ms or 0)
    if answer.drop == "hang" then
        answer.drop = "close"
        hold(self, self.hanging, core.now_ms() + HANG_MS, request, answer)
    elseif delay_ms > 0 then
        hold(self, self.late, now_ms + delay_ms, request, answer)
    else
        send(request, answer)
    end
end

local function send_due(self, list, now_ms)
    local due = list:take(now_ms)
    while due do
        self.waiting = self.waiting - 1
        send(due.request, due.answer)
        due = list:take(now_ms)
    end
end

-- Does what is due at a moment. Answers whether a webhook left or was answered.
local function carry_out(self, now_ms)
    send_due(self, self.late, now_ms)
    local change_ms = self.carrier:callback_due_ms()
    if change_ms and change_ms <= now_ms then
        self.carrier:advance(now_ms)
    end
    self.conversation:tell_changes()
    return self.outbox:step(now_ms)
end

local function answer_quiet(self)
    if self.quiet[1] and not self.outbox:is_busy() then
        local list = self.quiet
        self.quiet = {}
        for _, one in ipairs(list) do
            send(one.request, one.answer)
        end
    end
end

-- Does everything that needs no waiting, and says whether there was anything.
local function work(self, request)
    local is_busy = request ~= nil
    while request do
        handle(self, request)
        request = self.server:next()
    end
    send_due(self, self.hanging, core.now_ms())
    local late_ms, now_ms = self.late:due_ms(), self.clock:now_ms()
    is_busy = carry_out(self, now_ms) or is_busy or late_ms ~= nil and late_ms <= now_ms
    answer_quiet(self)
    return is_busy
end

-- The next moment at which something is due; infinite when there is none.
local function next_due_ms(self)
    return math.min(
        self.late:due_ms() or math.huge,
        self.outbox:due_ms() or math.huge,
        self.carrier:callback_due_ms() or math.huge)
end

-- Real milliseconds until something is due by a clock; nil for never.
local function due_in_ms(self)
    local server_s, hanging_ms = self.server:timeout(), self.hanging:due_ms()
    local wait_ms = math.min(
        self.clock:real_ms_to(next_due_ms(self)),
        server_s and server_s * 1000 or math.huge,
        hanging_ms and math.max(0, hanging_ms - core.now_ms()) or math.huge)
    return wait_ms < math.huge and math.ceil(wait_ms) or nil
end

local WAIT_MOST_MS = 1000000000

local function wait_ms_of(self, until_ms)
    local left_ms = math.max(0, until_ms - core.now_ms())
    local most_ms = self.hears_server and WAIT_MOST_MS or 1
    return math.min(left_ms, due_in_ms(self) or most_ms, most_ms)
end

--- Answers what has come and sends what is due, waiting at most timeout_ms of real time for something to do
-- (-1: for ever). It returns, too, when a signal came (`twilio_sms.server`, catch_signals).
function Sim:step(timeout_ms)
    local until_ms = timeout_ms >= 0 and core.now_ms() + math.ceil(timeout_ms) or math.huge
    local is_done
    repeat
        self.server:step(0) -- lets the answers of the last turn leave
        local request = self.server:next()
        local is_ready = request or self.server:signalled() -- its socket tells of a signal only once
        self.poster:step(is_ready and 0 or wait_ms_of(self, until_ms))
        if not request then
            self.server:step(0)
            request = self.server:next()
        end
        is_done = work(self, request) or core.now_ms() >= until_ms or self.server:signalled()
    until is_done
end

-- ---- What can be done to it ----------------------------------------------------------------------

--- What time it is in there.
-- @treturn number Unix seconds, with a fraction
function Sim:time()
    return self.clock:now_ms() / 1000
end

--- Moves time on. What is due on the way is done in its order, each thing at its own moment: late answers
-- leave, messages change, their webhooks start. What these are answered with is heard by `step`.
-- @tparam number seconds more than 0, at most a year
function Sim:advance(seconds)
    options.check_self(self, class, "sim:advance(60)", 2)
    if type(seconds) ~= "number" or not (seconds > 0 and seconds <= server_options.ADVANCE_MOST_S) then
        error(("advance takes seconds, more than 0 and at most %d"):format(server_options.ADVANCE_MOST_S), 2)
    end
    local end_ms = self.clock:now_ms() + math.floor(seconds * 1000 + 0.5)
    local due_ms = next_due_ms(self)
    while due_ms <= end_ms do
        self.clock:jump_to(due_ms)
        carry_out(self, self.clock:now_ms())
        due_ms = next_due_ms(self)
    end
    self.clock:jump_to(end_ms)
    self.carrier:advance(self.clock:now_ms())
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
    self.carrier:advance(self.clock:now_ms())
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

--- Makes something go wrong from now on, before the rules that are there already.
-- @tparam table rule as in a script (`twilio_sms.sim.script`)
-- @treturn string|nil an id, or nil and a sentence
function Sim:add_fault(rule)
    local entry, why = self.script:add(rule)
    if not entry then
        return nil, why
    end
    self.last_fault = self.last_fault + 1
    local id = ("%d"):format(self.last_fault)
    table.insert(self.faults, { id = id, entry = entry })
    return id
end

--- Takes back what `add_fault` did.
-- @tparam string|nil id; without one all of them
-- @treturn number how many there were
function Sim:remove_fault(id)
    local left, removed = {}, 0
    for _, fault in ipairs(self.faults) do
        if id == nil or fault.id == id then
            fault.entry:stop()
            removed = removed + 1
        else
            left[#left + 1] = fault
        end
    end
    self.faults = left
    return removed
end

--- Lets a script decide from now on instead of all rules that were there. Its times count from now.
-- @param given as for `new`
-- @tparam[opt] string name of the scenario that it comes from, for `stats`
function Sim:play(given, name)
    options.check_self(self, class, "sim:play(script)", 2)
    local made = server_parts.script(given, self.opts.seed, self.clock:now_ms(), 2)
    server_parts.use_script(self, made)
    self.faults, self.scenario = {}, name or scenario_name(given)
end

--- Makes everything as it was at the start: no messages, no opt-outs, no counts, the first time and the
-- script of `new`. Webhooks that are under way are broken off, requests that wait get their answers.
-- @treturn boolean|nil true, or nil and an error
function Sim:reset()
    local poster, err = new_poster(self)
    if not poster then
        return nil, err
    end
    for _, list in ipairs { self.late, self.hanging } do
        send_due(self, list, math.huge)
    end
    for _, one in ipairs(self.quiet) do
        send(one.request, one.answer)
    end
    self.poster:close()
    self.poster = poster
    begin(self, 2)
    watch_server(self)
    return true
end

-- ---- What can be asked ---------------------------------------------------------------------------

--- The messages that the carrier accepted or got, and that were not deleted.
-- @tparam[opt] table filter to, from, body (all of it), limit: only so many of the newest
-- @treturn table a list, the oldest first, of messages as the carrier has them
function Sim:messages(filter)
    return server_messages.find(self.carrier, self.clock:now_ms(), filter or {})
end

--- What really happened (`twilio_sms.sim.api`), and the name of the scenario that is played.
function Sim:stats()
    local stats = self.api:stats()
    stats.scenario = self.scenario
    return stats
end

--- What webhooks were sent and how they were answered (`twilio_sms.sim.webhooks`, log).
function Sim:webhooks()
    return self.outbox:log()
end

-- ---- For other loops -----------------------------------------------------------------------------

--- For foreign loops, as cqueues wants it: readable when `step` has work. `reset` makes it another one.
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

--- Runs a simulator until standard input ends, so that it never outlives the program that started it, or a
-- signal comes. When it cannot start, it says why in one line, and ends the program with status 1.
-- @tparam table opts as for `new`; without ca_file and certificate_file the CA's certificate goes into a file
-- that is removed at the end
function M.run(opts)
    opts = server_options.check(opts, 2)
    local status = require("twilio_sms.sim.program").run(opts, { until_eof = true })
    if status ~= 0 then
        os.exit(status, true)
    end
end

return M

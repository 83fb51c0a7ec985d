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
local core = require "twilio_sms.core"
local https = require "twilio_sms.server"

local api = require "twilio_sms.sim.api"
local carrier = require "twilio_sms.sim.carrier"
local options = require "twilio_sms.options"
local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"
local timeline = require "twilio_sms.sim.timeline"

local M = {
    ACCOUNT_SID = "AC" .. ("0"):rep(31) .. "1",
    AUTH_TOKEN = ("0"):rep(31) .. "2",
}

local Sim = {}
local class = { __index = Sim, __name = "twilio_sms.sim.server" }

local OPTIONS = {
    account_sid = "string", auth_token = "string", api_keys = "table",
    seed = "number", script = "table", numbers = "table", service_number = "string", marker = "string",
    send_ms = "number", deliver_ms = "number", max_concurrency = "number",
    host = "string", port = "number", ca_file = "string", certificate_file = "string", key_file = "string",
    tls = "boolean", max_connections = "number",
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

local function api_of(opts, level)
    local seed = opts.seed or 1
    local account_sid = opts.account_sid or M.ACCOUNT_SID
    -- Each part has chance of its own, so that a look at the list does not change the next sid.
    local rules = opts.script and script.new(opts.script, random.new(seed + 2), level + 1)
    return api.new {
        carrier = carrier.new {
            account_sid = account_sid,
            random = random.new(seed),
            send_ms = opts.send_ms or 200,
            deliver_ms = opts.deliver_ms or 1000,
            service_number = opts.service_number or "+15005550006",
            numbers = opts.numbers and set_of(opts.numbers),
            marker = opts.marker,
        },
        random = random.new(seed + 1),
        credentials = credentials_of(opts, account_sid),
        script = rules,
        max_concurrency = opts.max_concurrency,
    }
end

--- Starts a simulator; it works while `step` is called.
-- @tparam table opts account_sid, auth_token (default: those of this module), api_keys (secrets by SK...),
-- seed, script (`twilio_sms.sim.script`), numbers (a list of the account's own; default: every well-formed
-- sender), service_number, marker, send_ms, deliver_ms (`twilio_sms.sim.carrier`), max_concurrency; and host,
-- port, tls, ca_file, certificate_file, key_file, max_connections (`twilio_sms.server`)
-- @treturn table|nil a simulator, or nil and an error
function M.new(opts)
    opts = options.check(opts, OPTIONS, 2)
    local simulated = api_of(opts, 2)
    local server, err = https.new {
        host = opts.host, port = opts.port, tls = opts.tls, ca_file = opts.ca_file,
        certificate_file = opts.certificate_file, key_file = opts.key_file,
        max_connections = opts.max_connections,
    }
    if not server then
        return nil, err
    end
    return setmetatable({
        server = server,
        api = simulated,
        scheme = opts.tls == false and "http" or "https",
        late = timeline.new(), -- answers that are still to be given
        waiting = 0,
        started_ms = os.time() * 1000 - core.now_ms(),
    }, class)
end

--- Where clients find it, "https://localhost:40123".
function Sim:url()
    return ("%s://localhost:%d"):format(self.scheme, self.server:port())
end

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

local function handle(self, request, now_ms)
    local answer = self.api:handle({
        method = request:method(),
        path = request:path(),
        query = request:query(),
        authorization = request:header "Authorization",
        body = request:body(),
        concurrent = self.waiting + 1,
    }, now_ms)
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

--- Answers what has come, waiting at most timeout_ms for something to do.
function Sim:step(timeout_ms)
    local due_ms = self.late:due_ms()
    local wait_ms = due_ms and math.max(0, math.min(timeout_ms, due_ms - now(self))) or timeout_ms
    self.server:step(math.ceil(wait_ms))
    local now_ms = now(self)
    local request = self.server:next()
    while request do
        handle(self, request, now_ms)
        request = self.server:next()
    end
    send_late(self, now_ms)
end

--- For foreign loops, as cqueues wants it: readable when `step` has work.
function Sim:pollfd()
    return self.server:pollfd()
end

function Sim:events()
    return self.server:events()
end

--- Seconds until `step` wants to be called anyway; nil for never.
function Sim:timeout()
    local due_ms = self.late:due_ms()
    local late_s = due_ms and math.max(0, due_ms - now(self)) / 1000
    local server_s = self.server:timeout()
    return late_s and server_s and math.min(late_s, server_s) or late_s or server_s
end

--- Closes all connections.
function Sim:close()
    self.server:close()
end

class.__close = Sim.close

--- Runs a simulator until standard input ends, so that it never outlives the program that started it.
-- @tparam table opts as for `new`; without ca_file and certificate_file the CA's certificate goes into a file
-- that is removed at the end
function M.run(opts)
    local own_file
    opts = opts or {}
    if opts.tls ~= false and not opts.ca_file and not opts.certificate_file then
        own_file = os.tmpname()
    end
    local settings = { ca_file = own_file }
    for name, value in pairs(opts) do
        settings[name] = value
    end
    local sim, err = M.new(settings)
    if not sim then
        error(tostring(err), 0)
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

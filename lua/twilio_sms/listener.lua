--- Receives webhooks on a port of its own: an HTTPS server whose handlers run as coroutines.
--
--     sms.webhook.serve {
--         port = 8443, certificate_file = "cert.pem", key_file = "key.pem",
--         account_sid = "AC...", auth_token = { env = "TWILIO_AUTH_TOKEN" },
--         urls = { "https://example.com:8443/sms" },
--         on_message = function(event, reply) reply:message "Thank you." end,
--     }
local core = require "twilio_sms.core"
local https = require "twilio_sms.server"
local loop = require "twilio_sms.loop"
local metrics_format = require "twilio_sms.metrics_format"
local options = require "twilio_sms.options"
local webhook = require "twilio_sms.webhook"
local webhook_options = require "twilio_sms.webhook_options"

local M = {}

local Listener = {}
local class = { __index = Listener, __name = "twilio_sms.listener" }

function class.__tostring()
    return class.__name
end

local SERVER_OPTIONS = {
    host = "string", port = "number", tls = "boolean", certificate_file = "string", key_file = "string",
    ca_file = "string", max_headers = "number", max_body = "number", max_connections = "number",
    timeout_ms = "number", idle_timeout_ms = "number",
}
local OWN_OPTIONS = {
    max_handlers = "number", grace_ms = "number", health_path = "string", signals = "boolean",
    on_ready = "function",
}

local MAX_BODY = 65536 -- a webhook has a few kilobytes
local MAX_HANDLERS = 256
local GRACE_MS = 15000 -- no webhook waits longer (Twilio's total time)

-- What the loop drives: the server, whose requests wake the coroutine that accepts them.
local Drive = {}
Drive.__index = Drive

-- When the patience with those who are still there ends: -1 for never.
function Drive:grace_left_ms()
    return self.until_ms and math.max(0, self.until_ms - core.now_ms()) or -1
end

local function sooner(a, b)
    return a >= 0 and (b < 0 or a < b) and a or b
end

function Drive:step(timeout_ms)
    self.server:step(sooner(self:grace_left_ms(), timeout_ms))
    loop.wake(self)
end

function Drive:pollfd()
    return self.server:pollfd()
end

function Drive:timeout_ms()
    local seconds = self.server:timeout()
    return sooner(self:grace_left_ms(), seconds and math.ceil(seconds * 1000) or -1)
end

-- ---- Handling ------------------------------------------------------------------------------------

local function answer(request, given)
    -- The request may be gone, or the answer refused by the server: neither concerns the others.
    local ok = pcall(request.reply, request, given.status, given.headers, given.body)
    if not ok then
        pcall(request.reply, request, 500)
    end
end

local function handle(self, request)
    local ok, given = pcall(self.receiver.handle, self.receiver, {
        method = request:method(),
        url = request:target(),
        tls = self.tls,
        peer = request:peer(),
        headers = request:headers(),
        body = request:body(),
    })
    answer(request, ok and given or { status = 500, headers = {}, body = "" })
    self.running = self.running - 1
end

local function take(self)
    local request = self.server:next()
    while request do
        if request:path() == self.health_path then
            answer(request, { status = 204, headers = {}, body = "" })
        elseif self.running >= self.max_handlers then
            self.turned_away = self.turned_away + 1
            answer(request, { status = 503, headers = { ["Retry-After"] = "1" }, body = "" })
        else
            self.running = self.running + 1
            loop.spawn(handle, self, request)
        end
        request = self.server:next()
    end
end

local function finished(self)
    if self.server:signalled() then
        self:stop()
    end
    if not self.drive.until_ms then
        return false
    end
    local left = self.running > 0 or self.server:connections() > 0
    return not left or self.drive:grace_left_ms() == 0
end

local function accept(self, on_ready)
    if on_ready then
        on_ready(self)
    end
    repeat
        loop.wait(self.drive, self.drive)
        take(self)
    until finished(self)
end

-- ---- The listener --------------------------------------------------------------------------------

--- The port that it listens on.
function Listener:port()
    return self.server:port()
end

--- What came so far: as of the receiver, and running, turned_away.
function Listener:stats()
    local out = self.receiver:stats()
    out.running, out.turned_away = self.running, self.turned_away
    return out
end

--- The metrics as text, as of the receiver.
function Listener:metrics(format)
    return self.receiver:metrics(metrics_format.check(format, 2))
end

--- Takes no more requests, lets those under way end, at most for grace_ms; then `serve` returns.
function Listener:stop()
    if not self.drive.until_ms then
        self.drive.until_ms = core.now_ms() + self.grace_ms
        self.server:stop()
    end
end

-- A name that no part of the listener takes may have been meant for an option of any of them.
local function check_name(name, level)
    local ok, why = pcall(webhook_options.check, { [name] = false }, 1)
    if not ok and why:find("unknown option", 1, true) then
        local meant = options.nearest(name, SERVER_OPTIONS) or options.nearest(name, OWN_OPTIONS)
        if meant then
            options.refuse_unknown(name, { [meant] = true }, level + 1)
        end
    end
end

local function split(opts, level)
    local server_opts, own, receiver_opts = {}, {}, {}
    if type(opts) ~= "table" then
        error("serve{ port=..., on_message=... } takes a table, not " .. options.kind_of(opts), level + 1)
    end
    for name, value in pairs(opts) do
        if SERVER_OPTIONS[name] then
            server_opts[name] = value
        elseif OWN_OPTIONS[name] then
            own[name] = value
        else
            check_name(name, level + 1)
            receiver_opts[name] = value
        end
    end
    receiver_opts.max_body = opts.max_body
    webhook_options.check(receiver_opts, level + 1)
    options.check(server_opts, SERVER_OPTIONS, level + 1)
    options.check(own, OWN_OPTIONS, level + 1)
    if own.health_path and own.health_path:sub(1, 1) ~= "/" then
        error("option 'health_path' must begin with a slash", level + 1)
    end
    server_opts.max_body = opts.max_body or MAX_BODY
    return server_opts, own, receiver_opts
end

-- Calls f; misuse that it finds is blamed on the caller of the function that calls this.
local function call(f, opts)
    local ok, result, err = pcall(f, opts)
    if not ok then
        error((tostring(result):gsub("^[^:]*%.lua:%d+: ", "")), 3)
    end
    return result, err
end

--- Serves until `stop`, SIGTERM or SIGINT; what then is under way gets its answer. Inside of `sms.loop.run`
-- the other coroutines go on meanwhile; handlers may send, sleep and wait.
-- @tparam table opts those of `sms.webhook.new`; host, port, tls, certificate_file, key_file, ca_file,
-- max_headers, max_body, max_connections, timeout_ms, idle_timeout_ms (`twilio_sms.server`); max_handlers
-- (256), grace_ms (15000), health_path (a path that is answered with 204), signals (true), on_ready (a
-- function that gets the listener; it runs in the loop, before the first request is taken)
-- @treturn boolean|nil true when it was stopped; nil and an error when it cannot start
function M.serve(opts)
    local server_opts, own, receiver_opts = split(opts, 2)
    local receiver, err = call(webhook.new, receiver_opts)
    if not receiver then
        return nil, err
    end
    local server
    server, err = call(https.new, server_opts)
    if not server then
        receiver:close()
        return nil, err
    end
    local self = setmetatable({
        server = server,
        receiver = receiver,
        drive = setmetatable({ server = server }, Drive),
        tls = server_opts.tls ~= false,
        max_handlers = own.max_handlers or MAX_HANDLERS,
        grace_ms = own.grace_ms or GRACE_MS,
        health_path = own.health_path,
        running = 0,
        turned_away = 0,
    }, class)
    if own.signals ~= false then
        server:catch_signals()
    end
    local ok, raised = true, nil
    if loop.inside() then
        accept(self, own.on_ready)
    else
        ok, raised = pcall(loop.run, accept, self, own.on_ready)
    end
    server:close() -- also after an error in a coroutine: the port must be free for the next try
    receiver:close()
    if not ok then
        error(raised, 0)
    end
    return true
end

return M

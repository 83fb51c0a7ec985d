--- Receives webhooks: checks them, knows repeats, keeps the opt-out list and the tracker up to date, and asks
-- the program for its answer.
--
--     local receiver = sms.assert(sms.webhook.new {
--         account_sid = "AC...", auth_token = { env = "TWILIO_AUTH_TOKEN" },
--         urls = { "https://example.com/sms" },
--         on_message = function(event, reply) reply:message { body = "You wrote: " .. event.body } end,
--     })
--     local answer, event, err = receiver:handle { method = ..., url = ..., headers = ..., body = ... }
--
-- The order is that of what must not be lost: signature, repeat, opt-out, tracking, the program's handler,
-- the record of the answer. What fails before that is answered with 500, so that a retry runs it again.
local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local metrics_format = require "twilio_sms.metrics_format"
local repeats = require "twilio_sms.repeats"
local reply = require "twilio_sms.reply"
local tokens = require "twilio_sms.tokens"
local webhook_options = require "twilio_sms.webhook_options"

local M = {}

local Receiver = {}
local class = { __index = Receiver, __name = "twilio_sms.webhook" }

function class.__tostring()
    return class.__name
end

-- ---- Making one ----------------------------------------------------------------------------------

-- Calls f; misuse that it finds is blamed on the caller of the function that calls this, which must not be a
-- tail call.
local function call(f, ...)
    local ok, result, err = pcall(f, ...)
    if not ok then
        error(result, 3)
    end
    return result, err
end

local function core_of(opts)
    local ref = opts.callback_ref or {}
    return core.webhook {
        account_sid = opts.account_sid, urls = opts.urls, trusted_proxies = opts.trusted_proxies,
        max_body = opts.max_body, max_fields = opts.max_fields, shared = opts.shared,
        replay_window_ms = opts.replay_window_ms,
        callback_ref_key = ref.key, callback_ref_required = ref.required,
    }
end

--- Makes a receiver.
-- @tparam table opts account_sid and auth_token (a token or a list of them; each as for a client); accounts
-- (tokens by the sid of other accounts), tokens_for (a function that answers those of an account, or nil);
-- urls, trusted_proxies, max_body, max_fields, shared, replay_window_ms; callback_ref { key, required };
-- store, optout, track, client; replies { stop, start, help }; on_message, on_status, on_unknown, on_error;
-- log, trace (objects or options of `twilio_sms.observe`); clock, a function that answers Unix seconds
-- (docs/receiving.md explains each)
-- @treturn table|nil
function M.new(opts)
    opts = webhook_options.check(opts, 2)
    local receiver, err = call(core_of, opts)
    if not receiver then
        return nil, err
    end
    local keys = tokens.new(receiver, opts.tokens_for)
    local ok, ledger
    ok, err = call(keys.set_all, keys, opts)
    if ok then
        ok, err = webhook_options.check_replies(opts.replies)
    end
    if ok then
        ledger, err = webhook_options.ledger(opts)
    end
    local watch
    if ledger ~= nil then
        watch, err = webhook_options.watch(opts, 2)
    end
    if watch == nil then
        receiver:close()
        return nil, err
    elseif watch then
        watch:attach(receiver)
    end
    return setmetatable({
        core = receiver,
        ledger = ledger or nil,
        track = opts.track or opts.client and opts.client.track or nil,
        client = opts.client,
        repeats = repeats.new(receiver, opts.store),
        tokens = keys,
        replies = opts.replies or {},
        handlers = { inbound = opts.on_message, status = opts.on_status, unknown = opts.on_unknown },
        on_error = opts.on_error or not (watch and watch.log) and webhook_options.print_error or nil,
        watch = watch or nil,
        clock = opts.clock,
        counts = { inbound = 0, status = 0, unknown = 0, refused = 0, repeated = 0, failed = 0 },
    }, class)
end

-- ---- Telling -------------------------------------------------------------------------------------

local function now_ms(self)
    return self.clock and math.floor(self.clock() * 1000) or core.time_ms()
end

-- Nothing that goes wrong while it is told may change the answer. The log has a line of it already.
local function tell(self, err, event, explanation)
    if self.on_error then
        pcall(self.on_error, err, event, explanation)
    end
end

-- The same for what no line is written of otherwise.
local function tell_problem(self, err, event)
    if self.watch then
        local fields = { "type", event.type, "sid", tostring(event.message_sid), "message", tostring(err) }
        self.watch:add("error", "webhook_problem", fields, now_ms(self))
    end
    tell(self, err, event)
end

local function status_only(status, headers)
    return { status = status, headers = headers or {}, body = "" }
end

local function turn_away(self, err, explanation)
    self.counts.refused = self.counts.refused + 1
    pcall(self.core.count_refused, self.core, err, now_ms(self))
    if self.watch and explanation then
        self.watch:add("debug", "refusal_explained", { "text", explanation }, now_ms(self))
    end
    tell(self, err, nil, explanation)
    return status_only(err.http_status or 500)
end

local function refuse(self, request, err)
    local ok, explanation = pcall(self.core.explain, self.core, request)
    return turn_away(self, err, ok and explanation or nil), nil, err
end

-- Answers 500, so that the sender may try again, if its URL says so (#rc=3&rp=5xx).
local function fail(self, event, err)
    self.counts.failed = self.counts.failed + 1
    self.core:count("failed", event, now_ms(self), tostring(err))
    tell(self, err, event)
    return status_only(500), event, err
end

-- ---- Handling ------------------------------------------------------------------------------------

-- Scheduled messages to somebody who opted out would still be sent: Twilio looks at its own list only, and
-- that knows its own words only. The answer to the webhook does not wait for it where there is a loop.
local function cancel_scheduled(self, event, learned)
    local function cancel()
        local ledger, client = self.ledger, self.client
        local ok, count, errs = pcall(ledger.cancel_scheduled, ledger, client, event.from, learned.scopes)
        if not ok then
            local why = "cancelling scheduled messages failed: " .. tostring(count)
            errs = { core.error("InternalError", why) }
        end
        for _, err in ipairs(errs or {}) do
            tell_problem(self, err, event)
        end
    end
    if loop.inside() then
        loop.spawn(cancel)
    else
        cancel()
    end
end

local function handler_error(what)
    return core.error("InternalError", "the handler failed: " .. tostring(what))
end

-- Runs the program's handler. Answers the reply, or nil and an error.
local function run_handler(self, event, learned)
    local answer = reply.new(event, self.ledger)
    local handler = self.handlers[event.type]
    local ok, result, err = true, nil, nil
    if handler then
        ok, result, err = pcall(handler, event, answer)
    end
    if not ok then
        return nil, handler_error(result)
    elseif result == nil and err ~= nil then
        return nil, core.is_error(err) and err or handler_error(err)
    elseif type(result) == "string" then
        ok, err = answer:message { body = result }
        if not ok then
            return nil, err
        end
    elseif type(result) == "number" or type(result) == "table" and result.body and not result.sid then
        local why = "the handler returned a %s, which is no reply: return a text, or use reply:message{}"
        tell_problem(self, core.error("InvalidRequest", why:format(type(result))), event)
    end
    if answer.problem then
        tell_problem(self, answer.problem, event)
    end
    if learned then
        answer:confirm(learned, self.replies)
    end
    return answer
end

-- Everything that must have happened before an answer is given: the answer and whether it is a redirect, or
-- nil and an error.
local function process(self, event)
    local learned, changed, answer, err
    if self.ledger then
        learned, err = self.ledger:learn(event)
        if not learned then
            return nil, err
        end
        event.opt_out = learned.action and learned or nil
        if self.watch then
            self.watch:learned(event.type == "status" and event.to or event.from, learned, event.type,
                now_ms(self))
        end
    end
    if self.track and event.type == "status" then
        changed, err = self.track:update(event, "callback")
        if not changed then
            return nil, err
        end
    end
    answer, err = run_handler(self, event, event.opt_out)
    -- Also when the handler has failed: Twilio may never try again.
    if self.client and event.type == "inbound" and learned and learned.action == "stop" then
        cancel_scheduled(self, event, learned)
    end
    if not answer then
        return nil, err
    end
    return answer:answer()
end

local function process_claimed(self, event, keys, read_ms)
    local ok, answer, detail = pcall(process, self, event)
    if not ok then
        answer, detail = nil, core.error("InternalError", tostring(answer))
    end
    if not answer then
        self.repeats:failed(keys, read_ms)
        return fail(self, event, detail)
    end
    local err = self.repeats:done(keys, event, read_ms, answer, detail)
    if err then
        tell_problem(self, err, event) -- it was handled: to handle it again would be worse than to forget it
    end
    self.core:count(detail and "redirected" or "ok", event, now_ms(self))
    return answer, event
end

local function handle(self, request)
    local read_ms = now_ms(self)
    local event, err = self.tokens:read(request, read_ms)
    if not event then
        return refuse(self, request, err)
    end
    local keys, answer, problem = self.repeats:claim(event, read_ms)
    if problem then
        return fail(self, event, problem)
    elseif not keys then
        self.counts.repeated = self.counts.repeated + 1
        self.core:count("replay", event, read_ms)
        event.repeated = true
        return answer, event
    end
    self.counts[event.type] = self.counts[event.type] + 1
    return process_claimed(self, event, keys, read_ms)
end

-- Lets the log and the trace go out.
local function observe(self)
    if self.watch then
        self.watch:work()
    end
end

--- Handles one request.
-- @tparam table request method; url (the public one, or the target alone: then `tls`, `peer` and the headers
-- say the rest); headers (a map, or a list of pairs); body (the raw bytes)
-- @treturn table the answer to give: status, headers, body
-- @treturn table|nil the event, when the request was genuine; `repeated` is true when it was seen before
-- @treturn table|nil why it was refused, or why handling it failed
function Receiver:handle(request)
    if type(request) ~= "table" then
        error("handle{ method=..., url=..., headers=..., body=... } takes a table", 2)
    end
    local answer, event, err = handle(self, request)
    observe(self)
    return answer, event, err
end

--- Counts and tells a request that a server has refused before there was anything to handle, as for its size.
-- @tparam table err with the http_status to answer
-- @treturn table the answer to give
function Receiver:refuse(err)
    local answer = turn_away(self, err)
    observe(self)
    return answer
end

--- What came so far: inbound, status, unknown, refused, repeated, failed.
function Receiver:stats()
    local out = {}
    for name, count in pairs(self.counts) do
        out[name] = count
    end
    return out
end

--- The metrics as text, over all processes that share them (docs/metrics.md).
-- @tparam[opt] string format "prometheus" (text format 0.0.4) or "openmetrics"
-- @treturn string|nil
function Receiver:metrics(format)
    return self.core:metrics(metrics_format.check(format, 2))
end

--- Wipes the tokens.
function Receiver:close()
    self.core:close()
    if self.watch then
        self.watch:close()
    end
end

class.__close = Receiver.close

--- Receives webhooks on a port of its own until it is stopped (`twilio_sms.listener`).
function M.serve(opts)
    return require("twilio_sms.listener").serve(opts)
end

return M

--- The receiver of a swarm's program: its webhooks, its tracker, its opt-out list, and what goes wrong there.
--
-- What it does it tells the watcher, so that the properties see what a program's own code would see.
local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local webhook_form = require "twilio_sms.sim.webhook_form"

local M = {}

M.URL = "https://app.example/hooks/"
M.STATUS_URL = M.URL .. "status"

local Receiver = {}
local class = { __index = Receiver, __name = "twilio_sms.sim.swarm.receiver" }

local FORGED_SID = "SM" .. ("f"):rep(32)
local KEPT_MOST = 50

local STATES = { stop = "opted_out", start = "opted_in" }

--- The list has changed for a person.
function Receiver:tell_ledger(number, action, scopes)
    for _, scope in ipairs(scopes) do
        self.run.watcher:tell { kind = "ledger", to = number, scope = scope, state = STATES[action] }
    end
end

local function on_message(self, event)
    local learned = event.opt_out
    if learned and STATES[learned.action] then
        self:tell_ledger(event.from, learned.action, learned.scopes)
    end
    self.run.watcher:tell {
        kind = "handled", about = "inbound", sid = event.message_sid,
        forged = event.message_sid == FORGED_SID,
    }
end

local function on_status(self, event)
    self.run.watcher:tell {
        kind = "handled", about = "status", sid = event.message_sid, status = event.status,
        forged = event.message_sid == FORGED_SID,
    }
end

local PRIVATE = { From = true, To = true, Body = true }

-- What the request that is being handled says about people.
local function private_of(request)
    local out = {}
    for _, pair in ipairs(core.form_decode(request.body)) do
        if PRIVATE[pair[1]] then
            out[#out + 1] = pair[2]:gsub("^%+", "")
        end
    end
    return out
end

local function tell_error(self, err, explanation)
    local private = private_of(self.request)
    local function say(what, text)
        self.run.watcher:tell { kind = "said", what = what, text = text, private = private }
    end
    say("an error of the receiver", tostring(err))
    if explanation then
        say("an explanation", explanation)
    end
end

--- A new receiver with the same store.
function Receiver:restart()
    if self.receiver then
        self.receiver:close()
    end
    self.receiver = assert(self.run.world:receiver {
        urls = { M.URL .. "sms", M.STATUS_URL },
        store = self.run.store, optout = self.run.ledger, track = self.tracker,
        on_message = function(event)
            on_message(self, event)
        end,
        on_status = function(event)
            on_status(self, event)
        end,
        on_error = function(err, _, explanation)
            tell_error(self, err, explanation)
        end,
    })
end

-- What the world delivers.
local function handle(self, request)
    if self.slow_ms then
        if self.slow_ms == 0 then
            return { status = 503 }
        end
        loop.sleep(self.slow_ms)
    end
    local kept = self.kept
    kept[#kept % KEPT_MOST + 1] = request
    return self:take(request)
end

-- Hands a request to the receiver, whoever it comes from.
function Receiver:take(request)
    self.request = request
    return (self.receiver:handle(request))
end

--- From now on it is slow; with 0 it answers 503.
function Receiver:fail(slow_ms)
    self.slow_ms = slow_ms
end

function Receiver:heal()
    self.slow_ms = nil
end

--- Somebody sends again what was sent before, with its good signature.
function Receiver:replay()
    local request = self.kept[1]
    if request then
        self:take(request)
        self.run:see "webhook replayed"
    end
end

--- Somebody without the key sends a STOP and a status, and takes a good signature to another text.
function Receiver:forge()
    local forms = {
        { "From", "+15558670001" }, { "To", "+15005550006" }, { "Body", "STOP" },
        { "MessageSid", FORGED_SID }, { "AccountSid", self.run.world.settings.account_sid },
    }
    local request = {
        method = "POST", url = M.URL .. "sms", body = webhook_form.encode(forms),
        headers = {
            ["content-type"] = "application/x-www-form-urlencoded",
            ["x-twilio-signature"] = ("A"):rep(27) .. "=",
        },
    }
    self:deliver_forged(request)
    local good = self.kept[1]
    if good then
        request.headers["x-twilio-signature"] = good.headers["x-twilio-signature"]
        self:deliver_forged(request)
    end
end

function Receiver:deliver_forged(request)
    local answer = self:take(request)
    self.run.watcher:tell { kind = "webhook_answer", forged = true, sid = FORGED_SID, status = answer.status }
end

--- @tparam table run `twilio_sms.sim.swarm`: world, watcher, store, ledger and see
function M.new(run)
    local self = setmetatable({ run = run, kept = {} }, class)
    self.tracker = run.world:track {
        store = run.store,
        on_change = function(record)
            run.watcher:tell {
                kind = "tracked", sid = record.sid, status = record.status, error_code = record.error_code,
            }
        end,
    }
    self:restart()
    run.world:webhook(M.URL .. "sms", function(request)
        return handle(self, request)
    end)
    run.world:webhook(M.STATUS_URL, function(request)
        return handle(self, request)
    end)
    return self
end

return M

--- Puts the parts of a simulated account together, as they are at the start and after each reset.
local api = require "twilio_sms.sim.api"
local carrier = require "twilio_sms.sim.carrier"
local conversation = require "twilio_sms.sim.conversation"
local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"
local webhooks = require "twilio_sms.sim.webhooks"

local M = {}

local CARRIER = { send_ms = 200, deliver_ms = 1000, service_number = "+15005550006" }
local OF_CARRIER = { "send_ms", "deliver_ms", "service_number", "service_sid", "marker" }

local function set_of(list)
    local set = {}
    for _, item in ipairs(list) do
        set[item] = true
    end
    return set
end

local function put_all(to, from)
    for name, value in pairs(from) do
        to[name] = value
    end
end

-- What was said in particular wins over `carrier`, and that over what is realistic.
local function carrier_of(opts, made_script, level)
    local settings = {}
    put_all(settings, CARRIER)
    if opts.realistic then
        put_all(settings, carrier.realistic())
    end
    put_all(settings, opts.carrier or {})
    for _, name in ipairs(OF_CARRIER) do
        if opts[name] ~= nil then
            settings[name] = opts[name]
        end
    end
    settings.account_sid = opts.account_sid
    settings.random = random.new(opts.seed)
    settings.script = made_script
    settings.numbers = opts.numbers and set_of(opts.numbers) or settings.numbers
    settings.callbacks = opts.callbacks ~= false
    local made = carrier.new(settings, level + 1)
    return made -- no tail call, which would change the level
end

local function credentials_of(opts)
    local credentials = { [opts.account_sid] = opts.auth_token }
    put_all(credentials, opts.api_keys or {})
    return credentials
end

--- Makes a script for this server.
-- @param given rules, words or a scenario (`twilio_sms.sim.script`)
-- @tparam number seed
-- @tparam number start_ms the moment that its times count from, Unix milliseconds
-- @tparam number level of the caller that is to blame for a bad one, as for error
function M.script(given, seed, start_ms, level)
    local moment = { start_ms = start_ms, over_sockets = true }
    local made = script.new(given, random.new(seed + 2), level + 1, moment)
    if #made:actions() > 0 then
        error("a script that does things by itself (at, every) works in a world only", level + 1)
    end
    return made
end

--- Lets another script decide.
-- @tparam table parts as `make` made them
-- @tparam table made as `script` made it
function M.use_script(parts, made)
    made.fired = parts.script.fired -- what happened so far stays counted
    parts.script, parts.api.script, parts.outbox.script = made, made, made
    parts.carrier.transit.script = made
end

--- Makes the parts. Each has chance of its own, so that a look at the list does not change the next sid.
-- @tparam table opts of the server, with account_sid, auth_token and seed
-- @tparam table with poster, signer, clock, elapsed_ms (a function: real milliseconds)
-- @tparam number level of the caller that is to blame for a bad script, as for error
-- @treturn table script, carrier, outbox, conversation, api
function M.make(opts, with, level)
    local seed = opts.seed
    local parts = {}
    parts.script = M.script(opts.script or {}, seed, with.clock:now_ms(), level + 1)
    parts.carrier = carrier_of(opts, parts.script, level + 1)
    parts.outbox = webhooks.new {
        poster = with.poster,
        sign = function(url, params)
            return with.signer:sign(url, params)
        end,
        random = random.new(seed + 3),
        script = parts.script,
        elapsed_ms = with.elapsed_ms,
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
        credentials = credentials_of(opts),
        script = parts.script,
        max_concurrency = opts.max_concurrency,
        webhooks = parts.outbox,
    }
    return parts
end

return M

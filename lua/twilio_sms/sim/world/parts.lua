--- Puts the parts of a world together: each has chance of its own, so that one more look at a list does not
-- change the next sid.
local core = require "twilio_sms.core"

local api = require "twilio_sms.sim.api"
local carrier = require "twilio_sms.sim.carrier"
local conversation = require "twilio_sms.sim.conversation"
local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"
local webhooks = require "twilio_sms.sim.webhooks"
local world_journal = require "twilio_sms.sim.world.journal"
local world_poster = require "twilio_sms.sim.world.poster"
local world_wire = require "twilio_sms.sim.world.wire"

local M = {}

local CARRIER = { send_ms = 200, deliver_ms = 1000, service_number = "+15005550006", callbacks = true }

-- Whole milliseconds from a range.
local function latency_from(range, chance)
    local least, width = range[1], range[2] - range[1] + 1
    return function()
        return least + chance:next() % width
    end
end

-- The truth about messages comes from the carrier. What nobody hears is not even put into words.
local function carrier_of(opts, parts, seed, level)
    local journal, tell = parts.journal, parts.tell
    local settings = {}
    for name, value in pairs(CARRIER) do
        settings[name] = value
    end
    for name, value in pairs(opts.carrier) do
        settings[name] = value
    end
    settings.account_sid, settings.random = opts.account_sid, random.new(seed)
    settings.script = parts.script
    local on_accept, on_status = settings.on_accept, settings.on_status
    function settings.on_accept(message, tag)
        if journal.is_on then
            tell {
                kind = "accept", sid = message.sid, client = tag and tag.client,
                call_id = tag and tag.call_id, to = message.to, from = message.from,
                service = message.service, segments = message.segments, direction = message.direction,
                message = message,
            }
        end
        if on_accept then
            on_accept(message, tag)
        end
    end
    function settings.on_status(message)
        if journal.is_on then
            tell {
                kind = "status", sid = message.sid, status = message.status, error_code = message.error_code,
            }
        end
        if on_status then
            on_status(message)
        end
    end
    return carrier.new(settings, level + 1)
end

local function poster_of(opts, parts, seed)
    local tell = parts.tell
    return world_poster.new {
        schedule = parts.schedule,
        spawn = function(...)
            parts.loop:spawn(...)
        end,
        latency = latency_from(opts.latency_ms, random.new(seed)),
        sent = function(about, url)
            local webhook = about.webhook
            tell {
                kind = "webhook", about = webhook.kind, sid = webhook.message_sid, url = url,
                attempt = about.attempt, forged = about.how == "forged" or nil,
                double = about.how == "double" or nil, params = webhook.by_name,
            }
        end,
        answered = function(about, status, fault)
            local webhook = about.webhook
            tell {
                kind = "webhook_answer", about = webhook.kind, sid = webhook.message_sid, status = status,
                fault = fault, forged = about.how == "forged" or nil, double = about.how == "double" or nil,
            }
        end,
    }
end

local function outbox_of(opts, parts, seed)
    local signer = core.signer()
    assert(signer:add(opts.auth_token))
    return webhooks.new {
        poster = parts.poster,
        sign = function(url, params)
            return signer:sign(url, params)
        end,
        random = random.new(seed),
        script = parts.script,
        answered = function(webhook, answer)
            return parts.conversation:answered(webhook, answer)
        end,
        disturbed = function(webhook, rule)
            parts.tell {
                kind = "fault", action = rule.action, operation = webhook.kind, sid = webhook.message_sid,
            }
        end,
    }
end

--- Makes the parts.
-- @tparam table opts seed, script, start_s, latency_ms, log, carrier, account_sid, auth_token,
-- max_concurrency, inbound_url, fallback_url, webhook_method
-- @param loop of the coroutines (`twilio_sms.loop`)
-- @tparam function touched see `twilio_sms.sim.world.wire`
-- @tparam table schedule (`twilio_sms.sim.world.schedule`)
-- @tparam number level of the caller that is to blame for a bad script, as for error
-- @treturn table schedule, loop, journal, tell, script, carrier, poster, outbox, conversation, api, wire
function M.make(opts, loop, touched, schedule, level)
    local seed = opts.seed
    local parts = { schedule = schedule, loop = loop, journal = world_journal.new(opts.log) }
    local journal = parts.journal
    local function tell(event)
        event.at_ms = schedule.mono_ms
        journal:tell(event)
    end
    parts.tell = tell
    local moment = { start_ms = schedule.start_ms }
    parts.script = script.new(opts.script or {}, random.new(seed + 2), level + 1, moment)
    parts.carrier = carrier_of(opts, parts, seed, level + 1)
    parts.poster = poster_of(opts, parts, seed + 6)
    parts.outbox = outbox_of(opts, parts, seed + 3)
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
        credentials = { [opts.account_sid] = opts.auth_token },
        script = parts.script,
        max_concurrency = opts.max_concurrency,
        webhooks = parts.outbox,
        brief = true,
        arrived = function(request, operation)
            if journal.is_on then
                tell {
                    kind = "arrive", client = request.line.client, call_id = request.call_id,
                    operation = operation,
                }
            end
        end,
    }
    parts.wire = world_wire.new {
        schedule = schedule,
        api = parts.api,
        authorization = api.authorization(opts.account_sid, opts.auth_token),
        latency = latency_from(opts.latency_ms, random.new(seed + 5)),
        journal = parts.journal,
        touched = touched,
    }
    return parts
end

return M

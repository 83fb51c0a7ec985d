--- Reads what a message or a refusal says about a person's wish to be written to.
local key = require "twilio_sms.optout.key"

local M = {}

local PROVIDER_ACTIONS = { STOP = "stop", START = "start", HELP = "help" }
local STATES = { stop = "opted_out", start = "opted_in" }
local CUSTOM_WORD_BYTES = 34 -- letters and digits; Advanced Opt-Out takes no more

local function is_given(text)
    return type(text) == "string" and text ~= ""
end

-- What a message means. Twilio's own verdict (OptOutType) counts: it knows words that were configured there,
-- and has acted already. But a plain STOP is one whatever it was configured to be, and HELP does not hide
-- one. https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
local function decide(classify, body, opt_out_type)
    local action, class, word = classify(body)
    local theirs = PROVIDER_ACTIONS[opt_out_type and opt_out_type:upper()]
    if not theirs then
        return action, class, word
    end
    local plain = class == "strict" and (action == theirs or action == "stop")
    if plain or action == "stop" and theirs == "help" then
        return action, class, word
    end
    return theirs, "provider", body:match "^%w+$" and #body <= CUSTOM_WORD_BYTES and body:upper() or nil
end

-- The service, if there is one, and the sender: a STOP counts for both, because Twilio blocks the whole
-- service (https://help.twilio.com/articles/223134027) and a number may leave it.
local function scopes_of(messaging_service_sid, sender)
    local scopes = {}
    scopes[1] = key.scope(messaging_service_sid)
    scopes[#scopes + 1] = key.scope(sender)
    return scopes
end

--- What an inbound message wishes.
-- @tparam function classify of `twilio_sms.keywords`
-- @tparam table event
-- @treturn table action, class, keyword, scopes, provider_replied
-- @treturn table|nil the change of states that it asks for, without account and time
-- @treturn string|nil why there is none although the action needs one
function M.of_message(classify, event)
    local body = type(event.body) == "string" and event.body or ""
    local action, class, word = decide(classify, body, event.opt_out_type)
    local number, sender = key.name(event.from), key.name(event.to)
    local wish = {
        action = action, class = class, keyword = word, provider_replied = event.opt_out_type ~= nil,
        scopes = scopes_of(event.messaging_service_sid, event.to), changed = false, still_opted_out = false,
    }
    if not STATES[action] then
        return wish
    elseif not is_given(event.from) or not is_given(event.to) then
        return wish, nil, "a message without a sender or a recipient cannot opt out or in"
    elseif not number or not wish.scopes[1] then
        return wish -- nothing is sent to or from what has no name: see check
    end
    local lifts_network = word == "START" or word == "UNSTOP"
    local needs_twilio = action == "start" and sender and key.is_toll_free(sender) and not lifts_network
    return wish, {
        number = number, scopes = wish.scopes, state = STATES[action], source = "inbound", keyword = word,
        class = class, message_sid = event.message_sid, network_number = needs_twilio and sender or nil,
    }
end

--- What Twilio's refusal with error 21610 tells: the person has opted out
-- (https://www.twilio.com/docs/api/errors/21610). The answers are those of `of_message`.
-- @tparam table refused to, from, messaging_service_sid, message_sid; or a message as the API tells it, with
-- its sid and date_created_unix: what was refused long ago says nothing about who has opted in since
function M.of_refusal(refused)
    local number = key.name(refused.to)
    local scopes = scopes_of(refused.messaging_service_sid, refused.from)
    local wish = {
        action = "stop", class = "provider", provider_replied = true, scopes = scopes, changed = false,
        still_opted_out = false,
    }
    if not number or not scopes[1] then
        return wish, nil, "a refusal without a recipient or a sender says nothing"
    end
    return wish, {
        number = number, scopes = scopes, state = "opted_out", source = "21610", class = "provider",
        message_sid = refused.message_sid or refused.sid, at = refused.date_created_unix,
        dated = refused.date_created_unix ~= nil or nil,
    }
end

return M

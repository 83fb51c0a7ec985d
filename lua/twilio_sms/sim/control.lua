--- What programs outside may ask a simulator for, below /_sim: no part of Twilio's API.
local core = require "twilio_sms.core"
local json = require "twilio_sms.sim.json"

local M = {}

-- What a person writes; everything else is passed on as it is.
local FIELDS = {
    From = "from", To = "to", Body = "body", MessagingServiceSid = "messaging_service_sid",
    OptOutType = "opt_out_type",
}

local function answer(status, body)
    return { status = status, headers = { { "Content-Type", "application/json" } }, body = body }
end

local function refuse(status, why)
    return answer(status, json.map { message = why })
end

local function read_form(body)
    local opts = { params = {} }
    for _, pair in ipairs(core.form_decode(body)) do
        local name, value = pair[1], pair[2]
        if name == "MediaUrl" then
            opts.media = opts.media or {}
            table.insert(opts.media, value)
        elseif FIELDS[name] then
            opts[FIELDS[name]] = value
        else
            opts.params[name] = value
        end
    end
    return opts
end

local ROUTES = {}

ROUTES["POST /_sim/inbound"] = function(sim, request)
    local opts = read_form(request.body)
    if not opts.from or not opts.to then
        return refuse(400, "From and To are required")
    end
    local sid, is_told = sim:inbound(opts)
    local hint = not is_told and "nobody is told: there is no inbound_url" or nil
    return answer(202, json.map { message_sid = sid, message = hint })
end

ROUTES["POST /_sim/inbound_url"] = function(sim, request)
    local pair = core.form_decode(request.body)[1] or {}
    if pair[1] ~= "Url" then
        return refuse(400, "Url is required; an empty one stops the webhooks")
    end
    sim:set_inbound_url(pair[2] ~= "" and pair[2] or nil)
    return answer(200, json.map { url = pair[2] })
end

ROUTES["GET /_sim/webhooks"] = function(sim)
    local list = {}
    for i, entry in ipairs(sim:webhooks()) do
        entry.params = json.map(entry.params)
        for name, value in pairs(entry) do
            entry[name] = value == true and { "true" } or value
        end
        list[i] = json.map(entry)
    end
    return answer(200, json.list(list))
end

local function is_loopback(peer)
    return peer:find "^127%." ~= nil or peer:find "^%[::1%]" ~= nil or peer:find "^%[::ffff:127%." ~= nil
end

--- Answers a request below /_sim, or nil when it is another one.
-- @tparam table sim `twilio_sms.sim.server`
-- @tparam table request method, path, body, peer
function M.handle(sim, request)
    if request.path:sub(1, 6) ~= "/_sim/" then
        return nil
    elseif not is_loopback(request.peer) then
        return refuse(403, "only for programs on the same machine")
    end
    local route = ROUTES[request.method .. " " .. request.path]
    return route and route(sim, request)
end

return M

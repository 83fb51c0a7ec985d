--- What programs outside may do to a simulator and ask of it, below /_sim.
--
-- Each route gets the simulator and the request. It returns an answer; or nil, a sentence, and perhaps a
-- status.
local core = require "twilio_sms.core"
local json = require "twilio_sms.sim.json"
local options = require "twilio_sms.options"
local script_rule = require "twilio_sms.sim.script.rule"
local server_options = require "twilio_sms.sim.server.options"
local webhook_url = require "twilio_sms.sim.webhook_url"

local M = {}

-- By path, then by method.
local ROUTES = {}
-- The same for what lies below a path: the last part of it is the route's third argument.
local ITEMS = {}

M.ROUTES, M.ITEMS = ROUTES, ITEMS

local MESSAGES_MOST = 10000

local function answer(status, body)
    return { status = status, headers = { { "Content-Type", "application/json" } }, body = body }
end

-- ---- Reading -------------------------------------------------------------------------------------

-- The fields of a form by name, or nil and a sentence. Those that are not known or come twice are mistakes.
local function read_fields(text, known)
    local fields = {}
    for _, pair in ipairs(core.form_decode(text or "")) do
        local name, value = pair[1], pair[2]
        if not known[name] then
            return nil, ("unknown field '%s'%s"):format(name, options.hint(name, known))
        elseif fields[name] then
            return nil, ("'%s' is there twice"):format(name)
        end
        fields[name] = value
    end
    return fields
end

local function read_number(text, least, most)
    local number = text and text:find "^%d+%.?%d*$" and tonumber(text)
    return number and number >= least and number <= most and number or nil
end

-- What a person writes; everything else is passed on as it is.
local INBOUND = {
    From = "from", To = "to", Body = "body", MessagingServiceSid = "messaging_service_sid",
    OptOutType = "opt_out_type",
}

local OPT_OUT_TYPES = { STOP = true, START = true, HELP = true }

local function why_not_inbound(opts)
    if not opts.from or not opts.to or opts.from == "" or opts.to == "" then
        return "From and To are required"
    elseif opts.opt_out_type and not OPT_OUT_TYPES[opts.opt_out_type] then
        return "OptOutType is STOP, START or HELP"
    end
    for _, text in ipairs { opts.from, opts.to, opts.body } do
        if not core.segments(text) then -- it could not be told in JSON again
            return "From, To and Body are UTF-8"
        end
    end
end

-- Answers nil and a sentence for what nobody could write.
local function read_inbound(body)
    local opts = { params = {} }
    for _, pair in ipairs(core.form_decode(body)) do
        local name, value = pair[1], pair[2]
        if name == "MediaUrl" then
            opts.media = opts.media or {}
            table.insert(opts.media, value)
        elseif INBOUND[name] then
            opts[INBOUND[name]] = value
        else
            opts.params[name] = value
        end
    end
    local why = why_not_inbound(opts)
    if why then
        return nil, why
    end
    return opts
end

-- ---- Writing -------------------------------------------------------------------------------------

local function iso(unix_ms)
    return ("%s.%03dZ"):format(os.date("!%Y-%m-%dT%H:%M:%S", math.floor(unix_ms / 1000)), unix_ms % 1000)
end

local function boolean(value)
    return { value and "true" or "false" }
end

-- A number that may have a fraction.
local function number(value)
    return { (("%.14g"):format(value)) }
end

-- Numbers, strings, booleans and tables of them by name.
local function object(values)
    local out = {}
    for name, value in pairs(values) do
        local kind = type(value)
        if kind == "table" then
            out[name] = value[1] ~= nil and json.list(value) or object(value)
        elseif kind == "boolean" then
            out[name] = boolean(value)
        else
            out[name] = value
        end
    end
    return json.map(out)
end

local function list(values, make)
    local out = {}
    for i, value in ipairs(values) do
        out[i] = make(value)
    end
    return answer(200, json.list(out))
end

-- ---- Persons -------------------------------------------------------------------------------------

ROUTES["/_sim/inbound"] = {
    POST = function(sim, request)
        local opts, why = read_inbound(request.body)
        if not opts then
            return nil, why
        end
        local sid, is_told = sim:inbound(opts)
        local hint = not is_told and "nobody is told: there is no inbound_url" or nil
        return answer(202, json.map { message_sid = sid, message = hint })
    end,
}

ROUTES["/_sim/inbound_url"] = {
    POST = function(sim, request)
        local fields, why = read_fields(request.body, { Url = true })
        if not fields then
            return nil, why
        elseif not fields.Url then
            return nil, "Url is required; an empty one stops the webhooks"
        elseif fields.Url ~= "" and not webhook_url.is_absolute(fields.Url) then
            return nil, "Url must be a URL with http:// or https://, or empty"
        end
        sim:set_inbound_url(fields.Url ~= "" and fields.Url or nil)
        local hint = fields.Url == "" and "nobody is told of messages from now on" or nil
        return answer(200, json.map { url = fields.Url, message = hint })
    end,
}

-- ---- Truth ---------------------------------------------------------------------------------------

ROUTES["/_sim/stats"] = {
    GET = function(sim)
        return answer(200, object(sim:stats()))
    end,
}

ROUTES["/_sim/webhooks"] = {
    GET = function(sim)
        return list(sim:webhooks(), object)
    end,
}

local function message_json(message)
    return json.map {
        sid = message.sid,
        to = message.to,
        from = message.from or json.null,
        body = message.body,
        status = message.status,
        error_code = message.error_code or json.null,
        direction = message.direction,
        created = iso(message.created_s * 1000),
        segments = message.segments or message.num_segments,
    }
end

ROUTES["/_sim/messages"] = {
    GET = function(sim, request)
        local known = { To = true, From = true, Body = true, Limit = true }
        local fields, why = read_fields(request.query, known)
        if not fields then
            return nil, why
        end
        local limit = read_number(fields.Limit or "1000", 1, MESSAGES_MOST)
        if not limit or limit % 1 ~= 0 then
            return nil, ("Limit is a whole number from 1 to %d"):format(MESSAGES_MOST)
        end
        local found = sim:messages { to = fields.To, from = fields.From, body = fields.Body, limit = limit }
        return list(found, message_json)
    end,
}

local function traffic_json(entry)
    entry.at, entry.at_ms = iso(entry.at_ms), nil
    entry.form = entry.form and object(entry.form) or nil
    return json.map(entry)
end

ROUTES["/_sim/traffic"] = {
    GET = function(sim)
        return list(sim.traffic:list(), traffic_json)
    end,
    DELETE = function(sim)
        sim.traffic:clear()
        return answer(204, "")
    end,
}

-- ---- Time ----------------------------------------------------------------------------------------

local function time_json(sim)
    local unix_ms = sim.clock:now_ms()
    return json.map {
        time = math.floor(unix_ms / 1000),
        iso = iso(unix_ms),
        start = iso(sim.clock.start_ms),
        speed = number(sim.clock.speed),
    }
end

ROUTES["/_sim/time"] = {
    GET = function(sim)
        return answer(200, time_json(sim))
    end,
}

ROUTES["/_sim/advance"] = {
    POST = function(sim, request)
        local fields, why = read_fields(request.body, { Seconds = true, Wait = true })
        if not fields then
            return nil, why
        end
        local seconds = read_number(fields.Seconds, 0, server_options.ADVANCE_MOST_S)
        if not fields.Seconds then
            return nil, "Seconds is required"
        elseif not seconds or seconds == 0 then
            return nil, ("Seconds must be a number, more than 0 and at most %d")
                :format(server_options.ADVANCE_MOST_S)
        elseif fields.Wait and fields.Wait ~= "true" and fields.Wait ~= "false" then
            return nil, "Wait is true or false"
        end
        sim:advance(seconds)
        local done = answer(200, time_json(sim))
        done.when_quiet = fields.Wait == "true"
        return done
    end,
}

-- ---- Faults --------------------------------------------------------------------------------------

local function fault_json(fault)
    local rule = {}
    for name, value in pairs(fault.entry.rule) do
        local kind = type(value)
        rule[name] = kind == "number" and number(value) or kind == "boolean" and boolean(value) or value
    end
    return json.map {
        id = fault.id, rule = json.map(rule), seen = fault.entry.seen, fired = fault.entry.fired,
    }
end

ROUTES["/_sim/faults"] = {
    GET = function(sim)
        return list(sim.faults, fault_json)
    end,
    POST = function(sim, request)
        local rule, why = script_rule.from_form(core.form_decode(request.body))
        local id
        if rule then
            id, why = sim:add_fault(rule)
        end
        if not id then
            return nil, why
        end
        return answer(201, json.map { id = id })
    end,
    DELETE = function(sim)
        return answer(200, json.map { removed = sim:remove_fault() })
    end,
}

ITEMS["/_sim/faults"] = {
    DELETE = function(sim, _, id)
        local removed = sim:remove_fault(id)
        if removed == 0 then
            return nil, "no fault has this id", 404
        end
        return answer(200, json.map { removed = removed })
    end,
}

-- The options of a scenario, which are numbers, and strings here.
local function read_options(scenario, fields)
    local opts = {}
    for name, text in pairs(fields) do
        local default = scenario.options[name]
        if default == nil then
            return nil, ("%s has no option '%s'%s"):format(scenario.name, name,
                options.hint(name, scenario.options))
        end
        opts[name] = read_number(text, 0, math.huge)
        if not opts[name] then
            return nil, ("'%s' must be a number"):format(name)
        end
    end
    return opts
end

local function find_scenario(name)
    local scenarios = require "twilio_sms.sim.scenarios"
    for _, each in ipairs(scenarios.names()) do
        if each == name then
            return scenarios[name]
        end
    end
    return nil, "Name is one of " .. table.concat(scenarios.names(), ", ")
end

ROUTES["/_sim/scenario"] = {
    POST = function(sim, request)
        local fields = {}
        for _, pair in ipairs(core.form_decode(request.body)) do
            fields[pair[1]] = pair[2]
        end
        local scenario, why = find_scenario(fields.Name)
        fields.Name = nil
        local opts
        if scenario then
            opts, why = read_options(scenario, fields)
        end
        if not opts then
            return nil, why
        end
        local ok
        ok, why = pcall(function()
            sim:play(scenario(opts), scenario.name)
        end)
        if not ok then
            return nil, (tostring(why):gsub("^[^:]*%.lua:%d+: ", ""))
        end
        return answer(200, json.map { name = scenario.name, about = scenario.about })
    end,
}

-- ---- Everything ----------------------------------------------------------------------------------

ROUTES["/_sim/reset"] = {
    POST = function(sim)
        local ok, err = sim:reset()
        if not ok then
            return nil, tostring(err), 500
        end
        return answer(200, time_json(sim))
    end,
}

return M

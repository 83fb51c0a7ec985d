--- What one rule of a script may say.
local options = require "twilio_sms.options"

local M = {}

local KEYS = {
    on = "string", to = "string", from = "string", body = "string",
    from_s = "number", until_s = "number",
    after = "number", every = "number", probability = "number", times = "number",
    action = "string", status = "number", code = "number", message = "string", retry_after = "number",
    delay_ms = "number", slow_ms = "number", how = "string", accepted = "boolean",
}

-- What can happen to a request, and whether the message is accepted then.
local ACTIONS = {
    status = false, html = false, garbage = false, drop_before = false, hang = false,
    refused = false, dns = false, tls = false,
    drop_after = true, cut_after = true, delay = true, slow = true, reply = true,
}
local WEBHOOK_ACTIONS = {
    delay = true, double = true, forge = true, lose = true, reorder = true, reply = true,
}

-- What can become of a message on its way to the phone.
local DELIVERY_ACTIONS = { undelivered = true, failed = true, reply = true }

local OPERATIONS = {
    send = true, fetch = true, list = true, cancel = true, redact = true, delete = true,
    media_list = true, media_fetch = true, media_delete = true, feedback = true,
}
-- What else a rule can be about, and what can happen then.
local OTHERS = { inbound = WEBHOOK_ACTIONS, callback = WEBHOOK_ACTIONS, delivery = DELIVERY_ACTIONS }

local HOW = { reset = true, close = true }

-- Keys that only some actions have a use for.
local BELONGS = {
    status = { status = true, html = true },
    code = { status = true, undelivered = true, failed = true },
    message = { status = true },
    retry_after = { status = true },
    slow_ms = { slow = true },
    how = { drop_before = true, drop_after = true },
    accepted = { status = true, html = true, garbage = true, hang = true },
}

M.KEYS = KEYS
M.OTHERS = OTHERS

--- What a real server cannot bring about: the client fails before it has a connection.
M.NEEDS_WORLD = { refused = true, dns = true, tls = true }

-- All of them: names as keys.
local ALL = {}
for _, actions in ipairs { ACTIONS, WEBHOOK_ACTIONS, DELIVERY_ACTIONS } do
    for action in pairs(actions) do
        ALL[action] = true
    end
end
M.ALL = ALL

-- ---- Numbers -------------------------------------------------------------------------------------

-- The least and the greatest value; whole says that there is nothing between two of them.
local RANGES = {
    from_s = { 0, math.huge }, until_s = { 0, math.huge },
    after = { 0, math.huge, whole = true }, every = { 1, math.huge, whole = true },
    times = { 0, math.huge, whole = true }, probability = { 0, 1 },
    status = { 400, 599, whole = true }, code = { 0, 99999999, whole = true },
    retry_after = { 0, 86400, whole = true },
    delay_ms = { 0, 86400000, whole = true }, slow_ms = { 0, 86400000, whole = true },
}

local function range_error(key, value)
    local range = RANGES[key]
    local least, most = range[1], range[2]
    local is_good = value >= least and value <= most and (not range.whole or value % 1 == 0)
    if is_good and value ~= math.huge then
        return nil
    end
    local kind = range.whole and "whole number" or "number"
    if most == math.huge then
        return ("'%s' must be a %s, %d or more"):format(key, kind, least)
    end
    return ("'%s' must be a %s from %d to %d"):format(key, kind, least, most)
end

-- ---- Words ---------------------------------------------------------------------------------------

local function unknown(what, name, known)
    return ("unknown %s '%s'%s"):format(what, tostring(name), options.hint(name, known))
end

local function operation_error(on)
    if on == nil or OPERATIONS[on] or OTHERS[on] then
        return nil
    end
    local known = { inbound = true, callback = true, delivery = true }
    for name in pairs(OPERATIONS) do
        known[name] = true
    end
    return unknown("operation", on, known)
end

local function action_error(on, action)
    if action == nil then
        return "does not say what happens: it has no action"
    end
    local known = OTHERS[on] or ACTIONS
    if known[action] ~= nil then
        return action == "reorder" and on ~= "callback" and "action 'reorder' is for callbacks" or nil
    elseif not ALL[action] then
        return unknown("action", action, known)
    end
    local what = known == ACTIONS and "requests" or known == WEBHOOK_ACTIONS and "webhooks" or "the delivery"
    return ("action '%s' is not for %s"):format(action, what)
end

local function body_error(pattern)
    local ok = pcall(string.find, "", pattern)
    return not ok and ("'body' is no Lua pattern: '%s'"):format(pattern) or nil
end

local function value_error(key, value)
    local wanted = KEYS[key]
    if not wanted then
        return unknown("key", key, KEYS)
    elseif type(value) ~= wanted then
        return ("'%s' must be a %s, not %s"):format(key, wanted, options.kind_of(value))
    elseif RANGES[key] then
        return range_error(key, value)
    elseif key == "body" then
        return body_error(value)
    elseif key == "how" and not HOW[value] then
        return "'how' is 'reset' or 'close'"
    end
end

-- ---- Rules ---------------------------------------------------------------------------------------

local function belonging_error(rule)
    local action = rule.action
    for key in pairs(rule) do
        local owners = BELONGS[key]
        if owners and not owners[action] then
            return ("'%s' means nothing with action '%s'"):format(key, action)
        end
    end
    if action == "status" and not rule.status then
        return "action 'status' needs a status"
    elseif action == "delay" and not rule.delay_ms then
        return "action 'delay' needs delay_ms"
    elseif action == "slow" and not rule.slow_ms then
        return "action 'slow' needs slow_ms"
    elseif DELIVERY_ACTIONS[action] and action ~= "reply" and not rule.code then
        return ("action '%s' needs a code"):format(action)
    elseif rule.delay_ms and (action == "lose" or DELIVERY_ACTIONS[action]) then
        return ("'delay_ms' means nothing with action '%s'"):format(action)
    end
end

--- What is wrong with a rule.
-- @tparam table rule
-- @tparam[opt] boolean is_part whether it may still be without an action
-- @treturn string|nil a sentence; nil when it is in order
function M.why_not(rule, is_part)
    if type(rule) ~= "table" then
        return "must be a table, as { on = \"send\", action = \"hang\" }, not " .. options.kind_of(rule)
    end
    for key, value in pairs(rule) do
        local err = value_error(key, value)
        if err then
            return err
        end
    end
    local err = operation_error(rule.on)
    if not err and rule.from_s and rule.until_s and rule.until_s <= rule.from_s then
        err = "'until_s' must be after 'from_s'"
    elseif not err and (rule.action or not is_part) then
        err = action_error(rule.on, rule.action) or belonging_error(rule)
    end
    return err
end

--- Whether the message is accepted although this happens.
function M.accepts(rule)
    if rule.accepted ~= nil then
        return rule.accepted
    end
    return ACTIONS[rule.action]
end

-- ---- From outside --------------------------------------------------------------------------------

local READ = {}

function READ.string(text)
    return text
end

function READ.number(text)
    return text:find "^%-?%d+%.?%d*$" and tonumber(text) or nil
end

function READ.boolean(text)
    if text == "true" then
        return true
    elseif text == "false" then
        return false
    end
end

--- Reads a rule from the fields of a form, whose values are all strings.
-- @tparam table fields a list of { name, value }
-- @treturn table|nil a rule that is in order, or nil and a sentence
function M.from_form(fields)
    local rule = {}
    for _, pair in ipairs(fields) do
        local key, text = pair[1], pair[2]
        local kind = KEYS[key]
        if not kind then
            return nil, unknown("key", key, KEYS)
        elseif rule[key] ~= nil then
            return nil, ("'%s' is there twice"):format(key)
        end
        rule[key] = READ[kind](text)
        if rule[key] == nil then
            return nil, ("'%s' must be a %s, not '%s'"):format(key, kind, text)
        end
    end
    local why = M.why_not(rule)
    if why then
        return nil, why
    end
    return rule
end

return M

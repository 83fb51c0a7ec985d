--- Faults on purpose: which request fails, in which way, decided by counting or by seeded chance.
--
-- A script is a list of rules. The first rule that matches a request and whose turn it is decides.
--
--     { on = "send", every = 3, action = "status", status = 503 }
--     { on = "send", to = "+15005550010", times = 1, action = "drop_after" }
--     { on = "send", probability = 0.1, action = "delay", delay_ms = 3000 }
--
-- Which requests: `on` (an operation), `to`, `from`, `body` (a Lua pattern). Which of those: the first
-- `after` of them pass, then each `every`-th counts, with `probability`, at most `times` times.
--
-- `action`, and whether the server has accepted the message then:
--
--     status       an error answer: status, code, message, retry_after (seconds)     no
--     html         an error page as a proxy makes it: status                         no
--     garbage      bytes that are no HTTP                                            no
--     drop_before  the connection is reset before anything was done                  no
--     drop_after   the message is accepted, then the connection is reset             yes
--     cut_after    the message is accepted, half of the answer's body arrives        yes
--     delay        nothing fails                                                     yes
--
-- For the first three `accepted = true` makes it a yes. `how = "close"` makes a drop an orderly end instead
-- of a reset. Every action takes `delay_ms`.
--
-- With `on = "inbound"` or `on = "callback"` a rule is about webhooks that are sent, and `action` one of
--
--     delay    it goes out delay_ms late, and later ones may overtake it
--     double   it goes out twice at the same time
--     forge    one with a wrong signature goes out before it
--     lose     it never goes out
--     reorder  it waits for the next one of the same message and goes out behind that; callbacks only
--
-- They take `delay_ms` too, except for lose.
local M = {}

local KEYS = {
    on = "string", to = "string", from = "string", body = "string",
    after = "number", every = "number", probability = "number", times = "number",
    action = "string", status = "number", code = "number", message = "string", retry_after = "number",
    delay_ms = "number", how = "string", accepted = "boolean",
}
local ACTIONS = {
    status = false, html = false, garbage = false, drop_before = false,
    drop_after = true, cut_after = true, delay = true,
}
local OPERATIONS = {
    send = true, fetch = true, list = true, cancel = true, redact = true, delete = true,
    media_list = true, media_fetch = true, media_delete = true, feedback = true,
}
local WEBHOOKS = { inbound = true, callback = true }
local WEBHOOK_ACTIONS = { delay = true, double = true, forge = true, lose = true, reorder = true }

local function check(rule, number, level)
    local function refuse(what)
        error(("rule %d of the script: %s"):format(number, what), level + 3)
    end
    if type(rule) ~= "table" then
        refuse "is no table"
    end
    for key, value in pairs(rule) do
        if not KEYS[key] then
            refuse(("unknown key '%s'"):format(tostring(key)))
        elseif type(value) ~= KEYS[key] then
            refuse(("'%s' must be a %s"):format(key, KEYS[key]))
        end
    end
    local is_webhook = WEBHOOKS[rule.on]
    if ACTIONS[rule.action] == nil and not WEBHOOK_ACTIONS[rule.action] then
        refuse(("unknown action '%s'"):format(tostring(rule.action)))
    elseif rule.on and not OPERATIONS[rule.on] and not is_webhook then
        refuse(("unknown operation '%s'"):format(rule.on))
    elseif is_webhook and not WEBHOOK_ACTIONS[rule.action]
        or not is_webhook and ACTIONS[rule.action] == nil then
        refuse(("action '%s' is not for %s"):format(rule.action, is_webhook and "webhooks" or "requests"))
    elseif rule.action == "reorder" and rule.on ~= "callback" then
        refuse "action 'reorder' is for callbacks"
    elseif rule.action == "status" and not rule.status then
        refuse "action 'status' needs a status"
    elseif rule.action == "delay" and not rule.delay_ms then
        refuse "action 'delay' needs delay_ms"
    elseif rule.how and rule.how ~= "reset" and rule.how ~= "close" then
        refuse "'how' is 'reset' or 'close'"
    elseif rule.every and rule.every < 1 then
        refuse "'every' is 1 or more"
    end
end

local Script = {}
local class = { __index = Script, __name = "twilio_sms.sim.script" }

--- @tparam table rules
-- @tparam table random `twilio_sms.sim.random`, for probabilities
-- @tparam[opt] number level of the caller that is to blame for a bad rule, as for error
function M.new(rules, random, level)
    local script = setmetatable({ rules = {}, random = random, fired = {} }, class)
    for i, rule in ipairs(rules) do
        check(rule, i, level or 1)
        local accepts = ACTIONS[rule.action]
        if rule.accepted ~= nil then
            accepts = rule.accepted
        end
        script.rules[i] = { rule = rule, seen = 0, fired = 0, accepts = accepts }
    end
    return script
end

local function matches(rule, operation, params)
    return (rule.on == operation or not rule.on and not WEBHOOKS[operation])
        and (not rule.to or rule.to == params.To)
        and (not rule.from or rule.from == params.From)
        and (not rule.body or params.Body ~= nil and params.Body:find(rule.body) ~= nil)
end

local function is_due(self, state)
    local rule = state.rule
    local turn = state.seen - (rule.after or 0)
    return turn > 0 and (turn % (rule.every or 1)) == 0
        and (not rule.times or state.fired < rule.times)
        and (not rule.probability or self.random:chance(rule.probability))
end

--- What is to go wrong with a request, or with a webhook.
-- @tparam string operation, or "inbound" or "callback"
-- @tparam table params
-- @treturn[1] table the rule
-- @treturn[1] boolean whether the request is to be carried out
-- @treturn[2] nil when it goes through
function Script:decide(operation, params)
    for _, state in ipairs(self.rules) do
        local rule = state.rule
        if matches(rule, operation, params) then
            state.seen = state.seen + 1
            if is_due(self, state) then
                state.fired = state.fired + 1
                self.fired[rule.action] = (self.fired[rule.action] or 0) + 1
                return rule, state.accepts
            end
        end
    end
end

return M

--- Faults on purpose: which request fails, in which way, decided by counting, by time or by seeded chance.
--
-- A script is a list of rules. The first rule that matches a request and whose turn it is decides.
--
--     { on = "send", every = 3, action = "status", status = 503 }
--     { on = "send", to = "+15005550010", times = 1, action = "drop_after" }
--     { on = "send", probability = 0.1, from_s = 60, until_s = 120, action = "delay", delay_ms = 3000 }
--
-- Or it is a function that says the same in words (`twilio_sms.sim.script.words`), or a scenario
-- (`twilio_sms.sim.scenarios`).
--
-- Which requests: `on` (an operation), `to`, `from`, `body` (a Lua pattern), and from `from_s` until
-- `until_s`, in seconds since the start. Which of those: the first `after` of them pass, then each `every`-th
-- counts, with `probability`, at most `times` times.
--
-- `action`, and whether the server has accepted the message then:
--
--     status       an error answer: status, code, message, retry_after (seconds)     no
--     html         an error page as a proxy makes it: status                         no
--     garbage      bytes that are no HTTP                                            no
--     hang         no answer, for as long as the client cares to wait                no
--     refused      nobody listens: nothing was sent                                  never
--     dns          the name has no address: nothing was sent                         never
--     tls          no agreement on a secure connection: nothing was sent             never
--     drop_before  the connection is reset before anything was done                  no
--     drop_after   the message is accepted, then the connection is reset             yes
--     cut_after    the message is accepted, half of the answer's body arrives        yes
--     delay        nothing fails, delay_ms late                                      yes
--     slow         the right answer, bit by bit in slow_ms                           yes
--     reply        nothing fails, and no later rule is asked                         yes
--
-- For the first four `accepted = true` makes it a yes. `how = "close"` makes a drop an orderly end instead
-- of a reset. Every action takes `delay_ms`.
--
-- With `on = "inbound"` or `on = "callback"` a rule is about webhooks that are sent, and `action` one of
--
--     delay    it goes out delay_ms late, and later ones may overtake it
--     double   it goes out twice at the same time
--     forge    one with a wrong signature goes out before it
--     lose     it never goes out
--     reorder  it waits for the next one of the same message and goes out behind that; callbacks only
--     reply    nothing happens to it, and no later rule is asked
--
-- They take `delay_ms` too, except for lose.
--
-- With `on = "delivery"` a rule is about messages on their way to the phone, and `action` "undelivered" or
-- "failed" with a `code`.
local options = require "twilio_sms.options"
local random_numbers = require "twilio_sms.sim.random"
local script_rule = require "twilio_sms.sim.script.rule"
local script_words = require "twilio_sms.sim.script.words"

local M = {}

-- ---- Reading -------------------------------------------------------------------------------------

local function check_list(given, level)
    for key in pairs(given) do
        if type(key) ~= "number" then
            local hint = script_rule.KEYS[key] and "; put braces around this one" or ""
            local why = ("a script is a list of rules, without a key '%s'%s"):format(tostring(key), hint)
            error(why, level + 1)
        end
    end
end

local function is_scenario(given)
    return type(given) == "table" and type(given.script) == "function"
end

--- Reads a script.
-- @tparam table|function given rules, words, or a scenario
-- @tparam number level as for error
-- @treturn table rules; not yet checked
-- @treturn table actions, a list of { at_s, f } and { every_s, from_s, until_s, f }
-- @treturn table places, of rules that were written in words
local function read(given, level)
    if is_scenario(given) then
        given = given()
    end
    if type(given) == "function" then
        return script_words.read(given)
    elseif type(given) ~= "table" then
        error("a script is a list of rules or a function, not " .. options.kind_of(given), level + 1)
    end
    check_list(given, level + 1)
    return given, {}, {}
end

-- ---- Rules ---------------------------------------------------------------------------------------

--- A rule at work: `rule`, and how often it was `seen` (matched) and `fired`.
local Entry = {}
local entry_class = { __index = Entry, __name = "twilio_sms.sim.script.entry" }

-- Each rule has chance of its own, so that one rule's draws do not change what another one does.
local function entry_of(self, rule, list)
    return setmetatable({
        rule = rule,
        seen = 0,
        fired = 0,
        accepts = script_rule.accepts(rule),
        from_ms = rule.from_s and self.start_ms + rule.from_s * 1000 or -math.huge,
        until_ms = rule.until_s and self.start_ms + rule.until_s * 1000 or math.huge,
        random = random_numbers.new(self.random:next()),
        list = list,
    }, entry_class)
end

--- Takes the rule out of its script. More than once does nothing more.
function Entry:stop()
    for place, entry in ipairs(self.list) do
        if entry == self then
            table.remove(self.list, place)
            return
        end
    end
end

local Script = {}
local class = { __index = Script, __name = "twilio_sms.sim.script" }

-- What is wrong with a rule, here.
local function why_not(self, rule)
    local why = script_rule.why_not(rule)
    if not why and self.over_sockets and script_rule.NEEDS_WORLD[rule.action] then
        return ("action '%s' works in a world only: over real sockets nobody can be made to fail so")
            :format(rule.action)
    end
    return why
end

--- @tparam table|function given rules, a function that gets the words, or a scenario
-- @tparam table random `twilio_sms.sim.random`, for probabilities
-- @tparam[opt] number level of the caller that is to blame for a bad rule, as for error
-- @tparam[opt] table opts start_ms (what `decide` is told at the start; default 0), over_sockets (whether
-- there is a real network, so that not everything can be made to happen)
function M.new(given, random, level, opts)
    level = (level or 1) + 1
    opts = opts or {}
    local rules, actions, places = read(given, level)
    local script = setmetatable({
        added = {},
        rules = {},
        timed = actions,
        random = random,
        fired = {},
        start_ms = opts.start_ms or 0,
        over_sockets = opts.over_sockets,
    }, class)
    for i, rule in ipairs(rules) do
        local why = why_not(script, rule)
        if why then
            why = ("%srule %d of the script: %s"):format(places[i] or "", i, why)
            error(why, places[i] and 0 or level)
        end
        script.rules[i] = entry_of(script, rule, script.rules)
    end
    return script
end

--- Adds a rule while the script runs. Those that were added come before those that were there, in the order
-- in which they were added.
-- @tparam table rule
-- @treturn[1] table the rule at work: rule, seen, fired, and `stop`
-- @treturn[2] nil
-- @treturn[2] string what is wrong with it
function Script:add(rule)
    local why = why_not(self, rule)
    if why then
        return nil, why
    end
    local entry = entry_of(self, rule, self.added)
    table.insert(self.added, entry)
    return entry
end

--- What is to be done at which moment: a list of { at_s, f } and { every_s, from_s, until_s, f }, in seconds
-- since the start. Each f takes the world.
function Script:actions()
    return self.timed
end

local function covers(list, operation)
    for i = 1, #list do
        if list[i].rule.on == operation then
            return true
        end
    end
    return false
end

-- ---- Deciding ------------------------------------------------------------------------------------

local function matches(entry, operation, is_request, params, now_ms)
    local rule = entry.rule
    return (rule.on == operation or not rule.on and is_request)
        and now_ms >= entry.from_ms and now_ms < entry.until_ms
        and (not rule.to or rule.to == params.To)
        and (not rule.from or rule.from == params.From)
        and (not rule.body or params.Body ~= nil and params.Body:find(rule.body) ~= nil)
end

local function is_due(entry)
    local rule = entry.rule
    local turn = entry.seen - (rule.after or 0)
    return turn > 0 and (turn % (rule.every or 1)) == 0
        and (not rule.times or entry.fired < rule.times)
        and (not rule.probability or entry.random:chance(rule.probability))
end

local function decide_by(list, operation, params, now_ms)
    local is_request = script_rule.OTHERS[operation] == nil
    for i = 1, #list do
        local entry = list[i]
        if matches(entry, operation, is_request, params, now_ms) then
            entry.seen = entry.seen + 1
            if is_due(entry) then
                entry.fired = entry.fired + 1
                return entry
            end
        end
    end
end

--- What is to go wrong with a request, a webhook, or a message on its way.
-- @tparam string operation, or "inbound", "callback" or "delivery"
-- @tparam table params
-- @tparam[opt] number now_ms the moment; default: the start
-- @treturn[1] table the rule
-- @treturn[1] boolean whether the request is to be carried out
-- @treturn[2] nil when it goes through
function Script:decide(operation, params, now_ms)
    now_ms = now_ms or self.start_ms
    local entry = decide_by(self.added, operation, params, now_ms)
        or decide_by(self.rules, operation, params, now_ms)
    local action = entry and entry.rule.action
    if not action or action == "reply" then
        return nil
    end
    self.fired[action] = (self.fired[action] or 0) + 1
    return entry.rule, entry.accepts
end

--- What is to become of a message that is handed over to the network.
-- @tparam table message with to, from, body
-- @tparam number now_ms
-- @treturn[1] string "undelivered" or "failed"
-- @treturn[1] number the error code
-- @treturn[2] nil when the script says nothing of it
function Script:fate(message, now_ms)
    if not covers(self.added, "delivery") and not covers(self.rules, "delivery") then
        return nil
    end
    local params = { To = message.to, From = message.from, Body = message.body }
    local rule = self:decide("delivery", params, now_ms)
    if rule then
        return rule.action, rule.code
    end
end

return M

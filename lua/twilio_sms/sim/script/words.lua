--- The words in which an outage is written down: a function that is given them becomes rules and actions.
--
--     function(s)
--         s.between(60, 120, function()
--             s.on("send"):fail(503):with(0.3)        -- 30 of 100 sends
--         end)
--         s.on("send", { to = "+15558675310" }):sequence { 503, "drop_after", "reply" }
--         s.on("callback"):delay(5000):every(3)
--         s.at(90, function(world) world:inbound("+15558675310", "+15005550006", "STOP") end)
--     end
local options = require "twilio_sms.options"
local script_rule = require "twilio_sms.sim.script.rule"

local M = {}

local function merged(rule, more)
    local out = {}
    for key, value in pairs(rule) do
        out[key] = value
    end
    for key, value in pairs(more or {}) do
        out[key] = value
    end
    return out
end

-- ---- One rule ------------------------------------------------------------------------------------

local Rule = {}

-- An unknown word is a mistake of whoever writes the script, and shall not read as a nil that is called.
local class = {
    __name = "twilio_sms.sim.script.words",
    __index = function(_, name)
        if not Rule[name] then
            error(("a rule has no word '%s'%s"):format(tostring(name), options.hint(name, Rule)), 2)
        end
        return Rule[name]
    end,
}

-- Puts more into a rule, or raises at whoever wrote it.
local function say(self, more, level)
    local rule = merged(self.rule, more)
    local why = script_rule.why_not(rule, true)
    if why then
        error(why, level + 1)
    end
    self.rule = rule
end

local function check_rule(self, word, level)
    if getmetatable(self) ~= class then
        error(("actions take a colon, as in s.on(\"send\"):%s(...)"):format(word), level + 1)
    end
end

local function happen(self, action, more, level)
    if self.rule.action or self.steps then
        error(("this rule says already what happens: '%s'"):format(self.rule.action or "sequence"), level + 1)
    elseif more ~= nil and type(more) ~= "table" then
        error("what else is to happen must be a table, not " .. options.kind_of(more), level + 1)
    end
    say(self, merged(more or {}, { action = action }), level + 1)
end

-- The names of all actions are words: rule:drop_after(), rule:html { status = 504 }.
for action in pairs(script_rule.ALL) do
    Rule[action] = function(self, more)
        check_rule(self, action, 2)
        happen(self, action, more, 2)
        return self
    end
end
Rule.status = nil -- that is fail

--- An error answer.
-- @tparam number status
-- @tparam[opt] table more code, message, retry_after, accepted, delay_ms
function Rule:fail(status, more)
    check_rule(self, "fail", 2)
    happen(self, "status", merged(type(more) == "table" and more or {}, { status = status }), 2)
    return self
end

--- The right answer, late.
function Rule:delay(delay_ms, more)
    check_rule(self, "delay", 2)
    happen(self, "delay", merged(type(more) == "table" and more or {}, { delay_ms = delay_ms }), 2)
    return self
end

--- The right answer, bit by bit in so much time.
function Rule:slow(slow_ms, more)
    check_rule(self, "slow", 2)
    happen(self, "slow", merged(type(more) == "table" and more or {}, { slow_ms = slow_ms }), 2)
    return self
end

local function step_of(step)
    if type(step) == "number" then
        return { action = "status", status = step }
    elseif type(step) == "string" then
        return { action = step }
    elseif type(step) == "table" then
        return step
    end
    error("a step is a status, the name of an action or a table, not " .. options.kind_of(step), 3)
end

--- One after another: the first request gets the first step, the second one the second. After the last one
-- the sequence is over.
-- @tparam table steps each is a status, the name of an action, or a table such as
-- { action = "delay", delay_ms = 500 }
function Rule:sequence(steps)
    check_rule(self, "sequence", 2)
    if self.rule.action or self.steps then
        error("this rule says already what happens", 2)
    elseif type(steps) ~= "table" or #steps == 0 then
        error("a sequence is a list of steps: { 503, \"drop_before\", \"reply\" }", 2)
    end
    local list = {}
    for i, step in ipairs(steps) do
        list[i] = step_of(step)
        local why = script_rule.why_not(merged(self.rule, list[i]))
        if why then
            error(("step %d: %s"):format(i, why), 2)
        end
    end
    self.steps = list
    return self
end

--- With this chance, from the seed.
function Rule:with(probability)
    check_rule(self, "with", 2)
    say(self, { probability = probability }, 2)
    return self
end

--- So often at most.
function Rule:times(times)
    check_rule(self, "times", 2)
    say(self, { times = times }, 2)
    return self
end

--- Not before so many have passed.
function Rule:after(count)
    check_rule(self, "after", 2)
    say(self, { after = count }, 2)
    return self
end

--- Every so-many-th.
function Rule:every(count)
    check_rule(self, "every", 2)
    say(self, { every = count }, 2)
    return self
end

local function add_rules(self, rules, places)
    for _, step in ipairs(self.steps or { {} }) do
        local rule = merged(self.rule, step)
        rule.times = self.steps and 1 or rule.times
        rules[#rules + 1] = rule
        places[#rules] = self.place
    end
end

-- What a sequence cannot be told: its steps come one after another, once.
local function check_sequence(self, number)
    for _, key in ipairs { "times", "every", "probability" } do
        if self.steps and self.rule[key] then
            error(("%srule %d of the script: '%s' means nothing with a sequence")
                :format(self.place, number, key), 0)
        end
    end
end

-- ---- All of them ---------------------------------------------------------------------------------

local function check_moment(name, value, level)
    if type(value) ~= "number" or not (value >= 0 and value < math.huge) then
        error(("%s takes seconds since the start, 0 or more"):format(name), level + 1)
    end
end

local function check_function(name, f, level)
    if type(f) ~= "function" then
        error(("%s takes a function, not %s"):format(name, options.kind_of(f)), level + 1)
    end
end

-- Where the function at a level was called, as it stands before a message: some of what is wrong with a rule
-- shows only when the whole script has been read.
local function place_of(level)
    local info = debug.getinfo(level + 1, "Sl")
    return info and info.currentline > 0 and ("%s:%d: "):format(info.short_src, info.currentline) or ""
end

local function words_of(made)
    local s = {}
    local window = {}

    local function check_point(first, word, example)
        if first == s then
            error(("%s takes a point, as in s.%s"):format(word, example), 3)
        end
    end

    --- Begins a rule about an operation or a webhook; nil means every operation.
    -- @tparam[opt] table which to, from, body
    function s.on(operation, which)
        check_point(operation, "on", 'on("send"); actions take a colon')
        if which ~= nil and type(which) ~= "table" then
            error("which requests is said by a table, not " .. options.kind_of(which), 2)
        end
        local rule = setmetatable({
            rule = merged({ on = operation }, window), steps = false, place = place_of(2),
        }, class)
        made.rules[#made.rules + 1] = rule
        say(rule, which, 2)
        return rule
    end

    --- Everything that f says counts between two moments, in seconds since the start.
    function s.between(from_s, until_s, f)
        check_point(from_s, "between", "between(60, 120, f)")
        check_moment("between", from_s, 2)
        check_moment("between", until_s, 2)
        check_function("between", f, 2)
        local outer = window
        window = {
            from_s = math.max(from_s, outer.from_s or 0),
            until_s = math.min(until_s, outer.until_s or math.huge),
        }
        if window.until_s <= window.from_s then
            error("between ends before it begins", 2)
        end
        f()
        window = outer
    end

    --- Calls f(world) at a moment, in seconds since the start.
    function s.at(at_s, f)
        check_point(at_s, "at", "at(60, f)")
        check_moment("at", at_s, 2)
        check_function("at", f, 2)
        made.actions[#made.actions + 1] = { at_s = at_s, f = f }
    end

    --- Calls f(world) again and again; the first time when so many seconds have passed.
    function s.every(every_s, f)
        check_point(every_s, "every", "every(60, f)")
        check_moment("every", every_s, 2)
        check_function("every", f, 2)
        if every_s == 0 then
            error("every takes more than 0 seconds", 2)
        end
        made.actions[#made.actions + 1] = {
            every_s = every_s, from_s = window.from_s or 0, until_s = window.until_s, f = f,
        }
    end

    return setmetatable(s, {
        __index = function(_, name)
            error(("a script has no word '%s'%s"):format(tostring(name), options.hint(name, s)), 2)
        end,
    })
end

--- Carries a script out to the point of knowing what it says.
-- @tparam function define gets the words
-- @treturn table rules
-- @treturn table actions, a list of { at_s, f } and { every_s, from_s, until_s, f }
-- @treturn table places: where each rule was written, as it stands before a message
function M.read(define)
    local made, rules, places = { rules = {}, actions = {} }, {}, {}
    define(words_of(made))
    for number, rule in ipairs(made.rules) do
        check_sequence(rule, number)
        add_rules(rule, rules, places)
    end
    return rules, made.actions, places
end

return M

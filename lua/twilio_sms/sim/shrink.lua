--- Makes a failing run small: leaves out whatever the failure does not need, and shows what is left.
local swarm = require "twilio_sms.sim.swarm"
local swarm_plan = require "twilio_sms.sim.swarm.plan"

local M = {}

local function copy(limits)
    local out = {
        clients = limits.clients, messages = limits.messages, lag_ms = limits.lag_ms, without = {},
    }
    for kind in pairs(limits.without or {}) do
        out.without[kind] = true
    end
    return out
end

-- The first violation of a run, if it is one of this property.
local function failure(seed, limits, property, opts)
    local plan = swarm_plan.new(seed, limits)
    local out = swarm.run(plan, opts)
    local violation = out.violations[1]
    return violation and violation.property == property and violation or nil, out, plan
end

-- Takes a change when the run still fails.
local function try(self, change)
    local limits = copy(self.limits)
    change(limits)
    local violation = failure(self.seed, limits, self.property)
    if violation then
        self.limits, self.violation = limits, violation
    end
    return violation ~= nil
end

local function drop_kinds(self)
    for _, kind in ipairs(swarm_plan.kinds(swarm_plan.new(self.seed, self.limits))) do
        try(self, function(limits)
            limits.without[kind] = true
        end)
    end
end

-- Bisects. Fewer messages may fail no more and still fewer fail again: what is found is small, not the least.
local function drop_messages(self)
    local enough = self.limits.messages or #swarm_plan.new(self.seed).messages
    local too_few = 0
    while enough - too_few > 1 do
        local middle = math.floor((enough + too_few) / 2)
        local fails = try(self, function(limits)
            limits.messages = middle
        end)
        if fails then
            enough = middle
        else
            too_few = middle
        end
    end
end

--- The command that repeats a run.
function M.command(seed, limits)
    local out = { "make simulate", ("SEED=%d"):format(seed) }
    local kinds = {}
    for kind in pairs(limits.without or {}) do
        kinds[#kinds + 1] = kind
    end
    table.sort(kinds)
    if kinds[1] then
        out[#out + 1] = "WITHOUT=" .. table.concat(kinds, ",")
    end
    if limits.clients then
        out[#out + 1] = ("CLIENTS=%d"):format(limits.clients)
    end
    if limits.messages then
        out[#out + 1] = ("MESSAGES=%d"):format(limits.messages)
    end
    if limits.lag_ms then
        out[#out + 1] = ("LAG_MS=%d"):format(limits.lag_ms)
    end
    return table.concat(out, " ")
end

local TRACE_MOST = 40

local ALWAYS = { crash = true, restart = true, clock_jump = true }

-- The lines of a log that are about one call: its own, those of its message, and what befell its client.
local function trace_of(lines, violation)
    local call = violation.call_id and (" client=%s call_id=%d "):format(violation.client, violation.call_id)
    local sids, out = {}, {}
    for _, line in ipairs(lines) do
        local sid = line:match "sid=(%w+)"
        local is_about = call and (line .. " "):find(call, 1, true)
            or violation.to and line:find(violation.to, 1, true)
        if is_about and sid then
            sids[sid] = true
        end
        if is_about or sid and sids[sid] or ALWAYS[line:match "^%d+ ([%w_]+)"] or not call then
            out[#out + 1] = line
        end
    end
    return { (unpack or table.unpack)(out, math.max(1, #out - TRACE_MOST + 1)) } -- luacheck: ignore 113
end

--- Makes the run of a seed small.
-- @tparam number seed
-- @tparam string property that it breaks first
-- @tparam[opt] table limits as for `swarm_plan.new`
-- @treturn table command (a line that repeats it), violation, trace (a list of lines), messages (how many are
-- left), kinds (of trouble that are left)
function M.run(seed, property, limits)
    local self = { seed = seed, property = property, limits = copy(limits or {}) }
    drop_kinds(self)
    try(self, function(changed)
        changed.clients = 1
    end)
    drop_messages(self)
    local violation, out, plan = failure(seed, self.limits, property, { log = true })
    return {
        command = M.command(seed, self.limits),
        violation = violation,
        trace = trace_of(out.lines, violation),
        messages = #plan.messages,
        kinds = swarm_plan.kinds(plan),
    }
end

return M

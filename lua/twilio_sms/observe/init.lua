--- Sees what clients and receivers do: logs and traces.
local M = {}

--- Makes a log (`twilio_sms.observe.log`).
function M.log(opts)
    local one, err = require("twilio_sms.observe.log").new(opts, 2)
    return one, err -- not a tail call, which would hide this function from the count of levels
end

--- Makes a trace (`twilio_sms.observe.trace`).
function M.trace(opts)
    local one, err = require("twilio_sms.observe.trace").new(opts, 2)
    return one, err
end

-- What a client or a receiver does about its log and its trace. Those that it has made it closes, too.
local Watch = {}
local class = { __index = Watch, __name = "twilio_sms.observe.watch" }

-- One of the options log and trace: an object, or the options of one that is made here.
local function resolve(self, name, given, level)
    local module = require("twilio_sms.observe." .. name)
    if module.is(given) then
        if given.closed then
            error(("option '%s': it is closed"):format(name), level + 1)
        end
        self[name] = given
        return true
    elseif type(given) ~= "table" then
        local why = "option '%s' must be a table, or what sms.observe.%s{...} has made"
        error(why:format(name, name), level + 1)
    end
    local err
    self[name], err = module.new(given, level + 1)
    self.own[name] = self[name]
    return self[name] ~= nil, err
end

--- Takes the options `log` and `trace`.
-- @tparam table opts others are ignored
-- @tparam number level as for error
-- @treturn table|boolean|nil false when there is neither; nil and an error
function M.watch(opts, level)
    if opts.log == nil and opts.trace == nil then
        return false
    end
    local self = setmetatable({ log = nil, trace = nil, own = {}, problem = nil }, class)
    for _, name in ipairs { "log", "trace" } do
        if opts[name] ~= nil then
            local ok, err = resolve(self, name, opts[name], level + 1)
            if not ok then
                self:close()
                return nil, err
            end
        end
    end
    return self
end

--- Lets a core client, or a core webhook, write to them.
function Watch:attach(inner)
    if self.log then
        inner:set_log(self.log.core)
    end
    if self.trace then
        inner:set_trace(self.trace.core)
    end
end

-- Tells the log what is wrong with the trace, once.
local function tell_problem(self)
    local problem = self.trace.problem
    if problem and problem ~= self.problem then
        self:add("error", "export_failed", { "message", problem })
    end
    self.problem = problem
end

--- Lets what there is go out, without waiting.
function Watch:work()
    if self.trace then
        self.trace:work()
        tell_problem(self)
    end
    if self.log then
        self.log:flush()
    end
end

--- What has a request under way that whoever waits should let go on, too; or nil.
function Watch:under_way()
    return self.trace and self.trace:under_way()
end

--- Adds a line of ours to the log, if there is one: fields as names and values in turn, all of them strings.
-- @tparam[opt] number wall_ms
function Watch:add(level, event, fields, wall_ms)
    local log = self.log
    if log and not log.closed then
        log.core:add(level, event, fields, wall_ms)
    end
end

local OPT_OUT_EVENTS = { stop = { "warn", "opted_out" }, start = { "info", "opted_in" } }

--- Tells of what an opt-out list has learned, if that has changed it.
-- @tparam string number whose wish it is
-- @tparam table learned as of twilio_sms.optout
-- @tparam string source who said so
function Watch:learned(number, learned, source, wall_ms)
    local row = OPT_OUT_EVENTS[learned.action]
    if row and learned.changed then
        local fields = { "number", tostring(number), "source", source }
        local scope = learned.scopes and learned.scopes[1] -- which holds the others
        if scope then
            fields[5], fields[6] = "scope", tostring(scope)
        end
        self:add(row[1], row[2], fields, wall_ms)
    end
end

--- Ends those that were made here.
function Watch:close()
    local own = self.own
    self.own = {}
    self:work()
    if own.trace then -- before the log, which tells of what is lost
        own.trace:close()
        self:work()
    end
    if own.log then
        own.log:close()
    end
end

return M

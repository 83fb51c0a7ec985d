--- Logs: one line for each thing that clients and receivers do.
--
--     local log = sms.observe.log { level = "info", format = "json", to = "stderr" }
--     local client = sms.new { ..., log = log }
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"

local M = {}

local Log = {}
local class = { __index = Log, __name = "twilio_sms.observe.log" }

local OPTIONS = {
    level = "string", format = "string", to = "any", numbers = "string", key = "any", bodies = "boolean",
    per_second = "number", buffer_size = "number",
}
local DESCRIPTORS = { stdout = 1, stderr = 2 }
local NUMBER_MOST = 2147483647
local LOST_MS = 60000 -- a function that takes longer for a line will not come back

function class:__tostring()
    return self.closed and "twilio_sms.observe.log (closed)" or "twilio_sms.observe.log (open)"
end

-- ---- Where lines go ------------------------------------------------------------------------------

-- nginx's own log, with the level that fits; it shows what `error_log` asks for.
local function to_nginx(ngx)
    local levels = {
        error = ngx.ERR, warn = ngx.WARN, info = ngx.INFO, debug = ngx.DEBUG, trace = ngx.DEBUG,
    }
    return function(line, level)
        ngx.log(levels[level], line)
    end
end

-- Answers a function or a descriptor.
local function target_of(to, level)
    local ngx = rawget(_G, "ngx")
    if to == nil and ngx and ngx.log then
        return to_nginx(ngx)
    elseif to == nil then
        return nil, DESCRIPTORS.stderr
    elseif type(to) == "function" then
        return to
    elseif DESCRIPTORS[to] then
        return nil, DESCRIPTORS[to]
    elseif type(to) == "number" and to >= 0 and to <= NUMBER_MOST and to % 1 == 0 then
        return nil, to
    end
    error("option 'to' must be 'stderr', 'stdout', the number of a descriptor or a function", level + 1)
end

-- Numbers as the core takes them: with a key they are pseudonyms.
local function key_of(opts, level)
    local numbers = opts.numbers or (opts.key ~= nil and "pseudonyms" or "masked")
    if numbers ~= "masked" and numbers ~= "pseudonyms" then
        error("option 'numbers' must be 'masked' or 'pseudonyms'", level + 1)
    elseif numbers == "masked" and opts.key ~= nil then
        error("option 'key' is for numbers = 'pseudonyms'", level + 1)
    elseif numbers == "pseudonyms" and opts.key == nil then
        local why = "numbers = 'pseudonyms' needs a key of 16 bytes or more, as in "
            .. "key = { env = \"LOG_KEY\" }: without one, who has the log could try all numbers"
        error(why, level + 1)
    end
    return opts.key
end

-- Calls f, which blames its caller for misuse; here that is who called the function that calls this.
local function call(level, f, ...)
    local ok, value, err = pcall(f, ...)
    if not ok then
        error((tostring(value):gsub("^[^:]*%.lua:%d+: ", "")), level + 1)
    end
    return value, err
end

--- Makes a log, which any number of clients and receivers of a process may share.
-- @tparam[opt] table opts level ("info"), format ("logfmt" or "json"), to ("stderr", "stdout", a descriptor,
--   or a function(line, level); in nginx its own log), numbers ("masked" or "pseudonyms"), key (of
--   pseudonyms: a string, { env = } or { file = }), bodies (false), per_second (100 lines of one event; 0: no
--   limit), buffer_size (262144 bytes)
-- @tparam[opt] number level as for error
-- @treturn table|nil
function M.new(opts, level)
    level = (level or 1) + 1
    opts = options.check(opts, OPTIONS, level)
    local key = key_of(opts, level)
    local sink, fd = target_of(opts.to, level)
    local inner, err = call(level, core.log, {
        level = opts.level, format = opts.format, key = key, bodies = opts.bodies,
        per_second = opts.per_second, buffer_size = opts.buffer_size,
    })
    if not inner then
        return nil, err
    end
    return setmetatable({
        core = inner, sink = sink, fd = fd, runner = nil,
        flushing = false, given_ms = 0, closed = false, failures = 0, problem = nil,
    }, class)
end

--- Whether a value is a log.
function M.is(value)
    return getmetatable(value) == class
end

-- ---- Writing -------------------------------------------------------------------------------------

-- A log that does not work is told of once, where somebody may see it.
local function note(self, why)
    self.failures = self.failures + 1
    self.problem = why
    if self.failures == 1 and self.fd ~= 2 then
        io.stderr:write("twilio_sms: the log cannot be written: ", why, "\n")
    end
end

-- The function of the program runs as a coroutine of its own: whoever writes a line must not be suspended in
-- the middle of its work. Each resume hands in one line.
local function new_runner(sink)
    local runner = coroutine.create(function()
        local line, level = coroutine.yield(sink)
        while true do
            sink(line, level)
            line, level = coroutine.yield(sink)
        end
    end)
    coroutine.resume(runner)
    return runner
end

local function text_of(raised)
    local readable, text = pcall(tostring, raised)
    return readable and tostring(text) or "an error that has no text"
end

local function give(self, line, level)
    if rawget(_G, "ngx") then -- its coroutines belong to requests, and a light thread may wait
        local ok, raised = pcall(self.sink, line, level)
        if not ok then
            note(self, text_of(raised))
        end
        return
    end
    self.runner = self.runner or new_runner(self.sink)
    local ok, answer = coroutine.resume(self.runner, line, level)
    if ok and answer == self.sink and coroutine.status(self.runner) == "suspended" then
        return
    end
    self.runner = nil -- it has failed, or waits for something in the middle of a line
    note(self, ok and "its function must not yield" or text_of(answer))
end

-- Lines that the function itself causes go out the next time, or it could go on for ever.
local function give_all(self)
    local inner = self.core
    for _ = 1, inner:pending() do
        local line, level = inner:take()
        if not line then
            return
        end
        self.given_ms = core.now_ms()
        give(self, line, level)
        if self.closed then
            return
        end
    end
end

-- Whether a flush is under way. In nginx one may never end: its request may, while the function waits.
local function is_flushing(self)
    return self.flushing and core.now_ms() - self.given_ms < LOST_MS
end

--- Writes the lines that wait, as far as their target takes them without waiting. Clients and receivers call
-- it with all that they do; it is cheap when there are none.
function Log:flush()
    if self.closed or is_flushing(self) then
        return
    end
    self.flushing, self.given_ms = true, core.now_ms()
    if self.sink then
        give_all(self)
    else
        local ok, why = self.core:write(self.fd)
        if not ok then
            note(self, why)
        end
    end
    self.flushing = false
end

local function check_open(self, level)
    if getmetatable(self) ~= class then
        error("call this with a colon, as in log:add(...)", level + 1)
    elseif self.closed then
        error("the log is closed", level + 1)
    end
end

local WORDS = { string = true, number = true, boolean = true }

--- Adds a line of the program's own.
-- @tparam string level "error", "warn", "info", "debug" or "trace"
-- @tparam string event 1 to 32 of a-z, 0-9 and _
-- @tparam[opt] table fields values by name; numbers in to, from and number are made unreadable as everywhere
function Log:add(level, event, fields)
    check_open(self, 2)
    options.check({ level = level, event = event, fields = fields },
        { level = "string", event = "string", fields = "table" }, 2)
    local names, list = {}, {}
    for name, value in pairs(fields or {}) do
        if type(name) ~= "string" or not WORDS[type(value)] then
            error("fields are texts, numbers and booleans by their names", 2)
        end
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        list[#list + 1] = name
        list[#list + 1] = tostring(fields[name])
    end
    call(2, self.core.add, self.core, level, event, list)
    self:flush()
end

--- Whether lines of a level are written.
function Log:wants(level)
    check_open(self, 2)
    return (call(2, self.core.wants, self.core, level))
end

--- Writes what is left, as far as its target takes it without waiting, and ends.
function Log:close()
    if self.closed then
        return
    end
    self.core:settle()
    self:flush()
    self.closed = true
    self.core:close()
end

class.__close = Log.close

return M

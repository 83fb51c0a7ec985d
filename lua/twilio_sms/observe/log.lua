--- Logs: one line for each thing that clients and receivers do.
--
--     local log = sms.observe.log { level = "info", format = "json", to = "stderr" }
--     local client = sms.new { ..., log = log }
local core = require "twilio_sms.core"
local growing_file = require "twilio_sms.observe.growing_file"
local options = require "twilio_sms.options"
local values = require "twilio_sms.observe.values"

local M = {}

local Log = {}
local class = { __index = Log, __name = "twilio_sms.observe.log" }

local OPTIONS = {
    level = "string", format = "string", to = "any", numbers = "string", key = "any", bodies = "boolean",
    per_second = "number", buffer_size = "number",
}
local DESCRIPTORS = { stdout = 1, stderr = 2 }
local NUMBER_MOST = 2147483647
local LEVELS = { "error", "warn", "info", "debug", "trace" }
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

-- Answers a table with what there is of sink, fd and file; or nil and an error.
local function target_of(to, level)
    local ngx = rawget(_G, "ngx")
    if to == nil and ngx and ngx.log then
        return { sink = to_nginx(ngx) }
    elseif to == nil then
        return { fd = DESCRIPTORS.stderr }
    elseif type(to) == "function" then
        return { sink = to }
    elseif type(to) == "number" then
        if to < 0 or to > NUMBER_MOST or to % 1 ~= 0 then
            return values.invalid("log", "to", "it is no number of a descriptor")
        end
        return { fd = to }
    elseif type(to) == "table" and type(to.file) == "string" then
        local file, why = growing_file.new(to.file)
        if not file then
            return values.invalid("log", "to", "cannot open the file: %s", why)
        end
        return { file = file }
    elseif type(to) ~= "string" then
        local wanted = "'stderr', 'stdout', a number, a function or { file = path }"
        values.raise_type("log", "to", wanted, to, level + 1)
    end
    local ok, err = values.one_of("log", "to", to, { "stderr", "stdout" }, "{ file = path }")
    if ok and to == "stdout" and ngx and ngx.get_phase then
        return values.invalid("log", "to", "nginx has no stdout; without `to` lines go to its own log")
    end
    return ok and { fd = DESCRIPTORS[to] }, err
end

-- Whether the options about numbers fit together.
local function check_numbers(opts, level)
    local key = opts.key
    if key ~= nil and type(key) ~= "string" and not values.is_source(key) then
        local wanted = "a string, { env = \"NAME\" } or { file = \"path\" }"
        values.raise_type("log", "key", wanted, key, level + 1)
    end
    local ok, err = values.one_of("log", "numbers", opts.numbers, { "masked", "pseudonyms" })
    if not ok then
        return nil, err
    elseif opts.numbers == "masked" and key ~= nil then
        return values.invalid("log", "key", "it is for numbers = 'pseudonyms'")
    elseif opts.numbers == "pseudonyms" and key == nil then
        local why = "pseudonyms need a log.key of 16 bytes or more, as in "
            .. "key = { env = \"LOG_KEY\" }: without one, who has the log could try all numbers"
        return values.invalid("log", "numbers", why)
    end
    return true
end

local function check_values(opts, level)
    local ok, err = check_numbers(opts, level + 1)
    if ok then
        ok, err = values.one_of("log", "level", opts.level, LEVELS)
    end
    if ok then
        ok, err = values.one_of("log", "format", opts.format, { "logfmt", "json" })
    end
    if ok then
        ok, err = values.whole("log", opts, { per_second = 0, buffer_size = 0 })
    end
    return ok, err
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
--   { file = path } or a function(line, level); in nginx its own log), numbers ("masked" or "pseudonyms"),
--   key (of pseudonyms: a string, { env = } or { file = }), bodies (false), per_second (100 lines of one
--   event; 0: no limit), buffer_size (262144 bytes)
-- @tparam[opt] number level as for error
-- @treturn table|nil
function M.new(opts, level)
    level = (level or 1) + 1
    opts = values.check("log", opts, OPTIONS, level)
    local ok, err = check_values(opts, level)
    local inner, target
    if ok then
        inner, err = core.log {
            level = opts.level, json = opts.format == "json", key = opts.key, bodies = opts.bodies,
            per_second = opts.per_second, buffer_size = opts.buffer_size,
        }
    end
    if inner then
        target, err = target_of(opts.to, level)
    end
    if not target then
        return nil, err
    end
    return setmetatable({
        core = inner, sink = target.sink, fd = target.fd, file = target.file, runner = nil,
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

-- To the descriptor, or the file: one that cannot be opened keeps its lines waiting.
local function write_all(self)
    local fd, why = self.fd, nil
    if self.file then
        local file
        file, why = self.file:open()
        fd = file and file:fd()
    end
    local ok, problem = true, nil
    if fd then
        ok, problem = self.core:write(fd)
    end
    if why or not ok then
        note(self, why or problem)
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
    elseif self.core:pending() > 0 then
        write_all(self)
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
-- @tparam[opt] table fields values by name, texts, numbers and booleans; phone numbers are made unreadable
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
        list[#list + 1] = fields[name]
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
    local left = self.core:pending()
    if left > 0 then
        note(self, ("it ended before these were taken: %d lines"):format(left))
    end
    self.closed = true
    self.core:close()
    if self.file then
        self.file:close()
    end
end

class.__close = Log.close

return M

--- Traces: spans of what clients and receivers do, and their export.
--
--     local trace = sms.observe.trace { to = "http://127.0.0.1:4318/v1/traces", service_name = "shop" }
--     local client = sms.new { ..., trace = trace }
local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local values = require "twilio_sms.observe.values"

local M = {}

local Trace = {}
local class = { __index = Trace, __name = "twilio_sms.observe.trace" }

local OPTIONS = {
    to = "any", headers = "table", ca_file = "string",
    service_name = "string", resource = "table", sample = "number", seed = "number",
    batch = "number", interval_ms = "number", timeout_ms = "number", buffer_size = "number",
}

-- What an exporter says itself.
local OWN_HEADERS = {
    ["connection"] = true, ["content-length"] = true, ["content-type"] = true, ["host"] = true,
    ["transfer-encoding"] = true,
}
local HEADERS_MOST = 32

local BATCH, INTERVAL_MS, TIMEOUT_MS = 512, 5000, 2000
local ALL = 2147483647 -- spans

function class:__tostring()
    return self.closed and "twilio_sms.observe.trace (closed)" or "twilio_sms.observe.trace (open)"
end

-- ---- Options -------------------------------------------------------------------------------------

local function invalid(name, text, ...)
    return values.invalid("trace", name, text, ...)
end

-- Raises for what could be no header, and answers an error for one that may not be given.
local function check_headers(headers, level)
    local count = 0
    for name, value in pairs(headers or {}) do
        count = count + 1
        if type(name) ~= "string" then
            error("option 'trace.headers' must have the names of headers", level + 1)
        elseif type(value) ~= "string" and not values.is_source(value) then
            local wanted = "a string, { env = \"NAME\" } or { file = \"path\" }"
            values.raise_type("trace", "headers." .. name, wanted, value, level + 1)
        elseif not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
            return invalid("headers", "%q is no name of a header", name)
        elseif OWN_HEADERS[name:lower()] then
            return invalid("headers", "%s is not yours to set", name)
        elseif count > HEADERS_MOST then
            return invalid("headers", "there are more than %d names", HEADERS_MOST)
        end
    end
    return true
end

local function check_resource(resource, level)
    for name, value in pairs(resource or {}) do
        if type(name) ~= "string" or type(value) ~= "string" then
            error("option 'trace.resource' must hold strings by their names", level + 1)
        end
    end
end

local LEAST = { batch = 1, interval_ms = 0, timeout_ms = 0, buffer_size = 1, seed = 0 }

local function check_values(opts, level)
    check_resource(opts.resource, level + 1)
    local ok, err = check_headers(opts.headers, level + 1)
    if ok then
        ok, err = values.whole("trace", opts, LEAST)
    end
    return ok, err
end

-- The value of a header, or nil and what is missing. It is not kept: others could find it in memory.
local function read_value(value)
    if type(value) == "string" then
        return value
    elseif value.env then
        return os.getenv(value.env), ("the variable %s is not set"):format(value.env)
    end
    local text, why = core.read_file(value.file)
    return text and text:gsub("[\r\n]+$", ""), ("%s: %s"):format(value.file, why or "")
end

-- A function that answers the headers of a request as a list of names and values.
local function headers_of(given)
    local names = {}
    for name in pairs(given or {}) do
        names[#names + 1] = name
    end
    table.sort(names)
    return function()
        local list = { { "Content-Type", "application/json" } }
        for _, name in ipairs(names) do
            local value, why = read_value(given[name])
            if not value then
                return invalid("headers", "'%s': %s", name, why)
            elseif value:find "%c" then
                return invalid("headers", "'%s' holds a control character", name)
            end
            list[#list + 1] = { name, value }
        end
        return list
    end
end

local function network_exporter(opts)
    if opts.to:find("@", 1, true) then
        return invalid("to", "it has credentials; put them into headers")
    elseif not opts.to:find "^https?://[^/?#%s%c]+[^%s%c]*$" then
        return invalid("to", "it must be a URL with http or https, as in http://127.0.0.1:4318/v1/traces")
    end
    local headers = headers_of(opts.headers)
    local ok, err = headers()
    if not ok then
        return nil, err
    end
    local maker = rawget(_G, "ngx") and "resty.twilio_sms.exporter" or "twilio_sms.observe.exporter_http"
    return require(maker).new(opts.to, headers, opts.ca_file)
end

local function exporter_of(opts, level)
    local to = opts.to
    if type(to) == "function" then
        return require("twilio_sms.observe.exporter_function").new(to)
    elseif type(to) == "table" and type(to.file) == "string" then
        return require("twilio_sms.observe.exporter_file").new(to.file)
    elseif type(to) ~= "string" then
        values.raise_type("trace", "to", "a URL, a function or { file = path }", to, level + 1)
    end
    return network_exporter(opts)
end

--- Makes a trace, which any number of clients and receivers of a process may share.
-- @tparam table opts to (a URL, a function(body, count), or { file = path }), headers (for a URL; values may
--   be { env = } or { file = }), ca_file, service_name, resource (strings by name), sample (1: the share of
--   traces that are kept), batch (512 spans), interval_ms (5000), timeout_ms (2000: how long close waits),
--   buffer_size (1048576 bytes), seed
-- @tparam[opt] number level as for error
-- @treturn table|nil
function M.new(opts, level)
    level = (level or 1) + 1
    opts = values.check("trace", opts, OPTIONS, level)
    local ok, err = check_values(opts, level)
    if not ok then
        return nil, err
    end
    local self = {
        batch = opts.batch or BATCH, interval_ms = opts.interval_ms or INTERVAL_MS,
        timeout_ms = opts.timeout_ms or TIMEOUT_MS,
        closed = false, due_ms = nil, hurry = false,
        exports = 0, retries = 0, spans_exported = 0, in_flight = 0, problem = nil,
    }
    self.exporter, err = exporter_of(opts, level)
    if not self.exporter then
        return nil, err
    end
    self.core, err = core.trace {
        service_name = opts.service_name, resource = opts.resource, sample = opts.sample,
        buffer_size = opts.buffer_size, seed = opts.seed,
    }
    if not self.core then
        self.exporter:close()
        return nil, err
    end
    self.over_network = type(opts.to) == "string"
    return setmetatable(self, class)
end

--- Whether a value is a trace.
function M.is(value)
    return getmetatable(value) == class
end

-- ---- What an exporter tells ----------------------------------------------------------------------

--- A batch has arrived, but for the spans that the collector rejected.
function Trace:exported(count, rejected)
    rejected = math.min(rejected, count)
    self.in_flight = self.in_flight - count
    self.exports = self.exports + 1
    self.spans_exported = self.spans_exported + count - rejected
    self.problem = nil
    if rejected > 0 then
        self.core:dropped(rejected)
        self.problem = ("the collector rejected %d spans"):format(rejected)
    end
end

--- It will be tried again.
function Trace:retried(why)
    self.retries = self.retries + 1
    self.problem = why
end

--- It is lost.
function Trace:gave_up(count, why)
    self.in_flight = self.in_flight - count
    self.core:dropped(count)
    self.problem = why
end

--- For an exporter that takes batches by itself, and answers for what it has taken.
-- @treturn string|nil the body of a request, and how many spans are in it; nil when there are none
function Trace:take()
    local body, count = self.core:take(self.batch)
    self.in_flight = self.in_flight + (count or 0)
    return body, count
end

-- ---- Exporting -----------------------------------------------------------------------------------

-- Gives up what waits.
local function drop_all(self)
    local body, count = self.core:take(ALL)
    if body then
        self.core:dropped(count)
    end
end

-- Whether it is time for a batch. The first look at spans begins their interval.
local function is_due(self, pending)
    if self.hurry or pending >= self.batch then
        return true
    end
    local now_ms = loop.now_ms()
    -- Those that share it may live in loops with other clocks.
    self.due_ms = math.min(self.due_ms or math.huge, now_ms + self.interval_ms)
    return now_ms >= self.due_ms
end

--- Begins and continues exports, and never waits. Clients and receivers call it with all that they do.
function Trace:work()
    local exporter = self.exporter
    if exporter.busy then
        exporter:work()
    end
    if self.closed then
        drop_all(self)
        return
    elseif exporter.busy then
        return
    end
    local pending = self.core:pending()
    if pending == 0 then
        return
    elseif exporter.arm then -- it has timers
        exporter:arm(self, pending)
    elseif is_due(self, pending) then
        self.due_ms = nil
        local body, count = self:take()
        if body then
            exporter:start(body, count, self)
        end
    end
end

--- What has a request under way that a program which waits for something else should let go on, too; or nil.
function Trace:under_way()
    local exporter = self.exporter
    return exporter.busy and exporter.pollfd and not exporter.again_ms and exporter or nil
end

-- Exports, and waits for it, as far as that is possible here.
local function export_all(self, timeout_ms)
    local exporter = self.exporter
    if exporter.flush then
        exporter:flush(self, timeout_ms)
        return
    end
    local until_ms = core.now_ms() + timeout_ms
    self.hurry = true
    self:work()
    local left_ms = timeout_ms
    while (exporter.busy or self.core:pending() > 0) and left_ms > 0 and not self.closed do
        if exporter.busy and exporter.wait then
            exporter:wait(left_ms)
        elseif exporter.busy then
            break -- it is called from its own function
        end
        self:work()
        left_ms = until_ms - core.now_ms()
    end
    self.hurry = false
end

--- Exports all that there is, and waits for it.
-- @tparam[opt] number timeout_ms for how long at most; default: the option
-- @treturn boolean whether all of it has arrived; or false and a sentence
function Trace:flush(timeout_ms)
    local dropped = self.core:stats().dropped
    export_all(self, timeout_ms or self.timeout_ms)
    local stats = self.core:stats()
    local lost, left = stats.dropped - dropped, stats.pending + self.in_flight
    if lost > 0 then
        return false, ("%d spans are lost: %s"):format(lost, self.problem or "there was no room")
    elseif left > 0 then
        return false, ("%d spans are not exported yet"):format(left)
    end
    return true
end

--- Exports what there is, for at most timeout_ms, and ends: what is left, and what comes later, is lost.
-- @treturn boolean as for flush
function Trace:close()
    if self.closed then
        return true
    end
    local done, why = self:flush()
    self.closed = true
    local left = self.exporter:close()
    self.in_flight = self.in_flight - left
    self.core:dropped(left)
    left = left + self.core:pending()
    drop_all(self)
    if left > 0 then
        why = self.problem or "the time to wait for them is over"
        self.problem = ("%d spans are lost: %s"):format(left, why)
        why = self.problem
    end
    return done, why
end

class.__close = Trace.close

--- Numbers since it was made: spans, each of which is exported, dropped, pending or in_flight; exports
-- (requests that were taken) and retries; and error, what is wrong with the export at present.
function Trace:stats()
    local stats = self.core:stats()
    stats.exported, stats.exports, stats.retries = self.spans_exported, self.exports, self.retries
    stats.in_flight, stats.error = self.in_flight, self.problem
    return stats
end

return M

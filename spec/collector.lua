--- A collector of spans for the specs: a real server in this process, which works while it is looked at.
--
--     local peer = collector.start { tls = true }
--     local span = peer:await("twilio.send_sms")
--     peer:stop()
local cjson = require "cjson"
local core = require "twilio_sms.core"
local https = require "twilio_sms.server"

local M = {}

local Collector = {}
Collector.__index = Collector

local PATIENCE_MS = 10000
local STEP_MS = 5

--- Starts one.
-- @tparam[opt] table opts tls (false); port (a free one)
-- @treturn table with url, ca_file, port; spans and bodies, of all that it has taken; requests, their number;
-- answers: what the next ones get instead of a 200, as { status =, headers = } or { drop = "reset" } each
function M.start(opts)
    opts = opts or {}
    local ca_file = opts.tls and os.tmpname() or nil
    local server = assert(https.new { tls = opts.tls or false, port = opts.port, ca_file = ca_file })
    local scheme = opts.tls and "https" or "http"
    return setmetatable({
        server = server, ca_file = ca_file, port = server:port(),
        url = ("%s://localhost:%d/v1/traces"):format(scheme, server:port()),
        spans = {}, bodies = {}, requests = 0, answers = {},
    }, Collector)
end

local function take(self, request)
    self.requests = self.requests + 1
    self.last = {
        method = request:method(), path = request:path(), host = request:header "Host",
        key = request:header "X-Key", content_type = request:header "Content-Type",
    }
    local answer = table.remove(self.answers, 1) or { status = 200 }
    if answer.drop then
        request:drop(answer.drop)
        return
    end
    if answer.status == 200 then
        local body = request:body()
        self.bodies[#self.bodies + 1] = body
        for _, span in ipairs(cjson.decode(body).resourceSpans[1].scopeSpans[1].spans) do
            self.spans[#self.spans + 1] = span
        end
    end
    request:reply(answer.status, answer.headers or {}, "{}")
end

--- Answers what has come.
-- @tparam[opt] number ms for how long to wait for it
function Collector:look(ms)
    self.server:step(ms or 0)
    local request = self.server:next()
    while request do
        take(self, request)
        request = self.server:next()
    end
    self.server:step(0)
end

--- Works until something is so; raises when that takes too long.
-- @return what is_so has answered
function Collector:until_true(is_so)
    local until_ms = core.now_ms() + PATIENCE_MS
    repeat
        self:look(STEP_MS)
        local answer = is_so()
        if answer then
            return answer
        end
    until core.now_ms() > until_ms
    error("it did not happen", 2)
end

--- The spans of a name that have come.
function Collector:named(name)
    local found = {}
    for _, span in ipairs(self.spans) do
        if span.name == name then
            found[#found + 1] = span
        end
    end
    return found
end

--- Works until there are so many spans of a name.
-- @tparam string name
-- @tparam[opt] number count 1
-- @treturn table the first one
function Collector:await(name, count)
    self:until_true(function() return #self:named(name) >= (count or 1) end)
    return self:named(name)[1]
end

--- An attribute of a span.
function M.attribute(span, key)
    for _, one in ipairs(span.attributes or {}) do
        if one.key == key then
            return one.value.stringValue or one.value.intValue
        end
    end
end

--- Ends it.
function Collector:stop()
    self.server:close()
    if self.ca_file then
        os.remove(self.ca_file)
    end
end

return M

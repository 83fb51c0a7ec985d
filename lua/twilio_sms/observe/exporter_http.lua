--- Posts spans to a collector over libcurl, without ever waiting for it unless it is told to.
--
-- One request is under way at a time. It goes on when its owner, or the loop that it stands in, lets it.
local answer = require "twilio_sms.observe.exporter_answer"
local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"

local M = {}

local Exporter = {}
local class = { __index = Exporter, __name = "twilio_sms.observe.exporter_http" }

local TIMEOUT_MS = 10000 -- of one request
local AWAY_MS = 1000 -- what is longer between two looks is no fault of the collector
local NEVER_MS = 86400000 -- libcurl's timeouts would count the time in which nobody looks
local ANSWER_MOST_BYTES = 65536
local LOOK_MS = 5 -- how often who waits inside of a loop looks

--- Makes an exporter.
-- @tparam string url
-- @tparam function headers answers a list of names and values; or nil and an error
-- @tparam string|nil ca_file
-- @treturn table|nil
function M.new(url, headers, ca_file)
    local poster, err = core.poster { ca_file = ca_file }
    if not poster then
        return nil, err
    end
    return setmetatable({
        url = url, headers = headers, poster = poster, ca_file = ca_file,
        busy = false, -- whether a batch is under way, or waits to be sent again
        closed = false, batch = nil, loop = nil, again_ms = nil, late_ms = nil, looked_ms = nil,
    }, class)
end

-- No loop need wait for it.
local function rest(self)
    if self.loop then
        self.loop:dismiss(self)
        self.loop = nil
    end
end

local function finish(self)
    self.busy, self.batch, self.again_ms = false, nil, nil
    rest(self)
end

local function settle(self, verdict, value, why)
    local batch = self.batch
    if verdict == "retry" then
        self.again_ms = core.now_ms() + value
        rest(self)
        batch.queue:retried(why)
        return
    end
    finish(self)
    if verdict == "ok" then
        batch.queue:exported(batch.count, value)
    else
        batch.queue:gave_up(batch.count, value)
    end
end

local function post(self)
    local batch = self.batch
    batch.attempts, self.again_ms = batch.attempts + 1, nil
    local headers, err = self.headers()
    local id
    if headers and not self.poster then
        self.poster, err = core.poster { ca_file = self.ca_file }
    end
    if headers and self.poster then
        id, err = self.poster:submit {
            url = self.url, headers = headers, body = batch.body, max_body = ANSWER_MOST_BYTES,
            connect_timeout_ms = NEVER_MS, read_timeout_ms = NEVER_MS, total_timeout_ms = NEVER_MS,
        }
        self.looked_ms = core.now_ms()
        self.late_ms = self.looked_ms + TIMEOUT_MS
    end
    if not id then
        settle(self, "drop", err.message)
    end
end

local function take_result(self)
    local id, result, fault = self.poster:result()
    local attempts = id and self.batch.attempts
    if result then
        settle(self, answer.judge(result.status, result.headers, result.body, attempts))
    elseif fault then
        settle(self, answer.judge_fault(fault.message, attempts))
    end
end

-- Ends a request whose time is over: with its connection, since an answer may still come on that.
local function give_up_request(self)
    local attempts = self.batch.attempts
    rest(self)
    self.poster:close()
    self.poster = nil -- the next request makes one
    settle(self, answer.judge_fault("no answer in time", attempts))
end

--- Begins with a batch; `queue` is told what becomes of it.
function Exporter:start(body, count, queue)
    self.busy, self.batch = true, { body = body, count = count, queue = queue, attempts = 0 }
    post(self)
    self:work()
end

--- Goes on as far as that needs no waiting.
function Exporter:work()
    if not self.busy then
        return
    elseif self.again_ms and core.now_ms() >= self.again_ms then
        post(self)
    end
    if self.busy and not self.again_ms then
        self.loop = loop.attend(self, self.loop)
        self:step(0)
    end
end

--- Goes on, and waits for at most so long for the collector, or for the moment to try again.
function Exporter:wait(ms)
    if loop.inside() then
        loop.sleep(math.min(ms, LOOK_MS))
        self:work()
    elseif self.again_ms then
        core.poll({}, math.max(0, math.min(ms, self.again_ms - core.now_ms())))
        self:work()
    else
        self:step(ms)
    end
end

--- Gives up what is under way.
-- @treturn number how many spans that were
function Exporter:close()
    local count = self.batch and self.batch.count or 0
    finish(self)
    self.closed = true
    if self.poster then
        self.poster:close()
    end
    return count
end

-- ---- As a drive of a loop (see twilio_sms.loop) --------------------------------------------------

function Exporter:step(timeout_ms)
    if not self.busy or self.again_ms then
        return
    end
    local now_ms = core.now_ms()
    self.late_ms = self.late_ms + math.max(0, now_ms - self.looked_ms - AWAY_MS)
    local left_ms = math.max(0, self.late_ms - now_ms)
    self.poster:step(timeout_ms >= 0 and math.min(timeout_ms, left_ms) or left_ms)
    self.looked_ms = core.now_ms()
    take_result(self)
    if self.busy and not self.again_ms and self.looked_ms >= self.late_ms then
        give_up_request(self)
    end
end

function Exporter:pollfd()
    return self.poster:pollfd()
end

function Exporter:timeout_ms()
    local own_ms = math.max(0, (self.again_ms or self.late_ms) - core.now_ms())
    local wish_ms = not self.again_ms and self.poster:timeout_ms() or -1
    return wish_ms >= 0 and math.min(wish_ms, own_ms) or own_ms
end

function Exporter:now_ms()
    return core.now_ms()
end

return M

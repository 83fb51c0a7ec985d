--- The server's side of the driver checks: it answers as a check says, and keeps what it was asked.
local core = require "twilio_sms.core"
local https = require "twilio_sms.server"
local sms = require "twilio_sms"

local M = {}

local Peer = {}
Peer.__index = Peer

--- Starts one.
-- @treturn table with url and ca_file
function M.start()
    local ca_file = os.tmpname()
    local server = assert(https.new { ca_file = ca_file })
    local self = setmetatable({
        server = server, ca_file = ca_file, url = ("https://localhost:%d"):format(server:port()),
    }, Peer)
    self:reset()
    return self
end

function Peer:stop()
    self.server:close()
    os.remove(self.ca_file)
end

--- Forgets everything.
function Peer:reset()
    self.requests = {} -- what it was asked: method, target, headers, body, connection
    self.late = {} -- answers to come
    self.open, self.most_open = 0, 0 -- requests without an answer yet, now and at most
    self.answer, self.beside = nil, nil
end

--- Says how requests are answered.
-- @tparam function answer gets the number of a request and the request; it answers what `reply` and the like
-- do
function Peer:serve(answer)
    self.answer = answer
end

--- Lets another peer work when this one does.
function Peer:serve_beside(other)
    self.beside = other
end

local function take(self, request)
    local seen = {
        method = request:method(), target = request:target(), headers = request:headers(),
        body = request:body(), connection = request:connection(),
    }
    self.requests[#self.requests + 1] = seen
    self.open = self.open + 1
    self.most_open = math.max(self.most_open, self.open)
    local delay_ms, send = self.answer(#self.requests, seen)
    self.late[#self.late + 1] = { at_ms = core.now_ms() + delay_ms, send = send, request = request }
end

local function send_due(self)
    local now_ms = core.now_ms()
    for i = #self.late, 1, -1 do
        local one = self.late[i]
        if one.at_ms <= now_ms then
            table.remove(self.late, i)
            self.open = self.open - 1
            one.send(one.request)
        end
    end
end

local function attend(self)
    self.server:step(0)
    local request = self.server:next()
    while request do
        take(self, request)
        request = self.server:next()
    end
    send_due(self)
end

--- Calls f(...) as a coroutine and answers requests meanwhile.
-- @return what f answers
function Peer:during(f, ...)
    local result
    sms.loop.run(function(...)
        local task = sms.loop.spawn(function(...) result = f(...) end, ...)
        while not task.done do
            attend(self)
            if self.beside then
                attend(self.beside)
            end
            sms.loop.sleep(1)
        end
    end, ...)
    return result
end

-- ---- Answers -------------------------------------------------------------------------------------

--- An answer in full.
-- @tparam[opt] number delay_ms
function M.reply(status, body, headers, delay_ms)
    return delay_ms or 0, function(request) request:reply(status, headers, body) end
end

--- These bytes and then the end of the connection.
function M.raw(bytes)
    return 0, function(request) request:raw(bytes) end
end

--- A reset ("reset"), or an end without an answer ("close").
function M.drop(how)
    return 0, function(request) request:drop(how) end
end

--- Half of an answer.
function M.cut(status, body)
    return 0, function(request) request:drop("cut", status, nil, body) end
end

local NEVER_MS = 3600000

--- Silence.
function M.hang()
    return NEVER_MS, function() end
end

return M

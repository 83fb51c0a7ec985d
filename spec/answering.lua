--- A server in the process of the spec: each of its answers is the spec's own.
local https = require "twilio_sms.server"
local simulator = require "simulator"
local sms = require "twilio_sms"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local M = {}

local Server = {}
Server.__index = Server

--- Starts a server.
-- @tparam function answer gets each request and answers it; a second argument counts them
function M.start(answer)
    local ca_file = os.tmpname()
    local server = assert(https.new { ca_file = ca_file })
    return setmetatable({
        server = server, answer = answer, count = 0, ca_file = ca_file,
        url = ("https://localhost:%d"):format(server:port()),
    }, Server)
end

function Server:stop()
    self.server:close()
    os.remove(self.ca_file)
end

--- A client of this server, as of a simulator.
function Server:client(changes)
    return simulator.client(self, changes)
end

local function answer_all(self)
    self.server:step(0)
    local request = self.server:next()
    while request do
        self.count = self.count + 1
        self.answer(request, self.count)
        request = self.server:next()
    end
end

--- Calls f(...) and answers requests meanwhile.
function Server:during(f, ...)
    local results
    sms.loop.run(function(...)
        local task = sms.loop.spawn(function(...) results = { n = select("#", ...), f(...) } end, ...)
        while not task.done do
            answer_all(self)
            sms.loop.sleep(1)
        end
    end, ...)
    return unpack(results, 1, 3)
end

--- The body of an answer that says: accepted.
function M.message(sid)
    return ('{"sid":"%s","status":"queued"}'):format(sid or "SM" .. ("0"):rep(32))
end

return M

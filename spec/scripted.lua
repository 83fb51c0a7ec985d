--- A driver for the specs that answers from a list: the server's part, without network and without waiting.
local machine = require "twilio_sms.driver.machine"

local M = {}

local Transport = {}
Transport.__index = Transport

function Transport:now()
    return self.now_ms, 1767225600000 + self.now_ms -- 2026-01-01
end

function Transport:start(id, request)
    table.insert(self.requests, request)
    local answer = table.remove(self.answers, 1) or error "the script is over"
    table.insert(self.done, { id, answer })
end

function Transport:finished()
    local done = table.remove(self.done, 1)
    if done then
        self.now_ms = self.now_ms + 20
        return done[1], done[2]
    end
end

function Transport:wait(until_ms)
    self.now_ms = math.max(self.now_ms, until_ms or 0)
    return until_ms ~= nil
end

function Transport:close() -- luacheck: ignore 212
end

--- @tparam table answers transfers, one for each request
-- @tparam[opt] table requests where the requests are put
function M.driver(answers, requests)
    return machine.new(function()
        local parts = { now_ms = 0, done = {}, answers = answers, requests = requests or {} }
        return setmetatable(parts, Transport)
    end)
end

--- An answer with a status and a body.
function M.answer(status, body)
    return { status = status, body = body, headers = { { "Twilio-Request-Id", "RQ" .. ("7a"):rep(16) } } }
end

--- The JSON of a message, its members as the API orders them.
function M.message(sid, account_sid, fields)
    return ('{"account_sid":"%s","api_version":"2010-04-01","body":"%s","date_sent":null,"direction":'
        .. '"outbound-api","error_code":null,"from":"%s","num_segments":"1","price":null,"sid":"%s",'
        .. '"status":"queued","to":"%s"}'):format(account_sid, fields.body or "Hi",
        fields.from or "+15005550006", sid, fields.to or "+12125551234")
end

return M

--- A transport for the specs: its time goes on when somebody waits, and each answer is the spec's own.
local timeline = require "twilio_sms.timeline"

local M = {
    OPTIONS = {
        account_sid = "AC" .. ("0"):rep(32),
        auth_token = "0123456789abcdef0123456789abcdef",
        from = "+15005550006",
        seed = 1,
        rate = { per_second = 0, per_number = 0 },
    },
    TAKES_MS = 100,
}

--- The options of a client, with changes.
function M.options(changes)
    local out = {}
    for name, value in pairs(M.OPTIONS) do
        out[name] = value
    end
    for name, value in pairs(changes or {}) do
        out[name] = value
    end
    return out
end

--- A good answer.
function M.accepted(n, status)
    local body = ('{"sid":"SM%032d","status":"%s"}'):format(n, status or "queued")
    return { sent = true, status = 201, body = body }
end

local Transport = {}
Transport.__index = Transport

--- @tparam[opt] function answer gets a request and its number, and answers the transfer and how long it takes
-- (100 ms); default: every message is accepted. No transfer: the request never ends.
function M.new(answer)
    return setmetatable({
        mono_ms = 5000, wall_ms = 1700000000000, answer = answer,
        requests = {}, ended = timeline.new(), waits = {}, closed = false,
    }, Transport)
end

function Transport:now()
    return self.mono_ms, self.wall_ms
end

--- Lets time pass.
function Transport:pass(ms)
    self.mono_ms, self.wall_ms = self.mono_ms + ms, self.wall_ms + ms
end

function Transport:start(id, request)
    local count = #self.requests + 1
    self.requests[count] = request
    local transfer, takes_ms
    if self.answer then
        transfer, takes_ms = self.answer(request, count)
    else
        transfer = M.accepted(count)
    end
    if transfer then
        self.ended:add(self.mono_ms + (takes_ms or M.TAKES_MS), { id = id, transfer = transfer })
    end
end

function Transport:finished()
    local item = self.ended:take(self.mono_ms)
    if item then
        return item.id, item.transfer
    end
end

function Transport:due_ms()
    return self.ended:due_ms()
end

function Transport:wait(until_ms)
    local due_ms = self.ended:due_ms()
    self.waits[#self.waits + 1] = until_ms or "for ever"
    local at_ms = due_ms and until_ms and math.min(due_ms, until_ms) or due_ms or until_ms
    if not at_ms then
        return false
    end
    self:pass(math.max(0, at_ms - self.mono_ms))
end

function Transport:close()
    self.closed = true
end

return M

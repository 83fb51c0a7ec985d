--- Gives spans to a function.
local core = require "twilio_sms.core"

local M = {}

local Exporter = {}
local class = { __index = Exporter, __name = "twilio_sms.observe.exporter_function" }

--- Makes an exporter.
-- @tparam function f gets the body of an OTLP request and how many spans are in it; false, or an error, says
-- that they are lost
function M.new(f)
    return setmetatable({ f = f, busy = false, batch = nil }, class)
end

local LOST_MS = 60000 -- a function that takes longer for a batch will not come back

-- Whoever sends must not fail for an error that cannot be told.
local function text_of(problem)
    local ok, text = pcall(tostring, problem)
    return ok and text or "an error without a text"
end

--- Calls it; `queue` is told what became of the batch.
function Exporter:start(body, count, queue)
    local batch = { count = count, queue = queue, given_ms = core.now_ms() }
    self.busy, self.batch = true, batch -- the function may use the client that is traced
    local ok, taken, why = pcall(self.f, body, count)
    if self.batch ~= batch then
        return -- it was given up
    end
    self.busy, self.batch = false, nil
    if ok and taken ~= false then
        queue:exported(count, 0)
    else
        queue:gave_up(count, "the function failed: " .. text_of(ok and why or taken))
    end
end

--- Gives up a batch whose function waits for ever: in nginx its request may have ended meanwhile.
function Exporter:work()
    local batch = self.batch
    if batch and core.now_ms() - batch.given_ms >= LOST_MS then
        self.busy, self.batch = false, nil
        batch.queue:gave_up(batch.count, "the function did not come back")
    end
end

function Exporter:close()
    return 0
end

return M

--- Gives spans to a function.
local M = {}

local Exporter = {}
local class = { __index = Exporter, __name = "twilio_sms.observe.exporter_function" }

--- Makes an exporter.
-- @tparam function f gets the body of an OTLP request and how many spans are in it; false, or an error, says
-- that they are lost
function M.new(f)
    return setmetatable({ f = f, busy = false }, class)
end

-- Whoever sends must not fail for an error that cannot be told.
local function text_of(problem)
    local ok, text = pcall(tostring, problem)
    return ok and text or "an error without a text"
end

--- Calls it; `queue` is told what became of the batch.
function Exporter:start(body, count, queue)
    self.busy = true -- the function may use the client that is traced
    local ok, taken, why = pcall(self.f, body, count)
    self.busy = false
    if ok and taken ~= false then
        queue:exported(count, 0)
    else
        queue:gave_up(count, "the function failed: " .. text_of(ok and why or taken))
    end
end

function Exporter:work() end

function Exporter:close()
    return 0
end

return M

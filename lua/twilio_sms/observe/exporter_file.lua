--- Appends spans to a file: one TracesData object in JSON a line, as other tools for OTLP read it.
local growing_file = require "twilio_sms.observe.growing_file"
local values = require "twilio_sms.observe.values"

local M = {}

local Exporter = {}
local class = { __index = Exporter, __name = "twilio_sms.observe.exporter_file" }

--- Makes an exporter.
-- @tparam string path
-- @treturn table|nil nil and an error when the file cannot be written
function M.new(path)
    local file, why = growing_file.new(path)
    if not file then
        return values.invalid("trace", "to", "cannot open the file: %s", why)
    end
    return setmetatable({ file = file, busy = false, torn = false }, class)
end

--- Writes a batch, in one piece: others may write to the same file. `queue` is told what became of it.
function Exporter:start(body, count, queue)
    local file, why = self.file:open()
    local ok
    if file then
        ok, why = file:write((self.torn and "\n" or "") .. body .. "\n")
        self.torn = not ok -- a part of the line may be there
    end
    if ok then
        queue:exported(count, 0)
    else
        queue:gave_up(count, "cannot write the file: " .. tostring(why))
    end
end

function Exporter:work() end

function Exporter:close()
    self.file:close()
    return 0
end

return M

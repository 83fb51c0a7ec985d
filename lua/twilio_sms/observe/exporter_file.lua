--- Appends spans to a file: one TracesData object in JSON a line, as other tools for OTLP read it.
local core = require "twilio_sms.core"

local M = {}

local Exporter = {}
local class = { __index = Exporter, __name = "twilio_sms.observe.exporter_file" }

-- Opened for each batch, so that it may be rotated by renaming it.
local function open(path)
    core.new_file(path) -- which only its owner may read; one that is there already stays as it is
    local file, why = io.open(path, "ab")
    if file then
        file:setvbuf "no" -- the line goes out in one piece: others may write to the same file
    end
    return file, why
end

--- Makes an exporter.
-- @tparam string path
-- @treturn table|nil nil and an error when the file cannot be written
function M.new(path)
    local file, why = open(path)
    if not file then
        return nil, core.error("InvalidOption", "trace.to: cannot open the file: " .. tostring(why))
    end
    file:close()
    return setmetatable({ path = path, busy = false, torn = false }, class)
end

--- Writes a batch; `queue` is told what became of it.
function Exporter:start(body, count, queue)
    local file, why = open(self.path)
    local ok
    if file then
        ok, why = file:write(self.torn and "\n" or "", body, "\n")
        local closed, problem = file:close()
        ok, why = ok and closed, why or problem
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
    return 0
end

return M

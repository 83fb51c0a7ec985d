local simulator = require "simulator"

local HEAP_MOST_KB, PROCESS_MOST_KB = 64, 1024

-- In a process of its own: other specs leave a heap behind whose collection would be measured as well.
local PROGRAM = [[
    local sms = require "twilio_sms"
    local WARM, MANY = 5000, 20000
    local function process_kb() -- proc(5), VmRSS
        local file = assert(io.open "/proc/self/status")
        local text = file:read "*a"
        file:close()
        return tonumber(text:match "VmRSS:%s*(%d+) kB")
    end
    local function heap_kb()
        collectgarbage()
        collectgarbage()
        return collectgarbage "count"
    end
    local client = sms.assert(sms.from_env { rate = { per_second = 0, per_number = 0 } })
    local i = 0
    local function source()
        i = i + 1
        return i <= MANY and { to = ("+1500%07d"):format(i), body = "Message " .. i } or nil
    end
    local done, heap, process = 0
    for _, message, err in client:send_many(source) do
        done = done + 1
        sms.assert(message, err)
        if done == WARM then
            heap, process = heap_kb(), process_kb()
        end
    end
    print(("done=%d heap=%.0f process=%d"):format(done, heap_kb() - heap, process_kb() - process))
    client:close()
]]

describe("twenty thousand messages", function()
    it("take no more memory than five thousand", function()
        local sim = simulator.start "send_ms = 60000"
        finally(function() sim:stop() end)
        local variables = {
            "TWILIO_ACCOUNT_SID=" .. simulator.ACCOUNT_SID, "TWILIO_AUTH_TOKEN=" .. simulator.AUTH_TOKEN,
            "TWILIO_BASE_URL=" .. sim.url, "TWILIO_CA_FILE=" .. sim.ca_file,
            "TWILIO_FROM=" .. simulator.FROM,
        }
        local command = ("env %s %s -e %s 2>&1"):format(
            table.concat(variables, " "), simulator.lua, simulator.quote(PROGRAM))
        local pipe = assert(io.popen(command))
        local output = pipe:read "*a"
        pipe:close()
        local done, heap, process = output:match "done=(%d+) heap=(%-?%d+) process=(%-?%d+)"
        assert.equal("20000", done, output)
        assert.truthy(tonumber(heap) <= HEAP_MOST_KB, ("the heap grew by %s KB"):format(heap))
        assert.truthy(tonumber(process) <= PROCESS_MOST_KB, ("the process grew by %s KB"):format(process))
        assert.equal(20000, sim:stats().accepted)
    end)
end)

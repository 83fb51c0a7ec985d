--- The stores on which the specs of the opt-out list run: each entry opens one, and gives what removes it.
local memory = require "twilio_sms.memory"
local sqlite = require "twilio_sms.store"

local M = {}

function M.memory()
    return memory.new(), function() end
end

function M.sqlite()
    local path = os.tmpname()
    os.remove(path)
    local store = assert(sqlite.open(path))
    return store, function()
        store:close()
        for _, suffix in ipairs { "", "-wal", "-shm" } do
            os.remove(path .. suffix)
        end
    end
end

return M

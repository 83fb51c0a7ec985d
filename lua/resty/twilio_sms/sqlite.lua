--- The SQLite store for nginx: while somebody else writes, the worker goes on with other requests.
--
-- Only waiting for the disk still holds it up: SQLite does that inside of each write.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local scheduler = require "resty.twilio_sms.scheduler"
local store = require "twilio_sms.store"

local M = {}

local Store = {}
local class = { __index = Store, __name = "resty.twilio_sms.sqlite" }

local OPTIONS = { busy_timeout_ms = "number" }
local BUSY_TIMEOUT_MS = 5000 -- as twilio_sms.store has it

-- How long SQLite itself waits, which blocks.
local BLOCKING_MS = 1

local PAUSE_MS, PAUSE_MOST_MS = 1, 20

local function is_busy(err)
    return core.is_error(err) and err.message:find("the store is busy", 1, true) ~= nil
end

-- Where nginx cannot wait, the worker does.
local function pause(ms)
    if scheduler.inside() then
        ngx.sleep(ms / 1000)
    else
        core.poll({}, ms)
    end
end

-- Calls f(...) until nobody else is writing, or it has taken too long. The pauses are of chance length, so
-- that workers do not go on disturbing each other.
local function call(busy_timeout_ms, f, ...)
    local until_ms = core.now_ms() + busy_timeout_ms
    local most_ms = PAUSE_MS
    local value, detail = f(...)
    while value == nil and is_busy(detail) and core.now_ms() < until_ms do
        pause(PAUSE_MS + math.random() * (most_ms - PAUSE_MS))
        most_ms = math.min(most_ms * 2, PAUSE_MOST_MS)
        value, detail = f(...)
    end
    return value, detail
end

--- Opens a file, making it if need be. In a worker, not in init_by_lua.
-- @tparam string path
-- @tparam[opt] table opts busy_timeout_ms (5000): how long to wait for others who write
-- @treturn table|nil a store (docs/stores.md)
function M.open(path, opts)
    opts = options.check(opts, OPTIONS, 2)
    local ms = opts.busy_timeout_ms or BUSY_TIMEOUT_MS
    if ms < 1 or ms % 1 ~= 0 then
        error("option 'busy_timeout_ms' must be a whole number, 1 or more", 2)
    elseif type(path) ~= "string" then
        error("open(path) takes a string, not " .. options.kind_of(path), 2)
    end
    local inner, err = call(ms, store.open, path, { busy_timeout_ms = BLOCKING_MS })
    if not inner then
        return nil, err
    end
    return setmetatable({ inner = inner, busy_timeout_ms = ms }, class)
end

for _, name in ipairs { "read", "write", "list", "purge" } do
    Store[name] = function(self, ...)
        local inner = self.inner
        local value, detail = call(self.busy_timeout_ms, inner[name], inner, ...)
        return value, detail -- not a tail call, which would hide this function from the count of levels
    end
end

function Store:close()
    self.inner:close()
end

return M

--- What the specs of the tracker share: stores, sids, reports, and a client that answers from a table.
local core = require "twilio_sms.core"
local memory = require "twilio_sms.memory"
local store = require "twilio_sms.store"
local track = require "twilio_sms.track"

local M = {
    ACCOUNT_SID = "AC" .. ("0"):rep(32),
    TO = "+15005550010",
}

--- The sid of the n-th message.
function M.sid(n)
    return ("SM%032d"):format(n)
end

--- Every kind of store: its name, and a function that answers a new one and one that takes it away.
M.STORES = {
    { "in memory", function() return memory.new(), function() end end },
    { "in SQLite", function()
        local path = os.tmpname()
        os.remove(path)
        local db = assert(store.open(path))
        return db, function()
            db:close()
            for _, ending in ipairs { "", "-wal", "-shm" } do
                os.remove(path .. ending)
            end
        end
    end },
}

--- A clock that stands still until it is set.
function M.clock(now_s)
    local clock = { now_s = now_s or 1000000 }
    function clock.read()
        return clock.now_s
    end
    return clock
end

--- A tracker, with the clock that it goes by.
function M.tracker(opts)
    local clock = M.clock()
    local given = { account_sid = M.ACCOUNT_SID, clock = clock.read }
    for name, value in pairs(opts or {}) do
        given[name] = value
    end
    return track.new(given), clock
end

--- A status callback, as a webhook hands it over.
function M.event(n, status, error_code)
    return {
        type = "status", message_sid = M.sid(n), status = status, error_code = error_code, to = M.TO,
        account_sid = M.ACCOUNT_SID,
    }
end

--- A message, as a client answers it.
function M.message(n, status, error_code)
    return {
        sid = M.sid(n), status = status, error_code = error_code, to = M.TO, account_sid = M.ACCOUNT_SID,
        direction = "outbound-api",
    }
end

local Client = {}
Client.__index = Client

--- A client that answers from `truth` (messages by sid) and `errors` (by sid), and counts in `asked`.
function M.client()
    return setmetatable({ truth = {}, errors = {}, asked = {} }, Client)
end

--- What Twilio answers for what it does not have.
function M.not_found()
    local err = core.error("InvalidRequest", "The requested resource was not found", "rejected")
    err.http_status, err.code = 404, 20404
    return err
end

function Client:tell(message)
    self.truth[message.sid] = message
end

function Client:get(sid)
    self.asked[#self.asked + 1] = sid
    if self.errors[sid] then
        return nil, self.errors[sid]
    elseif not self.truth[sid] then
        return nil, M.not_found()
    end
    return self.truth[sid]
end

function Client:get_many(sids)
    local i = 0
    return function()
        i = i + 1
        if sids[i] then
            return i, self:get(sids[i])
        end
    end
end

return M

--- Knows webhooks that were handled before, so that a repeat gets the same answer and is not handled again.
--
-- The receiver's memory, which processes may share, knows a webhook by its signature and by what it is about:
-- the same message comes with another signature when the fallback URL is called. A store knows what it is
-- about for longer, and over restarts.
local M = {}

local Repeats = {}
local class = { __index = Repeats, __name = "twilio_sms.repeats" }

local SPACE = "webhook"
local KEEP_S = 7 * 86400
local PURGE_EVERY = 1000

--- @param receiver a core.webhook
-- @param store a store, or nil
function M.new(receiver, store)
    return setmetatable({ receiver = receiver, store = store, written = 0 }, class)
end

local function identity(event)
    if event.type == "inbound" then
        return ("%s/in/%s"):format(event.account_sid, event.message_sid)
    elseif event.type == "status" then
        local code = event.error_code or ""
        return ("%s/%s/%s/%s"):format(event.account_sid, event.message_sid, event.status, code)
    end
end

local function to_stored(answer)
    return {
        status = answer.status,
        content_type = answer.headers["Content-Type"],
        body = answer.body ~= "" and answer.body or nil,
    }
end

-- A body that is not known any more is left out: an empty answer, rather than the handler run twice.
local function from_stored(stored)
    if not stored.body then
        return { status = stored.status == 200 and 204 or stored.status, headers = {}, body = "" }
    end
    local headers = { ["Content-Type"] = stored.content_type }
    return { status = stored.status, headers = headers, body = stored.body }
end

local function release(self, keys)
    for _, key in ipairs(keys) do
        self.receiver:release(key)
    end
end

local function finish(self, keys, now_ms, answer)
    for _, key in ipairs(keys) do
        self.receiver:finish(key, now_ms, to_stored(answer))
    end
end

local function claim_keys(self, event, now_ms)
    local claimed = {}
    for _, key in ipairs { event.signature, identity(event) } do
        local seen, stored = self.receiver:claim(key, now_ms)
        if seen ~= "new" then
            release(self, claimed)
            local busy = { status = 503, headers = { ["Retry-After"] = "1" }, body = "" }
            return nil, seen == "running" and busy or from_stored(stored)
        end
        claimed[#claimed + 1] = key
    end
    return claimed
end

--- Claims an event.
-- @treturn[1] table a claim, to be given to `done` or `failed`
-- @treturn[2] nil
-- @treturn[2] table the answer to a repeat; nil when the store cannot be read
-- @treturn[2] table the store's error
function Repeats:claim(event, now_ms)
    local keys, answer = claim_keys(self, event, now_ms)
    local name = keys and self.store and identity(event)
    if not name then
        return keys, answer
    end
    local record, err = self.store:read(SPACE, name)
    if record then
        answer = from_stored(record)
        finish(self, keys, now_ms, answer)
        return nil, answer
    elseif type(err) == "table" then
        release(self, keys)
        return nil, nil, err
    end
    return keys
end

--- It was handled, with this answer.
-- @treturn table|nil the store's error: the answer is then remembered for the replay window only
function Repeats:done(keys, event, now_ms, answer)
    local ok, err = true, nil
    local name = self.store and identity(event)
    if name then
        local record = to_stored(answer)
        local at = math.floor(now_ms / 1000)
        ok, err = self.store:write { { space = SPACE, key = name, record = record, at = at, version = 0 } }
        self.written = self.written + 1
        if self.written % PURGE_EVERY == 0 then
            self.store:purge(SPACE, at - KEEP_S)
        end
    end
    finish(self, keys, now_ms, answer)
    return ok == nil and err or nil
end

--- It was not handled: a repeat is new.
function Repeats:failed(keys)
    release(self, keys)
end

return M

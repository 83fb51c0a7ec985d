--- Knows webhooks that were handled before, so that a repeat gets the same answer and is not handled again.
--
-- The receiver's memory, which processes may share, knows a webhook by its signature and by what it is about:
-- the same message comes with another signature when the fallback URL is called. A store knows what it is
-- about for longer, over restarts and for all who use it: a claim is written there before the handler runs.
--
-- After an answer that redirects, the same message comes once more, to the other URL, and is no repeat there.
local core = require "twilio_sms.core"

local M = {}

local Repeats = {}
local class = { __index = Repeats, __name = "twilio_sms.repeats" }

local SPACE = "webhook"
local KEEP_S = 7 * 86400
local PURGE_EVERY = 1000
local LEASE_MS = 60000 -- how long a claim is believed that nobody has ended, as in the receiver's memory
local TRIES_MOST = 5

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

-- A store of the program's own may raise errors. The claims must not hang on that.
local function ask_store(self, method, ...)
    local ok, value, detail = pcall(self.store[method], self.store, ...)
    if not ok then
        return nil, core.error("InternalError", ("the store failed: %s"):format(tostring(value)))
    end
    return value, detail
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

local function busy()
    return { status = 503, headers = { ["Retry-After"] = "1" }, body = "" }
end

local function claim_keys(self, event, now_ms)
    local claimed = {}
    for _, key in ipairs { event.signature, identity(event) } do
        local seen, stored = self.receiver:claim(key, now_ms)
        if seen ~= "new" then
            release(self, claimed)
            return nil, seen == "running" and busy() or from_stored(stored)
        end
        claimed[#claimed + 1] = key
    end
    return claimed
end

local function write(self, name, record, version, now_ms)
    return ask_store(self, "write", {
        { space = SPACE, key = name, record = record, at = math.floor(now_ms / 1000), version = version },
    })
end

-- Claims what an event is about in the store. Answers the claim; or nil and the answer to give; or nil, nil
-- and an error.
local function claim_in_store(self, name, event, now_ms)
    for _ = 1, TRIES_MOST do
        local record, version = ask_store(self, "read", SPACE, name)
        if not record and type(version) == "table" then
            return nil, nil, version
        end
        local elsewhere = record and record.redirected_from and record.redirected_from ~= event.url
        if record and record.running_ms and math.abs(now_ms - record.running_ms) < LEASE_MS then
            return nil, busy()
        elseif record and not record.running_ms and not elsewhere then
            return nil, from_stored(record)
        end
        local done, err = write(self, name, { running_ms = now_ms }, version, now_ms)
        if done then
            return { name = name, version = version + 1, before = elsewhere and record or nil }
        elseif done == nil then
            return nil, nil, err
        end
    end
    return nil, busy() -- somebody else has been faster, each time
end

--- Claims an event.
-- @treturn[1] table a claim, to be given to `done` or `failed`
-- @treturn[2] nil
-- @treturn[2] table the answer to a repeat; nil when the store fails
-- @treturn[2] table the store's error
function Repeats:claim(event, now_ms)
    local keys, answer = claim_keys(self, event, now_ms)
    local name = keys and self.store and identity(event)
    if not name then
        return keys, answer
    end
    local err
    keys.stored, answer, err = claim_in_store(self, name, event, now_ms)
    if keys.stored then
        return keys
    elseif answer and answer.status ~= 503 then
        finish(self, keys, now_ms, answer)
    else
        release(self, keys)
    end
    return nil, answer, err
end

--- It was handled, with this answer.
-- @tparam boolean redirects whether the answer sends Twilio to another URL
-- @treturn table|nil the store's error: the answer is then remembered for the replay window only
function Repeats:done(keys, event, now_ms, answer, redirects)
    local ok, err = true, nil
    if keys.stored then
        local record = to_stored(answer)
        record.redirected_from = redirects and event.url or nil
        ok, err = write(self, keys.stored.name, record, keys.stored.version, now_ms)
        self.written = self.written + 1
        if self.written % PURGE_EVERY == 0 then
            ask_store(self, "purge", SPACE, math.floor(now_ms / 1000) - KEEP_S)
        end
    end
    if redirects then
        finish(self, { keys[1] }, now_ms, answer) -- the signature, of which the URL is a part
        release(self, { keys[2] })
    else
        finish(self, keys, now_ms, answer)
    end
    return ok == nil and err or nil
end

--- It was not handled: a repeat is new.
function Repeats:failed(keys, now_ms)
    if keys.stored then -- if that fails, too, the claim lapses
        write(self, keys.stored.name, keys.stored.before, keys.stored.version, now_ms)
    end
    release(self, keys)
end

return M

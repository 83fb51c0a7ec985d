--- Waits for the end of a message: whatever tells first, a callback or a look.
local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"

local M = {}

local PAUSE_FIRST_MS, PAUSE_MOST_MS = 500, 5000
local LOOK_TIMEOUT_MS = 15000

-- Notes that there is something new for those who wait, also for who is just reading the store: that may let
-- others go on meanwhile.
local function tell(watch)
    watch.news = watch.news + 1
    loop.wake(watch)
end

local function ask_twilio(tracker, sid, left_ms)
    local message, err = tracker.client:get(sid, { timeout_ms = math.min(left_ms, LOOK_TIMEOUT_MS) })
    if not message then
        return err
    end
    local record, problem = tracker:update(message, "poll")
    return not record and problem or nil
end

-- Asks Twilio. In a loop a coroutine of its own does, so that a callback need not wait for the answer; what
-- it raises, such as that the client was closed meanwhile, must not end the loop.
local function look(tracker, sid, watch, left_ms)
    watch.looking = true
    local function ask()
        local ok, err = pcall(ask_twilio, tracker, sid, left_ms)
        if not ok then
            err = core.error("InternalError", "the look failed: " .. tostring(err))
            err.retryable = false
        end
        watch.looking = false
        if err and not err.retryable then
            watch.err = err
        end
        tell(watch)
    end
    if loop.inside() then
        loop.spawn(ask)
    else
        ask()
    end
end

local function timeout_error(record)
    local what = record and "the message is still " .. record.status or "nothing is known of the message"
    local err = core.error("Timeout", what)
    err.last = record
    return err
end

local function wait(tracker, sid, watch, timeout_ms, interval_ms)
    local pause_ms = interval_ms or PAUSE_FIRST_MS
    local drive = tracker.client and tracker.client.drive
    local next_ms = loop.now_ms(drive)
    local until_ms = next_ms + timeout_ms
    while true do
        local news = watch.news
        local record, err = tracker:get(sid)
        if err or record and record.terminal then
            return record, err
        elseif watch.err then
            return nil, watch.err
        end
        local now_ms = loop.now_ms(drive)
        if now_ms >= until_ms then
            return nil, timeout_error(record)
        elseif now_ms < next_ms and watch.news == news then
            loop.wait_for(watch, math.min(next_ms, until_ms) - now_ms, drive)
        elseif now_ms >= next_ms then
            next_ms = now_ms + pause_ms
            pause_ms = interval_ms or math.floor(math.min(pause_ms * 1.5, PAUSE_MOST_MS))
            if tracker.client and not watch.looking then
                look(tracker, sid, watch, until_ms - now_ms)
            end
        end
    end
end

--- Waits; several may wait for the same message, and share the looks.
-- @tparam table tracker with client (or nil), get, update, and watches: those who wait, by sid
-- @tparam[opt] number interval_ms between looks (500, growing to 5000)
-- @treturn table|nil the record; after the timeout nil and a Timeout error with the record in `last`
function M.run(tracker, sid, timeout_ms, interval_ms)
    local watches = tracker.watches
    local watch = watches[sid] or { waiters = 0, news = 0 }
    watches[sid] = watch
    watch.waiters = watch.waiters + 1
    local record, err = wait(tracker, sid, watch, timeout_ms, interval_ms)
    watch.waiters = watch.waiters - 1
    if watch.waiters == 0 then
        watches[sid] = nil
    end
    return record, err
end

--- Wakes those who wait for a message.
function M.wake(tracker, sid)
    local watch = tracker.watches[sid]
    if watch then
        tell(watch)
    end
end

return M

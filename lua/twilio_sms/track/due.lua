--- When to look after a message of which nothing more is heard.
--
-- A callback that was lost is lost for good: Twilio tries for 15 s at most
-- (https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides). What is silent may also just be
-- on its way: a message may stay in Twilio's queue for 10 hours (ValidityPeriod, at most 36000 s:
-- https://www.twilio.com/docs/messaging/api/message-resource), and then with a carrier, which may never give
-- a receipt. A look costs a request, so the pauses grow.
local state = require "twilio_sms.track.state"

local M = {}

--- The first pause. Most receipts come within seconds, nearly all within minutes.
M.SILENT_S = 3600

local PAUSE_MOST_S = 86400
local GIVE_UP_S = 3 * 86400 -- well after the queue's 10 hours; no carrier keeps a text for much longer
local SCHEDULE_MOST_S = 35 * 86400 -- https://www.twilio.com/docs/messaging/features/message-scheduling

-- When its silence began; a scheduled message keeps silent by right until it is sent.
local function silent_from(record)
    local since = state.since(record)
    if record.status == "scheduled" then
        return math.max(since, record.send_at or since + SCHEDULE_MOST_S)
    end
    return since
end

--- Puts into a record when the next look is due (next_look_at), or that none is (silent).
-- @tparam table record with status, timeline, looks
-- @tparam number now_s
-- @tparam number silent_s the first pause; each further one is twice as long
function M.plan(record, now_s, silent_s)
    record.next_look_at, record.silent = nil, nil
    if record.terminal or record.missing then
        return
    elseif record.looks > 0 and now_s - silent_from(record) >= GIVE_UP_S then
        record.silent = true
        return
    end
    local pause_s = silent_s
    for _ = 1, record.looks do
        pause_s = math.max(silent_s, math.min(pause_s * 2, PAUSE_MOST_S))
    end
    local from = now_s
    if record.status == "scheduled" and record.send_at then
        from = math.max(now_s, record.send_at)
    end
    record.next_look_at = from + pause_s
end

return M

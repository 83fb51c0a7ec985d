--- What is known of one message: a merge of all that was heard of it, in whatever order and however often.
--
-- Twilio gives callbacks no number and no time, and promises neither their order nor that each comes once
-- (https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks). So a state is
-- made of parts of which each only ever grows, and join(a, b) takes the greater of both, part by part. Which
-- of two reports came first, or came twice, then makes no difference.
local core = require "twilio_sms.core"

local M = {}

-- From the least to the greatest. Until `sent` it is the way that a message takes. An end outranks every step
-- on the way. Among ends that contradict each other:
--   canceled, failed       both say that it never left; failed knows why
--   undelivered            a carrier had it, so it did leave
--   received, delivered    a receipt that the phone has it is stronger than one that it has not: the latter
--                          is also given when the right one is late
--   read                   nobody reads what was not delivered
-- A status that is newer than this list ranks below all: it never hides what is known.
local ORDER = {
    "scheduled", "accepted", "receiving", "queued", "sending", "sent", "partially_delivered",
    "canceled", "failed", "undelivered", "received", "delivered", "read",
}

local RANKS = {}
for rank, status in ipairs(ORDER) do
    RANKS[status] = rank
end

local FIRST_GOOD_END = RANKS.received

-- The place of a status in the order; 0 for one that is not known.
local function rank_of(status)
    return RANKS[status] or 0
end

local function is_good_end(status)
    return rank_of(status) >= FIRST_GOOD_END
end

-- ---- One report ----------------------------------------------------------------------------------

-- What else is kept, and how many bytes of it. All are ASCII where Twilio follows its own rules; a store
-- takes no broken UTF-8, and a report must not fail for that.
local TEXTS = {
    account_sid = 64, to = 128, from = 128, messaging_service_sid = 64, callback_ref = 64,
    raw_dlr_done_date = 32,
}
local STATUS_MOST = 32
local REASON_MOST = 256
local SID_MOST = 64

local function clip(text, most)
    if type(text) == "string" and text ~= "" then
        return (text:sub(1, most):gsub("[^\32-\126]", "?"))
    end
end

local CODE_MOST = 2147483647

local function read_code(code)
    code = tonumber(code)
    if code and code % 1 == 0 and code > 0 and code <= CODE_MOST then
        return math.floor(code)
    end
end

--- What a single report says: a status event of a webhook, or a message that was sent or read.
-- @tparam table report message_sid or sid, status, error_code, error_message, to, from, ...
-- @tparam number at Unix seconds
-- @tparam string source "send", "callback" or "poll"
-- @treturn table|nil a state; nil when the report has no sid or no status
function M.of(report, at, source)
    local sid, status = report.message_sid or report.sid, clip(report.status, STATUS_MOST)
    if type(sid) ~= "string" or not sid:find "^%w+$" or #sid > SID_MOST or not status then
        return nil
    end
    local code = read_code(report.error_code)
    local state = {
        sid = sid,
        status = status,
        terminal = core.is_terminal(status),
        timeline = { { status = status, error_code = code, at = at, source = source } },
    }
    if not is_good_end(status) then
        state.error_code = code
        state.error_message = clip(report.error_message, REASON_MOST)
        state.error_status = (state.error_code or state.error_message) and status
    end
    for name, most in pairs(TEXTS) do
        state[name] = clip(report[name], most)
    end
    return state
end

-- ---- Merging -------------------------------------------------------------------------------------

-- Each of these orders is total, so that the greater of two does not depend on which comes first.

local function is_higher(a, b)
    local rank_a, rank_b = rank_of(a), rank_of(b)
    return rank_a > rank_b or rank_a == rank_b and a > b
end

local function is_better_reason(a, b)
    if not a.error_status or not b.error_status then
        return a.error_status ~= nil
    elseif a.error_status ~= b.error_status then
        return is_higher(a.error_status, b.error_status)
    elseif a.error_code ~= b.error_code then
        return (a.error_code or 0) > (b.error_code or 0)
    end
    return (a.error_message or "") > (b.error_message or "")
end

local function greater(a, b)
    if a == nil or b ~= nil and b > a then
        return b
    end
    return a
end

-- The order of a timeline: as the message goes, whatever was heard first.
local function comes_before(a, b)
    if a.status ~= b.status then
        return is_higher(b.status, a.status)
    end
    return (a.error_code or 0) < (b.error_code or 0)
end

local function is_earlier(a, b)
    return a.at < b.at or a.at == b.at and a.source < b.source
end

local TIMELINE_MOST = 32

-- Of entries that say the same the earliest stays; of more than fit in, the last of the order stay.
local function join_timelines(a, b)
    local all, out = {}, {}
    for _, list in ipairs { a, b } do
        for _, entry in ipairs(list) do
            all[#all + 1] = entry
        end
    end
    table.sort(all, function(x, y)
        if comes_before(x, y) then
            return true
        end
        return not comes_before(y, x) and is_earlier(x, y)
    end)
    for i, entry in ipairs(all) do
        if i == 1 or comes_before(all[i - 1], entry) then
            out[#out + 1] = {
                status = entry.status, error_code = entry.error_code, at = entry.at, source = entry.source,
            }
        end
    end
    while #out > TIMELINE_MOST do
        table.remove(out, 1)
    end
    return out
end

--- What two states of one message say together. Both stay as they are; other fields are those of a.
-- @treturn table
function M.join(a, b)
    local out = {}
    for name, value in pairs(a) do
        out[name] = value
    end
    out.status = is_higher(b.status, a.status) and b.status or a.status
    out.terminal = core.is_terminal(out.status)
    local reason = {}
    if not is_good_end(out.status) then -- else why it was in trouble is for the timeline alone
        reason = is_better_reason(b, a) and b or a
    end
    out.error_status, out.error_code = reason.error_status, reason.error_code
    out.error_message = reason.error_message
    for name in pairs(TEXTS) do
        out[name] = greater(a[name], b[name])
    end
    out.timeline = join_timelines(a.timeline, b.timeline)
    return out
end

-- The same report with the source of an entry that is known and says the same in the same second.
local function with_known_source(report, known)
    local entry = report.timeline[1]
    for _, old in ipairs(known.timeline) do
        local same = not comes_before(old, entry) and not comes_before(entry, old)
        if same and old.at == entry.at and old.source ~= entry.source then
            local out = {}
            for name, value in pairs(report) do
                out[name] = value
            end
            out.timeline = { old }
            return out
        end
    end
    return report
end

--- What is known after a report. As join; but of what was heard twice in one second, the source that came
-- first stays: Unix seconds cannot tell.
-- @tparam table known a state
-- @tparam table report what M.of has answered
-- @treturn table
function M.learn(known, report)
    return M.join(known, with_known_source(report, known))
end

--- Since when a message has its status.
-- @treturn number Unix seconds
function M.since(state)
    local at
    for _, entry in ipairs(state.timeline) do
        if entry.status == state.status and (not at or entry.at < at) then
            at = entry.at
        end
    end
    return at
end

--- Whether both say the same.
function M.equal(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b
    end
    for name, value in pairs(a) do
        if not M.equal(value, b[name]) then
            return false
        end
    end
    for name in pairs(b) do
        if a[name] == nil then
            return false
        end
    end
    return true
end

return M

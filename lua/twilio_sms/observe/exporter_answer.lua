--- What the answer of a collector means for the spans that it was sent (OTLP/HTTP, "Response").
local core = require "twilio_sms.core"

local M = {}

--- Requests for one batch, the first included: what a collector has not taken by then is dropped.
M.ATTEMPTS_MOST = 5

-- "Retryable Response Codes" of the OTLP specification.
local RETRYABLE = { [429] = true, [502] = true, [503] = true, [504] = true }

local FIRST_MS, WAIT_MOST_MS = 1000, 60000

-- Twice as long each time, and not the same for all that a collector has sent away.
local function pause_ms(attempts)
    return math.floor(FIRST_MS * 2 ^ (attempts - 1) * (0.5 + math.random()))
end

local function retry(attempts, why, wished_ms)
    if attempts >= M.ATTEMPTS_MOST then
        return "drop", why
    end
    return "retry", math.min(wished_ms or pause_ms(attempts), WAIT_MOST_MS), why
end

-- How many spans the collector took none of, although it took the request.
local function rejected(body)
    local ok, answer = pcall(core.json_decode, body)
    local partial = ok and type(answer) == "table" and answer.partialSuccess
    local count = type(partial) == "table" and tonumber(partial.rejectedSpans) or 0
    return count > 0 and count % 1 == 0 and count or 0
end

--- After a whole answer.
-- @tparam number status
-- @tparam table headers by their lower-case names: retry-after, date
-- @tparam string body
-- @tparam number attempts how many requests there were
-- @treturn string "ok" and how many were rejected; "retry", in how many milliseconds, and why; or "drop"
-- and why
function M.judge(status, headers, body, attempts)
    if status >= 200 and status < 300 then
        return "ok", rejected(body)
    end
    local why = ("the collector answered with HTTP %d"):format(status)
    if status == 404 then
        why = why .. "; does its URL end in /v1/traces, where collectors take spans?"
    end
    if not RETRYABLE[status] then
        return "drop", why
    end
    return retry(attempts, why, core.retry_after_ms(headers["retry-after"] or "", headers.date or ""))
end

--- The same when there was none: nobody knows whether the spans have arrived, but a collector tells twins by
-- their ids.
function M.judge_fault(fault, attempts)
    return retry(attempts, "the collector cannot be reached: " .. fault)
end

return M

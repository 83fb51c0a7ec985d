--- Says what a run of `bulk` has come to, or what it would come to.
local failure = require "twilio_sms.cli.failure"
local progress = require "twilio_sms.cli.bulk.progress"

local M = {}

local number = progress.number

-- Lines of a count and what is counted; those without a count are left out.
local function lines_of(pairs_of)
    local width, out = 1, {}
    for _, pair in ipairs(pairs_of) do
        width = math.max(width, #pair[1])
    end
    for _, pair in ipairs(pairs_of) do
        if pair[1] ~= "0" then
            out[#out + 1] = ("%" .. width .. "s  %s"):format(pair[1], pair[2])
        end
    end
    return out
end

--- What is to be done, for --plan and --dry-run.
-- @tparam table survey of `twilio_sms.cli.bulk.survey`
-- @tparam number|nil price of a segment
-- @treturn table for programs
function M.plan(survey, price)
    return {
        rows = survey.rows, invalid = survey.invalid + survey.double_ids, repeats = survey.repeats,
        done_before = survey.done_before, suppressed = survey.suppressed, to_send = survey.to_send,
        in_doubt = survey.in_doubt, segments = survey.segments, seconds = math.ceil(survey:duration_s()),
        cost = price and survey.segments * price or nil,
    }
end

--- The same for people.
function M.plan_lines(plan, price)
    local lines = lines_of {
        { number(plan.rows), "rows" },
        { number(plan.invalid), "cannot be sent" },
        { number(plan.repeats), "go to a recipient of an earlier row" },
        { number(plan.done_before), "were done before" },
        { number(plan.in_doubt), "are in doubt, and will be looked for first" },
        { number(plan.suppressed), "would not be sent: these people have opted out" },
        { number(plan.to_send), "would be sent" },
        { number(plan.segments), "segments" },
    }
    if plan.rows == 0 then
        lines[1] = "There are no rows."
    end
    local duration = progress.duration(plan.seconds)
    lines[#lines + 1] = ("It would take %s at least, at the rate limits."):format(duration)
    if price then
        lines[#lines + 1] = ("It would cost %.2f at %s a segment."):format(plan.cost, price)
    end
    return lines
end

local function failed_of(counts)
    local out, count = {}, 0
    for kind, n in pairs(counts) do
        out[kind] = n
        count = count + n
    end
    return out, count
end

--- What was done.
-- @tparam table survey
-- @tparam table doubt counts: found, unclear
-- @tparam table|nil sent of `twilio_sms.cli.bulk.sending`; nil when it did not come to that
-- @tparam string|nil stopped why it ended before its end
-- @treturn table for programs
function M.done(survey, doubt, sent, stopped)
    local failed, failures = failed_of(sent and sent.failed or {})
    local accepted = sent and sent.accepted or 0
    local suppressed, in_doubt = sent and sent.suppressed or 0, sent and sent.in_doubt or 0
    local out = {
        rows = survey.rows, sent = accepted, done_before = survey.done_before + doubt.found,
        found = doubt.found, failed = failed,
        suppressed = suppressed, invalid = survey.invalid, in_doubt = in_doubt + doubt.unclear,
        stopped = stopped,
    }
    out.left = survey.rows - out.sent - out.done_before - failures - suppressed - survey.invalid - in_doubt
        - doubt.unclear_in_input
    return out
end

--- The same for people.
function M.done_lines(done, results_path)
    local list = {
        { number(done.sent), "sent" },
        { number(done.done_before), "done before" },
        { number(done.found), "of those found in Twilio's list" },
        { number(done.suppressed), "not sent: these people have opted out" },
        { number(done.invalid), "not sent: the row cannot be sent" },
    }
    local kinds = {}
    for kind in pairs(done.failed) do
        kinds[#kinds + 1] = kind
    end
    table.sort(kinds)
    for _, kind in ipairs(kinds) do
        list[#list + 1] = { number(done.failed[kind]), "failed: " .. kind }
    end
    list[#list + 1] = { number(done.in_doubt), "in doubt: they may have been sent" }
    list[#list + 1] = { number(done.left), "left for the next run" }
    local lines = lines_of(list)
    if done.rows == 0 then
        lines[1] = "There are no rows."
    end
    if done.stopped then
        lines[#lines + 1] = "Stopped: " .. done.stopped .. "."
    end
    if done.left > 0 or done.in_doubt > 0 then
        lines[#lines + 1] = "The same command again goes on where this ended."
    end
    lines[#lines + 1] = "What became of each row is in " .. results_path .. "."
    return lines
end

--- The exit status of a run that was not stopped.
function M.status(done)
    if done.in_doubt > 0 then
        return failure.IN_DOUBT
    elseif done.left > 0 then
        return failure.LATER
    elseif done.invalid > 0 or next(done.failed) then
        return failure.REFUSED
    end
    return 0
end

return M

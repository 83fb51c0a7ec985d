--- P8 and P14: calls end in time, make no more attempts than they may, and all is well when the network is.
local M = {}

-- A request that creates a message does not leave with less than this left, or half of a short timeout,
-- because one that is cut off is in doubt.
local LEAST_LEFT_MS = 2000
-- The quota's prices of a retry (docs/reliability.md).
local FAULT_COST, THROTTLE_COST = 14, 5
-- How long after the last fault everything works again: every pause and lease has ended by then.
local MARGIN_MS = 1000
-- An attempt that begins when nothing is left has a millisecond.
local LATE_MOST_MS = 1
-- What a message may cost the account, in segments: while nothing leaves, so much is there again in time.
local COST_MOST = 20

local TROUBLE = {
    ConnectionFailed = true, Timeout = true, DnsResolutionFailed = true, InternalError = true,
    ServiceUnavailable = true, TemporarilyUnavailable = true,
}

local function attempts_most(client)
    local most = 1
    for _, name in ipairs { "rate_limit", "unavailable", "internal", "timeout", "connection" } do
        most = math.max(most, client.retry[name].attempts)
    end
    return most
end

local function least_left_ms(call)
    local whole_ms = call.deadline_ms - call.at_ms
    return math.min(math.floor(whole_ms / 2), LEAST_LEFT_MS, call.client.attempt_timeout_ms)
end

local function is_throttle(error_type)
    return error_type ~= nil and error_type:find("RateLimitError", 1, true) == 1
end

function M.new(book, report)
    local on = {}
    local quotas = {} -- by region: the most that can be left
    local last_ms = {} -- by region: when a request left last
    local calm_ms -- since when nothing fails on purpose

    function on.request(event, call)
        if not call then
            return
        end
        last_ms[call.client.region] = event.at_ms
        if call.sends > attempts_most(call.client) then
            report("P8", ("attempt %d is one too many"):format(call.sends), call)
        end
        if event.at_ms >= call.deadline_ms then
            local late_ms = event.at_ms - call.deadline_ms
            report("P8", ("a request left %d ms after the deadline"):format(late_ms), call)
        elseif event.is_send and call.deadline_ms - event.at_ms < least_left_ms(call) then
            local left_ms = call.deadline_ms - event.at_ms
            report("P8", ("it was sent with %d ms left"):format(left_ms), call)
        end
    end

    local function quota_of(client)
        local quota = quotas[client.region] or { left = client.retry.quota }
        quotas[client.region] = quota
        return quota
    end

    local function pay_back(event, call)
        if not event.error then
            local quota = quota_of(call.client)
            quota.left = math.min(call.client.retry.quota, quota.left + (call.paid or 1))
        end
    end

    -- At least what it costs, so that what is left by this account is never less than what is.
    local function pay(event, call)
        local quota = quota_of(call.client)
        local known = event.error ~= nil and not is_throttle(event.error)
        quota.left = quota.left - (known and FAULT_COST or THROTTLE_COST)
        call.paid = (call.paid or 0) + FAULT_COST
        if quota.left < 0 then
            report("P8", "a retry that the quota does not allow", call)
            quota.left = 0
        end
    end

    function on.client_event(event, call)
        if call and event.type == "retry" then
            pay(event, call)
        elseif call and event.type == "done" then
            pay_back(event, call)
        end
    end

    -- Who is refused for the account's limit has others before it, or the limit is stuck.
    local function is_stuck(event, client)
        if event.error ~= "AccountRateLimited" or event.outcome ~= "not_sent" then
            return false
        end
        local idle_ms = event.at_ms - math.max(calm_ms, last_ms[client.region] or 0)
        local per_second = client.rate.per_second
        return per_second > 0 and idle_ms > client.timeout_ms + COST_MOST * 1000 / per_second
    end

    local function check_calm(event, call)
        local client = call.client
        local pauses_ms = client.breaker.reset_timeout_ms + client.attempt_timeout_ms + client.timeout_ms
        local is_calm = calm_ms and call.at_ms >= calm_ms + pauses_ms + MARGIN_MS
        if is_calm and not event.ok and (TROUBLE[event.error] or is_stuck(event, client)) then
            report("P14", ("it failed with %s although nothing fails any more"):format(event.error), call)
        end
    end

    function on.result(event, call)
        if not call then
            return
        end
        local late_ms = event.at_ms - call.deadline_ms
        if late_ms > LATE_MOST_MS then
            report("P8", ("its result came %d ms too late"):format(late_ms), call)
        end
        check_calm(event, call)
    end

    function on.calm(event)
        calm_ms = event.at_ms
    end

    function on.finish(now_ms)
        if not calm_ms then
            return
        end
        for client in book:each() do
            local bound_ms = client.timeout_ms + client.attempt_timeout_ms
            if client.alive and client.open > 0 and now_ms >= calm_ms + bound_ms then
                for _, call in ipairs(client.list) do
                    if call.results == 0 and call.at_ms + bound_ms <= now_ms then
                        report("P14", "the faults are over, and it has not ended", call)
                    end
                end
            end
        end
    end

    return on
end

return M

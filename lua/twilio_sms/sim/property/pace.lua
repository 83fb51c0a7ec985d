--- P5 and P6: no interval sees more than its limit, and the messages of a number keep their order.
local core = require "twilio_sms.core"

local M = {}

local NS_PER_MS = 1000000

local function new_level(per_second, burst)
    return per_second > 0 and {
        interval_ns = math.ceil(1e9 / per_second),
        burst = burst,
        total = 0, -- admitted so far
        most = 0, -- the largest single cost
        start_ns = nil, -- the largest of t(i) - interval * (admitted before i)
    }
end

-- Whether every interval that ends now keeps the limit: for all i up to j
--     cost(i .. j) <= max(burst, largest cost) + floor((t(j) - t(i)) / interval)
-- which is, as costs are whole,
--     interval * cost(i .. j) - (t(j) - t(i)) <= interval * max(burst, largest cost).
-- The left side is largest for the i with the largest t(i) - interval * (admitted before i), and that one is
-- kept: one comparison stands for all intervals. Nanoseconds stay below 2^53 for days.
local function admit(level, at_ns, cost)
    local start_ns = at_ns - level.interval_ns * level.total
    if not level.start_ns or start_ns > level.start_ns then
        level.start_ns = start_ns
    end
    level.total = level.total + cost
    level.most = math.max(level.most, cost)
    local ahead_ns = level.start_ns + level.interval_ns * level.total - at_ns
    return ahead_ns <= level.interval_ns * math.max(level.burst, level.most)
end

local function cost_of(call)
    if call.client.rate.unit ~= "segment" then
        return 1
    end
    local segments = core.segments(call.body or "")
    return segments and math.max(1, segments.segments) or 1
end

-- A table in a table, made when it is missing.
local function child(parent, key)
    local found = parent[key] or {}
    parent[key] = found
    return found
end

function M.new(_, report)
    local on = {}
    local regions = {} -- by name: account, senders, recipients
    local queues = {} -- by client, then by sender: the calls that have not left yet, in their order

    local function check_level(levels, key, what, per_second, burst, event, call)
        if levels[key] == nil then
            levels[key] = new_level(per_second, burst)
        end
        local level = levels[key]
        call.cost = call.cost or cost_of(call)
        if level and not admit(level, event.at_ms * NS_PER_MS, call.cost) then
            report("P5", ("one too many for %s"):format(what), call)
        end
    end

    local function check_pace(event, call)
        local rate, region = call.client.rate, child(regions, call.client.region)
        check_level(region, "account", "the account", rate.per_second, rate.burst, event, call)
        if call.from and not call.service then
            local senders = child(region, "senders")
            check_level(senders, call.from, "the sender", rate.per_number, rate.per_number_burst, event, call)
        end
        local recipients = child(region, "recipients")
        check_level(recipients, call.to, "the recipient", rate.per_recipient, 1, event, call)
    end

    local function queue_of(call)
        local of_client = child(queues, call.client.name)
        local key = call.service or call.from or ""
        of_client[key] = of_client[key] or { first = 1, last = 0 }
        return of_client[key]
    end

    -- A recipient's own limit holds single messages back, so that there is no order to keep.
    local function keeps_order(call)
        return call.operation == "send" and call.client.rate.per_recipient == 0
    end

    function on.submit(_, call)
        if keeps_order(call) then
            local queue = queue_of(call)
            queue.last = queue.last + 1
            queue[queue.last] = call
        end
    end

    -- The program put it off: others may overtake it.
    function on.deferred(event, call)
        if call then
            call.is_excused = true
        end
    end

    local function check_order(call)
        local queue = queue_of(call)
        local head = queue[queue.first]
        while head and head ~= call and (head.has_left or head.has_ended or head.is_excused) do
            queue[queue.first] = nil
            queue.first = queue.first + 1
            head = queue[queue.first]
        end
        if head ~= call then
            report("P6", ("it overtook the call %s"):format(tostring(head and head.id)), call)
        end
    end

    function on.request(event, call)
        if not call or not event.is_send then
            return
        end
        check_pace(event, call)
    end

    -- The client's own events have the order in which things happened, also within a millisecond.
    function on.client_event(event, call)
        if not call then
            return
        elseif event.type == "attempt" and not call.has_left then
            if keeps_order(call) and not call.is_excused then
                check_order(call)
            end
            call.has_left = true
        elseif event.type == "done" then
            call.has_ended = true
        end
    end

    return on
end

return M

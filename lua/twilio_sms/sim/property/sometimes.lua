--- "Sometimes": what must be seen in a thousand runs, or the runs do not try what they are to try.
local M = {}

local REQUEST_FAULTS = {
    "status", "html", "garbage", "hang", "refused", "dns", "tls", "drop_before", "drop_after",
    "cut_after", "delay", "slow",
}
local WEBHOOK_FAULTS = { "delay", "double", "forge", "lose", "reorder" }

local NAMES = {
    "outcome accepted", "outcome accepted_no_sid", "outcome in_doubt", "outcome not_sent", "outcome rejected",
    "outcome throttled",
    "breaker closed to open", "breaker open to half_open", "breaker half_open to open",
    "breaker half_open to closed",
    "look-up found it", "look-up did not find it, and it was sent again", "look-up found it at the last look",
    "list lag hid a message",
    "limiter wait", "queue full", "deadline", "opted out before waiting", "opted out after waiting",
    "deferred", "cancelled", "retry quota empty",
    "crash", "crash while on the wire", "probe lost in a crash", "region shared by two", "restart",
    "webhook replayed", "forged webhook refused", "store failed", "receiver failed", "clock jump",
    "texted after a START",
}
for _, action in ipairs(REQUEST_FAULTS) do
    NAMES[#NAMES + 1] = "fault " .. action
end
for _, action in ipairs(WEBHOOK_FAULTS) do
    NAMES[#NAMES + 1] = "webhook fault " .. action
end

--- What must be seen, in the order of a report.
M.NAMES = NAMES

local RULES = {
    ["ServerError.ServiceUnavailable"] = "unavailable", ["ServerError.InternalError"] = "internal",
    ["NetworkError.Timeout"] = "timeout", ["NetworkError.ConnectionFailed"] = "connection",
}

-- Whether the message would not have been sent again, had it not been found.
local function is_last_look(call)
    local rule = call.client.retry[RULES[call.doubt] or "internal"]
    return call.sends >= rule.attempts
end

function M.new(book, see)
    local on = {}

    function on.fault(event)
        local of_webhook = event.operation == "inbound" or event.operation == "callback"
        see((of_webhook and "webhook fault " or "fault ") .. event.action)
    end

    local states, users = {}, {} -- by region: of the breaker, and the client that sent something

    local EVENTS = {}

    function EVENTS.breaker(event, _, client)
        local before = states[client.region] or "closed"
        see(("breaker %s to %s"):format(before, event.text))
        states[client.region] = event.text
        client.probing = nil
    end

    function EVENTS.attempt(_, call, client)
        if states[client.region] == "half_open" then
            client.probing = call
        end
        local user = users[client.region]
        if user and user ~= client.name and book:client(user).alive then
            see "region shared by two"
        end
        users[client.region] = client.name
    end

    function EVENTS.response(event, call, client)
        if event.outcome and call and call.operation == "send" then
            see("outcome " .. event.outcome)
            call.doubt = event.error or call.doubt
        end
        if client.probing == call then
            client.probing = nil
        end
    end

    function EVENTS.lookup(event, call)
        if not call then
            return
        elseif event.text == "not found" then
            call.looked_ms = event.at_ms
            if call.accepted > 0 then
                see "list lag hid a message"
            end
        else
            see(is_last_look(call) and "look-up found it at the last look" or "look-up found it")
        end
    end

    function EVENTS.limited(_, call)
        see "limiter wait"
        if call then
            call.has_waited = true
        end
    end

    function EVENTS.denied(event, call)
        if call and event.text == "opted_out" then
            see(call.has_waited and "opted out after waiting" or "opted out before waiting")
        end
    end

    function on.client_event(event, call)
        local handle = EVENTS[event.type]
        if handle then
            handle(event, call, book:client(event.client))
        end
    end

    local came_back = {} -- by recipient, then by sender

    function on.ledger(event)
        came_back[event.to] = came_back[event.to] or {}
        came_back[event.to][event.scope or "*"] = event.state == "opted_in"
    end

    function on.request(event, call)
        if not call or not event.is_send then
            return
        elseif call.sends > 1 and call.looked_ms then
            see "look-up did not find it, and it was sent again"
        end
        call.on_wire = true
        if came_back[call.to] and came_back[call.to][call.from or call.service] then
            see "texted after a START"
        end
    end

    function on.answer(_, call)
        if call then
            call.on_wire = nil
        end
    end

    function on.result(event, call)
        if not call or event.ok then
            return
        elseif event.error == "Timeout" and event.outcome == "not_sent" and call.sends == 0 then
            see "deadline"
        end
        if event.suppressed then
            see "retry quota empty"
        end
    end

    function on.refused(event)
        if event.error == "QueueFull" then
            see "queue full"
        end
    end

    function on.crash(event)
        see "crash"
        local client = book:client(event.client)
        for _, call in ipairs(client.list) do
            if call.on_wire and call.results == 0 then
                see "crash while on the wire"
                break
            end
        end
        if client.probing then
            see "probe lost in a crash"
            client.probing = nil
        end
    end

    function on.deferred()
        see "deferred"
    end

    function on.restart()
        see "restart"
    end

    function on.clock_jump()
        see "clock jump"
    end

    function on.webhook_answer(event)
        if event.forged and event.status == 403 then
            see "forged webhook refused"
        elseif not event.forged and event.status and event.status >= 500 then
            see "receiver failed"
        end
    end

    -- What the program under test tells by name: "deferred", "cancelled", "store failed", ...
    function on.seen(event)
        see(event.name)
    end

    return on
end

return M

--- P7 and P9: the breaker moves only where it may, with one probe at a time, is never stuck, and holds back
-- what it is to hold back.
--
-- Everything here comes from the clients' own events, which have the order in which things happened.
local M = {}

local LEGAL = {
    closed = { open = true },
    open = { half_open = true },
    half_open = { open = true, closed = true },
}
local LEASE_MARGIN_MS = 1000 -- a probe may take as long as an attempt, and this
local STUCK_MARGIN_MS = 1000
local REFUSED = "ServerError.TemporarilyUnavailable"

local function lease_ms(client)
    return client.attempt_timeout_ms + LEASE_MARGIN_MS
end

function M.new(book, report)
    local on = {}
    local regions = {}
    local refused_by_check = setmetatable({}, { __mode = "k" }) -- calls that a check refused

    local function region_of(client)
        local region = regions[client.region] or { state = "closed", moved_ms = 0 }
        regions[client.region] = region
        return region
    end

    local function move(region, client, state, at_ms)
        if not LEGAL[region.state][state] then
            report("P7", ("the breaker of %s went from %s to %s"):format(client.name, region.state, state))
        end
        region.state, region.moved_ms = state, at_ms
        region.probe = nil
    end

    local function start_probe(region, call, event)
        local probe = region.probe
        if probe and event.at_ms < probe.until_ms then
            report("P7", ("a second probe, while that of the call %d is out"):format(probe.call.id), call)
        end
        region.probe = { call = call, until_ms = event.at_ms + lease_ms(call.client) }
    end

    local EVENTS = {}

    function EVENTS.breaker(event, _, client)
        move(region_of(client), client, event.text, event.at_ms)
    end

    function EVENTS.attempt(event, call, client)
        local region = region_of(client)
        if region.state == "open" then
            report("P9", "a request left although the breaker is open", call)
        elseif region.state == "half_open" and call then
            start_probe(region, call, event)
        end
        region.moved_ms = event.at_ms
    end

    function EVENTS.response(_, call, client)
        local region = region_of(client)
        if region.probe and region.probe.call == call then
            region.probe = nil
        end
    end

    function EVENTS.denied(_, call)
        if call then
            refused_by_check[call] = true
        end
    end

    -- An open breaker lets one through after its time, and a probe that is lost counts as failed after its
    -- lease: nobody is refused for longer than both when nothing has left in between.
    function EVENTS.done(event, call, client)
        if event.error ~= REFUSED or event.attempt > 0 or call and refused_by_check[call] then
            return
        end
        local since_ms = event.at_ms - region_of(client).moved_ms
        if since_ms > client.breaker.reset_timeout_ms + lease_ms(client) + STUCK_MARGIN_MS then
            report("P7", ("the breaker is stuck: nothing has left for %d ms"):format(since_ms), call)
        end
    end

    function on.client_event(event, call)
        local handle = EVENTS[event.type]
        if handle then
            handle(event, call, book:client(event.client))
        end
    end

    return on
end

return M

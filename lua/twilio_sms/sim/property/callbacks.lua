--- P10: of what arrives by webhook, everything counts once, nothing goes back, and nothing forged counts.
local M = {}

-- How far a message is (docs/tracking.md): a later report moves it up or not at all.
local RANKS = {
    scheduled = 1, accepted = 2, receiving = 3, queued = 4, sending = 5, sent = 6, partially_delivered = 7,
    canceled = 8, failed = 9, undelivered = 10, received = 11, delivered = 12, read = 13,
}

local function is_good(status)
    return status ~= nil and status >= 200 and status <= 299
end

function M.new(_, report)
    local on = {}
    local states = {} -- by sid: rank and status
    local handled = {} -- by what a webhook is about

    -- A sid that the carrier never gave, or a status that it never reached, can only come from a forger.
    local reached = {} -- by sid, then by status

    -- Of the first status there is no event.
    function on.accept(event)
        reached[event.sid] = { scheduled = true, accepted = true, queued = true }
    end

    function on.status(event)
        if reached[event.sid] then
            reached[event.sid][event.status] = true
        end
    end

    local function check_origin(event)
        local statuses = reached[event.sid]
        if not statuses or not statuses[event.status] then
            report("P10", ("%s became %s, which the carrier never said"):format(event.sid, event.status))
        end
    end

    -- The tracker says that a message has moved.
    function on.tracked(event)
        check_origin(event)
        local rank, old = RANKS[event.status] or 0, states[event.sid]
        if old and rank < old.rank then
            report("P10", ("%s went back from %s to %s"):format(event.sid, old.status, event.status))
        elseif old and rank == old.rank and old.error_code == event.error_code then
            report("P10", ("%s became %s twice"):format(event.sid, event.status))
        end
        states[event.sid] = { rank = rank, status = event.status, error_code = event.error_code }
    end

    -- The program's handler has done its work.
    function on.handled(event)
        if event.forged then
            report("P10", ("a handler ran for a forged webhook about %s"):format(event.sid))
        end
        local key = ("%s %s %s"):format(event.about, event.sid, event.status or "")
        if handled[key] then
            report("P10", ("a handler ran twice for %s"):format(key))
        end
        handled[key] = true
    end

    function on.webhook_answer(event)
        if event.forged and is_good(event.status) then
            local text = "a forged webhook about %s got the answer %d"
            report("P10", text:format(tostring(event.sid), event.status))
        end
    end

    return on
end

return M

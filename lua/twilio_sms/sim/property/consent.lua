--- P4: nothing leaves to a person whose opt-out was in the list before.
local M = {}

local ALL = "*"

function M.new(_, report)
    local on = {}
    local states = {} -- by recipient, then by sender: when the opt-out was stored

    -- The program's list has it now: `state` is "opted_out" or "opted_in", `scope` a sender or "*".
    function on.ledger(event)
        local of_person = states[event.to] or {}
        states[event.to] = of_person
        of_person[event.scope or ALL] = event.state == "opted_out" and event.at_ms or nil
    end

    function on.request(event, call)
        local of_person = call and event.is_send and states[call.to]
        local since_ms = of_person and (of_person[call.from or call.service] or of_person[ALL])
        if since_ms then
            report("P4", ("it was sent %d ms after the opt-out"):format(event.at_ms - since_ms), call)
        end
    end

    return on
end

return M

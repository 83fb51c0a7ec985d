--- P1, P2, P3: what a call says became of its message is what became of it, and it says so once.
local M = {}

local NEVER_ACCEPTED = { rejected = true, not_sent = true, throttled = true }

--- @param book `twilio_sms.sim.property.book`
-- @tparam function report a function of a property, a text and a call
-- @treturn table what to do about each kind of event, and `finish`
function M.new(book, report)
    local on = {}
    local owners = {} -- calls by the sids that were handed out, for each client

    function on.accept(event, call)
        if not call then
            return
        elseif call.accepted > 1 and call.client.in_doubt ~= "resend" then
            report("P1", ("the carrier accepted it %d times"):format(call.accepted), call)
        end
        if call.results > 0 and not call.ok and NEVER_ACCEPTED[call.outcome] then
            report("P2", ("accepted after its result said %s"):format(call.outcome), call)
        end
    end

    -- Of two identical messages either may be told the sid of the other; each has its own.
    local function is_same_message(a, b)
        return a.to == b.to and a.from == b.from and a.service == b.service and a.body == b.body
    end

    local function check_accepted(event, call)
        local owner = book:call_of_sid(event.sid)
        if not owner or not is_same_message(owner, call) then
            local text = "its result has the sid %s, which is not its own"
            return report("P2", text:format(tostring(event.sid)), call)
        end
        local of_client = owners[call.client.name] or {}
        owners[call.client.name] = of_client
        if of_client[event.sid] and of_client[event.sid] ~= call then
            report("P2", ("another call has the sid %s already"):format(event.sid), call)
        end
        of_client[event.sid] = call
    end

    function on.result(event, call)
        if not call then
            report("P3", ("a result for the call %s, which nobody submitted"):format(tostring(event.call_id)))
        elseif call.results > 1 then
            report("P3", ("it has %d results"):format(call.results), call)
        elseif not call.client.alive then
            report("P3", "a result from a client that is dead", call)
        elseif call.operation ~= "send" then
            return
        elseif event.ok then
            check_accepted(event, call)
        elseif NEVER_ACCEPTED[event.outcome] and call.accepted > 0 then
            report("P2", ("its result says %s, but the carrier has it"):format(event.outcome), call)
        end
    end

    -- Whoever sends is a program of its own: what a client hands out and what its caller gets are two things.
    local waiting = {}

    function on.asked(event)
        waiting[event.key] = event
    end

    function on.answered(event)
        if not waiting[event.key] then
            report("P3", ("the caller %s got an answer too many"):format(event.key))
        end
        waiting[event.key] = nil
    end

    local function check_open(call, now_ms)
        local late_ms = now_ms - call.deadline_ms - call.client.attempt_timeout_ms
        if call.results == 0 and late_ms > 0 then
            report("P3", "it never had a result", call)
        end
    end

    function on.finish(now_ms)
        for client in book:each() do
            if client.alive and client.open > 0 then
                for _, call in ipairs(client.list) do
                    check_open(call, now_ms)
                end
            end
        end
        local late = {}
        for key, event in pairs(waiting) do
            local client = book:client(event.client)
            if client.alive and now_ms - event.at_ms > client.timeout_ms + client.attempt_timeout_ms then
                late[#late + 1] = key
            end
        end
        table.sort(late)
        for _, key in ipairs(late) do
            report("P3", ("the caller %s never got an answer"):format(key))
        end
    end

    return on
end

return M

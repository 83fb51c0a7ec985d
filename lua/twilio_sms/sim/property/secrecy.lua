--- P12: no token, number or text in anything that a program might write down.
local M = {}

local TEXTS = { "text", "error", "to", "from", "sid", "outcome" }

--- @tparam table opts secrets, a list of texts that must be seen nowhere
function M.new(_, report, opts)
    local on = {}
    local secrets = opts.secrets or {}

    local function check(where, text, call)
        for _, secret in ipairs(secrets) do
            if text:find(secret, 1, true) then
                report("P12", where .. " holds a secret", call)
            end
        end
        if not call then
            return
        elseif call.to and #call.to > 5 and text:find(call.to:sub(2), 1, true) then
            report("P12", where .. " holds the recipient's number", call)
        elseif call.from and #call.from > 5 and text:find(call.from:sub(2), 1, true) then
            report("P12", where .. " holds the sender's number", call)
        elseif call.body and #call.body > 5 and text:find(call.body, 1, true) then
            report("P12", where .. " holds the text", call)
        end
    end

    function on.client_event(event, call)
        for _, name in ipairs(TEXTS) do
            if type(event[name]) == "string" then
                check(("the field %s of an event"):format(name), event[name], call)
            end
        end
    end

    function on.result(event, call)
        if event.err then
            check("an error", tostring(event.err), call)
        end
    end

    -- Something that a program would print: an error, an explanation, a line of a log. `private` holds what
    -- it must not repeat.
    function on.said(event, call)
        check(event.what, event.text, call)
        for _, text in ipairs(event.private or {}) do
            if #text > 5 and event.text:find(text, 1, true) then
                report("P12", event.what .. " holds what a person wrote, or a number")
            end
        end
    end

    return on
end

return M

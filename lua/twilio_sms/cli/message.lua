--- What people see of a message, and what its end means for the exit status.
local failure = require "twilio_sms.cli.failure"

local M = {
    --- One message.
    FIELDS = {
        "sid", "status", "direction", "from", "to", "messaging_service_sid", "num_segments", "num_media",
        "price", "price_unit", "error_code", "error_message", "date_created", "date_sent", "attempts",
        "verified", "body",
    },
    --- A message among others.
    COLUMNS = { "created", "sid", "status", "from", "to", "segments", "error", "body" },
}

--- A message as a row of a table.
function M.row(message)
    local at = message.date_created_unix
    return {
        created = at and os.date("!%Y-%m-%d %H:%M:%S", at), sid = message.sid, status = message.status,
        from = message.from, to = message.to, segments = message.num_segments, error = message.error_code,
        body = message.body,
    }
end

local NOT_DELIVERED = { undelivered = true, failed = true, canceled = true }

--- The exit status for a message that nothing more will happen to.
function M.status(message)
    return NOT_DELIVERED[message.status] and failure.NO or 0
end

--- Checks a SID before Twilio is asked.
-- @treturn boolean|nil true, or nil and a failure
function M.check_sid(sid)
    if sid:find "^[SM]M%x+$" and #sid == 34 then
        return true
    end
    return nil, failure.usage("'%s' is no SID of a message: SM or MM and 32 hex digits", sid)
end

return M

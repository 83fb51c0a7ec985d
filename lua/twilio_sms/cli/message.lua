--- What commands about one message share: its SID, what people see of it, what its end means for the status.
local account = require "twilio_sms.cli.account"
local failure = require "twilio_sms.cli.failure"
local output = require "twilio_sms.cli.output"

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

local SECRET_LEAST = 16 -- bytes

--- Checks a SID before Twilio is asked.
-- @treturn boolean|nil true, or nil and a failure
function M.check_sid(sid)
    if sid:find "^[SM]M%x+$" and #sid == 34 then
        return true
    end
    -- What is as long as a secret may be one, put there by mistake.
    local shown = #sid < SECRET_LEAST and ("'%s'"):format(sid) or "that"
    return nil, failure.usage("%s is no SID of a message: SM or MM and 32 hex digits", shown)
end

--- Does something with the message of the command line, and shows what it is then.
-- @tparam table given what stands on the command line
-- @tparam function act gets a client and the SID, and answers the message, or nil and an error
-- @treturn number|nil the exit status, or nil and a failure
function M.perform(given, act)
    local ok, err = M.check_sid(given.sid)
    local client, found
    if ok then
        client, err = account.client(given)
    end
    if client then
        found, err = act(client, given.sid)
        client:close()
    end
    if not found then
        return nil, err
    end
    output.new(given):object(found, M.FIELDS)
    return 0
end

return M

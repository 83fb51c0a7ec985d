--- What goes wrong in a command: the exit status that says so, and the line that says what to do.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cli.json"
local terminal = require "twilio_sms.cli.terminal"

local M = {
    NO = 1,             -- the answer is no: a signature is wrong, a message was not delivered
    REFUSED = 2,        -- by Twilio or by a check of ours; the same again would be refused again
    IN_DOUBT = 3,       -- a message may have been sent, or not
    LATER = 4,          -- nothing was sent, and the same may work later
    USAGE = 64,         -- these are those of sysexits.h
    DATA = 65,
    NO_INPUT = 66,
    INTERNAL = 70,
    CANNOT_WRITE = 74,
    NO_PERMISSION = 77,
    CONFIGURATION = 78,
    INTERRUPTED = 130,  -- as shells have it for SIGINT
}

local Failure = {}
local class = { __index = Failure, __name = "twilio_sms.cli.failure" }

function class:__tostring()
    return self.message
end

--- A failure.
-- @tparam number status the exit status
-- @tparam string message one line that says what to do
-- @tparam[opt] table err the error of the library behind it
function M.new(status, message, err)
    return setmetatable({ status = status, message = message, err = err }, class)
end

--- A command line that makes no sense.
function M.usage(message, ...)
    return M.new(M.USAGE, select("#", ...) > 0 and message:format(...) or message)
end

--- Whether something is a failure.
function M.is(value)
    return getmetatable(value) == class
end

local function in_doubt(err)
    return err.outcome == "in_doubt" or err.outcome == "accepted_no_sid"
end

local CATEGORIES = { AuthenticationError = M.NO_PERMISSION, ConfigurationError = M.CONFIGURATION }

--- The exit status of an error of the library.
-- @tparam table err
-- @tparam[opt] boolean sends whether it is about a message that was to be sent; only then there is doubt
function M.status(err, sends)
    if sends and in_doubt(err) then
        return M.IN_DOUBT
    end
    return CATEGORIES[err.category] or err.retryable and M.LATER or M.REFUSED
end

local DOCTOR = "`twilio-sms doctor` looks for the cause"
local ADVICE = {
    InvalidCredentials = "are SID and token of the same account? " .. DOCTOR,
    InvalidAccountSid = "set TWILIO_ACCOUNT_SID, or account_sid in the configuration file",
    InvalidAuthToken = "set TWILIO_AUTH_TOKEN, or auth_token_file in the configuration file",
    ConnectionFailed = DOCTOR,
    DnsResolutionFailed = DOCTOR,
    Timeout = DOCTOR,
    OptedOut = "only they can change that, by writing START",
    AccountRateLimited = "try again later",
    NumberRateLimited = "try again later",
    ServiceUnavailable = "try again later",
}

--- A failure of an error of the library.
-- @tparam table err
-- @tparam[opt] boolean sends as for status
function M.of(err, sends)
    local advice = ADVICE[err.kind]
    if sends and in_doubt(err) then
        advice = "it may have been sent: look with `twilio-sms list` before you send it again"
    elseif err.code == 20404 or err.http_status == 404 then
        advice = "is it of this account?"
    end
    local message = tostring(err):gsub("%s*\n%s*", "; ")
    return M.new(M.status(err, sends), advice and message .. "; " .. advice or message, err)
end

local FIELDS = { "type", "outcome", "code", "http_status", "retryable", "retry_after_ms", "attempts",
    "request_id", "more_info" }

--- A failure as an object for programs.
function M.object(failure)
    local out = { message = failure.message, exit_status = failure.status }
    for _, name in ipairs(failure.err and FIELDS or {}) do
        out[name] = failure.err[name]
    end
    if failure.err and failure.err.last then
        out.last_status = failure.err.last.status
    end
    return { error = out }
end

--- Says what went wrong: in one line on standard error, or as an object on standard output.
-- @tparam string command "send", or ""
-- @tparam table what a failure, or an error of the library
-- @tparam boolean as_json
-- @treturn number the exit status
function M.report(command, what, as_json)
    local failure = core.is_error(what) and M.of(what) or what
    if as_json then
        io.stdout:write(json.encode(M.object(failure)), "\n")
    end
    if not as_json or not io.stdout:flush() then
        local name = command == "" and "twilio-sms" or "twilio-sms " .. command
        io.stderr:write(name, ": ", terminal.escape(failure.message), "\n")
    end
    return failure.status
end

return M

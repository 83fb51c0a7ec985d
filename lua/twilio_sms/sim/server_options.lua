--- What a simulator server can be told.
local options = require "twilio_sms.options"

local M = {}

local OPTIONS = {
    account_sid = "string", auth_token = "string", api_keys = "table",
    seed = "number", script = "any", numbers = "table", service_number = "string", marker = "string",
    send_ms = "number", deliver_ms = "number", max_concurrency = "number", realistic = "boolean",
    carrier = "table", start = "number", speed = "number",
    host = "string", port = "number", ca_file = "string", certificate_file = "string", key_file = "string",
    tls = "boolean", max_connections = "number", proxy = "boolean", proxy_port = "number",
    inbound_url = "string", fallback_url = "string", webhook_method = "string", webhook_ca_file = "string",
    callbacks = "boolean", service_sid = "string",
}

--- The most that is advanced at once: a year.
M.ADVANCE_MOST_S = 366 * 86400

local SPEED_MOST = 1000000
local START_MOST_S = 253402300799 -- the end of the year 9999

-- What is wrong with the values; nil when nothing is.
local function why_not(opts)
    local method, speed, start = opts.webhook_method, opts.speed, opts.start
    if method ~= nil and method ~= "POST" and method ~= "GET" then
        return "option 'webhook_method' must be 'POST' or 'GET'"
    elseif speed and not (speed >= 0 and speed <= SPEED_MOST) then
        return ("option 'speed' must be from 0 to %d"):format(SPEED_MOST)
    elseif start and not (start >= 0 and start <= START_MOST_S) then
        return "option 'start' must be Unix seconds"
    elseif opts.proxy == false and opts.proxy_port then
        return "option 'proxy_port' is given, but proxy is false"
    elseif opts.tls == false and (opts.proxy or opts.proxy_port) then
        return "option 'proxy' leads to https only, but tls is false"
    end
end

--- Raises for what is no option, has the wrong type or makes no sense.
-- @tparam table|nil opts
-- @tparam number level of the caller that is to blame, as for error
-- @treturn table opts
function M.check(opts, level)
    opts = options.check(opts, OPTIONS, level + 1)
    local why = why_not(opts)
    if why then
        error(why, level + 1)
    end
    return opts
end

return M

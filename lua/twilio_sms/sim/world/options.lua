--- What a world can be told when it is made.
local options = require "twilio_sms.options"
local webhook_url = require "twilio_sms.sim.webhook_url"

local M = {
    ACCOUNT_SID = "AC" .. ("0"):rep(31) .. "1",
    AUTH_TOKEN = ("0"):rep(31) .. "2",
    WHOLE_MOST = 2 ^ 40, -- the largest number of anything
}

local OPTIONS = {
    seed = "number", script = "any", start = "number", latency_ms = "table", log = "any", carrier = "table",
    account_sid = "string", auth_token = "string", max_concurrency = "number",
    inbound_url = "string", fallback_url = "string", webhook_method = "string",
}

local ACCOUNT_SID_BYTES = 34

local START_S = 1767225600 -- 2026-01-01, 00:00 UTC
local LATENCY_MS = { 20, 80 }

local function check_whole(name, value, least, level)
    if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > M.WHOLE_MOST then
        error(("option '%s' must be a whole number, %d or more"):format(name, least), level + 1)
    end
    return value
end

local function check_account(sid, level)
    if sid ~= nil and (#sid ~= ACCOUNT_SID_BYTES or not sid:find "^AC%x+$") then
        error("option 'account_sid' must be AC and 32 hex digits", level + 1)
    end
    return sid
end

local function check_url(name, url, level)
    if url ~= nil and not webhook_url.is_absolute(url) then
        error(("option '%s' must be a URL with http:// or https://"):format(name), level + 1)
    end
    return url
end

local function check_latency(range, level)
    local least, most = range[1], range[2]
    check_whole("latency_ms[1]", least, 0, level + 1)
    check_whole("latency_ms[2]", most, least, level + 1)
    return range
end

local function check_log(log, level)
    if log ~= nil and type(log) ~= "boolean" and type(log) ~= "function" then
        error("option 'log' must be true, false or a function", level + 1)
    end
    return log == nil or log
end

local function check_method(method, level)
    if method ~= nil and method ~= "POST" and method ~= "GET" then
        error("option 'webhook_method' must be 'POST' or 'GET'", level + 1)
    end
    return method
end

--- Reads the options of a world; raises, at a level as for error, for what is wrong.
-- @treturn table all of them, in units of the parts
function M.read(opts, level)
    opts = options.check(opts, OPTIONS, level + 1)
    return {
        seed = check_whole("seed", opts.seed or 1, 0, level + 1),
        script = opts.script,
        start_s = check_whole("start", opts.start or START_S, 0, level + 1),
        latency_ms = check_latency(opts.latency_ms or LATENCY_MS, level + 1),
        log = check_log(opts.log, level + 1),
        carrier = opts.carrier or {},
        account_sid = check_account(opts.account_sid, level + 1) or M.ACCOUNT_SID,
        auth_token = opts.auth_token or M.AUTH_TOKEN,
        max_concurrency = opts.max_concurrency
            and check_whole("max_concurrency", opts.max_concurrency, 1, level + 1),
        inbound_url = check_url("inbound_url", opts.inbound_url, level + 1),
        fallback_url = check_url("fallback_url", opts.fallback_url, level + 1),
        webhook_method = check_method(opts.webhook_method, level + 1),
    }
end

return M

--- What a simulator server can be told.
local options = require "twilio_sms.options"
local webhook_url = require "twilio_sms.sim.webhook_url"

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
local SEED_MOST = 2 ^ 40 -- as of a world
local START_MOST_S = 253402300799 -- the end of the year 9999

local PORT_MOST = 65535

-- Names in the order in which they are looked at.
local PORTS, URLS = { "port", "proxy_port" }, { "inbound_url", "fallback_url" }

local function is_whole(number, least, most)
    return number >= least and number <= most and number % 1 == 0
end

-- What is wrong with a port, a URL or a count.
local function value_error(opts)
    for _, name in ipairs(PORTS) do
        if opts[name] and not is_whole(opts[name], 0, PORT_MOST) then
            return ("option '%s' must be a whole number from 0 to %d"):format(name, PORT_MOST)
        end
    end
    for _, name in ipairs(URLS) do
        if opts[name] and not webhook_url.is_absolute(opts[name]) then
            return ("option '%s' must be a URL with http:// or https://"):format(name)
        end
    end
    if opts.max_concurrency and not is_whole(opts.max_concurrency, 1, math.huge) then
        return "option 'max_concurrency' must be a whole number, 1 or more"
    end
end

-- What is wrong with the values; nil when nothing is.
local function why_not(opts)
    local method, speed, start, seed = opts.webhook_method, opts.speed, opts.start, opts.seed
    if method ~= nil and method ~= "POST" and method ~= "GET" then
        return "option 'webhook_method' must be 'POST' or 'GET'"
    elseif speed and not (speed >= 0 and speed <= SPEED_MOST) then
        return ("option 'speed' must be from 0 to %d"):format(SPEED_MOST)
    elseif seed and not is_whole(seed, 0, SEED_MOST) then
        return ("option 'seed' must be a whole number from 0 to %d"):format(SEED_MOST)
    elseif start and not (start >= 0 and start <= START_MOST_S) then
        return "option 'start' must be Unix seconds"
    elseif opts.proxy == false and opts.proxy_port then
        return "option 'proxy_port' is given, but proxy is false"
    elseif opts.tls == false and (opts.proxy or opts.proxy_port) then
        return "option 'proxy' leads to https only, but tls is false"
    end
    return value_error(opts)
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

--- What is wrong with the file of webhook_ca_file, and would let each webhook fail; nil when nothing is.
function M.ca_file_error(path)
    local file, why = io.open(path, "rb")
    local text = file and file:read "*a"
    if file then
        file:close()
    end
    if not text then -- a directory can be opened, but not read
        local reason = why and why:gsub("^.*(: )", "%1") or ""
        return ("webhook_ca_file %s cannot be read%s"):format(path, reason)
    elseif not text:find "%-%-%-%-%-BEGIN [%u ]*CERTIFICATE%-%-%-%-%-" then
        return ("webhook_ca_file %s has no certificate in PEM format"):format(path)
    end
end

return M

--- Sends and receives SMS and MMS in nginx and OpenResty, without blocking a worker.
--
--     init_by_lua_block {
--         local token = { file = "/etc/twilio/token" }
--         require("resty.twilio_sms").setup { account_sid = "AC...", auth_token = token }
--     }
--     content_by_lua_block {
--         local client = require("resty.twilio_sms").client()
--         local message, err = client:send { to = "+15558675310", from = "+15005550006", body = "Hello" }
--     }
--
-- What `setup` says is for all workers. What comes of it each worker makes for itself.
if not ngx or not ngx.get_phase then
    error("resty.twilio_sms works inside of nginx or OpenResty; elsewhere use require \"twilio_sms\"", 0)
end

local client = require "twilio_sms.client"
local copy = require "twilio_sms.copy"
local core = require "twilio_sms.core"
local driver = require "resty.twilio_sms.driver"
local options = require "twilio_sms.options"
local process = require "ngx.process"
local receiver = require "resty.twilio_sms.receiver"
local settings = require "resty.twilio_sms.settings"
local worker = require "resty.twilio_sms.worker"

local M = {}

--- Says what the workers are to use. To be called in init_by_lua_block; opens nothing. Raises for what is
-- wrong with the options, so that `nginx -t` tells.
-- @tparam table opts those of `twilio_sms.new`; store, optout, track (functions, which each worker calls);
-- webhook (options of `twilio_sms.webhook`), webhooks (more of them, by name); see docs/openresty.md
function M.setup(opts)
    -- With lua_code_cache off the workers run init_by_lua again, without the environment that the master had:
    -- a base_url of there would be forgotten, and what was meant for a simulator would go to Twilio.
    if ngx.get_phase() == "init" and process.type() == "worker" then
        error("lua_code_cache is off: each request would have a client and limits of its own; turn it on", 2)
    elseif not worker.take(settings.check(opts, 2)) then
        error("what an earlier setup has said is in use: call setup once, in init_by_lua_block", 2)
    end
end

--- The client of this worker, which is made at its first use. Why it cannot be made is in nginx's log, too,
-- which knows no reason when the error is raised, because it is a table.
-- @treturn table|nil the client (see `twilio_sms.client`); nil and an error when it cannot be made
function M.client()
    local one, err = worker.client()
    if not one then
        ngx.log(ngx.ERR, "twilio_sms: there is no client: ", tostring(err))
    end
    return one, err
end

--- Makes a further client for this worker, as for another account. Keep it: each has connections of its own,
-- and limits too, unless they have the same `shared`.
-- @tparam table opts as for `twilio_sms.new`
-- @treturn table|nil a client, or nil and an error
function M.new(opts)
    if type(opts) ~= "table" then
        error("new{ account_sid=..., auth_token=... } takes a table, not " .. options.kind_of(opts), 2)
    end
    local mine = copy(opts)
    mine.driver = mine.driver or driver.new()
    local one, err = client.new(mine)
    return one, err -- not a tail call, which would hide this function from the count of levels
end

--- A receiver of this worker, which is made at its first use.
-- @tparam[opt] string name of one of the option `webhooks`; without it the one of the option `webhook`
-- @treturn table|nil the receiver (see `twilio_sms.webhook`); nil and an error when it cannot be made
function M.receiver(name)
    local one, err = worker.receiver(name)
    return one, not one and err or nil
end

-- ---- Locations -----------------------------------------------------------------------------------

local function check_content(name, level)
    if ngx.get_phase() ~= "content" then
        error(("%s answers the request: call it in content_by_lua_block"):format(name), level + 1)
    end
end

--- Handles a webhook and answers it. For content_by_lua_block.
-- @tparam[opt] string name as for `receiver`
function M.webhook(name)
    check_content("webhook", 2)
    local one, detail = worker.receiver(name)
    if one then
        receiver.serve(one, detail)
    else
        ngx.log(ngx.ERR, "twilio_sms: there is no receiver: ", tostring(detail))
        receiver.answer { status = 500, headers = {}, body = "" }
    end
end

local function say(status, content_type, text)
    receiver.answer {
        status = status, body = text,
        headers = { ["Content-Type"] = content_type, ["Cache-Control"] = "no-store" },
    }
end

local FORMATS = {
    prometheus = "text/plain; version=0.0.4; charset=utf-8",
    openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8",
}

--- Answers the metrics of all processes that share the region of this worker's client, in the format that
-- the request asks for. For content_by_lua_block.
function M.metrics()
    check_content("metrics", 2)
    local accepts = ngx.var.http_accept or ""
    local format = accepts:find("application/openmetrics-text", 1, true) and "openmetrics" or "prometheus"
    local one, err = worker.client()
    local text
    if one then
        text, err = one:metrics(format)
    end
    if text then
        say(200, FORMATS[format], text)
    else
        say(503, "text/plain; charset=utf-8", tostring(err) .. "\n")
    end
end

local function say_json(status, value)
    say(status, "application/json", core.json_encode(value) .. "\n")
end

--- Answers how the client of this worker does: 200, or 503 when there cannot be one. For
-- content_by_lua_block.
function M.health()
    check_content("health", 2)
    local one, err = worker.client()
    if not one then
        say_json(503, { pid = ngx.worker.pid(), error = tostring(err) })
        return
    end
    local stats = one:stats()
    say_json(200, {
        pid = ngx.worker.pid(), shared = worker.shared(),
        breaker = stats.breaker, queued = stats.queued, in_flight = stats.in_flight,
    })
end

--- Ends what this worker has made: connections are closed, secrets wiped, the store is closed. What was not
-- sent until then is not sent. For exit_worker_by_lua_block.
function M.exit_worker()
    worker.close()
end

return M

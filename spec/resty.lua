--- An nginx with `resty.twilio_sms` for the specs.
local core = require "twilio_sms.core"
local nginx = require "nginx"
local simulator = require "simulator"
local twilio = require "twilio"

local M = {}

local Server = setmetatable({}, { __index = nginx.Server })
Server.__index = Server

local LOCATIONS = [[
    location /sms { content_by_lua_block { require("resty.twilio_sms").webhook() } }
    location = /health { content_by_lua_block { require("resty.twilio_sms").health() } }
    location = /metrics { content_by_lua_block { require("resty.twilio_sms").metrics() } }
    location = /send {
        content_by_lua_block {
            local client = assert(require("resty.twilio_sms").client())
            local to = ngx.unescape_uri(ngx.var.arg_to)
            local message, err = client:send { to = to, body = "Hello" }
            ngx.print(message and message.sid or err.type)
        }
    }
]]

local SETUP = [[
    require("resty.twilio_sms").setup {
        account_sid = "%s", auth_token = "%s", from = "%s", shared = "%s",
        %s
    }
]]

-- A name that no other region has.
local function unique()
    local path = os.tmpname()
    os.remove(path)
    return "spec-" .. path:match "[%w]+$"
end

--- Starts one.
-- @tparam table opts setup: the inside of the table that setup gets, besides account, sender and region;
-- init, late_init: Lua code before and behind it; sim: a simulator, whose account and certificate are used;
-- and those of `nginx.start`, with `server` behind the locations /sms, /health, /metrics and /send?to=
-- @treturn table a server, with account_sid, token, shared, `signed` and `post`
function M.start(opts)
    local account_sid = opts.sim and simulator.ACCOUNT_SID or twilio.ACCOUNT_SID
    local token = opts.sim and simulator.AUTH_TOKEN or twilio.TOKEN
    local shared = unique()
    local setup = opts.setup or ""
    if opts.sim then
        setup = ("base_url = '%s', %s"):format(opts.sim.url, setup)
    end
    local call = SETUP:format(account_sid, token, twilio.NUMBER, shared, setup)
    local init = (opts.init or "") .. "\n" .. call .. (opts.late_init or "")
    local server = nginx.start {
        main = opts.main, workers = opts.workers, listen = opts.listen, log_level = opts.log_level,
        ca_file = opts.sim and opts.sim.ca_file,
        http = ("init_by_lua_block {\n%s}\n%s"):format(init, opts.http or ""),
        server = LOCATIONS .. (opts.server or ""),
    }
    server.shared, server.account_sid, server.token = shared, account_sid, token
    return setmetatable(server, Server)
end

--- Ends it, and the region of its workers.
function Server:stop(signal)
    nginx.Server.stop(self, signal)
    core.forget_shared(self.shared, self.account_sid)
end

--- What `post` sends: what a proxy hands on that was asked for twilio.URL.
-- @tparam table params of the account twilio.ACCOUNT_SID, or of the simulator's
-- @tparam[opt] table opts url, signed_url, token; headers: more of them; worker, port, curl, timeout_ms
-- @treturn string method
-- @treturn string path
-- @treturn table options for `send` and `request`
function Server:signed(params, opts)
    opts = opts or {}
    local signed = twilio.request(params, {
        url = opts.url, signed_url = opts.signed_url, token = opts.token or self.token,
    })
    local scheme, host, path = signed.url:match "^(%w+)://([^/]+)(.*)$"
    local headers = { { "Host", host }, { "X-Forwarded-Proto", scheme } }
    for name, value in pairs(signed.headers) do
        headers[#headers + 1] = { name, value }
    end
    for _, header in ipairs(opts.headers or {}) do
        headers[#headers + 1] = header
    end
    return "POST", path, {
        headers = headers, body = signed.body, worker = opts.worker, port = opts.port, curl = opts.curl,
        timeout_ms = opts.timeout_ms,
    }
end

--- Sends a signed webhook and waits for its answer.
-- @treturn number|nil status
-- @treturn table headers
-- @treturn string body
function Server:post(params, opts)
    return self:request(self:signed(params, opts))
end

return M

--- The driver for nginx and OpenResty: requests go over cosockets, and nothing blocks the worker.
local core = require "twilio_sms.core"
local crew = require "resty.twilio_sms.crew"
local loop = require "twilio_sms.loop"
local machine = require "twilio_sms.driver.machine"
local scheduler = require "resty.twilio_sms.scheduler"

local ngx = ngx

local M = {}

local Driver = {}
local class = { __index = Driver, __name = "resty.twilio_sms.driver" }

loop.set_host(scheduler)

local function invalid(...)
    return nil, core.error("InvalidOption", (...):format(select(2, ...)))
end

-- What nginx decides, or its sockets cannot do. A wish that would go unheard is an error.
local function check(options)
    if options.ca_file then
        local why = "ca_file: in nginx it is the directive `lua_ssl_trusted_certificate %s;`"
        return invalid(why, options.ca_file)
    elseif options.proxy then
        return invalid "proxy: nginx's sockets cannot go through one; leave it out"
    elseif options.http_version ~= "1.1" then
        return invalid "http_version: nginx's sockets speak HTTP/1.1; leave it out"
    elseif options.host:find "^%d+%.%d+%.%d+%.%d+$" or options.host:find(":", 1, true) then
        return invalid("base_url: nginx cannot check a certificate for an address (%s); take a host name",
            options.host)
    end
    return true
end

local function origin_of(options)
    return {
        host = options.host, port = options.port, connect_timeout_ms = options.connect_timeout_ms,
        -- RFC 6761 section 6.3: this name never needs to be looked up.
        address = options.host == "localhost" and "127.0.0.1" or options.host,
        pool = {
            pool = ("twilio_sms:%s:%d:verified"):format(options.host, options.port),
            pool_size = options.max_concurrency,
        },
        session = nil,
    }
end

--- Opens a core client of this worker.
function Driver:open(core_options, from_env)
    if ngx.get_phase() == "init" then
        return invalid("a client made in init_by_lua would be shared by all workers; make it in a request, "
            .. "in a timer or in init_worker_by_lua")
    end
    local wire, err = core.machine(core_options, from_env)
    if not wire then
        return nil, err
    end
    local options = wire:transport_options()
    local ok, problem = check(options)
    if not ok then
        wire:close()
        return nil, problem
    end
    local hands = crew.new(origin_of(options), options.max_concurrency)
    local client = machine.over(wire, hands)
    client.crew = hands
    hands:serve(client)
    return client
end

function M.new()
    return setmetatable({}, class)
end

return M

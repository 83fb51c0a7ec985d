--- Asks a Redis server questions, over cosockets: each has a connection of the worker's pool for itself.
local fault = require "resty.twilio_sms.redis.fault"
local scheduler = require "resty.twilio_sms.scheduler"

local M = {}

local Connection = {}
local class = { __index = Connection, __name = "resty.twilio_sms.redis.connection" }

-- The same library: OpenResty and LuaRocks, then Debian's package lua-nginx-redis.
local LIBRARIES = { "resty.redis", "nginx.redis" }

local function load_library()
    for _, name in ipairs(LIBRARIES) do
        local ok, library = pcall(require, name)
        if ok then
            return library
        end
    end
    error("resty.twilio_sms.redis needs lua-resty-redis; on Debian: apt-get install lua-nginx-redis", 0)
end

local redis = load_library()

-- A number for each server and user, so that no connection is used for another one. A password must not be
-- part of the name of a pool, which nginx writes into its debug log.
local numbers, count = {}, 0

local function number_of(settings)
    local words = {}
    for _, name in ipairs { "where", "db", "username", "password", "ssl", "ssl_verify", "server_name" } do
        words[#words + 1] = ("%q"):format(tostring(settings[name]))
    end
    local identity = table.concat(words, " ")
    if not numbers[identity] then
        count = count + 1
        numbers[identity] = count
    end
    return numbers[identity]
end

--- @tparam table settings host and port, or unix; ssl, ssl_verify, server_name, username, password, db,
-- timeout_ms, pool_size, idle_ms
function M.new(settings)
    settings.where = settings.unix and "unix:" .. settings.unix
        or ("%s:%d"):format(settings.host, settings.port)
    local pool = "twilio_sms.redis." .. number_of(settings)
    -- From the second pool nobody takes a connection twice, because none is put back.
    return setmetatable({ settings = settings, pool = pool, fresh_pool = pool .. ".fresh" }, class)
end

-- ---- Connecting ----------------------------------------------------------------------------------

-- Newer versions of the library can do this, too, but Debian's cannot.
local function shake_hands(settings, connection)
    local sock, name = rawget(connection, "_sock"), settings.server_name or settings.host
    -- With a bad certificate ngx_lua 0.10.23 may raise. Without a name only the chain would be checked.
    local called, session, why = pcall(sock.sslhandshake, sock, nil, name, settings.ssl_verify)
    if not called or not session then
        return fault.of_handshake(settings.where, called and tostring(why) or nil)
    end
end

-- The error in what the library has answered, or nil.
local function problem(settings, of_refusal, reply, why)
    if reply == nil then
        return fault.of_waiting(settings.where, why, settings.timeout_ms)
    elseif reply == false then
        return of_refusal(why)
    end
end

local function authenticate(settings, connection)
    if settings.username then
        return connection:auth(settings.username, settings.password)
    end
    return connection:auth(settings.password)
end

-- Whether Redis throws records away when its memory is full. They have no time at which they end, so that
-- only the policies "allkeys-..." touch them.
local function check_eviction(settings, connection)
    local info, why = connection:info "memory"
    if info == false and why:find "^NOPERM" then
        return nil
    elseif not info then
        return problem(settings, fault.of_reply, info, why)
    end
    local limit, policy = info:match "\nmaxmemory:(%d+)", info:match "\nmaxmemory_policy:([%w-]+)"
    if limit and limit ~= "0" and policy and policy:find "^allkeys" then
        return fault.of_eviction(policy)
    end
end

-- Does what has to be done on a new connection before the first question. Answers an error, or nil.
local function greet(settings, connection)
    local err = settings.ssl and shake_hands(settings, connection)
    if not err and settings.password then
        err = problem(settings, fault.of_auth, authenticate(settings, connection))
    end
    if not err and settings.db ~= 0 then
        err = problem(settings, fault.of_reply, connection:select(settings.db))
    end
    return err or check_eviction(settings, connection)
end

local function open(self, pool)
    local settings = self.settings
    local connection = redis:new()
    connection:set_timeout(settings.timeout_ms)
    local ok, why
    if settings.unix then
        ok, why = connection:connect(settings.where, { pool = pool })
    else
        ok, why = connection:connect(settings.host, settings.port, { pool = pool })
    end
    if not ok then
        return nil, fault.of_connecting(settings.where, tostring(why))
    elseif connection:get_reused_times() > 0 then
        return connection
    end
    local err = greet(settings, connection)
    if err then
        connection:close()
        return nil, err
    end
    return connection
end

-- ---- Asking --------------------------------------------------------------------------------------

-- Answers the reply; or nil, an error and whether the question may have been heard.
local function ask_once(self, question, is_fresh)
    local settings = self.settings
    local connection, err = open(self, is_fresh and self.fresh_pool or self.pool)
    if not connection then
        return nil, err, false
    end
    local reply, why = question(connection)
    if reply and not is_fresh and connection:set_keepalive(settings.idle_ms, settings.pool_size) then
        return reply
    end
    connection:close() -- also after an error: what is a replica now is not asked again
    if not reply then
        return nil, problem(settings, fault.of_reply, reply, why), reply == nil
    end
    return reply
end

--- Asks a question. Without an answer it is asked once more, over a new connection: the server may have been
-- started anew since the last one.
-- @tparam function question gets a connection (of lua-resty-redis); answers what that has answered
-- @return the reply; or nil and an error
-- @treturn boolean whether the question may have been heard all the same
function Connection:ask(question)
    if not scheduler.inside() then
        return nil, fault.of_phase(ngx.get_phase()), false
    end
    local reply, err, is_lost = ask_once(self, question, false)
    if is_lost then
        reply, err = ask_once(self, question, true)
    end
    return reply, err, is_lost
end

--- Lets Redis run a script.
-- @tparam table script text, sha
-- @param ... as for EVAL: the number of keys, keys, arguments
function Connection:run(script, ...)
    local n, arguments = select("#", ...), { ... }
    return self:ask(function(connection)
        local reply, why = connection:evalsha(script.sha, unpack(arguments, 1, n))
        if reply == false and why:find "^NOSCRIPT" then
            reply, why = connection:eval(script.text, unpack(arguments, 1, n))
        end
        return reply, why
    end)
end

return M

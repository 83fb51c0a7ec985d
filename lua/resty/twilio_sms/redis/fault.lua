--- Says what it means when Redis, or the way to it, fails, and what to do then. No text has a password in it.
local core = require "twilio_sms.core"

local M = {}

local CREDENTIALS, INVALID, UNAVAILABLE = "InvalidCredentials", "InvalidOption", "ServiceUnavailable"

-- By what stands in Redis's own text: src/server.c, src/acl.c and src/script.c of Redis 6 and 7. An error
-- from within a script has more words around it in Redis 6.
local MEANINGS = {
    { "%f[%a]WRONGPASS", CREDENTIALS, "Redis refuses the password: correct 'password' and 'username'" },
    { "invalid password", CREDENTIALS, "Redis refuses the password: correct 'password'" },
    { "without any password", CREDENTIALS, "Redis has no password for this user: leave 'password' out" },
    { "%f[%a]NOAUTH", CREDENTIALS, "Redis wants a password: give 'password'" },
    { "%f[%a]NOPERM", CREDENTIALS, "the user may not do this in Redis: see what a store needs" },
    { "%f[%a]DENIED", CREDENTIALS, "Redis is in protected mode: set a password in it, and 'password' here" },
    { "%f[%a]LOADING", UNAVAILABLE, "Redis is still reading its data: try again in a moment" },
    { "%f[%a]READONLY", UNAVAILABLE, "this Redis is a replica and takes no writes: connect to its primary" },
    { "%f[%a]MASTERDOWN", UNAVAILABLE, "this Redis is a replica that has lost its primary: see its log" },
    { "%f[%a]NOREPLICAS", UNAVAILABLE, "Redis has fewer replicas than it wants (min-replicas-to-write)" },
    { "%f[%a]OOM%f[%A]", UNAVAILABLE, "Redis has no memory left: raise its maxmemory, or purge" },
    { "%f[%a]MISCONF", UNAVAILABLE, "Redis cannot write to its disk, and takes no changes: see its log" },
    { "%f[%a]BUSY%f[%A]", UNAVAILABLE, "Redis is busy with somebody's script: wait, or use SCRIPT KILL" },
    { "[Ss]cript killed", UNAVAILABLE, "somebody has killed the script; nothing was changed: try again" },
    { "%f[%a]MOVED", UNAVAILABLE, "another node of the cluster has the slot of the prefix: connect to that" },
    { "%f[%a]ASK%f[%A]", UNAVAILABLE, "the cluster is moving the slot of the prefix: try again in a moment" },
    { "%f[%a]TRYAGAIN", UNAVAILABLE, "the cluster is moving the slot of the prefix: try again in a moment" },
    { "%f[%a]CLUSTERDOWN", UNAVAILABLE, "the cluster is down: see its nodes" },
    { "max number of clients", UNAVAILABLE, "Redis takes no more connections: raise its maxclients" },
    { "DB index", INVALID, "option 'db': Redis has no database of this number" },
    { "SELECT is not allowed", INVALID, "option 'db': a cluster has the database 0 only" },
    { "%f[%a]WRONGTYPE", INVALID, "option 'prefix': somebody else uses keys with it: choose another one" },
    { "unknown command", INVALID, "this Redis lacks a command, or has renamed it: see what a store needs" },
}

local function of_meaning(text)
    for _, meaning in ipairs(MEANINGS) do
        if text:find(meaning[1]) then
            return core.error(meaning[2], meaning[3])
        end
    end
end

local function final(message)
    local err = core.error("InternalError", message)
    err.retryable = false
    return err
end

--- Redis has answered with an error.
-- @tparam string text
function M.of_reply(text)
    if text:find "%f[%a]DAMAGED" then
        return final("the store in Redis is damaged: a key has no record (deleted by hand, or evicted)")
    end
    local readable = text:gsub("[^\32-\126]", "?")
    return of_meaning(text) or core.error("InternalError", "Redis has failed: " .. readable)
end

--- Redis has refused the password, or is in no state to look at it. What it says may repeat its arguments.
function M.of_auth(text)
    return of_meaning(text) or core.error(CREDENTIALS, "Redis refuses the password; see its log")
end

--- There is no connection.
-- @tparam string where the address
-- @tparam string text of the socket
function M.of_connecting(where, text)
    if text == "timeout" then
        return core.error("Timeout", ("connecting to Redis at %s took too long"):format(where))
    elseif text:find("no resolver", 1, true) then
        local advice = "nginx has no resolver for %s: put `resolver` into nginx.conf, or give an IP"
        return core.error("DnsResolutionFailed", advice:format(where))
    elseif text:find("resolved", 1, true) or text:find("host not found", 1, true) then
        return core.error("DnsResolutionFailed", ("cannot find Redis at %s: %s"):format(where, text))
    end
    return core.error("ConnectionFailed", ("cannot connect to Redis at %s: %s"):format(where, text))
end

--- The TLS handshake has failed.
-- @tparam string|nil text nil where nginx has raised instead, as it does about certificates
function M.of_handshake(where, text)
    if text == "timeout" then
        return M.of_connecting(where, text)
    elseif not text or text:find("certificate", 1, true) or text:find "^%d+:" then
        local advice = "the certificate of Redis at %s is not trusted (%s): see lua_ssl_trusted_certificate"
        return core.error("ConnectionFailed", advice:format(where, text or "nginx does not say why"))
    end
    return core.error("ConnectionFailed", ("TLS with Redis at %s failed: %s"):format(where, text))
end

--- The connection broke before there was an answer.
function M.of_waiting(where, text, timeout_ms)
    if text == "timeout" then
        return core.error("Timeout", ("Redis at %s did not answer within %d ms"):format(where, timeout_ms))
    end
    return core.error("ConnectionFailed", ("the connection to Redis at %s broke: %s"):format(where, text))
end

--- Redis throws records away when its memory is full.
function M.of_eviction(policy)
    local why = "Redis drops records when its memory is full (maxmemory-policy %s): set noeviction"
    return core.error("InvalidOption", why:format(policy))
end

--- Nothing can be waited for here.
function M.of_phase(phase)
    local why = "nginx cannot wait for Redis in the phase '%s': do it in a timer, ngx.timer.at(0, f)"
    return final(why:format(phase))
end

--- What lies there was not written by a store.
function M.of_record()
    return final("a record of the store is no JSON")
end

return M

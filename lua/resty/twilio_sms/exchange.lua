--- One HTTP/1.1 exchange over a cosocket.
--
-- Until the first byte of the request is handed to the socket nothing can have reached the server; from then
-- on nobody can say, until there is an answer.
local base = require "resty.core.base"
local core = require "twilio_sms.core"
local ffi = require "ffi"

local ngx = ngx

local M = {}

-- How much is read at once. LuaJIT interns each string by its length and a few of its bytes, so that answers
-- of one shape, read in equal pieces, would all collide. Measured with a heap of 20 MB: 43 to 374 us each,
-- and 2 us when their lengths differ.
local CHUNK_BYTES, CHUNK_LENGTHS, CHUNK_MOST_BYTES = 768, 512, 16384

-- An old idle connection may be closed by the peer just as we write to it.
local IDLE_MOST_MS = 30000

-- What can be done about a certificate, by OpenSSL's numbers (verify(1)). An error keeps 159 characters. With
-- too small a depth OpenSSL gives up before it has found the authority, and says 20 as if there were none.
local MISSING_CA = "nginx.conf needs lua_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt; "
    .. "and perhaps lua_ssl_verify_depth 5;"
local CERTIFICATE_ADVICE = {
    ["2"] = MISSING_CA,
    ["18"] = "it is self-signed; put it into the file of lua_ssl_trusted_certificate",
    ["19"] = "put its authority into the file of lua_ssl_trusted_certificate",
    ["20"] = MISSING_CA,
    ["21"] = MISSING_CA,
    ["22"] = "nginx.conf needs lua_ssl_verify_depth 5;",
}

local RESOLVER_ADVICE = "is its `resolver` a name server of /etc/resolv.conf?"

local function certificate_fault(text)
    local number = text:match "^(%d+):"
    local advice = CERTIFICATE_ADVICE[number]
    if advice then
        return ("untrusted certificate (OpenSSL %s): %s"):format(number, advice)
    elseif number or text:find("certificate", 1, true) then
        return ("untrusted certificate (%s)"):format(text)
    end
    return "the TLS handshake failed: " .. text
end

-- Why a handshake failed. When it ends at once, ngx_lua 0.10.23 raises an assertion in place of the reason;
-- but that can still be asked for.
local function handshake_reason(sock, raised)
    local message, code = base.get_errmsg_ptr(), ffi.new "int[1]"
    local ok, status = pcall(function()
        local session = ffi.new "void *[1]"
        return ffi.C.ngx_http_lua_ffi_socket_tcp_get_sslhandshake_result(base.get_request(), sock[1],
            session, message, code)
    end)
    if not ok or status ~= base.FFI_ERROR then
        return raised
    end
    local text = ffi.string(message[0])
    return code[0] ~= 0 and ("%d: %s"):format(code[0], text) or text
end

-- The kind of what happened while connecting, and its text.
local function connect_fault(host, text)
    if text:find("no resolver", 1, true) then
        return "DnsResolutionFailed", "nginx has no resolver: put `resolver ADDRESS;` into the http block of "
            .. "nginx.conf, with a name server of /etc/resolv.conf"
    elseif text:find("could not be resolved", 1, true) then
        return "DnsResolutionFailed", ("%s: %s"):format(text, RESOLVER_ADVICE)
    elseif text == "timeout" then
        return "Timeout", ("connecting to %s took too long"):format(host)
    end
    return "ConnectionFailed", ("cannot connect to %s: %s"):format(host, text)
end

local function not_sent(fault, message)
    return { sent = false, fault = fault, message = message }
end

-- Closes a socket that failed, if there is still something to close.
local function drop(sock)
    pcall(sock.close, sock)
end

-- How long something may still take; less than a millisecond would mean no limit.
local function limit(sock, most_ms, due_ms)
    local left_ms = due_ms - core.now_ms()
    left_ms = left_ms > 1 and left_ms or 1
    left_ms = left_ms < most_ms and left_ms or most_ms
    sock:settimeouts(left_ms, left_ms, left_ms)
end

-- A verified connection, new or used before; or nil and what became of the request.
local function connect(origin, job)
    local sock = ngx.socket.tcp()
    local due_ms = math.min(job.due_ms, core.now_ms() + origin.connect_timeout_ms)
    limit(sock, origin.connect_timeout_ms, due_ms)
    job.connect_due_ms = due_ms
    local ok, err = sock:connect(origin.address, origin.port, origin.pool)
    job.connect_due_ms = nil
    if not ok then
        return nil, not_sent(connect_fault(origin.host, err))
    elseif sock:getreusedtimes() > 0 then
        return sock
    end
    limit(sock, origin.connect_timeout_ms, due_ms)
    -- Without a name only the chain would be checked.
    local called, session, problem = pcall(sock.sslhandshake, sock, origin.session, origin.host, true)
    if called and session then
        origin.session = session
        return sock
    end
    err = called and tostring(problem) or handshake_reason(sock, tostring(session))
    drop(sock)
    if err == "timeout" then
        return nil, not_sent("Timeout", ("the TLS handshake with %s took too long"):format(origin.host))
    end
    return nil, not_sent("ConnectionFailed", certificate_fault(err))
end

local count = 0 -- of answers

-- Reads until the answer is whole, or will never be. Answers the fault and its text, if there is one.
local function read(sock, job, answer)
    count = (count + 1) % CHUNK_LENGTHS
    local state, bytes = "more", CHUNK_BYTES + count
    while state == "more" do
        local chunk, err = sock:receiveany(bytes)
        if chunk then
            bytes = math.min(bytes * 2, CHUNK_MOST_BYTES)
            state = answer:feed(chunk)
            if state == "more" then
                limit(sock, job.timeout_ms, job.due_ms)
            end
        elseif err == "timeout" then
            return "Timeout", ("no whole answer within %d ms"):format(job.timeout_ms)
        elseif err == "closed" then
            state = answer:ended()
        else
            return "ConnectionFailed", "reading the answer failed: " .. err
        end
    end
end

--- What becomes of a request that is still performed though its time, or that for connecting, is up. The
-- limits of a socket do not hold for nginx's look-up of a name, which may take 30 seconds (resolver_timeout).
function M.stuck(origin, job)
    if job.connect_due_ms then
        local message = "nginx did not get the address of %s: %s"
        return not_sent("DnsResolutionFailed", message:format(origin.host, RESOLVER_ADVICE))
    end
    return { sent = job.sent, fault = "Timeout", message = "the request is stuck" }
end

--- Performs a request.
-- @tparam table origin host, address, port, pool (options of connect), connect_timeout_ms; keeps the session
-- @tparam table job bytes, method, timeout_ms, due_ms (a monotonic moment); `connect_due_ms` is there while
--   it connects; `sent` is set as soon as a byte may leave; `given_up` makes it end without sending
-- @tparam userdata answer of core.http1
-- @return what finish of a machine takes behind the id: a table, or the answer, a fault and a text
function M.perform(origin, job, answer)
    local sock, transfer = connect(origin, job)
    if not sock then
        return transfer
    elseif job.given_up then
        drop(sock)
        return not_sent("Timeout", "connecting took too long")
    end
    answer:begin(job.method)
    limit(sock, job.timeout_ms, job.due_ms)
    job.sent = true
    local _, err = sock:send(job.bytes)
    if err then
        drop(sock)
        local fault = err == "timeout" and "Timeout" or "ConnectionFailed"
        return answer, fault, "sending the request failed: " .. err
    end
    local fault, message = read(sock, job, answer)
    local kept = not fault and answer:reusable() and sock:setkeepalive(IDLE_MOST_MS)
    if not kept then
        drop(sock)
    end
    return answer, fault, message
end

return M

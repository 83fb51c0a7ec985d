--- Reads a webhook out of nginx's request, and answers it with what a receiver says.
local core = require "twilio_sms.core"

local M = {}

local MAX_BODY = 65536 -- as of twilio_sms.webhook

-- ---- Reading -------------------------------------------------------------------------------------

-- All headers, in the order in which those of one name came, whatever their case.
local function read_headers()
    local list = {}
    for name, value in pairs(ngx.req.get_headers(0)) do
        if type(value) == "table" then
            for _, one in ipairs(value) do
                list[#list + 1] = { name, one }
            end
        else
            list[#list + 1] = { name, value }
        end
    end
    return list
end

-- nginx writes what its buffer does not hold to a file. One byte too many is enough to refuse it.
local function read_file(path, max_body)
    local file, why = io.open(path, "rb")
    if not file then
        return nil, why
    end
    local text
    text, why = file:read(max_body + 1)
    file:close()
    return text or not why and "" or nil, why
end

local function read_body(max_body)
    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    if body then
        return body
    end
    local path = ngx.req.get_body_file()
    if not path then
        return ""
    end
    return read_file(path, max_body)
end

-- The request as a receiver takes it. The peer is the one of the connection: with the realip module
-- $remote_addr may be what a header says instead.
local function read_request(body)
    local var = ngx.var
    return {
        method = var.request_method,
        url = var.request_uri,
        tls = var.scheme == "https",
        peer = var.realip_remote_addr or var.remote_addr,
        headers = read_headers(),
        body = body,
    }
end

-- ---- Answering -----------------------------------------------------------------------------------

--- Answers the present request. Without a body there is no page of nginx's instead.
-- @tparam table given status, headers, body
function M.answer(given)
    if ngx.headers_sent then
        ngx.log(ngx.ERR, "twilio_sms: a handler has answered the request itself; its reply is lost")
        return
    end
    ngx.status = given.status
    for name, value in pairs(given.headers) do
        ngx.header[name] = value
    end
    if given.body ~= "" then
        ngx.header["Content-Length"] = #given.body
        ngx.print(given.body)
        return
    end
    ngx.header["Content-Type"] = nil
    if given.status ~= 204 then -- RFC 9110 section 8.6
        ngx.header["Content-Length"] = 0
    end
    ngx.send_headers()
end

--- What a receiver does with errors, unless the program has a function of its own: they go to nginx's log. An
-- explanation has neither tokens nor values.
function M.log(err, event, explanation)
    if event then
        ngx.log(ngx.ERR, "twilio_sms: a webhook (", event.type, "): ", tostring(err))
    else
        local why = (explanation or ""):gsub("%s+$", ""):gsub("\n", "; ")
        ngx.log(ngx.WARN, "twilio_sms: a webhook was refused: ", tostring(err), why ~= "" and "; " or "", why)
    end
end

local function empty(status)
    return { status = status, headers = {}, body = "" }
end

-- Where `lua_check_client_abort` is on, an aborted request ends the handler in the middle, unless there is a
-- function for that.
local function go_on()
end

--- Handles the present request and answers it.
-- @tparam table receiver of `twilio_sms.webhook`
-- @tparam[opt] number max_body bytes
function M.serve(receiver, max_body)
    max_body = max_body or MAX_BODY
    ngx.on_abort(go_on)
    local length = tonumber(ngx.var.http_content_length)
    if length and length > max_body then
        ngx.req.discard_body()
        local why = ("a body of %.0f bytes is larger than max_body, %.0f"):format(length, max_body)
        local err = core.error("PayloadParseError", why)
        err.http_status = 413
        M.answer(receiver:refuse(err))
        return
    end
    local body, why = read_body(max_body)
    if not body then
        ngx.log(ngx.ERR, "twilio_sms: the body of a webhook cannot be read: ", why)
        M.answer(empty(500))
        return
    end
    M.answer((receiver:handle(read_request(body))))
end

return M

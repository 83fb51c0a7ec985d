--- Posts spans to a collector over cosockets, in a timer of the worker: no request waits for it.
local answer = require "twilio_sms.observe.exporter_answer"
local core = require "twilio_sms.core"
local scheduler = require "resty.twilio_sms.scheduler"

local ngx = ngx

local M = {}

local Exporter = {}
local class = { __index = Exporter, __name = "resty.twilio_sms.exporter" }

local CONNECT_TIMEOUT_MS, TOTAL_TIMEOUT_MS = 5000, 10000
local ANSWER_MOST_BYTES, CHUNK_BYTES = 65536, 4096
local START_MS = 1000 -- a timer of nginx that has not begun until then counts as dropped
local LOOK_MS = 20
local EXIT_LOOK_MS = 100 -- how soon who waits for a collector sees that the worker ends
-- With a bad certificate ngx_lua 0.10.23 may raise instead of saying so.
local HANDSHAKE_FAULT = "the TLS handshake failed, as with a certificate that cannot be verified"

local function invalid(text, ...)
    return nil, core.error("InvalidOption", "trace." .. text:format(...))
end

--- Makes an exporter; as `twilio_sms.observe.exporter_http`.
function M.new(url, headers, ca_file)
    if ca_file then
        return invalid("ca_file: in nginx it is the directive `lua_ssl_trusted_certificate %s;`", ca_file)
    end
    local scheme, authority, path = url:match "^(https?)://([^/?#]+)([^#]*)"
    local host, port = authority:match "^(.-):(%d+)$"
    return setmetatable({
        tls = scheme == "https", host = host or authority, headers = headers, authority = authority,
        port = tonumber(port) or scheme == "https" and 443 or 80,
        path = path:find "^/" and path or "/" .. path,
        busy = false, -- never, for its owner: see arm
        running = false, due_ms = nil,
    }, class)
end

-- ---- Waiting -------------------------------------------------------------------------------------

-- How long there is left: not as long as was planned when the worker has begun to end meanwhile.
local function left_ms(term)
    local now_ms = core.now_ms()
    if not term.is_exit and ngx.worker.exiting() then
        term.is_exit, term.until_ms = true, math.min(term.until_ms, now_ms + term.exit_ms)
    end
    return term.until_ms - now_ms
end

local function sleep(term, ms)
    local until_ms = core.now_ms() + ms
    local rest_ms = ms
    while rest_ms > 0 and left_ms(term) > 0 do
        ngx.sleep(math.min(rest_ms, EXIT_LOOK_MS) / 1000)
        rest_ms = until_ms - core.now_ms()
    end
end

-- ---- One request ---------------------------------------------------------------------------------

local function connect(self, sock)
    -- RFC 6761 section 6.3: this name never needs to be looked up.
    local ok, err = sock:connect(self.host == "localhost" and "127.0.0.1" or self.host, self.port)
    if ok and self.tls then
        ok, err = sock:sslhandshake(nil, self.host, true)
    end
    return ok, err
end

local function request_text(self, headers, body)
    local lines = {
        ("POST %s HTTP/1.1"):format(self.path), "Host: " .. self.authority, "Connection: close",
        "User-Agent: twilio-sms/" .. core.version, "Content-Length: " .. #body,
    }
    for _, header in ipairs(headers) do
        lines[#lines + 1] = header[1] .. ": " .. header[2]
    end
    return { table.concat(lines, "\r\n"), "\r\n\r\n", body }
end

-- Reads to the end of the connection, or as much as is wanted of a longer answer.
local function read(sock, term, due_ms)
    local parts, bytes = {}, 0
    while bytes < ANSWER_MOST_BYTES do
        local rest_ms = math.min(due_ms - core.now_ms(), left_ms(term))
        sock:settimeout(math.max(1, math.min(rest_ms, EXIT_LOOK_MS)))
        local chunk, err = sock:receiveany(CHUNK_BYTES)
        if chunk then
            parts[#parts + 1], bytes = chunk, bytes + #chunk
        elseif err == "closed" then
            break
        elseif err ~= "timeout" or rest_ms <= 0 then
            return nil, err
        end
    end
    return table.concat(parts)
end

-- Performs a request on a socket of its own. Answers the whole text, or nil and why there is none.
local function perform(self, text, term)
    local sock = ngx.socket.tcp()
    local limit_ms = math.max(1, math.min(TOTAL_TIMEOUT_MS, left_ms(term)))
    local due_ms = core.now_ms() + limit_ms
    local connect_ms = math.min(CONNECT_TIMEOUT_MS, limit_ms)
    sock:settimeouts(connect_ms, limit_ms, limit_ms)
    local called, ok, err = pcall(connect, self, sock)
    if called and ok then
        ok, err = sock:send(text)
    end
    local reply
    if called and ok then
        reply, err = read(sock, term, due_ms)
    end
    pcall(sock.close, sock)
    return reply, called and err or HANDSHAKE_FAULT
end

local function judge(reply, err, attempts)
    local status = reply and reply:match "^HTTP/1%.%d (%d%d%d)"
    if not status then
        return answer.judge_fault(reply and "its answer is not HTTP" or tostring(err), attempts)
    end
    local head, body = reply:match "^(.-\r\n)\r\n(.*)$"
    local headers = {}
    for name, value in (head or ""):gmatch "\n([^:\r\n]+):[ \t]*([^\r\n]*)" do
        headers[name:lower()] = value
    end
    -- A chunked body has its sizes around it.
    return answer.judge(tonumber(status), headers, (body or ""):match "%b{}" or "", attempts)
end

-- ---- Batches -------------------------------------------------------------------------------------

-- Sends one batch, however often that takes in its time.
local function send_batch(self, queue, body, count, term)
    local headers, err = self.headers()
    if not headers then
        queue:gave_up(count, err.message)
        return
    end
    local text = request_text(self, headers, body)
    for attempt = 1, answer.ATTEMPTS_MOST do
        local reply, problem = perform(self, text, term)
        local verdict, value, why = judge(reply, problem, attempt)
        if verdict == "ok" then
            queue:exported(count, value)
            return
        elseif verdict == "drop" or value > left_ms(term) then
            queue:gave_up(count, why or value)
            return
        end
        queue:retried(why)
        sleep(term, value)
    end
end

local function send_all(self, queue, term)
    local body, count = queue:take()
    while body do
        send_batch(self, queue, body, count, term)
        body, count = nil, nil
        if left_ms(term) > 0 then
            body, count = queue:take()
        end
    end
end

-- Exports what there is, unless somebody is at it.
local function run(self, queue, limit_ms)
    if self.running then
        return
    end
    self.running, self.due_ms = true, nil
    local term = { until_ms = core.now_ms() + limit_ms, exit_ms = queue.timeout_ms, is_exit = false }
    local ok, err = pcall(send_all, self, queue, term)
    self.running = false
    if not ok then
        ngx.log(ngx.ERR, "twilio_sms: ", tostring(err))
    elseif queue.problem then
        ngx.log(ngx.WARN, "twilio_sms: spans: ", queue.problem)
    end
end

local LONG_MS = 600000 -- of retries and batches, until a run makes way for another one

--- Sees to it that spans which wait are exported: when their interval is over, or now, when they fill
-- a batch.
function Exporter:arm(queue, pending)
    local now_ms = core.now_ms()
    local exiting = ngx.worker.exiting() -- then nginx takes no timers for later
    local delay_ms = (exiting or pending >= queue.batch) and 0 or queue.interval_ms
    local due_ms = self.due_ms
    local is_set = due_ms and due_ms <= now_ms + delay_ms and now_ms < due_ms + START_MS
    if self.running or is_set then
        return
    end
    local ok = ngx.timer.at(delay_ms / 1000, function() run(self, queue, LONG_MS) end)
    self.due_ms = ok and now_ms + delay_ms or nil
end

function Exporter:work() end

--- Exports all, and waits for it, in the phases of nginx where that is possible.
function Exporter:flush(queue, timeout_ms)
    if not scheduler.inside() then
        return
    end
    local until_ms, over = core.now_ms() + timeout_ms, false
    -- A request can be ended in the middle of it, and then nobody would export any more; a timer cannot.
    local ok = ngx.timer.at(0, function()
        run(self, queue, timeout_ms)
        over = true
    end)
    while ok and (self.running or not over) and core.now_ms() < until_ms do
        ngx.sleep(LOOK_MS / 1000)
    end
end

--- What is under way goes on.
function Exporter:close()
    return 0
end

return M

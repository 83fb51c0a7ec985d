--- An nginx with the Lua module for the specs: real workers, which end with the process that started them.
--
--     local server = nginx.start { server = "location / { content_by_lua_block { ngx.say 'hello' } }" }
--     local status, headers, body = server:request("GET", "/")
--     server:stop()
local core = require "twilio_sms.core"
local files = require "files"
local http_peer = require "http_peer"

local quote, read, write = files.quote, files.read, files.write

local M = {}

local Server = {}
Server.__index = Server
M.Server = Server

local PATIENCE_MS = 10000
local LOOK_MS = 10

local OPTIONS = {
    main = true, http = true, server = true, workers = true, listen = true, ca_file = true, log_level = true,
    configuration = true,
}

local function run(command, ...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = quote((select(i, ...)))
    end
    local pipe = assert(io.popen(command .. " " .. table.concat(words, " ") .. " 2>&1"))
    local text = pipe:read "*a"
    pipe:close()
    return (text:gsub("%s+$", ""))
end

--- Looks every few milliseconds whether something is so.
-- @tparam function is_so
-- @tparam[opt] number patience_ms
-- @return what is_so has answered, or nil and "too late"
function M.await(is_so, patience_ms)
    local until_ms = core.now_ms() + (patience_ms or PATIENCE_MS)
    repeat
        local answer = is_so()
        if answer then
            return answer
        end
        core.poll({}, LOOK_MS)
    until core.now_ms() > until_ms
    return nil, "too late"
end

-- ---- The configuration ---------------------------------------------------------------------------

local MODULE_FOLDER = "/usr/lib/nginx/modules/"
local MODULES = { "ndk_http_module.so", "ngx_http_lua_module.so" }

local TEMPLATE = [[
${modules}
daemon off;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log ${log_level};
worker_processes ${workers};
${main}
events {
    worker_connections 2048;
}
http {
    access_log off;
    client_body_temp_path ${dir}/body;
    proxy_temp_path ${dir}/proxy;
    fastcgi_temp_path ${dir}/fastcgi;
    uwsgi_temp_path ${dir}/uwsgi;
    scgi_temp_path ${dir}/scgi;
    lua_package_path "${build}/luajit/?.lua;${build}/luajit/?/init.lua;;";
    lua_package_cpath "${build}/luajit/?.so;;";
    ${trust}
    ${http}
    server {
        ${listen}
        ${certificate}
        ${server}
    }
}
]]

local function modules()
    local lines = {}
    for i, name in ipairs(MODULES) do
        local file = io.open(MODULE_FOLDER .. name)
        if file then -- OpenResty has them in its binary
            file:close()
            lines[i] = "load_module " .. MODULE_FOLDER .. name .. ";"
        end
    end
    return table.concat(lines, "\n")
end

-- What stands behind the ports in "listen": a list, or the number of ports without anything.
local function ports_of(listen)
    local list = type(listen) == "table" and listen or {}
    for i = #list + 1, type(listen) == "number" and listen or 1 do
        list[i] = ""
    end
    return list
end

local function has_tls(parameters)
    return (" " .. parameters .. " "):find " ssl " ~= nil
end

-- Records which lines run, for tests/coverage.lua: in the master, from which all workers inherit the hook.
local LINE_HOOK = ' require "line_hook"\n'

local function with_line_hook(http)
    if not os.getenv "LUA_COVERAGE" then
        return http
    end
    local text, found = http:gsub("init_by_lua_block {", function(start) return start .. LINE_HOOK end, 1)
    return found == 1 and text or ("init_by_lua_block {%s}\n%s"):format(LINE_HOOK, http)
end

local function configuration(self, opts)
    if opts.configuration then
        return opts.configuration, false
    end
    local lines, tls = {}, false
    for i, parameters in ipairs(self.listens) do
        lines[i] = ("listen 127.0.0.1:${port%d} %s;"):format(i, parameters)
        tls = tls or has_tls(parameters)
    end
    local values = {
        modules = modules(), dir = self.dir, workers = tostring(self.worker_count),
        log_level = opts.log_level or "notice",
        build = assert(os.getenv "TWILIO_SMS_BUILD", "TWILIO_SMS_BUILD is not set; see `make -s env`"),
        main = opts.main or "", http = with_line_hook(opts.http or ""), server = opts.server or "",
        listen = table.concat(lines, "\n"),
        trust = opts.ca_file
            and ("lua_ssl_trusted_certificate %s;\nlua_ssl_verify_depth 3;"):format(opts.ca_file) or "",
        certificate = tls and ("ssl_certificate %s/cert.pem;\nssl_certificate_key %s/key.pem;"):format(
            self.dir, self.dir) or "",
    }
    local text = TEMPLATE:gsub("%${(%l[%l_]*)}", values)
    return text, tls
end

local function make_certificate(dir)
    local said = run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", dir .. "/key.pem", "-out", dir .. "/cert.pem")
    assert(read(dir .. "/cert.pem"), said)
end

-- ---- Starting ------------------------------------------------------------------------------------

-- Where this file lies, whatever the present folder is.
local HERE = debug.getinfo(1, "S").source:match "^@(.*)nginx%.lua$"

local function start_holder(self)
    local answer = self.dir .. "/answer"
    assert(os.execute("mkfifo -m 600 " .. quote(answer)))
    -- It says "failed" also when Python is not there, or raises.
    local user = run "id -u" == "0" and "user root;" or "" -- the workers read what the specs have written
    local holder = ("{ python3 %s %s %d %s || echo failed; } > %s"):format(quote(HERE .. "nginx_holder.py"),
        quote(self.dir), #self.listens, quote(user), quote(answer))
    self.holder = assert(io.popen(holder, "w"))
    local pipe = assert(io.open(answer))
    local ready = pipe:read "*l"
    pipe:close()
    local master, ports = (ready or ""):match "^ready (%d+) (.*)$"
    if not master then
        local why = read(self.dir .. "/error.log")
        self.holder:close()
        error("nginx does not start:\n" .. (why or "there is no nginx, or no python3"), 0)
    end
    self.master = tonumber(master)
    for port in ports:gmatch "%d+" do
        self.ports[#self.ports + 1] = tonumber(port)
        local scheme = has_tls(self.listens[#self.ports]) and "https" or "http"
        self.urls[#self.ports] = ("%s://127.0.0.1:%d"):format(scheme, port)
    end
    self.port, self.url = self.ports[1], self.urls[1]
end

--- Starts one.
-- @tparam table opts main, http, server: directives of these blocks; workers (1); listen: a list of what
-- stands behind the port in each "listen", as { "", "ssl http2" }, or their number (1); ca_file, which
-- cosockets trust; log_level (notice). Or configuration: a whole file, which listens on 127.0.0.1:${port1}
-- and so on, stays in the foreground, and has its pid in nginx.pid and its errors on stderr.
-- @treturn table dir, port, url, ports, urls, ca_file (of ports with "ssl")
function M.start(opts)
    for name in pairs(opts) do
        assert(OPTIONS[name], "unknown option " .. tostring(name))
    end
    local self = setmetatable({
        dir = run "mktemp -d /tmp/twilio-sms-nginx-XXXXXX", ports = {}, urls = {}, seen = {}, files = 0,
        listens = ports_of(opts.listen), worker_count = opts.workers or 1, options = opts,
    }, Server)
    local text, tls = configuration(self, opts)
    write(self.dir .. "/nginx.conf.in", text)
    if tls then
        make_certificate(self.dir)
        self.ca_file = self.dir .. "/cert.pem"
    end
    start_holder(self)
    self:await_workers()
    return self
end

-- ---- Its processes -------------------------------------------------------------------------------

-- The state of a process ("R", "S", "T", "Z", ...), its parent and its group; nil when it is gone.
local function process(pid)
    local stat = read(("/proc/%s/stat"):format(pid))
    local state, parent, group = (stat or ""):match "^.*%) (%u) (%d+) (%d+)"
    if state and state ~= "Z" and state ~= "X" then
        return state, tonumber(parent), tonumber(group)
    end
end

-- All processes of the master's group, with the master.
local function processes(self)
    local pids = {}
    for name in run("ls /proc"):gmatch "%f[%d]%d+" do
        local state, _, group = process(name)
        if state and group == self.master then
            pids[#pids + 1] = tonumber(name)
        end
    end
    return pids
end

local function workers(self, title)
    local pids = {}
    for _, pid in ipairs(processes(self)) do
        if (read(("/proc/%d/cmdline"):format(pid)) or ""):find(title, 1, true) then
            pids[#pids + 1] = pid
        end
    end
    table.sort(pids)
    return pids
end

--- The workers that take requests.
-- @treturn table their process ids
function Server:workers()
    return workers(self, "nginx: worker process\0")
end

--- Workers of before a reload that have not ended yet.
-- @treturn table their process ids
function Server:leaving()
    return workers(self, "nginx: worker process is shutting down")
end

--- Waits until all workers are there.
-- @tparam[opt] table but_not process ids that do not count
-- @treturn table their process ids
function Server:await_workers(but_not)
    local function are_there()
        local pids = self:workers()
        for _, pid in ipairs(pids) do
            if but_not and but_not[pid] then
                return nil
            end
        end
        return #pids == self.worker_count and pids
    end
    local pids = M.await(are_there)
    if not pids then
        error("the workers are not there:\n" .. self:error_log(), 2)
    end
    return pids
end

--- Sends a signal to one process, "KILL" if nothing is said.
function Server:kill(pid, signal)
    assert(process(pid), "there is no process " .. tostring(pid))
    assert(os.execute(("kill -%s %d"):format(signal or "KILL", pid)))
end

--- Lets the master read the configuration anew, and waits until new workers have taken over. Old ones may
-- still be at work: see `leaving`.
-- @tparam[opt] table changes main, http, server: other directives than before
-- @treturn table the new workers
function Server:reload(changes)
    for name, value in pairs(changes or {}) do
        assert(name == "main" or name == "http" or name == "server", "cannot be changed: " .. name)
        self.options[name] = value
    end
    local text = configuration(self, self.options):gsub("%${port(%d+)}", function(i)
        return tostring(self.ports[tonumber(i)])
    end)
    write(self.dir .. "/nginx.conf", text)
    local old = {}
    for _, pid in ipairs(self:workers()) do
        old[pid] = true
    end
    self:kill(self.master, "HUP")
    return self:await_workers(old)
end

--- All that it has logged.
function Server:error_log()
    return read(self.dir .. "/error.log") or ""
end

--- Ends it and waits for its end; raises if a process does not end by itself.
-- @tparam[opt] string signal TERM; QUIT lets requests under way end first
function Server:stop(signal)
    if not self.holder then
        return
    end
    local pids = processes(self)
    if process(self.master) then
        self:kill(self.master, signal or "TERM")
    end
    local ended = M.await(function()
        for _, pid in ipairs(pids) do
            if process(pid) then
                return false
            end
        end
        return true
    end)
    local log = not ended and self:error_log()
    self.holder:close()
    self.holder = nil
    if not ended then
        error("nginx did not end within 10 seconds:\n" .. log, 2)
    end
end

-- ---- Requests ------------------------------------------------------------------------------------

--- Sends a request and does not wait.
-- @tparam string method
-- @tparam string path what stands in the request line
-- @tparam[opt] table opts headers (a map or a list of pairs), body (a string), port (1: the first one of
-- `listen`), curl (a list of more arguments), timeout_ms (20000)
-- @treturn table with `finish`, which waits (see `http_peer`)
function Server:send(method, path, opts)
    opts = opts or {}
    self.files = self.files + 1
    return http_peer.send(method, self.urls[opts.port or 1] .. path, {
        headers = opts.headers, body = opts.body, curl = opts.curl, timeout_ms = opts.timeout_ms,
        ca_file = self.ca_file, files = ("%s/request%d"):format(self.dir, self.files),
    })
end

-- Stops all workers but one, so that it takes what comes. Answers those that it has stopped.
local function hold_others(self, wanted)
    local held = {}
    for _, pid in ipairs(self:workers()) do
        if pid ~= wanted then
            self:kill(pid, "STOP")
            assert(M.await(function() return process(pid) == "T" end))
            held[#held + 1] = pid
        end
    end
    return held
end

--- Sends a request and waits for its answer.
-- @tparam[opt] table opts as for `send`; and worker: the process id of the one that is to take it
-- @treturn number|nil the status; nil when there was no answer
-- @treturn table|string its headers, whose names are found in any case; or why there was no answer
-- @treturn string|nil its body
function Server:request(method, path, opts)
    local held = opts and opts.worker and hold_others(self, opts.worker) or {}
    local status, headers, body = self:send(method, path, opts):finish()
    for _, pid in ipairs(held) do
        self:kill(pid, "CONT")
    end
    return status, headers, body
end

--- Sends bytes as they are and reads until the server closes the connection, for 5 seconds at most.
-- @treturn string what came
function Server:raw(bytes)
    return http_peer.raw(self.port, bytes)
end

return M

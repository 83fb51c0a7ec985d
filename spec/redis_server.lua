--- A Redis server for the specs: a process of its own, which ends with the process that started it.
local nginx = require "nginx"

local M = {}

local Server = {}
Server.__index = Server

local function quote(text)
    return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

local function run(command)
    local pipe = assert(io.popen(command .. " 2>&1"))
    local text = pipe:read "*a"
    pipe:close()
    return (text:gsub("%s+$", ""))
end

-- The shell ends the server when its input ends, by whatever means the spec has ended, and removes its files
-- unless it was told to keep them.
local HOLDER = [[
trap '' INT
exec 2> /dev/null
read -r start
redis-server --dir ${dir} --unixsocket ${socket} --logfile ${dir}/log --pidfile ${dir}/pid --save '' \
    --daemonize no ${options} > /dev/null &
server=$!
read -r last
kill -KILL $server
wait $server
rm -f ${socket}
[ "$last" = keep ] || rm -rf ${dir}
]]

local function launch(self)
    local values = { dir = self.dir, socket = self.socket, options = self.options }
    local script = HOLDER:gsub("%${(%w+)}", values)
    self.holder = assert(io.popen("sh -c " .. quote(script), "w"))
    self.holder:write "start\n"
    self.holder:flush()
end

local function says(self, text)
    return run("cat " .. self.dir .. "/log"):find(text, 1, true) ~= nil
end

local function is_ready(self)
    local answer = self:cli "PING"
    return answer == "PONG" or answer:find "NOAUTH"
end

local TRIES_MOST = 50
local PORT_LEAST, PORTS = 20000, 2000 -- below those of clients; 10000 above them is the bus of a cluster

-- Redis itself finds out whether a port is free: it does not start otherwise.
local function start_on_some_port(self, options)
    local first = tonumber(run("sh -c 'echo $$'"))
    for try = 1, TRIES_MOST do
        self.port = PORT_LEAST + (first + try * 7) % PORTS
        self.options = options:gsub("%${port}", self.port)
        launch(self)
        if nginx.await(function() return is_ready(self) or says(self, "in use") end) and is_ready(self) then
            return
        end
        self:kill()
        run("rm " .. self.dir .. "/log")
    end
    error "redis-server finds no free port"
end

--- Starts a server.
-- @tparam[opt] string options of redis-server besides the Unix socket on which it always listens; ${port} in
-- it is a free port, as in "--port ${port}"
-- @treturn table dir, socket, port
function M.start(options)
    local dir = run "mktemp -d /tmp/twilio-sms-redis-XXXXXX"
    local self = setmetatable({ dir = dir, socket = dir .. "/socket" }, Server)
    self.options = options or "--port 0"
    if self.options:find("${port}", 1, true) then
        start_on_some_port(self, options)
    else
        self:restart()
    end
    return self
end

--- Starts it again after `kill`, with what it has kept.
function Server:restart()
    launch(self)
    if not nginx.await(function() return is_ready(self) end) then
        local log = run("cat " .. self.dir .. "/log")
        self:stop()
        error("redis-server does not start:\n" .. log, 2)
    end
end

--- Asks it by the program redis-cli.
-- @tparam string ... words of the command
-- @treturn string what that prints
function Server:cli(...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = quote((select(i, ...)))
    end
    return run(("timeout 20 redis-cli -s %s %s"):format(self.socket, table.concat(words, " ")))
end

--- Sends it a signal.
function Server:signal(name)
    assert(os.execute(("kill -%s $(cat %s/pid)"):format(name, self.dir)))
end

local function close(self, last_words)
    self.holder:write(last_words)
    self.holder:close()
    self.holder = nil
end

--- Ends it at once, as a crash would. What it has written to its files is kept.
function Server:kill()
    close(self, "keep\n")
end

--- Ends it and forgets everything.
function Server:stop()
    if self.holder then
        close(self, "")
    else
        run("rm -rf " .. self.dir)
    end
end

return M

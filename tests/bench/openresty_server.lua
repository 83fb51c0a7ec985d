-- The nginx under test (openresty.conf): starts it, and tells what its workers have used.
local nginx = require "nginx"

local M = {}

local Server = {}
Server.__index = Server

Server.__close = function(self)
    self.nginx:__close()
    if self.redis then
        self.redis:close()
    end
end

local function read_file(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local REDIS = [[
trap '' INT
redis-server --port 0 --unixsocket ${at} --save '' --appendonly no > /dev/null &
redis=$!
read -r never
kill $redis
wait $redis
]]

local function start_redis(at)
    local holder = assert(io.popen(REDIS:gsub("%${at}", at), "w"))
    for _ = 1, 100 do
        if os.execute("redis-cli -s " .. at .. " ping > /dev/null 2>&1") then
            return holder
        end
        os.execute("sleep 0.05")
    end
    error("redis-server does not start", 0)
end

--- Starts one.
-- @tparam table opts here, build (directories), pin (in front of its command), upstream (the port of the
-- API's stand-in), ca_file (of that), store ("none", "sqlite" or "redis"), client ("yes" or "no")
-- @treturn table to be closed, with plain and tls (its ports), ca_file (of its own certificate)
function M.start(opts)
    local redis_at = os.tmpname()
    os.remove(redis_at)
    local redis = opts.store == "redis" and start_redis(redis_at) or nil
    local server = nginx.launch {
        conf = opts.here .. "/openresty.conf", ports = { "plain", "tls" }, pin = opts.pin,
        values = {
            here = opts.here, build = opts.build, workers = "2", upstream = tostring(opts.upstream),
            ca_file = opts.ca_file, store = opts.store or "none", redis_at = redis_at,
            client = opts.client or "yes",
        },
        litter = "/dev/shm/twilio_sms.*.bench-${tls}.*", -- of openresty_app
    }
    return setmetatable({
        nginx = server, redis = redis, plain = server.port.plain, tls = server.port.tls,
        ca_file = server.dir .. "/ca.pem",
    }, Server)
end

--- The end of what it has logged.
function Server:error_log()
    return self.nginx:error_log():sub(-4000)
end

--- The process ids of its workers.
function Server:workers()
    local master = read_file(self.nginx.dir .. "/nginx.pid"):match "%d+"
    local pids = {}
    for pid in read_file(("/proc/%s/task/%s/children"):format(master, master)):gmatch "%d+" do
        pids[#pids + 1] = pid
    end
    return pids
end

--- Seconds of CPU that the workers have used so far. The scheduler's own count, in nanoseconds: that of
-- /proc/PID/stat is one of ticks of 10 ms, which work that begins with a timer's tick can evade.
function Server:cpu_s()
    local sum = 0
    for _, pid in ipairs(self:workers()) do
        sum = sum + tonumber(read_file("/proc/" .. pid .. "/schedstat"):match "^%d+") / 1e9
    end
    return sum
end

--- The workers' resident memory in KB.
function Server:rss_kb()
    local sum = 0
    for _, pid in ipairs(self:workers()) do
        sum = sum + tonumber(read_file("/proc/" .. pid .. "/status"):match "VmRSS:%s*(%d+)")
    end
    return sum
end

--- How many sockets the workers have open.
function Server:sockets()
    local pipe <close> = assert(io.popen("ls -l /proc/" .. table.concat(self:workers(), "/fd /proc/")
        .. "/fd | grep -c socket:"))
    return pipe:read "n"
end

return M

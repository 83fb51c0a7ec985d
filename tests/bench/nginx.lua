-- Private nginxes for one benchmark run, which cannot outlive it: a shell holds each and ends it, and
-- removes its files, as soon as the pipe from the run is closed, by whatever means the run ended.
local M = {}

local API_PORTS = { "fast", "http2", "slow", "fresh" }

local MODULES = "/usr/lib/nginx/modules"

-- Of the size of a live one.
local ANSWER = [[{"body": "Your parcel 0001234 arrives on Thursday between 9 and 12. Reply STOP to opt ]]
    .. [[out. Bye", "num_segments": "1", "direction": "outbound-api", "from": "+15005550006", ]]
    .. [["date_updated": "Thu, 24 Aug 2023 05:01:45 +0000", "price": null, "error_message": null, ]]
    .. [["uri": "/2010-04-01/Accounts/${account}/Messages/${sid}.json", "account_sid": "${account}", ]]
    .. [["num_media": "0", "to": "+15550001234", "date_created": "Thu, 24 Aug 2023 05:01:45 +0000", ]]
    .. [["status": "queued", "sid": "${sid}", "date_sent": null, "messaging_service_sid": null, ]]
    .. [["error_code": null, "price_unit": "USD", "api_version": "2010-04-01", "subresource_uris": ]]
    .. [[{"media": "/2010-04-01/Accounts/${account}/Messages/${sid}/Media.json"}}]]

local function fill(template, values)
    return (template:gsub("%${([%w_]+)}", values))
end

local function read_file(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("a")
    file:close()
    return text
end

local function write_file(path, text)
    local file = assert(io.open(path, "wb"))
    assert(file:write(text))
    assert(file:close())
end

local function run(command)
    local pipe = assert(io.popen(command .. " 2>&1"))
    local output = pipe:read("a")
    if not pipe:close() then
        error(command .. "\n" .. output, 0)
    end
    return (output:gsub("%s+$", ""))
end

-- Local ports with a TCP socket in the given state (hex), or in any.
local function ports_in_use(state)
    local ports = {}
    for _, name in ipairs { "tcp", "tcp6" } do
        local file = io.open("/proc/net/" .. name)
        for line in file and file:lines() or function() end do
            local port, its_state = line:match("^%s*%d+: %x+:(%x+) %x+:%x+ (%x+)")
            if port and (not state or its_state == state) then
                ports[tonumber(port, 16)] = true
            end
        end
        if file then
            file:close()
        end
    end
    return ports
end

-- Below the range from which the kernel takes the ports of clients.
local function free_ports(names)
    local taken, ports = ports_in_use(), {}
    for _, name in ipairs(names) do
        local port
        repeat
            port = math.random(20000, 32000)
        until not taken[port]
        taken[port] = true
        ports[name] = port
    end
    return ports
end

local function make_certificates(dir)
    local quiet = ("cd %s && openssl "):format(dir)
    local key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
    write_file(dir .. "/san", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run(quiet .. "req -x509 " .. key .. "-subj '/CN=twilio-sms benchmark' -keyout ca.key -out ca.pem")
    run(quiet .. "req " .. key .. "-subj /CN=localhost -keyout server.key -out server.csr")
    run(quiet .. "x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
        .. "-extfile san -out server.pem")
end

-- What a program finds that trusts the system's authorities and ours.
local function make_bundle(dir)
    local system = io.open("/etc/ssl/certs/ca-certificates.crt", "rb")
    if not system then
        return nil
    end
    write_file(dir .. "/bundle.pem", system:read("a") .. read_file(dir .. "/ca.pem"))
    system:close()
    return dir .. "/bundle.pem"
end

local function is_listening(ports)
    local listening = ports_in_use("0A")
    for _, port in pairs(ports) do
        if not listening[port] then
            return false
        end
    end
    return true
end

-- Waits for nginx to listen, 5 seconds at most.
local function await(ports)
    for _ = 1, 100 do
        if is_listening(ports) then
            return true
        end
        os.execute("sleep 0.05")
    end
    return false
end

local HOLDER = [[
trap '' INT
PATH="$PATH:/usr/sbin"
if read -r start; then
    ${pin}nginx -p ${dir} -c ${dir}/nginx.conf -e ${dir}/error.log 2>> ${dir}/error.log &
    nginx=$!
    read -r never
    kill $nginx 2> /dev/null
    wait $nginx
fi
rm -rf ${dir} ${litter}
]]

local Server = {}
Server.__index = Server

-- What nginx has written to its log.
function Server:error_log()
    return read_file(self.dir .. "/error.log")
end

Server.__close = function(self)
    self.holder:close()
end

-- Starts one. `opts`: conf (the file with its configuration, in which ${names} stand for values),
-- ports (names of values that are free ports), values (the others; modules and dir are there), pin
-- (goes in front of its command: "taskset -c 0 ", or ""), litter (files besides that are removed at
-- the end, as words of the shell in which ${names} stand for values).
-- Returns a value to be closed, with dir, which has server.pem, server.key and their ca.pem, and
-- port[name].
function M.launch(opts)
    local dir, ports = run("mktemp -d /tmp/twilio-sms-bench-XXXXXX"), free_ports(opts.ports)
    local values = { dir = dir, modules = MODULES }
    for name, value in pairs(opts.values) do
        values[name] = value
    end
    for name, port in pairs(ports) do
        values[name] = tostring(port)
    end
    local litter = fill(opts.litter or "", values)
    local holder = assert(io.popen(fill(HOLDER, { dir = dir, pin = opts.pin, litter = litter }), "w"))
    write_file(dir .. "/nginx.conf", fill(read_file(opts.conf), values))
    make_certificates(dir)
    holder:write("start\n")
    holder:flush()
    local self = setmetatable({ dir = dir, port = ports, holder = holder }, Server)
    if not await(ports) then
        error("nginx does not start:\n" .. self:error_log(), 0)
    end
    return self
end

-- Starts the stand-in for the API, with the configuration in `here`/nginx.conf. Returns a value to
-- be closed, with ca_file, bundle_file (nil when the system has no authorities), url[name] and
-- port[name] for each of API_PORTS.
function M.start(here, pin)
    local ids = { account = "AC0123456789abcdef0123456789abcdef", sid = "SM$request_id" }
    local self = M.launch {
        conf = here .. "/nginx.conf", ports = API_PORTS, values = { answer = fill(ANSWER, ids) }, pin = pin,
    }
    self.ca_file, self.bundle_file, self.url = self.dir .. "/ca.pem", make_bundle(self.dir), {}
    for name, port in pairs(self.port) do
        self.url[name] = "https://127.0.0.1:" .. port
    end
    return self
end

return M

--- A lab for the specs of the store in Redis: a real Redis, and a real nginx whose workers run programs.
local cjson = require "cjson"
local nginx = require "nginx"
local redis_server = require "redis_server"

local M = {}

local Lab = {}
Lab.__index = Lab

-- What the programs that the workers run find: `open` makes a store, `at_once` runs a function in light
-- threads, `lose_answers` cuts off answers that Redis has given.
local LAB = [[
    package.path = "${spec}?.lua;" .. package.path
    lab = {}

    function lab.open(opts)
        local all = { unix = "${socket}" }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        all.unix = all.unix or nil
        return require("resty.twilio_sms.redis").new(all)
    end

    function lab.at_once(count, f)
        local threads, answers = {}, {}
        for i = 1, count do
            threads[i] = ngx.thread.spawn(f, i)
        end
        for i = 1, count do
            local ok
            ok, answers[i] = ngx.thread.wait(threads[i])
            assert(ok, answers[i])
        end
        return answers
    end

    function lab.lose_answers(count)
        local library = package.loaded["resty.redis"] or require "nginx.redis"
        local real = { eval = library.eval, evalsha = library.evalsha }
        for name, ask in pairs(real) do
            library[name] = function(self, ...)
                local reply, why = ask(self, ...)
                if count > 0 and reply then
                    count = count - 1
                    self:close()
                    return nil, "closed"
                end
                return reply, why
            end
        end
        return function()
            library.eval, library.evalsha = real.eval, real.evalsha
        end
    end

    -- One more, as often as it takes. Answers how often it was counted, and how often that is in doubt.
    function lab.increment(store, times)
        local counted, in_doubt = 0, 0
        while counted + in_doubt < times do
            local record, version = store:read("sums", "total")
            local written, err
            if type(version) == "number" then
                local n = record and record.n or 0
                written, err = store:write {
                    { space = "sums", key = "total", version = version, record = { n = n + 1 } },
                }
            end
            counted = counted + (written and 1 or 0)
            in_doubt = in_doubt + (err and err.outcome == "in_doubt" and 1 or 0)
            if written == nil then
                ngx.sleep(0.005)
            end
        end
        return counted, in_doubt
    end

    -- Keeps what a store has said in the present phase.
    function lab.tell()
        local store = lab.store or lab.open()
        lab.store = store
        local read, version = store:read("s", "k")
        local done, err = store:write { { space = "s", key = "k", record = {} } }
        local text = tostring(done or err)
        if not done then
            assert(read == nil and version.message == err.message)
            assert(select(2, store:list "s").message == err.message)
            assert(select(2, store:purge("s", 1)).message == err.message)
        end
        ngx.shared.told:set(ngx.get_phase(), text)
    end

    function lab.answer()
        ngx.req.read_body()
        local answer = assert(loadstring(ngx.req.get_body_data(), "=request"))()
        ngx.print(require("cjson").encode { worker = ngx.worker.pid(), answer = answer })
    end
]]

local HTTP = [[
    lua_shared_dict gate 100k;
    init_by_lua_block {
]] .. LAB .. [[
        if ngx.shared.told then
            lab.tell()
        end
    }
    init_worker_by_lua_block {
        if ngx.shared.told then
            lab.tell()
            ngx.timer.at(0, lab.tell)
        end
    }
]]

-- At /together each request waits for /go.
local SERVER = [[
    client_body_buffer_size 64k;
    location = /run { content_by_lua_block { lab.answer() } }
    location = /together {
        content_by_lua_block {
            local gate = ngx.shared.gate
            gate:incr("here", 1, 0)
            repeat ngx.sleep(0.002) until gate:get "open"
            lab.answer()
        }
    }
    location = /here { content_by_lua_block { ngx.print(ngx.shared.gate:get "here" or 0) } }
    location = /go { content_by_lua_block { ngx.shared.gate:set("open", true) } }
    location = /close {
        content_by_lua_block { ngx.shared.gate:delete "here"; ngx.shared.gate:delete "open" }
    }
]]

local HERE = debug.getinfo(1, "S").source:match "^@(.*)redis_lab%.lua$"

local function folder()
    local pipe = assert(io.popen("cd '" .. (HERE == "" and "." or HERE) .. "' && pwd"))
    local path = pipe:read "*l"
    pipe:close()
    return path .. "/"
end

--- Starts both.
-- @tparam[opt] table opts redis (options of redis-server), workers, main, http, server and ca_file for nginx
function M.start(opts)
    opts = opts or {}
    local self = setmetatable({ redis = redis_server.start(opts.redis) }, Lab)
    local values = { spec = folder(), socket = self.redis.socket }
    local ok, server = pcall(nginx.start, {
        workers = opts.workers, main = opts.main, ca_file = opts.ca_file,
        http = HTTP:gsub("%${(%w+)}", values) .. (opts.http or ""), server = SERVER .. (opts.server or ""),
    })
    if not ok then
        self.redis:stop()
        error(server, 0)
    end
    self.server = server
    return self
end

function Lab:stop()
    self.server:stop()
    self.redis:stop()
end

local function read_answer(self, status, why, body)
    assert(status == 200, status ~= 200 and ("%s\n%s"):format(status or why, self.server:error_log()))
    return cjson.decode(body)
end

--- Runs a program in a worker.
-- @return what it returns, by way of JSON
function Lab:run(program)
    return read_answer(self, self.server:request("POST", "/run", { body = program })).answer
end

local function is_stopped(pid)
    local file = assert(io.open(("/proc/%d/stat"):format(pid)))
    local stat = file:read "*a"
    file:close()
    return stat:match "^.*%) (%a)" == "T"
end

-- Starts a program in a worker, where it waits for /go. The others are stopped then.
local function prepare(self, program, pid, number)
    local server = self.server
    server:kill(pid, "CONT")
    for _, other in ipairs(server:workers()) do
        if other ~= pid then
            server:kill(other, "STOP")
            assert(nginx.await(function() return is_stopped(other) end))
        end
    end
    local request = server:send("POST", "/together", { body = program })
    assert(nginx.await(function()
        return select(3, server:request("GET", "/here")) == tostring(number)
    end))
    return request
end

--- Runs a program in every worker at once.
-- @tparam string program
-- @tparam[opt] function meanwhile is called while they are at it
-- @treturn table what each returns
function Lab:run_in_each(program, meanwhile)
    local server, requests, answers, seen = self.server, {}, {}, {}
    local pids = server:workers()
    server:request("GET", "/close")
    for i, pid in ipairs(pids) do
        requests[i] = prepare(self, program, pid, i)
    end
    for _, pid in ipairs(pids) do
        server:kill(pid, "CONT")
    end
    server:request("GET", "/go")
    if meanwhile then
        meanwhile()
    end
    for i, request in ipairs(requests) do
        local out = read_answer(self, request:finish())
        assert(not seen[out.worker], "one worker has got two")
        answers[i], seen[out.worker] = out.answer, true
    end
    return answers
end

return M

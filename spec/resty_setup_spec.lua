local cjson = require "cjson"
local core = require "twilio_sms.core"
local nginx = require "nginx"
local redis_server = require "redis_server"
local resty = require "resty"
local simulator = require "simulator"
local twilio = require "twilio"

-- Runs the Lua code of a request's body; what it answers, or its error, is the answer.
local EVAL = [[
    location = /eval {
        content_by_lua_block {
            ngx.req.read_body()
            local _, value, err = pcall(assert(loadstring(ngx.req.get_body_data(), "=code")))
            ngx.print(tostring(value), err and " " .. tostring(err) or "")
        }
    }
]]

local OPTIONS = ([[account_sid = "%s", auth_token = "%s"]]):format(twilio.ACCOUNT_SID, twilio.TOKEN)

describe("resty.twilio_sms", function()
    local server, sim, redis, file

    local function start(opts)
        opts.server = EVAL .. (opts.server or "")
        server = resty.start(opts)
        return server
    end

    local function eval(code, opts)
        local request = { body = 'local sms = require "resty.twilio_sms" ' .. code }
        for name, value in pairs(opts or {}) do
            request[name] = value
        end
        return (select(3, server:request("POST", "/eval", request)))
    end

    after_each(function()
        if server then
            server:stop()
        end
        if sim then
            sim:stop()
        end
        if redis then
            redis:stop()
        end
        for _, end_of_name in ipairs(file and { "", "-wal", "-shm" } or {}) do
            os.remove(file .. end_of_name)
        end
        server, sim, redis, file = nil, nil, nil, nil
    end)

    it("raises for wrong options where setup is called, and keeps what it was told before", function()
        start {}
        local function check(options, wanted)
            local why = eval(("\nsms.setup { %s, %s }"):format(OPTIONS, options))
            assert.truthy(why:find("^code:2: " .. wanted), why)
        end
        check("frm = 1", ".*'frm'.*did you mean 'from'")
        check("store = {}", "option 'store' must be a function, which each worker calls")
        check("optout = {}", "option 'optout' must be a function")
        check("track = 1", "option 'track' must be a function")
        check("track = true", "option 'track' needs a store")
        check("driver = {}", "option 'driver'")
        check("webhook = 1", "the options of a webhook must be a table")
        check("webhooks = 1", "option 'webhooks' must be a table")
        check("webhooks = { {} }", "option 'webhooks' holds webhooks by their names")
        check("webhook = { on_mesage = print }", "unknown option 'on_mesage'; did you mean")
        check("webhook = { optout = false, urls = { 'nowhere' } }", ".*nowhere")
        check("webhook = { client = {} }", "option 'client' must be a function")
        check("webhook = {}", "a STOP would be known to one worker only: give a store")
        check("account_sid = 'AC1'", ".*InvalidAccountSid")
        assert.truthy(eval("sms.setup()"):find("takes a table, not nil", 1, true))
        assert.equal(server.shared, cjson.decode((select(3, server:request("GET", "/health")))).shared)
    end)

    it("stops nginx from starting when something is wrong", function()
        local ok, why = pcall(start, { setup = "no_such_option = 1" })
        assert.is_false(ok)
        assert.truthy(tostring(why):find("no_such_option", 1, true))
    end)

    it("may be set up anew until it is used", function()
        start {}
        assert.equal("nil", eval(("sms.setup { %s, shared = 'another' }"):format(OPTIONS)))
        local health = cjson.decode((select(3, server:request("GET", "/health"))))
        assert.equal("another", health.shared)
        core.forget_shared("another", twilio.ACCOUNT_SID)
        local why = eval(("\nsms.setup { %s }"):format(OPTIONS))
        assert.equal("code:2: what an earlier setup has said is in use", why:match "^(.*): call setup once")
    end)

    it("makes nothing in init_by_lua, and one client for each worker", function()
        start { workers = 2, http = [[
            init_worker_by_lua_block { at_start = require("resty.twilio_sms").client() }
        ]], init = [[
            local sms = require "resty.twilio_sms"
            nothing_set_up = tostring(select(2, sms.client()))
            early_other = tostring(select(2, sms.new { ]] .. OPTIONS .. [[ }))
        ]], late_init = [[
            early = tostring(select(2, require("resty.twilio_sms").client()))
        ]] }
        assert.truthy(eval("return nothing_set_up"):find("nothing is set up", 1, true))
        assert.truthy(eval("return early"):find("init_by_lua would be shared by all workers", 1, true))
        assert.truthy(eval("return early_other"):find("init_by_lua would be shared by all workers", 1, true))
        assert.equal("true", eval "return sms.client() == sms.client()")
        assert.equal("true", eval "return sms.client() == at_start")
        for _, pid in ipairs(server:workers()) do
            local _, _, body = server:request("GET", "/health", { worker = pid })
            assert.equal(pid, cjson.decode(body).pid)
        end
    end)

    it("answers how the client does", function()
        start {}
        local status, headers, body = server:request("GET", "/health")
        assert.equal(200, status)
        assert.equal("application/json", headers["Content-Type"])
        assert.same({
            pid = server:workers()[1], breaker = "closed", queued = 0, in_flight = 0, shared = server.shared,
        }, cjson.decode(body))
    end)

    it("says that it is the store that cannot be opened", function()
        start { setup = [[
            store = function() return require("twilio_sms.store").open "/nowhere/messages.db" end,
        ]] }
        local _, _, body = server:request("GET", "/health")
        assert.equal("ConfigurationError.InvalidOption: store: the directory of the file: "
            .. "No such file or directory", cjson.decode(body).error)
        assert.is_nil(server:error_log():find("there is no client", 1, true))
        eval "sms.client()"
        local logged = "there is no client: ConfigurationError.InvalidOption: store: "
        assert.truthy(server:error_log():find(logged, 1, true))
        server:stop()
        start { setup = [[
            store = function()
                return require("resty.twilio_sms.redis").new { password = { env = "NO_NAME" } }
            end,
        ]] }
        _, _, body = server:request("GET", "/health")
        assert.truthy(cjson.decode(body).error:find("NO_NAME is not set; put `env NO_NAME;`", 1, true), body)
    end)

    it("answers 503 with the reason, and tries again, when there can be no client", function()
        file = os.tmpname()
        start { setup = ([[
            webhook = { urls = { "https://example.com/" } },
            store = function()
                local file = assert(io.open("%s"))
                local text = file:read "*a"
                file:close()
                if text == "good" then
                    return require("twilio_sms.memory").new()
                end
                return nil, "the disk is " .. text
            end,
        ]]):format(file) }
        local function write(text)
            local out = assert(io.open(file, "w"))
            out:write(text)
            out:close()
        end
        write "full"
        local status, _, body = server:request("GET", "/health")
        assert.equal(503, status)
        assert.equal(server:workers()[1], cjson.decode(body).pid)
        assert.truthy(cjson.decode(body).error:find("store: the disk is full", 1, true))
        assert.equal(503, (server:request("GET", "/metrics")))
        assert.equal(500, (server:post(twilio.inbound())))
        assert.truthy(server:error_log():find("there is no receiver", 1, true))
        write "good"
        assert.equal(200, (server:request("GET", "/health")))
        assert.equal(403, (server:post(twilio.inbound(), { token = ("f"):rep(32) })))
    end)

    it("says how a worker gets a variable of the environment", function()
        local options = 'webhook = { optout = false, auth_token = { env = "TWILIO_SMS_BUILD" } }'
        start { setup = options }
        assert.equal(500, (server:post(twilio.inbound())))
        local advice = "put `env TWILIO_SMS_BUILD;` at the top of nginx.conf"
        assert.truthy(server:error_log():find(advice, 1, true))
        server:stop()
        start { setup = options, main = "env TWILIO_SMS_BUILD;" }
        assert.equal(403, (server:post(twilio.inbound())))
    end)

    it("answers metrics in the format that is asked for", function()
        start {}
        local status, headers, body = server:request("GET", "/metrics")
        assert.equal(200, status)
        assert.equal("text/plain; version=0.0.4; charset=utf-8", headers["Content-Type"])
        assert.truthy(body:find("# TYPE twilio_", 1, true))
        assert.is_nil(body:find("# EOF", 1, true))
        status, headers, body = server:request("GET", "/metrics", { headers = {
            Accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
        } })
        assert.equal(200, status)
        assert.equal("application/openmetrics-text; version=1.0.0; charset=utf-8", headers["Content-Type"])
        assert.truthy(body:find "# EOF\n$")
    end)

    it("answers requests in the content phase only", function()
        start { server = [[
            location /early { access_by_lua_block {
                ngx.status = 200
                ngx.print(select(2, pcall(require("resty.twilio_sms").health)))
                ngx.exit(200)
            } }
        ]] }
        local _, _, body = server:request("GET", "/early")
        assert.truthy(body:find("health answers the request: call it in content_by_lua_block", 1, true))
    end)

    it("makes further clients", function()
        start {}
        assert.equal("twilio_sms.client (open)", eval(("return sms.new { %s }"):format(OPTIONS)))
        assert.truthy(eval("return sms.new { account_sid = 'AC1' }"):find "^nil .*InvalidAccountSid")
        assert.truthy(eval("\nsms.new(1)"):find "^code:2: new{")
        assert.truthy(eval("\nsms.new { track = 1 }"):find "^code:2: option 'track'")
    end)

    -- What one worker hears the other one knows, and it acts on it.
    local function check_store(store)
        sim = simulator.start()
        start { workers = 2, sim = sim, setup = ([[
            track = true,
            store = function() return %s end,
            webhook = { urls = { "https://example.com/" }, trusted_proxies = { "127.0.0.1" } },
        ]]):format(store) }
        local pids = server:workers()
        local function send(pid)
            return (select(3, server:request("GET", "/send?to=%2B15558675310", { worker = pid })))
        end
        local first, second = send(pids[1]), send(pids[2])
        assert.truthy(first:find "^SM%x+$")
        assert.truthy(second:find "^SM%x+$")
        local stop = twilio.inbound { Body = "Stop", AccountSid = simulator.ACCOUNT_SID }
        assert.equal(204, (server:post(stop, { worker = pids[1] })))
        assert.equal("MessageError.OptedOut", send(pids[2]))
        assert.equal("MessageError.OptedOut", send(pids[1]))
        -- A status that one worker has taken is known to the other one.
        local status = twilio.status { MessageSid = first, AccountSid = simulator.ACCOUNT_SID }
        assert.equal(204, (server:post(status, { worker = pids[1] })))
        local look = ("return sms.client():wait('%s').status"):format(first)
        assert.equal("delivered", eval(look, { worker = pids[2] }))
    end

    it("does not send to somebody who has written STOP to another worker, with a store in a file", function()
        file = os.tmpname()
        check_store(("require('twilio_sms.store').open '%s'"):format(file))
    end)

    it("does not send to somebody who has written STOP to another worker, with a store in Redis", function()
        redis = redis_server.start()
        check_store(("require('resty.twilio_sms.redis').new { unix = '%s' }"):format(redis.socket))
    end)

    it("keeps what it is told over a reload", function()
        file = os.tmpname()
        start { workers = 2, setup = ([[
            store = function() return require("twilio_sms.store").open("%s") end,
            webhook = { urls = { "https://example.com/" }, trusted_proxies = { "127.0.0.1" } },
        ]]):format(file) }
        assert.equal(204, (server:post(twilio.inbound { Body = "STOP" })))
        server:reload()
        assert.equal("MessageError.OptedOut", (select(3, server:request("GET", "/send?to=%2B15558675310"))))
    end)

    it("closes what it has made when a worker exits", function()
        file = os.tmpname()
        start { http = [[
            exit_worker_by_lua_block {
                local sms = require "resty.twilio_sms"
                local before = sms.client()
                sms.exit_worker()
                sms.exit_worker()
                ngx.log(ngx.NOTICE, "after: ", tostring(before))
            }
        ]], setup = ([[
            store = function() return require("twilio_sms.store").open("%s") end,
            webhook = { urls = { "https://example.com/" }, trusted_proxies = { "127.0.0.1" } },
        ]]):format(file) }
        assert.equal(204, (server:post(twilio.inbound())))
        local pid = server:workers()[1]
        server:kill(pid, "QUIT")
        assert.truthy(nginx.await(function()
            return server:error_log():find("after: twilio_sms.client (closed)", 1, true)
        end))
        server:await_workers { [pid] = true }
        assert.is_nil(io.open(file .. "-wal")) -- SQLite removes it when the last one closes the file
    end)

    it("calls the functions that make things once, with the store", function()
        start { init = "made = {}", setup = [[
            store = function()
                made[#made + 1] = "store"
                return require("twilio_sms.memory").new()
            end,
            optout = function(store)
                made[#made + 1] = "optout " .. type(store.read)
                return require("twilio_sms.optout").new { store = store }
            end,
            track = function(store)
                made[#made + 1] = "track " .. type(store.read)
                return require("twilio_sms.track").new { account_sid = "AC1", store = store }
            end,
            webhook = { urls = { "https://example.com/" }, trusted_proxies = { "127.0.0.1" } },
        ]] }
        assert.equal(204, (server:post(twilio.inbound())))
        assert.equal(204, (server:post(twilio.inbound { Body = "STOP", MessageSid = twilio.sid(2) })))
        assert.equal("store optout function track function",
            eval "sms.client() sms.receiver() return table.concat(made, ' ')")
        assert.equal("MessageError.OptedOut", (select(3, server:request("GET", "/send?to=%2B15558675310"))))
    end)

    it("says what goes wrong in such a function", function()
        start { init = "what = 'raise'", setup = [[
            optout = function()
                if what == "raise" then
                    error "no list"
                elseif what == "number" then
                    return 1
                end
            end,
        ]] }
        assert.truthy(eval("return sms.client()"):find "^nil .*optout: .*no list")
        assert.truthy(eval("what = '' return sms.client()"):find "optout: its function has answered nothing")
        assert.truthy(eval("what = 'number' return sms.client()"):find "client: .*option 'optout' must have")
    end)

    it("keeps one of what two requests have made at once", function()
        start { init = "closed = 0", setup = [[
            store = function()
                ngx.log(ngx.NOTICE, "making")
                ngx.sleep(0.2)
                local store = require("twilio_sms.memory").new()
                local close = store.close
                function store:close()
                    closed = closed + 1
                    close(self)
                end
                return store
            end,
        ]] }
        local first = server:send("GET", "/health")
        assert.truthy(nginx.await(function() return server:error_log():find("making", 1, true) end))
        assert.equal(200, (server:request("GET", "/health")))
        assert.equal(200, (first:finish()))
        assert.equal("1", eval "return closed")
    end)

    it("warns when workers do not share their limits", function()
        start { workers = 2, setup = "shared = nil" }
        assert.equal(200, (server:request("GET", "/health")))
        assert.truthy(server:error_log():find("each of the 2 workers sends at the full rate", 1, true))
    end)

    it("refuses to make a client for each request", function()
        sim = simulator.start()
        start { sim = sim, http = "lua_code_cache off;" }
        assert.equal(500, (server:request("GET", "/send?to=%2B15558675310")))
        assert.truthy(server:error_log():find("lua_code_cache is off: each request", 1, true))
        assert.same({}, sim:truth())
    end)

    it("works nowhere but in nginx", function()
        local ok, why = pcall(require, "resty.twilio_sms")
        assert.is_false(ok)
        assert.truthy(why:find("resty.twilio_sms works inside of nginx or OpenResty; elsewhere use", 1, true))
    end)
end)

local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local twilio = require "twilio"
local webhook = require "twilio_sms.webhook"

local PATH = "/sms"

describe("twilio_sms.listener", function()
    local ca_file

    before_each(function()
        ca_file = os.tmpname()
    end)

    after_each(function()
        os.remove(ca_file)
    end)

    -- Serves while f(listener, post) runs; post sends one request and waits for its answer.
    local function serve(opts, f)
        local settings = {
            ca_file = ca_file, account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN,
            optout = false, signals = false, on_error = function() end,
        }
        for name, value in pairs(opts) do
            settings[name] = value
        end
        settings.on_ready = function(listener)
            local poster = assert(core.poster { ca_file = ca_file })
            local drive = {
                step = function(self, timeout_ms)
                    poster:step(timeout_ms)
                    loop.wake(self)
                end,
                pollfd = function() return poster:pollfd() end,
                timeout_ms = function() return poster:timeout_ms() end,
            }
            local results = {}
            local function post(request)
                local url = ("https://localhost:%d%s"):format(listener:port(), request.path or PATH)
                local headers = {}
                for name, value in pairs(request.headers) do
                    headers[#headers + 1] = { name, value }
                end
                local id = assert(poster:submit {
                    method = request.method or "POST", url = url, headers = headers, body = request.body,
                })
                while not results[id] do
                    loop.wait(drive, drive)
                    local done, answer, fault = poster:result()
                    while done do
                        results[done] = answer or fault
                        done, answer, fault = poster:result()
                    end
                end
                return results[id]
            end
            loop.spawn(function()
                local ok, err = pcall(f, listener, post)
                listener:stop()
                poster:close()
                assert(ok, err)
            end)
        end
        local done
        loop.run(function() done = assert(webhook.serve(settings)) end)
        assert.is_true(done)
    end

    local function signed(listener, params)
        local url = ("https://localhost:%d%s"):format(listener:port(), PATH)
        return twilio.request(params, { url = url })
    end

    it("answers signed requests over TLS, and refuses others", function()
        local opts = { on_message = function(event) return "You wrote: " .. event.body end }
        serve(opts, function(listener, post)
            local got = post(signed(listener, twilio.inbound()))
            assert.equal(200, got.status)
            assert.truthy(got.body:find("You wrote: Hello", 1, true))
            local forged = signed(listener, twilio.inbound { MessageSid = twilio.sid(2) })
            forged.body = forged.body .. "&Extra=1"
            got = post(forged)
            assert.equal(403, got.status)
            assert.equal("", got.body)
            assert.equal(1, listener:stats().inbound)
        end)
    end)

    it("runs handlers side by side", function()
        local running = 0
        local opts = { on_message = function()
            running = running + 1
            while running < 10 do
                loop.sleep(1) -- none of them ends before all have begun
            end
        end }
        serve(opts, function(listener, post)
            local tasks = {}
            for n = 1, 10 do
                tasks[n] = loop.spawn(function()
                    local params = twilio.inbound { MessageSid = twilio.sid(n) }
                    assert.equal(204, post(signed(listener, params)).status)
                end)
            end
            for _, task in ipairs(tasks) do
                while not task.done do
                    loop.sleep(1)
                end
            end
        end)
        assert.equal(10, running)
    end)

    it("turns away what is too much", function()
        local released = false
        local opts = { max_handlers = 1, on_message = function()
            while not released do
                loop.sleep(1)
            end
        end }
        serve(opts, function(listener, post)
            local first = loop.spawn(function()
                assert.equal(204, post(signed(listener, twilio.inbound())).status)
            end)
            while listener:stats().running == 0 do
                loop.sleep(1)
            end
            local got = post(signed(listener, twilio.inbound { MessageSid = twilio.sid(2) }))
            assert.equal(503, got.status)
            assert.equal(1, listener:stats().turned_away)
            released = true
            while not first.done do
                loop.sleep(1)
            end
        end)
    end)

    it("lets what is under way end when it is stopped", function()
        local got
        local stopped = false
        local opts = { on_message = function()
            while not stopped do
                loop.sleep(1)
            end
            return "late"
        end }
        serve(opts, function(listener, post)
            local task = loop.spawn(function() got = post(signed(listener, twilio.inbound())) end)
            while listener:stats().running == 0 do
                loop.sleep(1)
            end
            listener:stop()
            stopped = true
            while not task.done do
                loop.sleep(1)
            end
        end)
        assert.equal(200, got.status)
    end)

    it("answers 500 when a handler fails, and goes on", function()
        serve({ on_message = function() error "no" end }, function(listener, post)
            assert.equal(500, post(signed(listener, twilio.inbound())).status)
            assert.equal(500, post(signed(listener, twilio.inbound())).status)
        end)
    end)

    it("has a path that tells that it is alive", function()
        serve({ health_path = "/health" }, function(_, post)
            assert.equal(204, post({ method = "GET", path = "/health", headers = {} }).status)
        end)
    end)

    it("limits the size of a body", function()
        serve({ max_body = 1000 }, function(listener, post)
            local got = post(signed(listener, twilio.inbound { Body = ("x"):rep(2000) }))
            assert.equal(413, got.status)
        end)
    end)

    it("stops on SIGTERM", function()
        local pid = io.open "/proc/self/stat":read "*n"
        local served = webhook.serve {
            ca_file = ca_file, account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, optout = false,
            on_ready = function() os.execute(("kill -TERM %d"):format(pid)) end,
        }
        assert.is_true(served)
    end)

    it("gives its port back when an error in a coroutine has ended the loop", function()
        local port
        local opts = {
            ca_file = ca_file, account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN,
            optout = false, signals = false,
            on_ready = function(listener)
                port = listener:port()
                listener.drive.step = function() error "a fault" end
            end,
        }
        local ok, err = pcall(webhook.serve, opts)
        assert.is_false(ok)
        assert.matches("a fault", err)
        opts.port = port
        opts.on_ready = function(listener) listener:stop() end
        assert.is_true(webhook.serve(opts))
    end)

    it("runs on_ready in a loop of its own as well, before the first request", function()
        local spawned
        local opts = {
            ca_file = ca_file, account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN,
            optout = false, signals = false,
            on_ready = function(listener)
                assert.equal("twilio_sms.listener", tostring(listener))
                loop.spawn(function()
                    spawned = true
                    listener:stop()
                end)
            end,
        }
        assert.is_true(webhook.serve(opts))
        assert.is_true(spawned)
    end)

    it("blames misuse on the line that made it", function()
        for text, changes in pairs {
            ["unknown option 'prot'; did you mean 'port'?"] = { prot = 1 },
            ["unknown option 'health'"] = { health = "/" },
            ["unknown option 'grace'; did you mean 'grace_ms'?"] = { grace = 1 },
            ["unknown option 'on_mesage'; did you mean 'on_message'?"] = { on_mesage = print },
            ["unknown option '1'"] = { "x" },
            ["option 'port' must be a number, not a string"] = { port = "8443" },
            ["option 'grace_ms' must be a number, not a string"] = { grace_ms = "1" },
            ["option 'urls' must be a table, not a string"] = { urls = "https://example.com" },
            ["option 'health_path' must begin with a slash"] = { health_path = "health" },
            ["option 'port' must be a whole number"] = { port = 0.5 },
        } do
            local opts = { ca_file = ca_file, account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN,
                optout = false }
            for name, value in pairs(changes) do
                opts[name] = value
            end
            local ok, err = pcall(function()
                local served = webhook.serve(opts)
                return served
            end)
            assert.is_false(ok, text)
            assert.truthy(err:find(text, 1, true), err)
            assert.truthy(err:find "^[^:]*listener_spec.lua:%d+: [^:]*'", err)
        end
    end)

    it("says why it cannot start", function()
        local ok, err = webhook.serve { ca_file = ca_file, account_sid = "x", auth_token = twilio.TOKEN }
        assert.is_nil(ok)
        assert.equal("ConfigurationError.InvalidAccountSid", err.type)
        ok, err = webhook.serve { tls = false, host = "0.0.0.0", account_sid = twilio.ACCOUNT_SID,
            auth_token = twilio.TOKEN }
        assert.is_nil(ok)
        assert.equal("ConfigurationError.InvalidOption", err.type)
    end)
end)

local cjson = require "cjson"
local collector = require "collector"
local core = require "twilio_sms.core"
local nginx = require "nginx"
local resty = require "resty"
local simulator = require "simulator"
local twilio = require "twilio"

-- Where a worker tells what became of its spans.
local STATS = [[
    location = /trace {
        content_by_lua_block {
            local client = require("resty.twilio_sms").client()
            ngx.print(require("cjson").encode(client.drive.watch.trace:stats()))
        }
    }
    location = /flush {
        content_by_lua_block {
            local client = require("resty.twilio_sms").client()
            ngx.print(tostring(client.drive.watch.trace:flush(5000)))
        }
    }
    location = /killed {
        content_by_lua_block {
            local trace = require("resty.twilio_sms").client().drive.watch.trace
            local thread = ngx.thread.spawn(function() trace:flush(5000) end)
            ngx.sleep(0.1)
            ngx.print(tostring(ngx.thread.kill(thread)))
        }
    }
]]

local HOOK = [[
    optout = false,
    webhook = {
        urls = { "https://example.com/" }, trusted_proxies = { "127.0.0.1" },
        on_message = function(event)
            if event.body == "slow" then
                ngx.log(ngx.NOTICE, "slow begins")
                ngx.sleep(0.5)
            end
        end,
        on_status = function() end,
    },
]]

describe("a trace in nginx", function()
    local server, peer

    -- Starts an nginx whose workers send their spans to a collector.
    local function start(changes)
        changes = changes or {}
        server = resty.start {
            setup = ("%s trace = { to = '%s', %s },"):format(HOOK, changes.url or peer.url,
                changes.trace or "interval_ms = 0"),
            server = STATS, workers = changes.workers, sim = changes.sim, late_init = changes.late_init,
            http = changes.ca_file and ("lua_ssl_trusted_certificate %s;"):format(changes.ca_file),
        }
        return server
    end

    local function stats()
        local _, _, body = server:request("GET", "/trace")
        return cjson.decode(body)
    end

    -- Waits until the worker knows that something is so, and looks after its collector meanwhile.
    local function told(is_so)
        return peer:until_true(function()
            local pending = server:send("GET", "/trace")
            peer:look()
            local _, _, body = pending:finish()
            return is_so(cjson.decode(body))
        end)
    end

    before_each(function()
        peer = collector.start()
    end)

    after_each(function()
        if server then
            server:stop()
            server = nil
        end
        peer:stop()
    end)

    it("goes out over cosockets", function()
        start { trace = "interval_ms = 0, service_name = 'shop', headers = { ['X-Key'] = 'secret-1' }" }
        assert.equal(204, (server:post(twilio.inbound())))
        local span = peer:await "twilio.receive_sms"
        assert.equal("ok", collector.attribute(span, "verdict"))
        assert.same({
            method = "POST", path = "/v1/traces", host = "localhost:" .. peer.port, key = "secret-1",
            content_type = "application/json",
        }, peer.last)
        told(function(now) return now.exported == 1 and now.dropped == 0 and now.pending == 0 end)
        assert.falsy(server:error_log():find("secret-1", 1, true))
    end)

    it("tells of sends, with a request for each attempt", function()
        local sim = simulator.start 'script = { { on = "send", times = 1, action = "status", status = 503 } }'
        start { sim = sim }
        local status, _, sid = server:request("GET", "/send?to=%2B15558675310")
        assert.equal(200, status)
        local span = peer:await "twilio.send_sms"
        assert.equal(sid, collector.attribute(span, "message_sid"))
        local codes = {}
        for _, one in ipairs(peer:named "POST /2010-04-01/Accounts/{AccountSid}/Messages.json") do
            assert.same({ span.traceId, span.spanId }, { one.traceId, one.parentSpanId })
            codes[#codes + 1] = collector.attribute(one, "http.response.status_code")
        end
        assert.same({ "503", "201" }, codes)
        sim:stop()
    end)

    it("goes to a collector that it can verify", function()
        local secure = collector.start { tls = true }
        start { url = secure.url, ca_file = secure.ca_file }
        assert.equal(204, (server:post(twilio.inbound())))
        secure:await "twilio.receive_sms"
        secure:stop()
    end)

    it("goes to nobody else", function()
        local secure, stranger = collector.start { tls = true }, collector.start { tls = true }
        start { url = secure.url, ca_file = stranger.ca_file }
        assert.equal(204, (server:post(twilio.inbound())))
        secure:until_true(function() return stats().error end)
        assert.equal(0, secure.requests)
        assert.truthy(stats().error:find "certificate")
        secure:stop()
        stranger:stop()
    end)

    it("tries again as a collector wishes, and gives up at its no", function()
        start()
        local again = { status = 503, headers = { { "Retry-After", "0" } } }
        peer.answers = { again, { status = 400 } }
        assert.equal(204, (server:post(twilio.inbound())))
        told(function(now) return now.dropped == 1 and now.retries == 1 and now.exported == 0 end)
        assert.equal("the collector answered with HTTP 400", stats().error)
        local _, _, metrics = server:request("GET", "/metrics")
        assert.truthy(metrics:find("\ntwilio_export_dropped_total 1\n", 1, true))
        assert.truthy(nginx.await(function()
            return server:error_log():find("spans: the collector answered with HTTP 400", 1, true)
        end))
    end)

    it("does not delay requests while its collector hangs", function()
        start { trace = "interval_ms = 0, batch = 1" }
        for n = 1, 20 do -- nobody looks at the collector
            local before_ms = core.now_ms()
            assert.equal(204, (server:post(twilio.inbound { MessageSid = twilio.sid(n) })))
            assert.is_true(core.now_ms() - before_ms < 1000)
        end
        assert.equal(0, stats().exported)
        peer:await("twilio.receive_sms", 20)
    end)

    it("waits for batches no longer than it is told to", function()
        start { trace = "interval_ms = 1000000, batch = 3" }
        for n = 1, 2 do
            server:post(twilio.inbound { MessageSid = twilio.sid(n) })
        end
        assert.equal(2, stats().pending)
        server:post(twilio.inbound { MessageSid = twilio.sid(3) })
        peer:await("twilio.receive_sms", 3)
        assert.equal(1, peer.requests)
        server:post(twilio.inbound { MessageSid = twilio.sid(4) })
        local flushing = server:send("GET", "/flush")
        peer:await("twilio.receive_sms", 4)
        local _, _, body = flushing:finish()
        assert.equal("true", body)
    end)

    it("goes on when a request ends in the middle of a flush", function()
        start { trace = "interval_ms = 1000000" }
        server:post(twilio.inbound())
        local _, _, killed = server:request("GET", "/killed") -- nobody looks at the collector
        assert.equal("1", killed)
        server:post(twilio.inbound { MessageSid = twilio.sid(2) })
        local flushing = server:send("GET", "/flush")
        peer:await("twilio.receive_sms", 2)
        local _, _, body = flushing:finish()
        assert.equal("true", body)
        assert.equal(0, stats().in_flight)
    end)

    it("is of all workers, and goes on behind a reload", function()
        start { workers = 2 }
        for n, pid in ipairs(server:workers()) do
            server:post(twilio.inbound { MessageSid = twilio.sid(n) }, { worker = pid })
        end
        peer:await("twilio.receive_sms", 2)
        server:reload()
        for n, pid in ipairs(server:workers()) do
            server:post(twilio.inbound { MessageSid = twilio.sid(2 + n) }, { worker = pid })
        end
        peer:await("twilio.receive_sms", 4)
        local ids = {}
        for _, span in ipairs(peer.spans) do
            assert.is_nil(ids[span.spanId])
            ids[span.spanId] = true
        end
    end)

    it("gives away what it has when its worker ends in order", function()
        start { trace = "interval_ms = 1000000" }
        server:post(twilio.inbound())
        assert.equal(1, stats().pending)
        server:kill(server.master, "QUIT")
        peer:await "twilio.receive_sms"
    end)

    it("gives away what a worker still makes while it ends", function()
        start { trace = "interval_ms = 1000000" }
        local slow = server:send(server:signed(twilio.inbound { Body = "slow" }))
        assert(nginx.await(function() return server:error_log():find("slow begins", 1, true) end))
        server:kill(server.master, "QUIT")
        assert.equal(204, (slow:finish()))
        peer:await "twilio.receive_sms"
    end)

    it("does not hold up a worker that ends while its collector hangs", function()
        for _, interval_ms in ipairs { 0, 1000000 } do -- it hangs already; it is not asked before
            start { trace = ("interval_ms = %d, timeout_ms = 300"):format(interval_ms) }
            server:post(twilio.inbound())
            local before_ms = core.now_ms()
            server:stop "QUIT"
            assert.is_true(core.now_ms() - before_ms < 3000)
        end
    end)

    it("does not let a worker wait that ends before it tries again", function()
        start { trace = "interval_ms = 0, timeout_ms = 300" }
        peer.answers = { { status = 503, headers = { { "Retry-After", "30" } } } }
        server:post(twilio.inbound())
        told(function(now) return now.retries == 1 end)
        local before_ms = core.now_ms()
        server:stop "QUIT"
        assert.is_true(core.now_ms() - before_ms < 3000)
    end)

    it("is refused where it cannot work", function()
        for _, wrong in ipairs { "to = 'ftp://x/'", "to = 1", "to = 'http://x/', batch = 0" } do
            assert.is_false((pcall(function()
                resty.start { setup = ("optout = false, trace = { %s },"):format(wrong) }:stop()
            end)), wrong)
        end
    end)
end)

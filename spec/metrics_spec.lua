local core = require "twilio_sms.core"
local files = require "files"
local memory = require "twilio_sms.memory"
local prometheus = require "prometheus"
local sms = require "twilio_sms"
local twilio = require "twilio"
local webhook = require "twilio_sms.webhook"
local worlds = require "worlds"

-- The number of a sample, as text.
local function value(text, sample)
    for line in text:gmatch "[^\n]+" do
        if line:sub(1, #sample + 1) == sample .. " " then
            return line:sub(#sample + 2)
        end
    end
end

describe("metrics", function()
    local world, client

    before_each(function()
        world = sms.sim.new { seed = 1 }
        client = worlds.client(world)
    end)

    after_each(function()
        world:close()
    end)

    it("tell what a client has done", function()
        assert(client:send { to = "+15005550010", body = "One" })
        local _, err = client:send { to = "+15005550001", body = "Two" } -- Twilio's number that is invalid
        assert.equal("InvalidRecipient", err.kind)
        local text = assert(client:metrics())
        local sent = 'twilio_messages_sent_total{status="queued",from_number="+15005550006"}'
        assert.equal("1", value(text, sent))
        assert.equal("1", value(text,
            'twilio_messages_total{from_number="+15005550006",to_number="+1",status="failed"}'))
        assert.equal("1", value(text, 'twilio_errors_total{error_type="MessageError.InvalidRecipient"}'))
        assert.equal("2", value(text, "twilio_send_latency_seconds_count"))
        assert.is_nil(text:find("5005550010", 1, true))
    end)

    it("come in two formats", function()
        assert.equal(client:metrics(), client:metrics "prometheus")
        local text = assert(client:metrics "openmetrics")
        assert.equal("# EOF\n", text:sub(-6))
        assert.truthy(text:find("# TYPE twilio_messages_sent counter\n", 1, true))
        assert.is_nil(client:metrics():find("# EOF", 1, true))
    end)

    it("raise for another format, at the caller's line", function()
        local receiver = assert(webhook.new {
            account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, optout = false,
        })
        for _, object in ipairs { client, receiver } do
            local ok, why = pcall(function() object:metrics "json" end)
            assert.is_false(ok)
            assert.truthy(why:find "^spec/metrics_spec.lua:%d+: the format must be 'prometheus' or")
        end
        receiver:close()
    end)

    it("are those of all clients of a region, and of its receiver", function()
        local name = "metrics_spec_" .. tostring(core.now_ms())
        local opts = {
            account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, from = "+15005550006", shared = name,
        }
        local machine = assert(core.machine(opts))
        local receiver = assert(webhook.new {
            account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, shared = name, optout = false,
            store = memory.new(), on_error = function() end,
        })
        machine:submit("send", { to = "nobody", body = "Hello" })
        receiver:handle(twilio.request(twilio.inbound()))
        local text = machine:metrics()
        assert.equal(text, receiver:metrics())
        assert.equal("1", value(text, 'twilio_errors_total{error_type="MessageError.InvalidRecipient"}'))
        assert.equal("1", value(text, 'twilio_callbacks_total{status="received",verdict="ok"}'))
        machine:close()
        receiver:close()
        core.forget_shared(name, twilio.ACCOUNT_SID)
    end)

    it("are known to a listener, too", function()
        local text
        assert(webhook.serve {
            port = 0, tls = false, account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN,
            optout = false,
            on_ready = function(listener)
                text = listener:metrics()
                listener:stop()
            end,
        })
        assert.equal("0", value(text, "twilio_series_overflow_total"))
    end)

    it("are text that promtool takes", function()
        client:send { to = "+15005550010", body = "One" }
        local said, ok = prometheus.promtool("check metrics < %s", client:metrics())
        assert.is_true(said == nil or ok, said)
    end)

    it("are text in which Prometheus' own parsers find every sample", function()
        client:send { to = "+15005550010", body = "One" }
        client:send { to = "+15005550001", body = "Two" }
        for _, format in ipairs { "prometheus", "openmetrics" } do
            local text = client:metrics(format)
            local _, samples = ("\n" .. text):gsub("\n[%l_]+[{ ]", "%0")
            local found = prometheus.samples(format, text)
            assert.is_true(found == nil or found == tostring(samples), found)
        end
    end)

    it("tell calling codes, or numbers without their middle", function()
        client:close()
        client = worlds.client(world, { metrics = { numbers = "masked" } })
        client:send { to = "+15005550134", body = "One" }
        assert.equal("1", value(client:metrics(),
            'twilio_messages_total{from_number="+15005550006",to_number="+1********34",status="queued"}'))
        local ok, why = pcall(worlds.client, world, { metrics = { numbers = "raw" } })
        assert.is_false(ok)
        assert.truthy(tostring(why):find("calling_code", 1, true), why)
    end)

    it("count segments", function()
        client:send { to = "+15005550010", body = ("x"):rep(161) }
        client:send { to = "+15005550010", body = "你好" }
        local text = client:metrics()
        assert.equal("2", value(text, 'twilio_segments_total{encoding="GSM-7"}'))
        assert.equal("1", value(text, 'twilio_segments_total{encoding="UCS-2"}'))
    end)
end)

describe("metrics of a receiver", function()
    local receiver, answer

    before_each(function()
        answer = function(_, reply) reply:message { body = "Thanks" } end
        receiver = assert(webhook.new {
            account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, urls = { twilio.URL },
            optout = false, on_error = function() end,
            on_message = function(...) return answer(...) end,
        })
    end)

    after_each(function()
        receiver:close()
    end)

    local function metric(sample)
        return value(receiver:metrics(), sample)
    end

    it("count what was handled, and repeats apart", function()
        local request = twilio.request(twilio.inbound())
        assert.equal(200, receiver:handle(request).status)
        assert.equal(200, receiver:handle(request).status)
        local delivered = twilio.status { MessageStatus = "delivered", SmsStatus = "delivered" }
        receiver:handle(twilio.request(delivered))
        assert.equal("1", metric 'twilio_messages_received_total{to_number="+1"}')
        assert.equal("1", metric 'twilio_callbacks_total{status="received",verdict="ok"}')
        assert.equal("1", metric 'twilio_callbacks_total{status="received",verdict="replay"}')
        assert.equal("1", metric 'twilio_delivery_status_total{status="delivered"}')
    end)

    it("count a handler that fails, and the retry that succeeds", function()
        answer = function() error "no" end
        local request = twilio.request(twilio.inbound())
        assert.equal(500, receiver:handle(request).status)
        assert.is_nil(metric 'twilio_messages_received_total{to_number="+1"}')
        answer = function() end
        assert.equal(204, receiver:handle(request).status)
        assert.equal("1", metric 'twilio_callbacks_total{status="received",verdict="failed"}')
        assert.equal("1", metric 'twilio_messages_received_total{to_number="+1"}')
    end)

    it("do not count a message that was sent on to another URL", function()
        answer = function(_, reply) reply:redirect "https://example.com/other" end
        receiver:handle(twilio.request(twilio.inbound()))
        assert.equal("1", metric 'twilio_callbacks_total{status="received",verdict="redirected"}')
        assert.is_nil(metric 'twilio_messages_received_total{to_number="+1"}')
    end)

    it("count once what was refused, also when tokens are asked for", function()
        local request = twilio.request(twilio.inbound { AccountSid = "AC" .. ("e"):rep(32) })
        assert.equal(403, receiver:handle(request).status)
        request = twilio.request(twilio.inbound())
        request.method = "PUT"
        assert.equal(405, receiver:handle(request).status)
        assert.equal("1", metric 'twilio_callbacks_total{status="none",verdict="bad_signature"}')
        assert.equal("1", metric 'twilio_callbacks_total{status="none",verdict="malformed"}')
        assert.equal("1", metric 'twilio_errors_total{error_type="WebhookError.InvalidSignature"}')
    end)
end)

describe("docs/metrics.md", function()
    it("has a row for every metric, with its type and its labels", function()
        -- The text in which every family has a sample, as tests/test_metrics_text.c checks it.
        local types, labels = prometheus.families(files.read "tests/data/metrics.prometheus.txt")
        local documented = {}
        local page = files.read "docs/metrics.md"
        for name, kind, names in page:gmatch "\n| `(twilio_[%l_]+)` | (%l+) | (.-) ?|" do
            documented[name] = true
            assert.equal(types[name], kind, name)
            assert.equal(labels[name], (names:gsub("[`,]", "")), name)
        end
        local count = 0
        for name in pairs(types) do
            count = count + 1
            assert.is_true(documented[name] == true, name .. " is not on the page")
        end
        assert.is_true(count > 20)
    end)
end)

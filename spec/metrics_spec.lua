local core = require "twilio_sms.core"
local memory = require "twilio_sms.memory"
local sms = require "twilio_sms"
local twilio = require "twilio"
local webhook = require "twilio_sms.webhook"
local worlds = require "worlds"

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

-- The number of a sample, as text.
local function value(text, sample)
    for line in text:gmatch "[^\n]+" do
        if line:sub(1, #sample + 1) == sample .. " " then
            return line:sub(#sample + 2)
        end
    end
end

-- What promtool finds wrong; nil where it is not installed.
local function promtool(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    local command = "command -v promtool > /dev/null && { promtool check metrics < %s 2>&1; echo $?; }"
    local pipe = io.popen(command:format(path))
    local said = pipe:read "*a"
    pipe:close()
    os.remove(path)
    return said ~= "" and said or nil
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
        local complaint = promtool(client:metrics())
        assert.is_true(complaint == nil or complaint == "0\n", complaint)
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
    -- Of each family: its type and the names of its labels, sorted.
    local function families_of_text(text)
        local types, labels = {}, {}
        for name, kind in text:gmatch "# TYPE (%S+) (%S+)\n" do
            types[name], labels[name] = kind, labels[name] or ""
        end
        for name, inside in text:gmatch "\n([%l_]+)(%b{}) " do
            name = types[name] and name or name:gsub("_%l+$", "")
            local names = {}
            for label in inside:gmatch '([%l_]+)="' do
                if label ~= "le" then
                    names[#names + 1] = label
                end
            end
            labels[name] = table.concat(names, " ")
        end
        return types, labels
    end

    it("has a row for every metric, with its type and its labels", function()
        -- The text in which every family has a sample, as tests/test_metrics_text.c checks it.
        local types, labels = families_of_text("\n" .. read "tests/data/metrics.prometheus.txt")
        local documented = {}
        for name, kind, names in read("docs/metrics.md"):gmatch "\n| `(twilio_[%l_]+)` | (%l+) | (.-) ?|" do
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

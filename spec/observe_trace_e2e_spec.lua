local collector = require "collector"
local core = require "twilio_sms.core"
local files = require "files"
local loop = require "twilio_sms.loop"
local simulator = require "simulator"
local sms = require "twilio_sms"

local REFS = { key = "a secret of at least sixteen bytes" }
local PATIENCE_MS = 20000

local TREE = [[
twilio.send_sms attempts=2 outcome=accepted
  POST /2010-04-01/Accounts/{AccountSid}/Messages.json http.response.status_code=503 ERROR
  twilio.lookup http.response.status_code=200
  POST /2010-04-01/Accounts/{AccountSid}/Messages.json http.response.status_code=201
  twilio.status_callback status=sent
  twilio.status_callback status=delivered
]]

-- What the tree tells of spans, by their names.
local SHOWN = {
    ["twilio.send_sms"] = { "attempts", "outcome" }, ["twilio.status_callback"] = { "status" },
}
local SHOWN_OF_REQUESTS = { "http.response.status_code" }

-- Puts spans below their parents. They come in the order of their ends.
local function add_lines(lines, spans, parent, indent)
    for _, span in ipairs(spans) do
        if (span.parentSpanId or "") == parent then
            local words = { span.name }
            for _, name in ipairs(SHOWN[span.name] or SHOWN_OF_REQUESTS) do
                words[#words + 1] = ("%s=%s"):format(name, tostring(collector.attribute(span, name)))
            end
            words[#words + 1] = span.status and span.status.code == 2 and "ERROR" or nil
            lines[#lines + 1] = indent .. table.concat(words, " ") .. "\n"
            add_lines(lines, spans, span.spanId, indent .. "  ")
        end
    end
    return lines
end

-- What the strict decoder says; nil where it is not installed (tests/otlp/run.sh does that).
local function decode(bodies)
    local modules = os.getenv "TWILIO_SMS_BUILD" .. "/otlp/node_modules"
    if not files.read(modules .. "/.installed") then
        return nil
    end
    local path = os.tmpname()
    files.write(path, table.concat(bodies, "\n") .. "\n")
    local pipe = assert(io.popen(("NODE_PATH=%s node tests/otlp/decode.js < %s 2>&1"):format(
        files.quote(modules), path)))
    local text = pipe:read "*a"
    pipe:close()
    os.remove(path)
    return text
end

describe("the trace of a message", function()
    local ca_file, peer, sim

    before_each(function()
        ca_file = os.tmpname()
        peer = collector.start { tls = true }
    end)

    after_each(function()
        if sim then
            sim:stop()
            sim = nil
        end
        peer:stop()
        os.remove(ca_file)
    end)

    -- Sends a message to a simulator, a process of its own, which fails once and then calls us back. Goes on
    -- until all has come to the collector.
    local function send(listener, trace)
        sim = simulator.start(([[
            send_ms = 20, deliver_ms = 30, webhook_ca_file = %q,
            script = { { on = "send", times = 1, action = "status", status = 503 } },
        ]]):format(ca_file))
        local client = simulator.client(sim, {
            trace = trace, callback_ref = REFS,
            status_callback = ("https://localhost:%d/status"):format(listener:port()),
        })
        sms.assert(client:send { to = "+15558675310", body = "Hello" })
        local until_ms = core.now_ms() + PATIENCE_MS
        while #peer:named "twilio.status_callback" < 2 or trace:stats().pending > 0 do
            assert(core.now_ms() < until_ms, "not all spans have come")
            trace:work()
            peer:look()
            loop.sleep(1)
        end
        client:close()
    end

    it("is one tree, of spans of a client and of a receiver", function()
        local trace = assert(sms.observe.trace { to = peer.url, ca_file = peer.ca_file, interval_ms = 0 })
        local problems = {}
        local ok, why
        loop.run(function()
            assert(sms.webhook.serve {
                ca_file = ca_file, account_sid = simulator.ACCOUNT_SID, auth_token = simulator.AUTH_TOKEN,
                callback_ref = REFS, trace = trace, optout = false, signals = false,
                on_status = function() end,
                on_error = function(problem) problems[#problems + 1] = tostring(problem.message) end,
                on_ready = function(listener)
                    loop.spawn(function()
                        ok, why = pcall(send, listener, trace)
                        listener:stop()
                    end)
                end,
            })
        end)
        assert.is_true(ok, why)
        assert.is_true(trace:close())
        assert.same({}, problems)
        assert.equal(TREE, table.concat(add_lines({}, peer.spans, "", "")))
        local decoded = decode(peer.bodies)
        assert.truthy(not decoded or decoded:find("6 spans in 1 trees\n$"), decoded)
    end)
end)

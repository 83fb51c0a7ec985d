local answer = require "twilio_sms.observe.exporter_answer"
local collector = require "collector"
local core = require "twilio_sms.core"
local date = require "twilio_sms.date"
local sms = require "twilio_sms"
local worlds = require "worlds"

describe("the export of spans", function()
    local peers, trace

    local function start(opts)
        peers[#peers + 1] = collector.start(opts)
        return peers[#peers]
    end

    -- A trace with the two spans of one message.
    local function open(opts)
        opts.interval_ms = 0
        trace = assert(sms.observe.trace(opts))
        local client = worlds.client(sms.sim.new { seed = 1 })
        client.drive.client:set_trace(trace.core)
        sms.assert(client:send { to = worlds.PERSON, body = "Hello" })
    end

    local function work_until(peer, is_so)
        peer:until_true(function()
            trace:work()
            return is_so(trace:stats())
        end)
    end

    before_each(function()
        peers = {}
    end)

    after_each(function()
        trace:close()
        for _, peer in ipairs(peers) do
            peer:stop()
        end
    end)

    it("goes over TLS to a collector whose authority is known", function()
        local peer = start { tls = true }
        open { to = peer.url, ca_file = peer.ca_file }
        work_until(peer, function(stats) return stats.exported == 2 end)
        assert.equal(2, #peer.spans)
    end)

    it("does not go to one whose authority is another", function()
        local peer, other = start { tls = true }, start { tls = true }
        open { to = peer.url, ca_file = other.ca_file, timeout_ms = 0 }
        work_until(peer, function(stats) return stats.error end)
        assert.truthy(trace:stats().error:find("the collector cannot be reached: ", 1, true))
        assert.same({ 0, 0 }, { peer.requests, trace:stats().exported })
    end)

    it("does not go to one whose name is another", function()
        local peer = start { tls = true }
        local url = peer.url:gsub("localhost", "other.localhost")
        open { to = url, ca_file = peer.ca_file, timeout_ms = 0 }
        work_until(peer, function(stats) return stats.error end)
        assert.truthy(trace:stats().error:find "certificate")
        assert.equal(0, peer.requests)
    end)

    it("tries again after a connection that was reset", function()
        local peer = start()
        peer.answers = { { drop = "reset" } }
        open { to = peer.url }
        work_until(peer, function(stats) return stats.retries == 1 end)
        assert.truthy(trace:stats().error:find("the collector cannot be reached: ", 1, true))
        work_until(peer, function(stats) return stats.exported == 2 end)
        assert.same({ 2, 2, 0, nil }, {
            peer.requests, #peer.spans, trace:stats().dropped, trace:stats().error,
        })
    end)
end)

describe("the answer of a collector", function()
    local function judge(retry_after, at)
        local verdict, wait_ms = answer.judge(503, { ["retry-after"] = retry_after, date = at }, "", 1)
        assert.equal("retry", verdict)
        return wait_ms
    end

    it("says when it wants to be asked again, in seconds or as a date", function()
        local now_s = 1700000000
        assert.equal(0, judge("0"))
        assert.equal(7000, judge("7"))
        assert.equal(30000, judge(date.http(now_s + 30), date.http(now_s)))
        assert.equal(0, judge(date.http(now_s - 30), date.http(now_s)))
    end)

    it("does not make anybody wait for ever", function()
        assert.equal(60000, judge("99999999999999999999"))
        assert.equal(60000, judge(date.http(1900000000), date.http(1700000000)))
    end)

    it("leaves it to us when it says nothing that can be read", function()
        for _, text in ipairs { "", "soon", "-1", "1.5", "\0" } do
            local wait_ms = judge(text)
            assert.is_true(wait_ms >= 500 and wait_ms < 1500, text)
        end
        assert.is_nil(core.retry_after_ms("", ""))
    end)
end)

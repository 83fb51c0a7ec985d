local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"
local webhooks = require "twilio_sms.sim.webhooks"

local START_MS = 1700000000000

-- A poster that answers when the spec says so.
local Poster = {}
Poster.__index = Poster

function Poster:submit(request)
    if request.url:find("\n", 1, true) then
        return nil, { message = "control characters" }
    end
    self.count = self.count + 1
    request.id = self.count
    self.open[#self.open + 1] = request
    return request.id
end

function Poster:result()
    local one = table.remove(self.done, 1)
    if one then
        return one.id, one.answer, one.fault
    end
end

local function find_header(request, name)
    for _, pair in ipairs(request.headers) do
        if pair[1] == name then
            return pair[2]
        end
    end
end

describe("twilio_sms.sim.webhooks", function()
    local poster, box, now_ms, answered

    local function start(rules)
        poster = setmetatable({ count = 0, open = {}, done = {} }, Poster)
        now_ms, answered = START_MS, {}
        box = webhooks.new {
            poster = poster,
            sign = function(url, params)
                return ("signed %s %d"):format(url, #params)
            end,
            random = random.new(1),
            script = rules and script.new(rules, random.new(2)),
            answered = function(webhook, answer)
                answered[#answered + 1] = webhook.message_sid
                return answer.bad
            end,
        }
        box:step(now_ms)
    end

    local function send(sid, changes)
        local webhook = { kind = "callback", url = "https://a.example/x", message_sid = sid or "SM1",
            params = { { "MessageSid", sid or "SM1" }, { "MessageStatus", "sent" } } }
        for name, value in pairs(changes or {}) do
            webhook[name] = value
        end
        if changes and changes.status then
            webhook.params[2][2] = changes.status
        end
        box:send(webhook)
        box:step(now_ms)
    end

    -- Ends the request that was submitted first, or the one at this place.
    local function answer(status, place)
        local request = table.remove(poster.open, place or 1)
        local one = { id = request.id }
        if type(status) == "number" then
            one.answer = { status = status, headers = {}, body = "", duration_ms = 1 }
        else
            one.fault = { fault = status, message = "text", duration_ms = 1 }
        end
        table.insert(poster.done, one)
        box:step(now_ms)
        return request
    end

    local function log(field)
        local out = {}
        for i, entry in ipairs(box:log()) do
            out[i] = entry[field] or false
        end
        return out
    end

    it("sends a request, and counts it", function()
        start()
        send("SM1", { url = "https://me:pw@a.example:1/x?y=z#rc=0&ct=111&rt=222&tt=333" })
        local request = poster.open[1]
        assert.same({ "POST", "https://me:pw@a.example:1/x?y=z", true, 111, 222, 333 }, {
            request.method, request.url, request.follow, request.connect_timeout_ms,
            request.read_timeout_ms, request.total_timeout_ms,
        })
        assert.equal("signed https://a.example:1/x?y=z 2", find_header(request, "X-Twilio-Signature"))
        assert.equal(1, box:stats().pending)
        answer(204)
        assert.same({
            started = 1, delivered = 1, failed = 0, pending = 0, attempts = 1, retried = 0, fallbacks = 0,
            lost = 0, doubled = 0, forged = 0, forged_accepted = 0,
        }, box:stats())
        local entry = box:log()[1]
        entry.token = entry.token:gsub("%x", "x")
        assert.same({
            kind = "callback", url = "https://a.example:1/x?y=z", message_sid = "SM1", attempt = 1,
            status = 204, body = "", duration_ms = 1, params = { MessageSid = "SM1", MessageStatus = "sent" },
            token = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        }, entry)
    end)

    -- Fragment, what comes back each time, how many attempts are made, and how it ends.
    for _, case in ipairs {
        { "", "connect", 2, "failed" },
        { "", "tls", 2, "failed" },
        { "", "read", 1, "failed" },
        { "", "other", 1, "failed" },
        { "", 500, 1, "failed" },
        { "", 404, 1, "failed" },
        { "", 304, 1, "failed" },
        { "", 200, 1, "delivered" },
        { "#rc=0", "connect", 1, "failed" },
        { "#rc=5", "connect", 6, "failed" },
        { "#rc=2&rp=5xx", 503, 3, "failed" },
        { "#rc=2&rp=5xx", 404, 1, "failed" },
        { "#rc=2&rp=5xx", "connect", 1, "failed" },
        { "#rc=2&rp=4xx", 404, 3, "failed" },
        { "#rp=rt", "read", 2, "failed" },
        { "#rc=3&rp=all", 500, 4, "failed" },
        { "#rc=3&rp=all", "other", 1, "failed" },
    } do
        it(("makes %d attempts with %s and %s"):format(case[3], case[1], tostring(case[2])), function()
            start()
            send("SM1", { url = "https://a.example/x" .. case[1] })
            while poster.open[1] do
                answer(case[2])
            end
            local stats = box:stats()
            assert.same({ case[3], case[3] - 1, 1, 0 },
                { stats.attempts, stats.retried, stats[case[4]], stats.pending })
        end)
    end

    it("keeps all attempts together within the total time", function()
        start()
        send("SM1", { url = "https://a.example/x#rc=5&rp=all&tt=1000" })
        now_ms = now_ms + 600
        answer(500)
        assert.equal(400, poster.open[1].total_timeout_ms)
        now_ms = now_ms + 400
        answer(500)
        assert.same({}, poster.open)
        assert.equal(1, box:stats().failed)
    end)

    it("turns to the fallback with the reason", function()
        for _, case in ipairs {
            { 500, "11200" }, { "read", "11200" }, { "other", "11200" }, { "tls", "11220" },
            { "connect", "11205" },
        } do
            start()
            send("SM1", { url = "https://me:pw@a.example/x#rc=0",
                fallback_url = "https://b.example/y#rc=0" })
            local first = answer(case[1])
            local second = answer(500)
            assert.equal("https://b.example/y", second.url)
            local reason = "&ErrorCode=" .. case[2] .. "&ErrorUrl=https%3A%2F%2Fa.example%2Fx"
            assert.equal(first.body .. reason, second.body)
            assert.equal("signed https://b.example/y 4", find_header(second, "X-Twilio-Signature"))
            assert.same({ false, true }, log "fallback")
            assert.same({ 1, 1, 0 }, { box:stats().fallbacks, box:stats().failed, box:stats().pending })
        end
    end)

    it("turns to the fallback when its owner cannot use the answer", function()
        start()
        box.answered = function()
            return 12100
        end
        send("SM1", { fallback_url = "https://b.example/y" })
        answer(200)
        assert.truthy(poster.open[1].body:find "&ErrorCode=12100&")
        answer(200)
        assert.same({ 12100, 12100 }, log "error_code")
        assert.same({ 0, 1 }, { box:stats().delivered, box:stats().failed })
    end)

    it("fails with a URL that nobody can be asked for", function()
        start()
        send("SM1", { url = "https://a.example/\n" })
        assert.same({ "other" }, log "fault")
        assert.same({ 1, 0 }, { box:stats().failed, box:stats().pending })
    end)

    it("sends those of one message one after another, those of others at once", function()
        start()
        send "SM1"
        send("SM1", { status = "delivered" })
        send "SM2"
        assert.equal(2, #poster.open)
        answer(204, 2)
        assert.equal(1, #poster.open)
        answer(204)
        assert.truthy(poster.open[1].body:find "MessageStatus=delivered")
        answer(204)
        assert.same({ "SM2", "SM1", "SM1" }, answered)
        assert.same({}, box.chains)
    end)

    it("sends no more than a hundred at once", function()
        start()
        for i = 1, 150 do
            send("SM" .. i)
        end
        assert.equal(100, #poster.open)
        for i = 1, 150 do
            answer(204)
            assert.equal(math.min(100, 150 - i), #poster.open)
        end
        assert.equal(150, box:stats().delivered)
    end)

    it("bounds its log", function()
        start()
        for i = 1, 1010 do
            send("SM" .. i)
            answer(204)
        end
        local kept = log "message_sid"
        assert.same({ 1000, "SM11", "SM1010" }, { #kept, kept[1], kept[1000] })
    end)

    describe("with a script", function()
        it("loses", function()
            start { { on = "callback", action = "lose", times = 1 } }
            send()
            assert.same({}, poster.open)
            assert.same({ 1, 0, true }, { box:stats().lost, box:stats().pending, box:log()[1].lost })
            send()
            assert.equal(1, #poster.open)
        end)

        it("sends twice, with the same token", function()
            start { { on = "callback", action = "double" } }
            send()
            local first, second = answer(204), answer(500)
            assert.equal(find_header(first, "I-Twilio-Idempotency-Token"),
                find_header(second, "I-Twilio-Idempotency-Token"))
            assert.equal(first.body, second.body)
            assert.same({ false, true }, log "double")
            assert.same({ 1, 1, 2, 0 }, { box:stats().doubled, box:stats().delivered, box:stats().attempts,
                box:stats().failed })
        end)

        it("forges, and tells who was taken in", function()
            start { { on = "callback", action = "forge" } }
            send()
            local forged = answer(403)
            local real = answer(204)
            assert.equal(28, #find_header(forged, "X-Twilio-Signature"))
            assert.truthy(find_header(real, "X-Twilio-Signature"):find "^signed")
            assert.equal(forged.body, real.body)
            assert.same({ true, false }, log "forged")
            assert.same({ 1, 0 }, { box:stats().forged, box:stats().forged_accepted })
            send()
            answer(200)
            assert.equal(1, box:stats().forged_accepted)
        end)

        it("delays, so that later ones overtake", function()
            start { { on = "callback", action = "delay", delay_ms = 500, times = 1 } }
            send()
            send("SM1", { status = "delivered", is_last = true })
            assert.truthy(answer(204).body:find "delivered")
            assert.equal(START_MS + 500, box:due_ms())
            assert.is_false(box:step(now_ms + 499))
            assert.is_true(box:step(now_ms + 500))
            assert.truthy(answer(204).body:find "sent")
            assert.is_nil(box:due_ms())
        end)

        it("changes the order, but holds nothing back for ever", function()
            start { { on = "callback", action = "reorder" } }
            send()
            assert.same({}, poster.open)
            send("SM1", { status = "delivered", is_last = true })
            assert.truthy(answer(204).body:find "delivered")
            assert.truthy(answer(204).body:find "sent")
            assert.same({}, poster.open)
            assert.equal(0, box:stats().pending)
            send("SM2", { is_last = true })
            assert.equal(1, #poster.open)
        end)
    end)
end)

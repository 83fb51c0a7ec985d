-- What simulators of Twilio usually get wrong, asked over HTTP.
local cjson = require "cjson"

local core = require "twilio_sms.core"
local https = require "twilio_sms.server"
local simulator = require "twilio_sms.sim.server"

local PERSON, NUMBER = "+15558675310", "+15005550006"
local SERVICE = "MG" .. ("0"):rep(31) .. "7"
local ACCOUNT = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID
local START_S = 1767225600 -- 2026-01-01, a Thursday
local TURNS_MOST = 5000
-- "AC00...01:00...02" in base64.
local BASIC = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTowMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"
    .. "Mg=="

describe("the simulator, other than most,", function()
    local sim, app, poster, ca_file, app_url
    local came -- requests to the application
    local answer -- gets each of them

    -- A simulator whose clock stands still until it is moved on.
    local function start(opts)
        opts = opts or {}
        opts.ca_file, opts.speed, opts.start, opts.service_sid = ca_file, 0, START_S, SERVICE
        sim = assert(simulator.new(opts))
        poster = assert(core.poster { ca_file = ca_file })
    end

    local function params_of(text)
        local out = {}
        for _, pair in ipairs(core.form_decode(text)) do
            out[pair[1]] = pair[2]
        end
        return out
    end

    local function turn()
        sim:step(0)
        app:step(0)
        poster:step(0)
        local request = app:next()
        while request do
            came[#came + 1] = {
                params = params_of(request:body()),
                token = request:header "I-Twilio-Idempotency-Token",
                signature = request:header "X-Twilio-Signature",
                body = request:body(),
            }
            answer(request, #came)
            request = app:next()
        end
    end

    local function turn_until(condition)
        for _ = 1, TURNS_MOST do
            turn()
            local value = condition()
            if value then
                return value
            end
        end
        error "it did not come to that"
    end

    local function webhooks_done()
        return sim:stats().webhooks.pending == 0
    end

    local function advance(seconds)
        sim:advance(seconds)
        turn_until(webhooks_done)
    end

    local function encode(form)
        local parts = {}
        for _, pair in ipairs(form) do
            parts[#parts + 1] = pair[1] .. "=" .. pair[2]:gsub("[^%w]", function(c)
                return ("%%%02X"):format(c:byte())
            end)
        end
        return table.concat(parts, "&")
    end

    local function submit(method, path, form)
        return assert(poster:submit {
            method = method, url = sim:url() .. path, body = form and encode(form),
            headers = {
                { "Authorization", BASIC }, { "Content-Type", "application/x-www-form-urlencoded" },
            },
        })
    end

    -- Asks, and answers the status, what the JSON says, and the headers.
    local function ask(method, path, form)
        local wanted = submit(method, path, form)
        local got, fault
        turn_until(function()
            local id, one, why = poster:result()
            got, fault = one, why
            return id == wanted
        end)
        assert.is_nil(fault and fault.message)
        return got.status, got.body ~= "" and cjson.decode(got.body) or nil, got.headers
    end

    -- The form of a create request with changes; false takes a parameter away.
    local function form_of(changes)
        local form = { To = PERSON, From = NUMBER, Body = "Hello" }
        for name, value in pairs(changes or {}) do
            form[name] = value
        end
        local list = {}
        for name, value in pairs(form) do
            if value then
                list[#list + 1] = { name, value }
            end
        end
        return list
    end

    local function send(changes)
        return ask("POST", ACCOUNT .. "/Messages.json", form_of(changes))
    end

    local function send_well(changes)
        local status, message = send(changes)
        assert.equal(201, status, message.message)
        return message
    end

    local function fetch(message)
        return select(2, ask("GET", message.uri))
    end

    local function refusal(changes)
        local status, err = send(changes)
        assert.equal(err.status, status)
        return { status, err.code }
    end

    local function segments(body)
        return send_well({ Body = body }).num_segments
    end

    local function iso(offset_s)
        return os.date("!%Y-%m-%dT%H:%M:%SZ", START_S + offset_s)
    end

    local function scheduled(offset_s, changes)
        changes = changes or { From = false, MessagingServiceSid = SERVICE }
        changes.ScheduleType, changes.SendAt = "fixed", iso(offset_s)
        return changes
    end

    before_each(function()
        ca_file = os.tmpname()
        app = assert(https.new { tls = false })
        app_url = ("http://127.0.0.1:%d"):format(app:port())
        came = {}
        function answer(request)
            request:reply(204, {}, "")
        end
    end)

    after_each(function()
        if poster then
            poster:close()
        end
        if sim then
            sim:close()
        end
        app:close()
        os.remove(ca_file)
    end)

    it("counts 71 Chinese characters as two segments", function()
        start()
        assert.equal("1", segments(("語"):rep(70)))
        assert.equal("2", segments(("語"):rep(71)))
    end)

    it("counts 307 letters as three segments", function()
        start()
        assert.equal("2", segments(("x"):rep(306)))
        assert.equal("3", segments(("x"):rep(307)))
    end)

    it("counts 81 brackets as two segments, because each takes two places", function()
        start()
        assert.equal("1", segments(("["):rep(80)))
        assert.equal("2", segments(("["):rep(81)))
    end)

    it("refuses 1601 characters", function()
        start()
        send_well { Body = ("x"):rep(1600) }
        assert.same({ 400, 21617 }, refusal { Body = ("x"):rep(1601) })
        assert.same({ 400, 21617 }, refusal { Body = ("語"):rep(1601) })
    end)

    it("refuses a message with neither text nor media", function()
        start()
        assert.same({ 400, 21602 }, refusal { Body = false })
        assert.same({ 400, 21602 }, refusal { Body = "" })
        send_well { Body = false, MediaUrl = "https://example.com/a.png" }
    end)

    it("knows all magic numbers", function()
        start()
        for to, code in pairs {
            ["+15005550001"] = 21211, ["+15005550002"] = 21612, ["+15005550003"] = 21408,
            ["+15005550004"] = 21610, ["+15005550009"] = 21614,
        } do
            assert.same({ 400, code }, refusal { To = to })
        end
        assert.same({ 400, 21212 }, refusal { From = "+15005550001" })
        assert.same({ 400, 21606 }, refusal { From = "+15005550007" })
        assert.same({ 429, 21611 }, refusal { From = "+15005550008" })
    end)

    it("schedules with a messaging service only, from 15 minutes to 35 days ahead", function()
        start()
        assert.same({ 400, 35118 }, refusal(scheduled(3600, { From = NUMBER })))
        assert.same({ 400, 35114 }, refusal(scheduled(60)))
        assert.same({ 400, 35114 }, refusal(scheduled(36 * 86400)))
        assert.same({ 400, 35111 },
            refusal { From = false, MessagingServiceSid = SERVICE, ScheduleType = "fixed" })
    end)

    it("sends a scheduled message when its time has come", function()
        start()
        local message = send_well(scheduled(3600))
        assert.equal("scheduled", message.status)
        advance(3599)
        assert.equal("scheduled", fetch(message).status)
        advance(3)
        local now = fetch(message)
        assert.same({ "delivered", NUMBER, "Thu, 01 Jan 2026 01:00:00 +0000" },
            { now.status, now.from, now.date_sent })
    end)

    it("lets a text be emptied when the message is complete, and never be rewritten", function()
        start()
        local message = send_well()
        assert.same(409, (ask("POST", message.uri, { { "Body", "" } })))
        advance(2)
        assert.same(400, (ask("POST", message.uri, { { "Body", "Something else" } })))
        assert.equal("Hello", fetch(message).body)
        assert.same(200, (ask("POST", message.uri, { { "Body", "" } })))
        assert.equal("", fetch(message).body)
    end)

    it("lets the status be set to canceled, before the message leaves, and to nothing else", function()
        start()
        local message = send_well()
        for _, status in ipairs { "delivered", "sent", "failed", "queued" } do
            assert.equal(400, (ask("POST", message.uri, { { "Status", status } })))
        end
        assert.equal("queued", fetch(message).status)
        advance(2)
        local status, err = ask("POST", message.uri, { { "Status", "canceled" } })
        assert.same({ 409, 30409 }, { status, err.code })
        local other = send_well(scheduled(3600))
        assert.equal(200, (ask("POST", other.uri, { { "Status", "canceled" } })))
        advance(7200)
        assert.equal("canceled", fetch(other).status)
    end)

    it("does not text who has said STOP: by number at once, by service later", function()
        start()
        sim:inbound { from = PERSON, to = NUMBER, body = "Stop" }
        assert.same({ 400, 21610 }, refusal())
        local message = send_well { From = false, MessagingServiceSid = SERVICE }
        assert.equal("accepted", message.status)
        advance(1)
        message = fetch(message)
        assert.same({ "failed", 21610 }, { message.status, message.error_code })
        sim:inbound { from = PERSON, to = NUMBER, body = "start" }
        send_well()
    end)

    it("tries a callback again as its URL says, each time with the same token", function()
        start()
        function answer(request)
            request:reply(503, {}, "")
        end
        send_well { StatusCallback = app_url .. "/status#rc=3&rp=all" }
        advance(0.5)
        assert.equal(4, #came)
        for _, one in ipairs(came) do
            assert.same({ "sent", came[1].token }, { one.params.MessageStatus, one.token })
        end
    end)

    it("marks each callback with a token, and signs it", function()
        start()
        send_well { StatusCallback = app_url .. "/status" }
        advance(2)
        assert.same({ "sent", "delivered" }, { came[1].params.MessageStatus, came[2].params.MessageStatus })
        assert.truthy(came[1].token:find "^%x+%-%x+%-%x+%-%x+%-%x+$")
        assert.not_equal(came[1].token, came[2].token)
        local signer = core.signer()
        assert(signer:add(simulator.AUTH_TOKEN))
        for _, one in ipairs(came) do
            local list = core.form_decode(one.body)
            assert.equal(signer:sign(app_url .. "/status", list), one.signature)
        end
    end)

    it("moves messages on from queued to delivered by itself", function()
        start()
        local message = send_well()
        assert.same({ "queued", cjson.null, cjson.null },
            { message.status, message.date_sent, message.price })
        advance(0.2)
        message = fetch(message)
        assert.same({ "sent", "Thu, 01 Jan 2026 00:00:00 +0000", cjson.null },
            { message.status, message.date_sent, message.price })
        advance(1)
        message = fetch(message)
        assert.same({ "delivered", "-0.00790" }, { message.status, message.price })
    end)

    it("filters lists by the day of sending", function()
        start()
        send_well { Body = "first day" }
        advance(86400)
        send_well { Body = "second day" }
        local function bodies(query)
            local out = {}
            local page = select(2, ask("GET", ACCOUNT .. "/Messages.json?" .. query))
            for i, message in ipairs(page.messages) do
                out[i] = message.body
            end
            return out
        end
        assert.same({ "first day" }, bodies "DateSent=2026-01-01")
        assert.same({}, bodies "DateSent=2026-01-02") -- it is queued, and has no such date
        advance(1)
        assert.same({ "second day" }, bodies "DateSent=2026-01-02")
        assert.same({ "second day" }, bodies "DateSent%3E=2026-01-02")
        assert.same({ "first day" }, bodies "DateSent%3C=2026-01-01")
        assert.same({ "second day", "first day" }, bodies "NoSuchFilter=1")
    end)

    it("answers 429 to more requests at once than it allows, and does not carry them out", function()
        start {
            max_concurrency = 20, script = { { on = "send", action = "delay", delay_ms = 1000 } },
        }
        for _ = 1, 60 do
            submit("POST", ACCOUNT .. "/Messages.json", form_of())
        end
        local by_status, seen = {}, 0
        turn_until(function()
            local _, got = poster:result()
            if got then
                seen = seen + 1
                by_status[got.status] = (by_status[got.status] or 0) + 1
                if got.status == 429 then
                    assert.equal(20429, cjson.decode(got.body).code)
                    assert.truthy(tonumber(got.headers["twilio-concurrent-requests"]) > 20)
                end
            elseif seen == 40 then
                sim:advance(1)
            end
            return seen == 60
        end)
        assert.same({ [201] = 20, [429] = 40 }, by_status)
        assert.equal(20, sim:stats().accepted)
    end)

    it("sends what the TwiML of an application says", function()
        start { inbound_url = app_url .. "/sms" }
        function answer(request)
            request:reply(200, { { "Content-Type", "text/xml" } },
                "<Response><Message>One</Message><Message to=\"+15558675311\">Two</Message></Response>")
        end
        sim:inbound { from = PERSON, to = NUMBER, body = "Hello" }
        turn_until(webhooks_done)
        advance(2)
        local page = select(2, ask("GET", ACCOUNT .. "/Messages.json?From=%2B15005550006"))
        local got = {}
        for i, message in ipairs(page.messages) do
            got[i] = { message.body, message.to, message.direction, message.status }
        end
        assert.same({
            { "Two", "+15558675311", "outbound-reply", "delivered" },
            { "One", PERSON, "outbound-reply", "delivered" },
        }, got)
    end)

    it("answers JSON to whatever it does not know", function()
        start()
        for _, path in ipairs { "/", "/nothing", ACCOUNT .. "/Calls.json", "/2010-04-01/Accounts.json" } do
            local status, err, headers = ask("GET", path)
            assert.same({ 404, 20404, 404, "https://www.twilio.com/docs/errors/20404" },
                { status, err.code, err.status, err.more_info })
            assert.truthy(headers["content-type"]:find "^application/json")
        end
    end)

    it("gives URIs of pages that lead on from wherever they were asked for", function()
        start()
        for i = 1, 5 do
            send_well { Body = "Message " .. i }
        end
        local path, bodies = ACCOUNT .. "/Messages.json?PageSize=2&To=%2B15558675310", {}
        while path ~= cjson.null do
            local _, page = ask("GET", path)
            for _, message in ipairs(page.messages) do
                bodies[#bodies + 1] = message.body
            end
            assert.equal("/", page.first_page_uri:sub(1, 1))
            path = page.next_page_uri
        end
        assert.same({ "Message 5", "Message 4", "Message 3", "Message 2", "Message 1" }, bodies)
    end)

    it("sends no faster than a sender can, and says when its queue is full", function()
        start { carrier = { senders = { [NUMBER] = { type = "long_code" } }, queue_s = 2 } }
        local first = send_well()
        local last
        for i = 1, 2 do
            last = send_well { Body = "Message " .. i }
        end
        assert.same({ 429, 21611 }, refusal())
        advance(2)
        assert.equal("delivered", fetch(first).status)
        assert.equal("queued", fetch(last).status)
        advance(2)
        assert.equal("delivered", fetch(last).status)
    end)

    it("breaks the loop of two numbers that answer each other", function()
        local numbers = { NUMBER, "+15005550010" }
        start {
            inbound_url = app_url .. "/sms", numbers = numbers, carrier = { relay = true, loop_guard = true },
        }
        function answer(request, count)
            request:reply(200, { { "Content-Type", "text/xml" } },
                ("<Response><Message>Reply %d</Message></Response>"):format(count))
        end
        send_well { To = numbers[2] }
        for _ = 1, 30 do
            advance(2)
        end
        local page = select(2, ask("GET", ACCOUNT .. "/Messages.json?PageSize=1"))
        local last = page.messages[1]
        assert.same({ 16, "Reply 16", "failed", 14107 }, { #came, last.body, last.status, last.error_code })
        assert.same({ numbers[2], numbers[1] }, { came[1].params.To, came[2].params.To })
    end)

    it("brings pictures to the account's own numbers too", function()
        start { inbound_url = app_url .. "/sms", numbers = { NUMBER }, carrier = { relay = true } }
        send_well { To = NUMBER, MediaUrl = "https://example.com/a.png" }
        advance(2)
        assert.same({ 1, "1", "https://example.com/a.png", "Hello" },
            { #came, came[1].params.NumMedia, came[1].params.MediaUrl0, came[1].params.Body })
    end)

    it("can show a message in its list later than it was created", function()
        start { carrier = { list_lag_ms = 3000 } }
        local message = send_well()
        local function listed()
            return #select(2, ask("GET", ACCOUNT .. "/Messages.json")).messages
        end
        assert.same({ 0, message.sid }, { listed(), fetch(message).sid })
        advance(3)
        assert.equal(1, listed())
    end)
end)

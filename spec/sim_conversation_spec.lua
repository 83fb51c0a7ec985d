local cjson = require "cjson"
local core = require "twilio_sms.core"
local curl = require "curl_peer"
local https = require "twilio_sms.server"
local simulator = require "twilio_sms.sim.server"

local PERSON, NUMBER = "+15558675310", "+15005550006"
local SERVICE = "MG" .. ("0"):rep(31) .. "7"
local PATH = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID .. "/Messages.json"

local function params_of(text)
    local out = {}
    for _, pair in ipairs(core.form_decode(text)) do
        out[pair[1]] = pair[2]
    end
    return out
end

describe("the simulator's webhooks", function()
    local sim, app, sim_ca, app_ca, url, came

    -- What the application answers; each request is kept in `came`.
    local answer

    local function start(opts)
        opts = opts or {}
        opts.ca_file, opts.webhook_ca_file = sim_ca, app_ca
        opts.send_ms, opts.deliver_ms = opts.send_ms or 1, opts.deliver_ms or 1
        if opts.inbound_url == nil then
            opts.inbound_url = url .. "/sms"
        end
        opts.inbound_url = opts.inbound_url or nil
        sim = assert(simulator.new(opts))
    end

    local function keep(request)
        local one = {
            method = request:method(), target = request:target(), body = request:body(),
            headers = request:headers(), request = request,
        }
        one.params = params_of(one.method == "POST" and one.body or request:query() or "")
        one.url = url .. one.target
        came[#came + 1] = one
        answer(request, one)
    end

    local function turn()
        sim:step(1)
        app:step(0)
        local request = app:next()
        while request do
            keep(request)
            request = app:next()
        end
    end

    -- Steps both until the condition holds.
    local function step_until(condition)
        for _ = 1, 3000 do
            turn()
            if condition() then
                return
            end
        end
        error "it did not come to that"
    end

    local function all_done()
        return sim:stats().webhooks.pending == 0 and sim.carrier:callback_due_ms() == nil
    end

    local function ask(path, ...)
        local peer = curl.start(sim.server, path, "--user",
            simulator.ACCOUNT_SID .. ":" .. simulator.AUTH_TOKEN, ...)
        step_until(function() return sim.server:connections() > 0 end)
        step_until(function() return sim.server:connections() == 0 end)
        return curl.finish(sim.server, peer)
    end

    local function send(changes)
        local arguments = {}
        local form = { To = PERSON, From = NUMBER, Body = "Hello", StatusCallback = url .. "/status" }
        for name, value in pairs(changes or {}) do
            form[name] = value
        end
        for name, value in pairs(form) do
            arguments[#arguments + 1] = "--data-urlencode"
            arguments[#arguments + 1] = value and name .. "=" .. value or "Ignored=x"
        end
        local got = ask(PATH, (table.unpack or unpack)(arguments)) -- luacheck: ignore 113
        return cjson.decode(got.body), got.status
    end

    local function write(body, changes)
        local opts = { from = PERSON, to = NUMBER, body = body }
        for name, value in pairs(changes or {}) do
            opts[name] = value
        end
        local sid = sim:inbound(opts)
        step_until(all_done)
        return sid
    end

    local function statuses()
        local out = {}
        for i, one in ipairs(came) do
            out[i] = one.params.MessageStatus
        end
        return out
    end

    local function twiml(text)
        answer = function(request)
            request:reply(200, { { "Content-Type", "text/xml" } }, text)
        end
    end

    before_each(function()
        sim_ca, app_ca = os.tmpname(), os.tmpname()
        app = assert(https.new { ca_file = app_ca })
        url = ("https://localhost:%d"):format(app:port())
        came = {}
        answer = function(request)
            request:reply(204, {}, "")
        end
    end)

    after_each(function()
        if sim then
            sim:close()
            sim = nil
        end
        app:close()
        os.remove(sim_ca)
        os.remove(app_ca)
    end)

    it("bring what a person writes", function()
        start { inbound_url = url:gsub("//", "//me:secret@") .. "/sms?a=b%20c#rc=2" }
        local media = { "https://example.com/a.png?b" }
        local sid = write("Hé & <you>", { media = media, params = { FromCity = "X" } })
        local one = came[1]
        assert.equal(1, #came)
        assert.same({
            MessageSid = sid, SmsSid = sid, SmsMessageSid = sid, AccountSid = simulator.ACCOUNT_SID,
            From = PERSON, To = NUMBER, Body = "Hé & <you>", NumMedia = "1", NumSegments = "1",
            SmsStatus = "received", ApiVersion = "2010-04-01", MediaUrl0 = "https://example.com/a.png?b",
            MediaContentType0 = "image/png", FromCity = "X",
        }, one.params)
        assert.same({ "POST", "/sms?a=b%20c" }, { one.method, one.target })
        assert.equal("TwilioProxy/1.1", one.headers["user-agent"])
        assert.equal("application/x-www-form-urlencoded; charset=UTF-8", one.headers["content-type"])
        assert.truthy(one.headers["i-twilio-idempotency-token"]:find "^%x+%-%x+%-%x+%-%x+%-%x+$")
        assert.is_nil(one.headers.authorization)
        local signer = core.signer()
        signer:add(simulator.AUTH_TOKEN)
        local signature = one.headers["x-twilio-signature"]
        assert.is_true(signer:verify(one.url, one.body, signature))
        assert.is_falsy(signer:verify(one.url .. "#rc=2", one.body .. "&A=b", signature))
        assert.equal("MM", sid:sub(1, 2))
        local path = PATH:gsub("%.json", "/" .. sid .. ".json")
        local message = cjson.decode(ask(path).body)
        assert.same({ "inbound", "received", "Hé & <you>" },
            { message.direction, message.status, message.body })
    end)

    it("are signed as an independent program signs", function()
        start()
        write "Hello"
        local names, text = {}, came[1].url
        for name in pairs(came[1].params) do
            names[#names + 1] = name
        end
        table.sort(names)
        for _, name in ipairs(names) do
            text = text .. name .. came[1].params[name]
        end
        local command = "printf %%s '%s' | openssl dgst -sha1 -hmac %s -binary | openssl base64"
        local pipe = assert(io.popen(command:format(text, simulator.AUTH_TOKEN)))
        assert.equal(pipe:read "*l", came[1].headers["x-twilio-signature"])
        pipe:close()
    end)

    it("can be asked for with GET", function()
        start { webhook_method = "GET", inbound_url = url .. "/sms?a=b" }
        write "a b"
        assert.same({ "GET", "", "a b", "b" },
            { came[1].method, came[1].body, came[1].params.Body, came[1].params.a })
        local signer = core.signer()
        signer:add(simulator.AUTH_TOKEN)
        assert.is_true(signer:verify_params(came[1].url, {}, came[1].headers["x-twilio-signature"]))
    end)

    it("tell what becomes of a message, in order", function()
        start()
        local message = send()
        step_until(all_done)
        assert.same({ "sent", "delivered" }, statuses())
        local params = came[2].params
        assert.truthy(params.RawDlrDoneDate:find "^%d%d%d%d%d%d%d%d%d%d$")
        params.RawDlrDoneDate = nil
        assert.same({
            MessageSid = message.sid, SmsSid = message.sid, MessageStatus = "delivered",
            SmsStatus = "delivered", AccountSid = simulator.ACCOUNT_SID, From = NUMBER, To = PERSON,
            ApiVersion = "2010-04-01",
        }, params)
        assert.not_equal(came[1].headers["i-twilio-idempotency-token"],
            came[2].headers["i-twilio-idempotency-token"])
        assert.same({ 2, 2, 2, 0 }, { sim:stats().webhooks.started, sim:stats().webhooks.delivered,
            sim:stats().webhooks.attempts, sim:stats().webhooks.pending })
    end)

    it("tell of the sender that a service has chosen, and of errors", function()
        start()
        send { From = false, MessagingServiceSid = SERVICE }
        step_until(all_done)
        assert.same({ "queued", "sent", "delivered" }, statuses())
        assert.same({ NUMBER, SERVICE }, { came[1].params.From, came[1].params.MessagingServiceSid })
        came = {}
        send { From = false, MessagingServiceSid = SERVICE, To = "+15005550009" }
        step_until(all_done)
        assert.same({ "failed" }, statuses())
        assert.equal("21614", came[1].params.ErrorCode)
    end)

    it("are left out when callbacks are off, or nobody asked for them", function()
        start { callbacks = false }
        send()
        sim:step(20)
        assert.same({}, came)
        assert.equal(0, sim:stats().webhooks.started)
    end)

    it("are tried again with the same token", function()
        local count = 0
        answer = function(request)
            count = count + 1
            if count < 3 then
                request:reply(503, {}, "")
            else
                request:reply(204, {}, "")
            end
        end
        start { inbound_url = url .. "/sms#rc=3&rp=5xx" }
        write "Hello"
        assert.equal(3, #came)
        for i = 2, 3 do
            assert.equal(came[1].headers["i-twilio-idempotency-token"],
                came[i].headers["i-twilio-idempotency-token"])
            assert.equal(came[1].body, came[i].body)
        end
        local log = sim:webhooks()
        assert.same({ 1, 2, 3 }, { log[1].attempt, log[2].attempt, log[3].attempt })
        assert.same({ 503, 503, 204 }, { log[1].status, log[2].status, log[3].status })
    end)

    it("are not tried again after an error answer that nobody named", function()
        answer = function(request)
            request:reply(500, {}, "")
        end
        start()
        write "Hello"
        assert.equal(1, #came)
        assert.equal(1, sim:stats().webhooks.failed)
    end)

    it("turn to the fallback", function()
        answer = function(request, one)
            request:reply(one.target == "/sms" and 500 or 204, {}, "")
        end
        start { fallback_url = url .. "/fallback" }
        write "Hello"
        assert.same({ "/sms", "/fallback" }, { came[1].target, came[2].target })
        assert.same({ "11200", url .. "/sms" }, { came[2].params.ErrorCode, came[2].params.ErrorUrl })
        local signer = core.signer()
        signer:add(simulator.AUTH_TOKEN)
        assert.is_true(signer:verify(came[2].url, came[2].body, came[2].headers["x-twilio-signature"]))
        assert.same({ 1, 1, 0 }, { sim:stats().webhooks.fallbacks, sim:stats().webhooks.delivered,
            sim:stats().webhooks.failed })
    end)

    it("give up on what does not answer in time", function()
        answer = function() end
        start { inbound_url = url .. "/sms#rt=100" }
        write "Hello"
        assert.same({ "read", 1 }, { sim:webhooks()[1].fault, #sim:webhooks() })
    end)

    it("try a connection twice", function()
        local port = app:port()
        app:close()
        start { inbound_url = ("http://127.0.0.1:%d/"):format(port) }
        app = assert(https.new { ca_file = app_ca })
        write "Hello"
        assert.same({ "connect", "connect" }, { sim:webhooks()[1].fault, sim:webhooks()[2].fault })
        assert.equal(2, #sim:webhooks())
    end)

    it("trust no certificate but those that they are told to", function()
        start { inbound_url = url .. "/sms" }
        sim:close()
        sim = assert(simulator.new { ca_file = sim_ca, inbound_url = url .. "/sms" })
        write "Hello"
        assert.same({}, came)
        assert.equal("tls", sim:webhooks()[1].fault)
    end)

    it("send replies", function()
        twiml [[<?xml version="1.0" encoding="UTF-8"?>
            <Response><Message statusCallback="/status">Hi &amp; bye</Message>
            <Message to="+15558675399"><Body>Two</Body><Media>https://example.com/a.gif</Media></Message>
            </Response>]]
        start()
        sim:inbound { from = PERSON, to = NUMBER, body = "Hello" }
        step_until(function() return #came >= 3 and all_done() end)
        local list = cjson.decode(ask(PATH).body).messages
        assert.same({ "outbound-reply", "+15558675399", NUMBER, "Two", "1" },
            { list[1].direction, list[1].to, list[1].from, list[1].body, list[1].num_media })
        assert.same({ "outbound-reply", PERSON, NUMBER, "Hi & bye", "delivered" },
            { list[2].direction, list[2].to, list[2].from, list[2].body, list[2].status })
        assert.same({ "/sms", "/status", "/status" }, { came[1].target, came[2].target, came[3].target })
        assert.equal(2, sim:stats().accepted)
    end)

    it("follow redirects in answers, but not for ever", function()
        answer = function(request, one)
            local verb = one.target == "/sms" and '<Redirect method="GET">other?x=1</Redirect>'
                or "<Message>Hi</Message>"
            request:reply(200, { { "Content-Type", "text/xml" } }, "<Response>" .. verb .. "</Response>")
        end
        start()
        write "Hello"
        assert.same({ "GET", "Hello", "1" }, { came[2].method, came[2].params.Body, came[2].params.x })
        assert.equal(1, sim:stats().accepted)
        twiml "<Response><Redirect>/sms</Redirect></Response>"
        came = {}
        write "Hello"
        assert.equal(11, #came)
        assert.equal(11215, sim:webhooks()[#sim:webhooks()].error_code)
    end)

    it("go to the fallback with an answer that cannot be used", function()
        answer = function(request, one)
            local text = one.target == "/sms" and "{}" or ""
            request:reply(200, { { "Content-Type", "application/json" } }, text)
        end
        start { fallback_url = url .. "/fallback" }
        write "Hello"
        assert.equal("12300", came[2].params.ErrorCode)
        assert.equal(12300, sim:webhooks()[1].error_code)
    end)

    it("are followed by a refusal when a person has said STOP", function()
        start()
        write " stop\n"
        local refused, status = send()
        assert.same({ 400, 21610 }, { status, refused.code })
        assert.equal(201, select(2, send { From = "+15557122661" }))
        assert.same({ 1, 0, 1 }, { sim:stats().refused_opted_out, sim:stats().accepted_opted_out,
            sim:stats().received })
        write "START"
        assert.equal(201, select(2, send()))
    end)

    it("tell of a refusal by a messaging service", function()
        start { service_sid = SERVICE }
        write "Stop"
        assert.equal(SERVICE, came[1].params.MessagingServiceSid)
        came = {}
        assert.equal(201, select(2, send { From = false, MessagingServiceSid = SERVICE }))
        step_until(all_done)
        assert.same({ "failed" }, statuses())
        assert.equal("21610", came[1].params.ErrorCode)
        assert.same({ 0, 1 }, { sim:stats().refused_opted_out, sim:stats().accepted_opted_out })
    end)

    it("come from outside too", function()
        start()
        local got = ask("/_sim/inbound", "--data-urlencode", "From=" .. PERSON, "--data-urlencode",
            "To=" .. NUMBER, "--data", "Body=Hi&FromCity=X&OptOutType=STOP&MessagingServiceSid=" .. SERVICE,
            "--data", "MediaUrl=https%3A%2F%2Fexample.com%2Fa.png")
        assert.equal(202, got.status)
        local sid = cjson.decode(got.body).message_sid
        step_until(all_done)
        assert.same({ sid, "Hi", "X", "STOP", SERVICE, "1" }, {
            came[1].params.MessageSid, came[1].params.Body, came[1].params.FromCity,
            came[1].params.OptOutType, came[1].params.MessagingServiceSid, came[1].params.NumMedia,
        })
        local log = cjson.decode(ask("/_sim/webhooks").body)
        assert.same({ 1, sid, 204, "inbound", "Hi" },
            { #log, log[1].message_sid, log[1].status, log[1].kind, log[1].params.Body })
        assert.equal(400, ask("/_sim/inbound", "--data", "Body=x").status)
        assert.equal(404, ask("/_sim/nothing").status)
    end)

    it("give the same requests for the same seed", function()
        local runs = {}
        for run = 1, 2 do
            start { seed = 5 }
            came = {}
            write "Hello"
            write "Hello"
            runs[run] = { came[1].body, came[2].body, came[1].headers["i-twilio-idempotency-token"] }
            sim:close()
        end
        assert.same(runs[1], runs[2])
        assert.not_equal(runs[1][1], runs[1][2])
    end)

    it("can be waited for by other loops, without spinning", function()
        start()
        assert.is_nil(sim:timeout())
        sim:inbound { from = PERSON, to = NUMBER, body = "Hello" }
        local turns = 0
        while sim:stats().webhooks.delivered == 0 do
            turns = turns + 1
            local timeout = sim:timeout()
            core.poll({ sim:pollfd(), app:pollfd() }, timeout and math.ceil(timeout * 1000) or 1000)
            sim:step(0)
            app:step(0)
            local request = app:next()
            if request then
                keep(request)
                app:step(0)
            end
        end
        assert.truthy(turns < 60, turns)
    end)

    it("refuses what means nothing where it is said", function()
        start()
        local none, err = simulator.new { auth_token = "", ca_file = sim_ca }
        assert.is_nil(none)
        assert.equal("ConfigurationError.InvalidAuthToken", err.type)
        for _, case in ipairs {
            { function() sim:inbound { to = NUMBER } end, "needs from and to" },
            { function() sim:inbound() end, "needs from and to" },
            { function() sim:inbound { frm = PERSON } end, "unknown option 'frm'" },
            { function() simulator.new { webhook_method = "PUT" } end, "must be 'POST' or 'GET'" },
        } do
            local ok, why = pcall(case[1])
            assert.is_false(ok)
            assert.truthy(why:find(case[2], 1, true) and why:find("sim_conversation_spec", 1, true), why)
        end
    end)
end)

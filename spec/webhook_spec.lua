local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local memory = require "twilio_sms.memory"
local optout = require "twilio_sms.optout"
local sms = require "twilio_sms"
local track = require "twilio_sms.track"
local twilio = require "twilio"
local webhook = require "twilio_sms.webhook"

local EMPTY = { status = 204, headers = {}, body = "" }

-- A store whose methods fail when they are told to.
local function breakable()
    local inner = memory.new()
    local store = { broken = {} }
    for _, method in ipairs { "read", "write", "list", "purge", "close" } do
        store[method] = function(self, ...)
            if self.broken[method] then
                return nil, core.error("ServiceUnavailable", "the disk is full")
            end
            return inner[method](inner, ...)
        end
    end
    return store
end

describe("twilio_sms.webhook", function()
    local receivers

    local function new(opts)
        local settings = {
            account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, urls = { twilio.URL },
            on_error = function() end,
        }
        for name, value in pairs(opts or {}) do
            settings[name] = value
        end
        local client = settings.client
        if not settings.store and not (client and client.optout) and settings.optout == nil then
            settings.optout = optout.new { account_sid = twilio.ACCOUNT_SID }
        end
        local receiver = assert(webhook.new(settings))
        receivers[#receivers + 1] = receiver
        return receiver
    end

    before_each(function()
        receivers = {}
    end)

    after_each(function()
        for _, receiver in ipairs(receivers) do
            receiver:close()
        end
    end)

    it("gives an inbound message to its handler, and the handler's reply to the sender", function()
        local seen
        local receiver = new {
            on_message = function(event, reply)
                seen = event
                reply:message { body = "You wrote: " .. event.body }
            end,
        }
        local answer, event = receiver:handle(twilio.request(twilio.inbound { Body = "Tea & <cake>" }))
        assert.equal(200, answer.status)
        assert.equal("text/xml; charset=utf-8", answer.headers["Content-Type"])
        assert.truthy(answer.body:find("You wrote: Tea &amp; &lt;cake&gt;", 1, true))
        assert.equal(event, seen)
        assert.equal("inbound", event.type)
        assert.equal(twilio.PERSON, event.from)
        assert.equal(twilio.sid(1), event.message_sid)
        assert.equal(1, receiver:stats().inbound)
    end)

    it("answers 204 when there is nothing to say", function()
        assert.same(EMPTY, new():handle(twilio.request(twilio.inbound())))
        assert.same(EMPTY, new { on_message = function() end }:handle(twilio.request(twilio.inbound())))
    end)

    it("takes a text that the handler returns as the reply", function()
        local receiver = new { on_message = function() return "Hi" end }
        assert.truthy(receiver:handle(twilio.request(twilio.inbound())).body:find(">Hi<", 1, true))
    end)

    it("tells status callbacks apart, and does not answer them", function()
        local seen
        local receiver = new {
            on_status = function(event, reply)
                seen = event
                reply:message "ignored"
            end,
        }
        local params = twilio.status { MessageStatus = "undelivered", ErrorCode = "30003" }
        assert.same(EMPTY, receiver:handle(twilio.request(params)))
        assert.equal("undelivered", seen.status)
        assert.equal(30003, seen.error_code)
    end)

    it("keeps parameters that it does not know", function()
        local seen
        local receiver = new { on_message = function(event) seen = event end }
        receiver:handle(twilio.request(twilio.inbound { NewParameter = "x" }))
        assert.equal("x", seen.params.NewParameter)
    end)

    it("refuses a forged request with 403, and explains itself to the program only", function()
        local told, explained
        local receiver = new {
            on_message = function() error "must not be called" end,
            on_error = function(err, event, explanation)
                told, explained = err, explanation
                assert.is_nil(event)
            end,
        }
        local request = twilio.request(twilio.inbound(), { token = ("f"):rep(32) })
        local answer, event, err = receiver:handle(request)
        assert.same({ status = 403, headers = {}, body = "" }, answer)
        assert.is_nil(event)
        assert.equal("WebhookError.InvalidSignature", err.type)
        assert.equal(err, told)
        assert.truthy(explained:find(twilio.URL, 1, true))
        assert.is_nil(explained:find(twilio.TOKEN, 1, true))
        assert.is_nil(explained:find("8675310", 1, true))
        assert.equal(1, receiver:stats().refused)
    end)

    it("refuses what is not for it", function()
        local receiver = new()
        local elsewhere = twilio.request(twilio.inbound(), { url = "https://evil.example/sms" })
        assert.equal(403, receiver:handle(elsewhere).status)
        local empty = receiver:handle { method = "POST", url = twilio.URL, headers = {}, body = "" }
        assert.truthy(empty.status == 400 or empty.status == 403)
        local huge = twilio.request(twilio.inbound { Body = ("x"):rep(70000) })
        assert.equal(413, receiver:handle(huge).status)
        assert.equal(0, receiver:stats().inbound)
    end)

    it("gives a repeat the same answer without running the handler again", function()
        local count = 0
        local receiver = new { on_message = function(_, reply)
            count = count + 1
            reply:message("Answer " .. count)
        end }
        local first, event = receiver:handle(twilio.request(twilio.inbound()))
        local second, again = receiver:handle(twilio.request(twilio.inbound()))
        assert.same(first, second)
        assert.equal(1, count)
        assert.is_nil(event.repeated)
        assert.is_true(again.repeated)
        assert.equal(1, receiver:stats().repeated)
    end)

    it("knows the same message at the fallback URL", function()
        local count = 0
        local fallback = "https://example.com/fallback"
        local receiver = new {
            urls = { twilio.URL, fallback },
            on_message = function() count = count + 1; return "once" end,
        }
        local first = receiver:handle(twilio.request(twilio.inbound()))
        local params = twilio.inbound { ErrorCode = "11200", ErrorUrl = twilio.URL }
        assert.same(first, (receiver:handle(twilio.request(params, { url = fallback }))))
        assert.equal(1, count)
    end)

    it("knows a body that was cut at other places by its signature", function()
        local seen = {}
        local receiver = new { on_message = function(event) seen[#seen + 1] = event.body end }
        local request = twilio.request(twilio.inbound { Body = "HelloX=1" })
        receiver:handle(request)
        request.body = request.body:gsub("Body=HelloX%%3D1", "BodyHello=X%%3D1")
        local answer = receiver:handle(request)
        assert.truthy(answer.status == 204 or answer.status >= 400)
        assert.same({ "HelloX=1" }, seen)
    end)

    it("runs a handler again that failed", function()
        local count, errors = 0, {}
        local receiver = new {
            on_message = function()
                count = count + 1
                if count == 1 then
                    error "the database is down"
                elseif count == 2 then
                    return nil, "still down"
                end
                return "up again"
            end,
            on_error = function(err, event) errors[#errors + 1] = tostring(err) .. event.message_sid end,
        }
        assert.equal(500, receiver:handle(twilio.request(twilio.inbound())).status)
        assert.equal(500, receiver:handle(twilio.request(twilio.inbound())).status)
        assert.equal(200, receiver:handle(twilio.request(twilio.inbound())).status)
        assert.equal(3, count)
        assert.equal(2, #errors)
        assert.truthy(errors[1]:find("the database is down", 1, true))
        assert.equal(2, receiver:stats().failed)
    end)

    it("asks a retry to come back while the handler is still at it", function()
        local first, second
        local receiver = new { on_message = function()
            while not second do
                loop.sleep(1)
            end
            return "slow"
        end }
        loop.run(function()
            loop.spawn(function() first = receiver:handle(twilio.request(twilio.inbound())) end)
            loop.spawn(function() second = receiver:handle(twilio.request(twilio.inbound())) end)
        end)
        assert.equal(200, first.status)
        assert.equal(503, second.status)
        assert.equal("1", second.headers["Retry-After"])
        assert.same(first, (receiver:handle(twilio.request(twilio.inbound()))))
    end)

    it("handles a message once more where it was redirected to, and only there", function()
        local next_url = "https://example.com/next"
        for _, store in ipairs { false, memory.new() } do
            local seen = {}
            local opts = {
                urls = { twilio.URL, next_url }, store = store or nil,
                on_message = function(event, reply)
                    seen[#seen + 1] = event.url
                    if event.url == next_url then
                        return "The rest."
                    end
                    return reply:redirect(next_url)
                end,
            }
            local receiver = new(opts)
            local first = receiver:handle(twilio.request(twilio.inbound()))
            assert.truthy(first.body:find("<Redirect>", 1, true))
            assert.same(first, (receiver:handle(twilio.request(twilio.inbound()))))
            local rest = receiver:handle(twilio.request(twilio.inbound(), { url = next_url }))
            assert.truthy(rest.body:find("The rest.", 1, true))
            -- A receiver that starts anew has the store alone.
            local again = store and new(opts) or receiver
            assert.same(rest, (again:handle(twilio.request(twilio.inbound(), { url = next_url }))))
            assert.is_true(select(2, again:handle(twilio.request(twilio.inbound()))).repeated)
            assert.same({ twilio.URL, next_url }, seen)
        end
    end)

    it("takes any token of a rotation", function()
        local receiver = new { auth_token = { ("e"):rep(32), twilio.TOKEN } }
        assert.equal(204, receiver:handle(twilio.request(twilio.inbound())).status)
        local other = twilio.request(twilio.inbound { MessageSid = twilio.sid(2) }, { token = ("e"):rep(32) })
        assert.equal(204, receiver:handle(other).status)
    end)

    it("looks the tokens of other accounts up, once", function()
        local sub, asked = "AC" .. ("c"):rep(32), {}
        local receiver = new { tokens_for = function(account_sid)
            asked[#asked + 1] = account_sid
            return account_sid == sub and ("d"):rep(32) or nil
        end }
        for n = 1, 2 do
            local params = twilio.inbound { AccountSid = sub, MessageSid = twilio.sid(n) }
            assert.equal(204, receiver:handle(twilio.request(params, { token = ("d"):rep(32) })).status)
        end
        assert.same({ sub }, asked)
        local stranger = twilio.inbound { AccountSid = "AC" .. ("9"):rep(32) }
        assert.equal(403, receiver:handle(twilio.request(stranger)).status)
    end)

    it("asks again after a minute when an account has a new token, and forgets the old one", function()
        local sub, token, asked = "AC" .. ("c"):rep(32), ("d"):rep(32), 0
        local receiver = new { tokens_for = function()
            asked = asked + 1
            return token
        end }
        local clock, time_ms = 1e12, core.time_ms
        core.time_ms = function() return clock end -- luacheck: ignore 122
        local function say(n, signed_with)
            local params = twilio.inbound { AccountSid = sub, MessageSid = twilio.sid(n) }
            return receiver:handle(twilio.request(params, { token = signed_with })).status
        end
        local old = token
        assert.equal(204, say(1, old))
        token = ("e"):rep(32)
        assert.equal(403, say(2, token))
        assert.equal(1, asked)
        clock = clock + 60000
        assert.equal(204, say(2, token))
        assert.equal(403, say(3, old))
        assert.equal(2, asked)
        core.time_ms = time_ms -- luacheck: ignore 122
    end)

    it("goes by the clock that it is given, and so does its opt-out list", function()
        local now_s = 1700000000.5
        local function clock()
            return now_s
        end
        local learning = new { store = memory.new(), clock = clock }
        learning:handle(twilio.request(twilio.inbound { Body = "STOP" }))
        local _, entry = learning.ledger:list()()
        assert.same({ "opted_out", 1700000000 }, { entry.state, entry.at })

        local forgetful = new { optout = false, replay_window_ms = 60000, clock = clock }
        local function is_repeated()
            return select(2, forgetful:handle(twilio.request(twilio.inbound()))).repeated
        end
        assert.is_nil(is_repeated())
        now_s = now_s + 50
        assert.is_true(is_repeated())
        now_s = now_s + 20
        assert.is_nil(is_repeated())
    end)

    it("wants to know where to write STOPs down", function()
        local receiver, err = webhook.new { account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN }
        assert.is_nil(receiver)
        assert.equal("ConfigurationError.InvalidOption", err.type)
        assert.truthy(err.message:find("store", 1, true))
        assert(webhook.new {
            account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, optout = false,
        }):close()
    end)

    it("answers 500 when the tokens cannot be looked up", function()
        local receiver = new { tokens_for = function() error "no database" end }
        local params = twilio.inbound { AccountSid = "AC" .. ("c"):rep(32) }
        local answer, _, err = receiver:handle(twilio.request(params))
        assert.equal(500, answer.status)
        assert.truthy(tostring(err):find("no database", 1, true))
        for _, answers in ipairs { { nil, "no database" }, { false }, { 7 }, { { 7 } }, { {} } } do
            receiver = new { tokens_for = function() return answers[1], answers[2] end }
            assert.equal(500, receiver:handle(twilio.request(params)).status)
            assert.equal(1, receiver:stats().refused)
        end
    end)

    it("tells of a reply that cannot be sent", function()
        local told
        local results = {
            function(_, reply) reply:message { bdy = "x" } end,
            function(_, reply) reply:message(("x"):rep(1601)) end,
            function() return 42 end,
            function() return { body = "Hello" } end,
        }
        for n, handler in ipairs(results) do
            told = nil
            local receiver = new { on_message = handler, on_error = function(err) told = err end }
            local answer = receiver:handle(twilio.request(twilio.inbound { MessageSid = twilio.sid(n) }))
            assert.equal(204, answer.status)
            assert.equal("MessageError", told.category, n)
        end
    end)

    it("takes what a client's send answers for no reply", function()
        local receiver = new {
            on_message = function() return { sid = "SM1", body = "sent" } end,
            on_error = function(err) error(tostring(err)) end,
        }
        assert.equal(204, receiver:handle(twilio.request(twilio.inbound())).status)
    end)

    it("prints errors when nobody asks for them", function()
        local printed
        local stderr = io.stderr
        io.stderr = { write = function(_, ...) printed = table.concat { ... } end } -- luacheck: ignore 122
        local receiver = assert(webhook.new {
            account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, optout = false,
        })
        receiver:handle(twilio.request(twilio.inbound(), { token = ("f"):rep(32) }))
        io.stderr = stderr -- luacheck: ignore 122
        receiver:close()
        assert.truthy(printed:find("InvalidSignature", 1, true))
        assert.is_nil(printed:find(twilio.TOKEN, 1, true))
        assert.is_nil(printed:find("8675310", 1, true))
    end)

    it("refuses an empty list of URLs, and a reference without a key", function()
        assert.error_matches(function() new { urls = {} } end, "urls")
        assert.error_matches(function() new { callback_ref = {} } end, "callback_ref")
    end)

    it("learns STOP before anything else, and says nothing more to that person", function()
        local learned
        local receiver = new {
            on_message = function(event, reply)
                learned = event.opt_out
                reply:message "Please stay!"
                reply:message { to = "+15558675399", body = "Somebody has left." }
            end,
        }
        local answer = receiver:handle(twilio.request(twilio.inbound { Body = " stop " }))
        assert.equal("stop", learned.action)
        assert.is_nil(answer.body:find("stay", 1, true))
        assert.truthy(answer.body:find("Somebody has left.", 1, true))
        assert.equal("opted_out", (receiver.ledger:status(twilio.PERSON, twilio.NUMBER)))
        local later = receiver:handle(twilio.request(twilio.inbound { MessageSid = twilio.sid(2) }))
        assert.is_nil(later.body:find("stay", 1, true))
    end)

    it("confirms what Twilio does not confirm itself", function()
        local receiver = new { replies = { stop = "You are out.", help = "This is Tea House." } }
        local function said(n, changes)
            changes.MessageSid = twilio.sid(n)
            return receiver:handle(twilio.request(twilio.inbound(changes))).body
        end
        assert.equal("", said(1, { Body = "STOP" })) -- Twilio has answered
        assert.equal("", said(2, { Body = "opt out", OptOutType = "STOP" }))
        assert.truthy(said(3, { Body = "opt out", From = "+15558675311" }):find("You are out.", 1, true))
        assert.equal("", said(4, { Body = "opt out", From = "+15558675311" })) -- once
        local to_short_code = said(5, { Body = "STOP", To = "24680", From = "+15558675312" })
        assert.truthy(to_short_code:find("You are out.", 1, true))
        local help = said(6, { Body = "help", To = "24680", From = "+15558675313" })
        assert.truthy(help:find("Tea House", 1, true))
    end)

    it("welcomes nobody back who is still opted out", function()
        local ledger = optout.new { account_sid = twilio.ACCOUNT_SID }
        local receiver = new { optout = ledger, replies = { start = "Welcome back." } }
        local function start(n)
            local params = twilio.inbound { Body = "START", To = "24680", MessageSid = twilio.sid(n) }
            return receiver:handle(twilio.request(params)).body
        end
        ledger:opt_out(twilio.PERSON, { scope = "24680" })
        assert.truthy(start(1):find("Welcome back.", 1, true))
        ledger:opt_out(twilio.PERSON, { scope = "24680" })
        ledger:opt_out(twilio.PERSON) -- at the phone, say: of all senders
        assert.equal("", start(2))
    end)

    it("learns 21610 from a callback", function()
        local receiver = new()
        receiver:handle(twilio.request(twilio.status { MessageStatus = "failed", ErrorCode = "21610" }))
        assert.equal("opted_out", (receiver.ledger:status(twilio.PERSON, twilio.NUMBER)))
    end)

    it("cancels scheduled messages of somebody who opts out", function()
        local canceled = {}
        local client = {
            list = function(_, filter)
                assert.equal(twilio.PERSON, filter.to)
                return {
                    { sid = twilio.sid(70), status = "scheduled", to = filter.to, from = twilio.NUMBER },
                    { sid = twilio.sid(71), status = "delivered", to = filter.to, from = twilio.NUMBER },
                }
            end,
            cancel = function(_, sid)
                canceled[#canceled + 1] = sid
                return { sid = sid, status = "canceled" }
            end,
        }
        local receiver = new { client = client }
        receiver:handle(twilio.request(twilio.inbound { Body = "STOP" }))
        assert.same({ twilio.sid(70) }, canceled)
    end)

    it("cancels them also when the handler fails, because no retry may come", function()
        local canceled = {}
        local client = {
            list = function()
                return { { sid = twilio.sid(70), status = "scheduled", from = twilio.NUMBER } }
            end,
            cancel = function(_, sid)
                canceled[sid] = true
                return {}
            end,
        }
        local receiver = new { client = client, on_message = function() error "the database is down" end }
        assert.equal(500, receiver:handle(twilio.request(twilio.inbound { Body = "STOP" })).status)
        assert.same({ [twilio.sid(70)] = true }, canceled)
    end)

    it("brings callbacks to the tracker, and their order does not matter", function()
        local tracker = assert(track.new { account_sid = twilio.ACCOUNT_SID })
        local receiver = new { track = tracker }
        for _, status in ipairs { "delivered", "sent", "queued" } do
            receiver:handle(twilio.request(twilio.status { MessageStatus = status }))
        end
        assert.equal("delivered", tracker:get(twilio.sid(1)).status)
    end)

    describe("with a store", function()
        it("knows what another receiver handled before", function()
            local store, count = memory.new(), 0
            local function handler()
                count = count + 1
                return "once"
            end
            local opts = { store = store, on_message = handler }
            local first = new(opts):handle(twilio.request(twilio.inbound()))
            local again, event = new(opts):handle(twilio.request(twilio.inbound()))
            assert.same(first, again)
            assert.is_true(event.repeated)
            assert.equal(1, count)
        end)

        it("runs a handler once over all who use it, also at the same moment", function()
            local store, count = memory.new(), 0
            local second, third
            local opts = { store = store, on_message = function()
                count = count + 1
                while not second do
                    loop.sleep(1)
                end
                return "once"
            end }
            local one, other = new(opts), new(opts)
            local first
            loop.run(function()
                loop.spawn(function() first = one:handle(twilio.request(twilio.inbound())) end)
                loop.spawn(function() second = other:handle(twilio.request(twilio.inbound())) end)
            end)
            third = other:handle(twilio.request(twilio.inbound()))
            assert.equal(1, count)
            assert.equal(503, second.status)
            assert.same(first, third)
        end)

        it("gives a claim up that failed, and one that nobody has ended for a minute", function()
            local store, count, dies = memory.new(), 0, true
            local opts = { store = store, on_message = function()
                count = count + 1
                if dies then
                    error "no"
                end
            end }
            assert.equal(500, new(opts):handle(twilio.request(twilio.inbound())).status)
            dies = false
            assert.equal(204, new(opts):handle(twilio.request(twilio.inbound())).status)
            assert.equal(2, count)

            local key = ("%s/in/%s"):format(twilio.ACCOUNT_SID, twilio.sid(2))
            local request = twilio.request(twilio.inbound { MessageSid = twilio.sid(2) })
            for age_ms, status in pairs { [59000] = 503, [61000] = 204 } do
                local record = { running_ms = core.time_ms() - age_ms }
                assert(store:write { { space = "webhook", key = key, record = record, at = os.time() } })
                assert.equal(status, new(opts):handle(request).status)
            end
            assert.equal(3, count)
        end)

        it("answers 500 when it cannot be read or written, and loses nothing", function()
            local store, count = breakable(), 0
            local receiver = new { store = store, on_message = function() count = count + 1 end }
            local stop = twilio.request(twilio.inbound { Body = "STOP" })
            store.broken.read = true
            assert.equal(500, receiver:handle(stop).status)
            store.broken.read, store.broken.write = nil, true
            assert.equal(500, receiver:handle(stop).status)
            assert.equal(0, count)
            store.broken.write = nil
            assert.equal(204, receiver:handle(stop).status)
            assert.equal(1, count)
            assert.equal("opted_out", (receiver.ledger:status(twilio.PERSON, twilio.NUMBER)))
        end)

        it("answers 500 when it raises, and is ready for the next try", function()
            local store, count = memory.new(), 0
            local opts = { optout = false, on_message = function() count = count + 1 end }
            opts.store = setmetatable({ read = function() error "no connection" end }, { __index = store })
            local receiver = new(opts)
            local answer, _, err = receiver:handle(twilio.request(twilio.inbound()))
            assert.equal(500, answer.status)
            assert.truthy(tostring(err):find("no connection", 1, true))
            opts.store.read = function(_, ...) return store:read(...) end
            opts.store.list, opts.store.purge = nil, nil
            opts.store.write = function() error "no connection" end
            assert.equal(500, receiver:handle(twilio.request(twilio.inbound())).status)
            assert.equal(0, count)
            local writes = 0
            opts.store.write = function(_, ...) -- the claim can be written, the answer cannot
                writes = writes + 1
                return writes == 1 and store:write(...) or error "no connection"
            end
            assert.equal(204, receiver:handle(twilio.request(twilio.inbound())).status)
            assert.is_true(select(2, receiver:handle(twilio.request(twilio.inbound()))).repeated)
            assert.equal(1, count)
        end)

        it("does not leave the opt-out list to the memory of a client", function()
            local opts = {
                account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, store = memory.new(),
                client = assert(sms.new { account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN }),
            }
            local receiver, err = webhook.new(opts)
            assert.is_nil(receiver)
            assert.equal("ConfigurationError.InvalidOption", err.type)
            opts.client:close()
            local ledger = optout.new { account_sid = twilio.ACCOUNT_SID, store = opts.store }
            opts.client = assert(sms.new {
                account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, optout = ledger,
            })
            assert.equal(ledger, new(opts).ledger)
            opts.client:close()
        end)

        it("sends nothing while the opt-out list cannot be read", function()
            local store = breakable()
            local ledger = assert(optout.new { account_sid = twilio.ACCOUNT_SID, store = store })
            store.broken.read = true
            local verdict, reason = ledger:check { to = twilio.PERSON, from = twilio.NUMBER }
            assert.is_nil(verdict)
            assert.truthy(reason:find("disk is full", 1, true))
        end)
    end)

    it("refuses options that it does not know, and ones without a token", function()
        local why = "unknown option 'acount_sid'; did you mean 'account_sid'?"
        assert.has_error(function() webhook.new { acount_sid = "x" } end, why)
        local receiver, err = webhook.new { account_sid = twilio.ACCOUNT_SID }
        assert.is_nil(receiver)
        assert.equal("ConfigurationError.InvalidAuthToken", err.type)
        receiver, err = webhook.new { account_sid = "nonsense", auth_token = twilio.TOKEN }
        assert.is_nil(receiver)
        assert.equal("ConfigurationError.InvalidAccountSid", err.type)
        for _, tokens in ipairs { { auth_token = {} }, { accounts = { [twilio.ACCOUNT_SID] = {} } } } do
            tokens.account_sid = twilio.ACCOUNT_SID
            receiver, err = webhook.new(tokens)
            assert.is_nil(receiver)
            assert.equal("ConfigurationError.InvalidAuthToken", err.type)
        end
    end)

    it("refuses a text for STOP, START or HELP that no answer could hold", function()
        local receiver, err = webhook.new {
            account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN,
            replies = { stop = ("x"):rep(1601) },
        }
        assert.is_nil(receiver)
        assert.truthy(tostring(err):find("replies.stop", 1, true))
    end)

    it("blames misuse on the line that made it", function()
        for name, value in pairs {
            accounts = { [twilio.ACCOUNT_SID] = 7 }, auth_token = 7, callback_ref = { kee = "x" },
            client = {}, optout = {}, store = "x", track = {}, urls = { 7 }, replies = { stop = 7 },
            max_body = "x",
        } do
            local opts = { account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN }
            opts[name] = value
            local ok, err = pcall(function()
                local receiver = webhook.new(opts)
                return receiver
            end)
            assert.is_false(ok, name)
            assert.truthy(err:find "^[^:]*webhook_spec.lua:%d+: ", name .. ": " .. err)
        end
    end)

    it("shows no token", function()
        local receiver = new()
        assert.equal("twilio_sms.webhook", tostring(receiver))
    end)
end)

local cjson = require "cjson"
local api = require "twilio_sms.sim.api"
local control = require "twilio_sms.sim.control"
local simulator = require "twilio_sms.sim.server"

local START = 1767225600 -- 2026-01-01
local MESSAGES = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID .. "/Messages.json"

describe("twilio_sms.sim.control", function()
    local ca_file, sim

    before_each(function()
        ca_file = os.tmpname()
        sim = assert(simulator.new { ca_file = ca_file, speed = 0, start = START })
    end)

    after_each(function()
        sim:close()
        os.remove(ca_file)
    end)

    -- Asks without a network; `more` changes the request.
    local function answer_to(method, path, form, more)
        local before, query = path:match "^(.-)%?(.*)$"
        local request = {
            method = method, path = before or path, query = query, body = form or "",
            peer = "127.0.0.1:1234", host = "localhost:8444",
        }
        for name, value in pairs(more or {}) do
            request[name] = value
        end
        return control.handle(sim, request)
    end

    local function ask(...)
        local answer = answer_to(...)
        if not answer then
            return nil
        end
        local body = type(answer.body) == "table" and table.concat(answer.body) or answer.body
        return answer.status, body ~= "" and cjson.decode(body) or nil
    end

    local function refused(why, ...)
        local status, body = ask(...)
        assert.equal(400, status)
        assert.truthy(body.message:find(why, 1, true), body.message)
    end

    -- Sends a message through the API, as `handle` of the server would.
    local function send(to, body)
        return sim.api:handle({
            method = "POST", path = MESSAGES, concurrent = 1,
            authorization = api.authorization(simulator.ACCOUNT_SID, simulator.AUTH_TOKEN),
            body = "To=%2B" .. to .. "&From=%2B15557122661&Body=" .. body,
        }, sim.clock:now_ms())
    end

    it("leaves everything else alone", function()
        assert.is_nil(ask("GET", "/2010-04-01/Accounts"))
        assert.is_nil(ask("GET", "/_simulation"))
    end)

    it("says what is not there, and what may be done", function()
        local status, body = ask("GET", "/_sim/massages")
        assert.same({ 404, "nothing is here; did you mean '/_sim/messages'?" }, { status, body.message })
        for _, path in ipairs { "/_sim/stats/", "/_sim/stats/1", "/_sim/../stats" } do
            assert.equal(404, (ask("GET", path)), path)
        end
        status, body = ask("GET", "/_sim/wherever/that/is")
        assert.same({ 404, "nothing is here; GET /_sim lists what there is" }, { status, body.message })
        status, body = ask("PUT", "/_sim/faults")
        assert.same({ 405, "only DELETE, GET, POST" }, { status, body.message })
        assert.same({ "Allow", "DELETE, GET, POST" }, answer_to("PUT", "/_sim/faults").headers[1])
        assert.equal(405, (ask("GET", "/_sim/reset")))
    end)

    it("lists what there is", function()
        for _, path in ipairs { "/_sim", "/_sim/" } do
            local status, list = ask("GET", path)
            assert.equal(200, status)
            assert.equal("POST /_sim/advance", list[1])
            assert.same({ "DELETE /_sim/faults", "GET /_sim/faults", "POST /_sim/faults",
                "DELETE /_sim/faults/<id>" }, { list[2], list[3], list[4], list[5] })
            assert.equal("GET /_sim/webhooks", list[#list])
        end
        assert.equal(404, (ask("POST", "/_sim")))
    end)

    it("takes forms only", function()
        local function of_type(kind)
            return { content_type = kind }
        end
        local rule, json_rule = "on=send&action=hang", '{"on":"send","action":"hang"}'
        refused("takes a form, not application/json", "POST", "/_sim/faults", json_rule,
            of_type "application/json; charset=utf-8")
        refused("takes a form, not multipart/form-data", "POST", "/_sim/faults", "--x",
            of_type "multipart/form-data; boundary=x")
        refused("takes a form, not JSON", "POST", "/_sim/faults", json_rule,
            of_type "application/x-www-form-urlencoded")
        refused("takes a form, not JSON", "POST", "/_sim/faults", " [1]")
        assert.equal(201, (ask("POST", "/_sim/faults", rule,
            of_type "Application/X-WWW-Form-Urlencoded; charset=UTF-8")))
        assert.equal(200, (ask("POST", "/_sim/reset", "", of_type "application/json")))
    end)

    it("is for the same machine only", function()
        for peer, allowed in pairs {
            ["127.0.0.1:1"] = true, ["127.9.9.9:1"] = true, ["[::1]:1"] = true,
            ["[::ffff:127.0.0.1]:1"] = true,
            ["10.0.0.1:1"] = false, ["[::2]:1"] = false, ["[::10]:1"] = false, ["1127.0.0.1:1"] = false,
        } do
            assert.equal(allowed and 200 or 403, (ask("GET", "/_sim/stats", "", { peer = peer })), peer)
            assert.equal(allowed and 404 or 403, (ask("GET", "/_sim/none", "", { peer = peer })), peer)
        end
    end)

    it("is not for pages in a browser", function()
        for _, headers in ipairs {
            { origin = "https://evil.example" }, { origin = "null" }, { origin = "https://localhost:8444" },
            { fetch_site = "cross-site" }, { fetch_site = "same-site" },
        } do
            local status, body = ask("POST", "/_sim/reset", "", headers)
            assert.equal(403, status)
            assert.truthy(body.message:find("browser", 1, true))
        end
        assert.equal(200, (ask("GET", "/_sim/stats", "", { fetch_site = "none" }))) -- somebody typed it
    end)

    it("is asked by no other name", function()
        for host, allowed in pairs {
            ["localhost"] = true, ["LocalHost:8444"] = true, ["127.0.0.1:8444"] = true, ["[::1]:8444"] = true,
            ["127.0.0.1.evil.example"] = false, ["evil.example:8444"] = false,
            ["localhost.evil.example"] = false,
            ["api.twilio.com"] = false, ["xlocalhost"] = false, [""] = false, ["[::2]"] = false,
        } do
            assert.equal(allowed and 200 or 403, (ask("POST", "/_sim/reset", "", { host = host })), host)
        end
        local request = { method = "GET", path = "/_sim/stats", body = "", peer = "127.0.0.1:1" }
        assert.equal(200, control.handle(sim, request).status) -- HTTP/1.0 has no Host
    end)

    it("lets persons write", function()
        local status, answer = ask("POST", "/_sim/inbound",
            "From=%2B15558675310&To=%2B15005550006&Body=a+b&MediaUrl=u&MediaUrl=v&FromCity=X"
                .. "&OptOutType=STOP")
        assert.equal(202, status)
        assert.equal("nobody is told: there is no inbound_url", answer.message)
        local message = sim:messages()[1]
        assert.same({ answer.message_sid, "a b", 2, "STOP" },
            { message.sid, message.body, message.num_media, message.opt_out_type })
        sim:set_inbound_url "https://localhost:1/sms"
        status, answer = ask("POST", "/_sim/inbound", "From=%2B15558675310&To=%2B15005550006")
        assert.same({ 202, nil }, { status, answer.message })
        refused("From and To", "POST", "/_sim/inbound", "From=%2B15558675310")
        refused("From and To", "POST", "/_sim/inbound", "From=&To=&Body=x")
        refused("UTF-8", "POST", "/_sim/inbound", "From=%2B15558675310&To=%2B15005550006&Body=%FF")
        refused("OptOutType is", "POST", "/_sim/inbound", "From=a&To=b&OptOutType=stop")
    end)

    it("leads the webhooks elsewhere", function()
        assert.equal(200, (ask("POST", "/_sim/inbound_url", "Url=https%3A%2F%2Flocalhost%3A1%2Fsms")))
        assert.equal("https://localhost:1/sms", sim.conversation.url)
        for _, url in ipairs { "ftp%3A%2F%2Fx", "%2Fsms", "localhost", "https%3A%2F%2F" } do
            refused("Url must be a URL with http:// or https://", "POST", "/_sim/inbound_url", "Url=" .. url)
        end
        assert.equal("https://localhost:1/sms", sim.conversation.url)
        assert.same({ 200, { url = "", message = "nobody is told of messages from now on" } },
            { ask("POST", "/_sim/inbound_url", "Url=") })
        assert.is_nil(sim.conversation.url)
        refused("did you mean 'Url'?", "POST", "/_sim/inbound_url", "url=x")
        refused("Url is required", "POST", "/_sim/inbound_url")
    end)

    it("shows what really happened", function()
        send("15558675310", "Hello")
        local status, stats = ask("GET", "/_sim/stats")
        assert.same({ 200, 1, 1 }, { status, stats.accepted, stats.operations.send })
        assert.equal(0, stats.webhooks.pending)
        status, stats = ask("GET", "/_sim/webhooks")
        assert.same({ 200, {} }, { status, stats })
    end)

    it("lists the messages, the oldest first", function()
        send("15558675310", "one")
        sim:advance(2)
        send("15558675311", "two")
        send("15558675310", "one")
        sim:inbound { from = "+15558675312", to = "+15005550006", body = "in" }
        local function bodies(query)
            local out = {}
            local status, list = ask("GET", "/_sim/messages" .. query)
            assert.equal(200, status)
            for i, message in ipairs(list) do
                out[i] = message.body
            end
            return table.concat(out, " ")
        end
        assert.equal("one two one in", bodies "")
        assert.equal("one one", bodies "?To=%2B15558675310")
        assert.equal("two", bodies "?Body=two")
        assert.equal("", bodies "?Body=tw")
        assert.equal("in", bodies "?From=%2B15558675312")
        assert.equal("one in", bodies "?Limit=2")
        assert.equal("one", bodies "?To=%2B15558675310&Limit=1")
        local first = select(2, ask("GET", "/_sim/messages"))[1]
        assert.same({
            sid = first.sid, to = "+15558675310", from = "+15557122661", body = "one", status = "delivered",
            error_code = cjson.null, direction = "outbound-api", created = "2026-01-01T00:00:00.000Z",
            segments = 1,
        }, first)
        refused("did you mean 'To'?", "GET", "/_sim/messages?to=x")
        for _, limit in ipairs { "0", "-1", "1.5", "10001", "x", "" } do
            refused("Limit", "GET", "/_sim/messages?Limit=" .. limit)
        end
    end)

    it("finds messages behind more than a page of others", function()
        send("15558675310", "first")
        for i = 1, 1100 do
            send("15558675311", ("n%d"):format(i))
        end
        assert.equal("first", select(2, ask("GET", "/_sim/messages?Body=first"))[1].body)
        assert.equal(1000, #select(2, ask("GET", "/_sim/messages")))
        assert.equal(1101, #select(2, ask("GET", "/_sim/messages?Limit=10000")))
    end)

    it("tells the time and moves it on", function()
        local status, time = ask("GET", "/_sim/time")
        assert.equal(200, status)
        assert.same({ time = START, iso = "2026-01-01T00:00:00.000Z", start = "2026-01-01T00:00:00.000Z",
            speed = 0 }, time)
        status, time = ask("POST", "/_sim/advance", "Seconds=3600.25")
        assert.same({ 200, START + 3600, "2026-01-01T01:00:00.250Z" }, { status, time.time, time.iso })
        assert.is_true(answer_to("POST", "/_sim/advance", "Seconds=1&Wait=true").when_quiet)
        for _, form in ipairs { "", "Seconds=0", "Seconds=-1", "Seconds=x", "Seconds=1e3", "Seconds=inf",
            "Seconds=31622401", "Seconds=1&Seconds=2", "seconds=1", "Seconds=1&Wait=yes" } do
            assert.equal(400, (ask("POST", "/_sim/advance", form)), form)
        end
        refused("Seconds is required", "POST", "/_sim/advance", "")
        for _, seconds in ipairs { "-5", "0", "99999999", "x" } do
            refused("Seconds must be a number, more than 0 and at most 31622400", "POST", "/_sim/advance",
                "Seconds=" .. seconds)
        end
        assert.equal(START + 3601, math.floor(sim:time()))
    end)

    it("lets something go wrong, and takes it back", function()
        local status, made = ask("POST", "/_sim/faults", "on=send&action=status&status=503&times=2")
        assert.same({ 201, "1" }, { status, made.id })
        ask("POST", "/_sim/faults", "on=send&action=drop_after&probability=0.5&to=%2B1")
        assert.equal(503, send("15558675310", "x").status)
        local list = select(2, ask("GET", "/_sim/faults"))
        assert.same({
            { id = "1", seen = 1, fired = 1,
                rule = { on = "send", action = "status", status = 503, times = 2 } },
            { id = "2", seen = 0, fired = 0,
                rule = { on = "send", action = "drop_after", probability = 0.5, to = "+1" } },
        }, list)
        assert.same({ 200, { removed = 1 } }, { ask("DELETE", "/_sim/faults/1") })
        assert.equal(404, (ask("DELETE", "/_sim/faults/1")))
        assert.equal(201, send("15558675310", "x").status)
        assert.same({ 200, { removed = 1 } }, { ask("DELETE", "/_sim/faults") })
        assert.same({}, (select(2, ask("GET", "/_sim/faults"))))
        assert.equal(1, select(2, ask("GET", "/_sim/stats")).faults.status)
        refused("unknown action 'explode'", "POST", "/_sim/faults", "action=explode")
        refused("'status' must be a number", "POST", "/_sim/faults", "action=status&status=x")
        refused("unknown key 'toto'", "POST", "/_sim/faults", "toto=1")
        refused("works in a world only", "POST", "/_sim/faults", "action=dns")
        refused("no action", "POST", "/_sim/faults", "")
    end)

    it("plays scenarios", function()
        ask("POST", "/_sim/faults", "action=garbage")
        local status, answer = ask("POST", "/_sim/scenario", "Name=flapping&from_s=10&up_s=5.5")
        assert.same({ 200, "flapping" }, { status, answer.name })
        assert.same({}, (select(2, ask("GET", "/_sim/faults"))))
        assert.equal(201, send("15558675310", "before").status)
        sim:advance(11)
        assert.equal("reset", send("15558675310", "down").drop)
        sim:advance(10)
        assert.equal(201, send("15558675310", "up").status)
        refused("Name is one of brown_out, ", "POST", "/_sim/scenario", "Name=nosuch")
        refused("Name is one of", "POST", "/_sim/scenario")
        refused("Name is one of", "POST", "/_sim/scenario", "Name=names")
        refused("did you mean 'up_s'?", "POST", "/_sim/scenario", "Name=flapping&ups=1")
        refused("must be a number", "POST", "/_sim/scenario", "Name=flapping&up_s=x")
        for _, text in ipairs { "nan", "inf", "-1", "0x10", "1e3" } do
            refused("must be a number", "POST", "/_sim/scenario", "Name=brown_out&share=" .. text)
        end
        for _, share in ipairs { "0", "2" } do
            refused("option 'share' must be more than 0 and at most 1", "POST", "/_sim/scenario",
                "Name=brown_out&share=" .. share)
        end
        refused("'retry_after' must be a whole number", "POST", "/_sim/scenario",
            "Name=throttle_storm&retry_after=1.5")
        assert.equal("flapping", select(2, ask("GET", "/_sim/stats")).scenario)
        ask("POST", "/_sim/reset")
        assert.is_nil(select(2, ask("GET", "/_sim/stats")).scenario)
        refused("works in a world only", "POST", "/_sim/scenario", "Name=clock_jump")
    end)

    it("shows and forgets the traffic", function()
        sim.traffic:add({ method = "POST", path = MESSAGES, body = "To=%2B1&MediaUrl=a&MediaUrl=b" },
            { status = 201 }, START * 1000 + 5)
        assert.same({ 200, { {
            method = "POST", path = MESSAGES, form = { To = "+1", MediaUrl = { "a", "b" } }, body_bytes = 29,
            status = 201, at = "2026-01-01T00:00:00.005Z",
        } } }, { ask("GET", "/_sim/traffic") })
        local odd = { method = "POST", path = MESSAGES, body = "%22%5C:1=x" }
        sim.traffic:add(odd, { status = 201 }, START * 1000)
        assert.same({ ['"\\:1'] = "x" }, select(2, ask("GET", "/_sim/traffic"))[2].form)
        assert.equal(204, (ask("DELETE", "/_sim/traffic")))
        assert.same({}, (select(2, ask("GET", "/_sim/traffic"))))
    end)

    it("makes everything as at the start", function()
        send("15558675310", "Hello")
        local sid = sim:messages()[1].sid
        ask("POST", "/_sim/inbound", "From=%2B15558675310&To=%2B15557122661&Body=STOP")
        ask("POST", "/_sim/faults", "on=send&action=garbage")
        ask("POST", "/_sim/advance", "Seconds=60")
        ask("POST", "/_sim/inbound_url", "Url=https%3A%2F%2Flocalhost%3A1%2F")
        local status, time = ask("POST", "/_sim/reset")
        assert.same({ 200, START }, { status, time.time })
        assert.same({}, sim:messages())
        assert.equal(0, sim:stats().accepted)
        assert.same({}, (select(2, ask("GET", "/_sim/faults"))))
        assert.is_nil(sim.conversation.url)
        assert.equal(201, send("15558675310", "Hello").status)
        assert.equal(sid, sim:messages()[1].sid) -- and chance begins again
    end)
end)

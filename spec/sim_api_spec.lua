local cjson = require "cjson"

local api = require "twilio_sms.sim.api"
local carrier = require "twilio_sms.sim.carrier"
local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"

local ACCOUNT = "AC" .. ("0123456789abcdef"):rep(2)
local BASE = "/2010-04-01/Accounts/" .. ACCOUNT
local LIST = BASE .. "/Messages.json"
local START_MS = 1700000000000
local TO, FROM = "+15558675310", "+15557122661"

-- "AC0123...:secret" and "SKkey:other" in base64, made with base64(1).
local BASIC = "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjpzZWNyZXQ="
local BASIC_KEY = "Basic U0trZXk6b3RoZXI="

local function text_of(body)
    return type(body) == "table" and table.concat(body) or body
end

local function header(answer, name)
    for _, pair in ipairs(answer.headers) do
        if pair[1] == name then
            return pair[2]
        end
    end
end

describe("twilio_sms.sim.api", function()
    local sim, now_ms

    local function start(opts)
        opts = opts or {}
        now_ms = START_MS
        sim = api.new {
            carrier = carrier.new { account_sid = ACCOUNT, random = random.new(1), send_ms = 200,
                deliver_ms = 1000, service_number = "+15005550006" },
            random = random.new(2),
            credentials = { [ACCOUNT] = "secret", SKkey = "other" },
            script = opts.script and script.new(opts.script, random.new(3)),
            max_concurrency = opts.max_concurrency,
        }
    end

    -- Asks, and reads the answer's JSON into `json`.
    local function ask(method, path, form, changes)
        local target, query = path:match "^([^?]*)%??(.*)$"
        local request = { method = method, path = target, query = path:find("?", 1, true) and query or nil,
            authorization = BASIC, body = form or "", concurrent = 1 }
        for name, value in pairs(changes or {}) do
            request[name] = value or nil
        end
        local answer = sim:handle(request, now_ms)
        local text = answer.body and text_of(answer.body)
        if text and text:sub(1, 1) == "{" then
            answer.json = cjson.decode(text)
        end
        return answer
    end

    local function send(more)
        return ask("POST", LIST,
            "To=%2B15558675310&From=%2B15557122661&Body=Hello+%C3%A9" .. (more or ""))
    end

    before_each(function()
        start()
    end)

    it("creates a message as production does", function()
        local answer = send()
        assert.equal(201, answer.status)
        local sid = answer.json.sid
        assert.truthy(sid:find("^SM" .. ("%x"):rep(32) .. "$"))
        assert.same({
            account_sid = ACCOUNT, api_version = "2010-04-01", body = "Hello é",
            date_created = "Tue, 14 Nov 2023 22:13:20 +0000", date_sent = cjson.null,
            date_updated = "Tue, 14 Nov 2023 22:13:20 +0000", direction = "outbound-api",
            error_code = cjson.null, error_message = cjson.null, from = FROM,
            messaging_service_sid = cjson.null, num_media = "0", num_segments = "1", price = cjson.null,
            price_unit = "USD", sid = sid, status = "queued",
            subresource_uris = { media = BASE .. "/Messages/" .. sid .. "/Media.json" },
            to = TO, uri = BASE .. "/Messages/" .. sid .. ".json",
        }, answer.json)
        assert.equal("application/json;charset=utf-8", header(answer, "Content-Type"))
        assert.equal("Tue, 14 Nov 2023 22:13:20 GMT", header(answer, "Date"))
        assert.truthy(header(answer, "Twilio-Request-Id"):find("^RQ" .. ("%x"):rep(32) .. "$"))
        assert.equal("1", header(answer, "Twilio-Concurrent-Requests"))
        assert.equal("0.000", header(answer, "Twilio-Request-Duration"))
    end)

    it("gives the same bytes for the same requests", function()
        local function run()
            start { script = { { probability = 0.5, action = "status", status = 500 } } }
            local out = {}
            for i = 1, 30 do
                now_ms = START_MS + i * 100
                local answer = send("&Tags=%7B%22a%22%3A1%7D")
                out[i] = text_of(answer.body) .. header(answer, "Twilio-Request-Id")
            end
            return table.concat(out, "\n")
        end
        assert.equal(run(), run())
    end)

    it("fetches what became of a message", function()
        local sid = send().json.sid
        now_ms = now_ms + 1200
        local answer = ask("GET", BASE .. "/Messages/" .. sid .. ".json")
        assert.equal(200, answer.status)
        assert.equal("delivered", answer.json.status)
        assert.equal("-0.00790", answer.json.price)
        assert.equal("Tue, 14 Nov 2023 22:13:20 +0000", answer.json.date_sent)
        assert.equal("Tue, 14 Nov 2023 22:13:21 +0000", answer.json.date_updated)
        assert.equal(BASE .. "/Messages/" .. sid .. "/Feedback.json", answer.json.subresource_uris.feedback)
    end)

    it("shows errors of a message as a number with a text", function()
        local sid = ask("POST", LIST,
            "To=%2B15005550004&Body=x&MessagingServiceSid=MG" .. ("0"):rep(32)).json.sid
        now_ms = now_ms + 1000
        local message = ask("GET", BASE .. "/Messages/" .. sid .. ".json").json
        assert.same({ "failed", 21610, "Attempt to send to unsubscribed recipient" },
            { message.status, message.error_code, message.error_message })
        assert.equal("MG" .. ("0"):rep(32), message.messaging_service_sid)
    end)

    it("answers errors in Twilio's shape", function()
        local answer = ask("POST", LIST, "To=%2B15005550001&From=%2B15557122661&Body=x")
        assert.equal(400, answer.status)
        assert.same({ code = 21211, message = "Invalid 'To' Phone Number: +15005550001",
            more_info = "https://www.twilio.com/docs/errors/21211", status = 400 }, answer.json)
    end)

    it("asks for credentials, after the account", function()
        local wrong = { false, "Basic", "Basic eDp5", "Bearer " .. BASIC:sub(7), BASIC .. "=" }
        for _, authorization in ipairs(wrong) do
            local answer = ask("GET", LIST, nil, { authorization = authorization })
            assert.equal(401, answer.status)
            assert.same({ code = 20003, detail = "Your AccountSid or AuthToken was incorrect.",
                message = "Authenticate", more_info = "https://www.twilio.com/docs/errors/20003",
                status = 401 }, answer.json)
            assert.equal('Basic realm="Twilio API"', header(answer, "WWW-Authenticate"))
        end
        for _, authorization in ipairs { BASIC, BASIC:gsub("Basic", "basic"), BASIC_KEY } do
            assert.equal(200, ask("GET", LIST, nil, { authorization = authorization }).status)
        end
        local other = "/2010-04-01/Accounts/AC" .. ("f"):rep(32) .. "/Messages.json"
        local answer = ask("GET", other, nil, { authorization = false })
        assert.same({ 404, 20404 }, { answer.status, answer.json.code })
        assert.equal("The requested resource " .. other .. " was not found", answer.json.message)
    end)

    it("knows what does not exist, and what may not be done", function()
        local sid = send().json.sid
        local unknown = "SM" .. ("0"):rep(32)
        for _, case in ipairs {
            { "GET", "/" }, { "GET", "/2010-04-01/Accounts.json" }, { "GET", BASE .. "/Calls.json" },
            { "GET", BASE .. "/Messages" }, { "GET", BASE .. "/Messages/" .. sid },
            { "GET", BASE .. "/Messages/" .. unknown .. ".json" },
            { "POST", BASE .. "/Messages/" .. unknown .. ".json", "Body=" },
            { "DELETE", BASE .. "/Messages/" .. unknown .. ".json" },
            { "GET", BASE .. "/Messages/" .. unknown .. "/Media.json" },
            { "GET", BASE .. "/Messages/" .. sid .. "/Media/ME" .. ("0"):rep(32) .. ".json" },
            { "POST", BASE .. "/Messages/" .. unknown .. "/Feedback.json", "Outcome=confirmed" },
        } do
            local answer = ask(case[1], case[2], case[3])
            assert.same({ 404, 20404 }, { answer.status, answer.json.code }, case[2])
        end
        for _, case in ipairs {
            { "DELETE", LIST }, { "PUT", LIST },
            { "HEAD", LIST }, { "PATCH", BASE .. "/Messages/" .. sid .. ".json" },
            { "POST", BASE .. "/Messages/" .. sid .. "/Media.json" },
            { "GET", BASE .. "/Messages/" .. sid .. "/Feedback.json" },
        } do
            local answer = ask(case[1], case[2])
            assert.same({ 405, 20004 }, { answer.status, answer.json.code }, case[2])
        end
    end)

    describe("with a message", function()
        local sid, path

        before_each(function()
            sid = send().json.sid
            path = BASE .. "/Messages/" .. sid .. ".json"
        end)

        it("cancels it while it is queued", function()
            local answer = ask("POST", path, "Status=canceled")
            assert.same({ 200, "canceled" }, { answer.status, answer.json.status })
            answer = ask("POST", path, "Status=canceled")
            assert.same({ 409, 30409 }, { answer.status, answer.json.code })
            assert.equal(400, ask("POST", path, "Status=sent").status)
        end)

        it("redacts and deletes it when it is complete", function()
            assert.equal(20009, ask("POST", path, "Body=").json.code)
            assert.equal(20009, ask("DELETE", path).json.code)
            now_ms = now_ms + 5000
            assert.equal(400, ask("POST", path, "Body=Something+else").status)
            assert.equal(400, ask("POST", path, "").status)
            assert.equal("Hello é", ask("GET", path).json.body)
            local answer = ask("POST", path, "Body=")
            assert.same({ 200, "", "1" }, { answer.status, answer.json.body, answer.json.num_segments })
            answer = ask("DELETE", path)
            assert.same({ 204, "" }, { answer.status, answer.body })
            assert.is_nil(header(answer, "Content-Type"))
            assert.equal(404, ask("GET", path).status)
            assert.same({}, ask("GET", LIST).json.messages)
        end)

        it("takes feedback", function()
            local feedback = BASE .. "/Messages/" .. sid .. "/Feedback.json"
            local answer = ask("POST", feedback, "Outcome=confirmed")
            assert.equal(200, answer.status)
            assert.same({ account_sid = ACCOUNT, date_created = "Tue, 14 Nov 2023 22:13:20 +0000",
                date_updated = "Tue, 14 Nov 2023 22:13:20 +0000", message_sid = sid, outcome = "confirmed",
                uri = feedback }, answer.json)
            assert.equal("unconfirmed", ask("POST", feedback, "Outcome=unconfirmed").json.outcome)
            assert.equal(400, ask("POST", feedback, "Outcome=perhaps").status)
            assert.equal(400, ask("POST", feedback).status)
        end)
    end)

    it("echoes tags that are an object", function()
        assert.same({ a = "b" }, send("&Tags=%7B%22a%22%3A%22b%22%7D").json.tags)
        assert.is_nil(send("&Tags=nonsense").json.tags)
    end)

    it("keeps attachments", function()
        local message = send("&MediaUrl=https%3A%2F%2Fe.org%2Fa.png&MediaUrl=http%3A%2F%2Fe.org%2Fb").json
        assert.same({ "MM", "2", "1" }, { message.sid:sub(1, 2), message.num_media, message.num_segments })
        local list = message.subresource_uris.media
        local page = ask("GET", list).json
        assert.equal(2, #page.media_list)
        assert.same({ 0, 1, 0, 50 }, { page.start, page["end"], page.page, page.page_size })
        assert.equal(cjson.null, page.next_page_uri)
        local media = page.media_list[1]
        assert.same({ account_sid = ACCOUNT, content_type = "image/png", sid = media.sid,
            date_created = "Tue, 14 Nov 2023 22:13:20 +0000",
            date_updated = "Tue, 14 Nov 2023 22:13:20 +0000",
            parent_sid = message.sid, uri = list:gsub("%.json$", "/" .. media.sid .. ".json") }, media)
        assert.same(media, ask("GET", media.uri).json)
        assert.equal(204, ask("DELETE", media.uri).status)
        assert.equal(404, ask("GET", media.uri).status)
        assert.equal(1, #ask("GET", list).json.media_list)
    end)

    it("lists by the given filters and ignores others", function()
        send()
        ask("POST", LIST, "To=%2B15558675311&From=12345&Body=Other")
        local function bodies(query)
            local out = {}
            for i, message in ipairs(ask("GET", LIST .. query).json.messages) do
                out[i] = message.body
            end
            return table.concat(out, ",")
        end
        assert.equal("Other,Hello é", bodies "")
        assert.equal("Hello é", bodies "?To=%2B15558675310")
        assert.equal("Other", bodies "?From=12345&Unknown=1")
        assert.equal("", bodies "?To=%2B15558675310&From=12345")
        assert.equal("Other,Hello é", bodies "?To=&Page=0")
        assert.equal("", bodies "?DateSent=2023-11-14") -- not sent yet
        now_ms = now_ms + 1000
        for query, expected in pairs {
            ["DateSent=2023-11-14"] = 2, ["DateSent=2023-11-13"] = 0,
            ["DateSent=2023-11-14T00%3A00%3A00Z"] = 2, ["DateSent=2023-11-13T23%3A59%3A59Z"] = 0,
            ["DateSent%3E=2023-11-14"] = 2, ["DateSent%3E=2023-11-15"] = 0,
            ["DateSent%3C=2023-11-14"] = 2, ["DateSent%3C=2023-11-13"] = 0, ["DateSent>=2023-11-14"] = 2,
            ["DateSent%3E=2023-11-01&DateSent%3C=2023-11-30"] = 2,
            ["DateSent%3E=2023-11-15&DateSent%3C=2023-11-13"] = 0,
            ["DateSent%3E=2023-11-14T22%3A13%3A20Z"] = 2, ["DateSent%3E=2023-11-14T22%3A13%3A21Z"] = 0,
        } do
            assert.equal(expected, #ask("GET", LIST .. "?" .. query).json.messages, query)
        end
        local answer = ask("GET", LIST .. "?DateSent=yesterday")
        assert.same({ 400, 20001 }, { answer.status, answer.json.code })
    end)

    it("pages through URIs that can be followed as they are", function()
        for i = 1, 7 do
            ask("POST", LIST, "To=%2B15558675310&From=12345&Body=" .. i)
            ask("POST", LIST, "To=%2B15558675311&From=12345&Body=other")
        end
        local uri = LIST .. "?To=%2B15558675310&PageSize=3"
        local bodies, pages = {}, {}
        while uri ~= cjson.null do
            local page = ask("GET", uri).json
            pages[#pages + 1] = page
            for _, message in ipairs(page.messages) do
                bodies[#bodies + 1] = message.body
            end
            uri = page.next_page_uri
        end
        assert.equal("7,6,5,4,3,2,1", table.concat(bodies, ","))
        assert.same({ 0, 1, 2 }, { pages[1].page, pages[2].page, pages[3].page })
        assert.same({ 0, 3, 6 }, { pages[1].start, pages[2].start, pages[3].start })
        assert.same({ 2, 5, 6 }, { pages[1]["end"], pages[2]["end"], pages[3]["end"] })
        assert.equal(cjson.null, pages[1].previous_page_uri)
        local first = LIST .. "?To=%2B15558675310&PageSize=3&Page=0"
        assert.same({ first, first, first },
            { pages[1].uri, pages[1].first_page_uri, pages[3].first_page_uri })
        assert.equal(first .. "&PageToken=PB" .. pages[2].messages[1].sid, pages[2].previous_page_uri)
        assert.same(pages[1].messages, ask("GET", pages[2].previous_page_uri).json.messages)
        assert.equal(pages[2].uri, pages[1].next_page_uri)
        assert.is_nil(pages[1].uri:find("+", 1, true))
    end)

    it("has an empty page", function()
        local page = ask("GET", LIST).json
        assert.same({ 0, 0, 0 }, { page.start, page["end"], #page.messages })
        assert.truthy(text_of(ask("GET", LIST).body):find('"messages":[]', 1, true))
    end)

    it("refuses pages that cannot be", function()
        local list = LIST .. "?"
        for query, code in pairs {
            ["PageSize=1001"] = 20007, ["PageSize=0"] = 20007, ["PageSize=x"] = 20007,
            ["Page=x"] = 20001, ["PageToken=x"] = 21481, ["Page=99999999999999999999"] = 20001,
            ["PageToken=PASM" .. ("0"):rep(32)] = 21481, ["PageToken=PC" .. ("SM"):rep(17)] = 21481,
        } do
            local answer = ask("GET", list .. query)
            assert.same({ 400, code }, { answer.status, answer.json.code }, query)
        end
        assert.equal(200, ask("GET", list .. "PageSize=1000").status)
    end)

    it("refuses more requests at once than allowed, before anything is done", function()
        start { max_concurrency = 2 }
        local form = "To=%2B15558675310&From=%2B15557122661&Body=x"
        assert.equal(201, ask("POST", LIST, form, { concurrent = 2 }).status)
        local answer = ask("POST", LIST, form, { concurrent = 3 })
        assert.same({ 429, 20429 }, { answer.status, answer.json.code })
        assert.equal("3", header(answer, "Twilio-Concurrent-Requests"))
        assert.equal(1, sim:stats().accepted)
    end)

    describe("with a script", function()
        -- What one rule makes of a send, and how many messages were accepted.
        local function under(rule)
            start { script = { rule } }
            local answer = send()
            return answer, sim:stats().accepted
        end

        it("answers a status", function()
            local answer, accepted = under { action = "status", status = 429, retry_after = 2 }
            assert.same({ 429, 20429, "2", 0 },
                { answer.status, answer.json.code, header(answer, "Retry-After"), accepted })
            answer, accepted = under { action = "status", status = 503, accepted = true }
            assert.same({ 503, 20503, "Service unavailable", 1 },
                { answer.status, answer.json.code, answer.json.message, accepted })
            answer = under { action = "status", status = 400, code = 30001, message = "No" }
            assert.same({ code = 30001, message = "No", status = 400,
                more_info = "https://www.twilio.com/docs/errors/30001" }, answer.json)
            answer = under { action = "status", status = 504 }
            assert.same({ code = cjson.null, message = "Simulated failure", more_info = cjson.null,
                status = 504 }, answer.json)
        end)

        it("answers what is no JSON or no HTTP", function()
            local answer, accepted = under { action = "html" }
            assert.same({ 502, "text/html", 0 }, { answer.status, header(answer, "Content-Type"), accepted })
            assert.truthy(text_of(answer.body):find("<h1>502</h1>", 1, true))
            answer, accepted = under { action = "garbage", accepted = true }
            assert.is_nil(answer.status)
            assert.truthy(#answer.raw > 0)
            assert.equal(1, accepted)
        end)

        it("drops before and after", function()
            local answer, accepted = under { action = "drop_before" }
            assert.same({ "reset", 0 }, { answer.drop, accepted })
            answer, accepted = under { action = "drop_after", how = "close" }
            assert.same({ "close", 1 }, { answer.drop, accepted })
            answer, accepted = under { action = "cut_after" }
            assert.same({ 201, true, 1 }, { answer.status, answer.cut, accepted })
        end)

        it("delays", function()
            local answer, accepted = under { action = "delay", delay_ms = 1500 }
            assert.same({ 201, 1500, "1.500", 1 }, { answer.status, answer.delay_ms,
                header(answer, "Twilio-Request-Duration"), accepted })
            answer = under { action = "drop_after", delay_ms = 10 }
            assert.same({ "reset", 10 }, { answer.drop, answer.delay_ms })
        end)

        it("fails other operations too, but nothing that was never let in", function()
            start { script = {
                { on = "list", action = "status", status = 500 },
                { on = "cancel", action = "html" },
            } }
            assert.equal(500, ask("GET", LIST).status)
            assert.equal(401, ask("GET", LIST, nil, { authorization = false }).status)
            local path = BASE .. "/Messages/" .. send().json.sid .. ".json"
            assert.equal(502, ask("POST", path, "Status=canceled").status)
            assert.equal("queued", ask("GET", path).json.status)
        end)
    end)

    it("tells what really happened", function()
        start { script = { { on = "send", every = 2, action = "drop_after" } } }
        for _ = 1, 4 do
            send()
        end
        ask("POST", LIST, "To=%2B15005550001&From=%2B15557122661&Body=x")
        ask("GET", LIST, nil, { authorization = false })
        local expected = {
            requests = 6, accepted = 4, refused = 1, duplicates = 3, received = 0,
            accepted_opted_out = 0, refused_opted_out = 0,
            operations = { send = 5 }, answers = { ["201"] = 2, reset = 2, ["400"] = 1, ["401"] = 1 },
            faults = { drop_after = 2 }, statuses = { queued = 4 },
        }
        assert.same(expected, sim:stats())
        local answer = ask("GET", "/_sim/stats", nil, { authorization = false })
        assert.equal(200, answer.status)
        assert.same(expected, answer.json)
    end)
end)

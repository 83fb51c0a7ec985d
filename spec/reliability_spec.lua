-- Nothing lost and nothing twice, whatever the network does: what the client says is held against what the
-- server really has.
local simulator = require "simulator"
local sms = require "twilio_sms"

-- A collector that never rests goes through all results for each new one.
local MANY = os.getenv "GC_STRESS" and 1000 or 10000
local SOME, FEW = 1000, 300

-- As many attempts as it takes, and short pauses.
local PATIENT = {
    retry = {
        cap_ms = 50, quota = 1000000,
        rate_limit = { attempts = 20 }, unavailable = { attempts = 20 }, internal = { attempts = 20 },
        timeout = { attempts = 20 }, connection = { attempts = 20 },
    },
}

-- Each message has a text and a recipient of its own.
local function text_of(index)
    return ("Message %05d"):format(index)
end

-- Answers the messages or errors by index; on_result gets each of them first.
local function send_all(client, count, on_result, waits)
    local i = 0
    local results = {}
    for index, message, err in client:send_many(function()
        i = i + 1
        local message = { to = ("+1500%07d"):format(i), body = text_of(i), wait_for_breaker = waits }
        return i <= count and message or nil
    end) do
        assert(results[index] == nil, "a result came twice")
        results[index] = message or err
        if on_result then
            on_result(results[index])
        end
    end
    assert.equal(count, #results)
    return results
end

-- The server's rows: a set of sids for each text.
local function sids_by_text(sim)
    local by_text = {}
    for _, row in ipairs(sim:truth()) do
        by_text[row.body] = by_text[row.body] or { count = 0 }
        by_text[row.body][row.sid] = true
        by_text[row.body].count = by_text[row.body].count + 1
    end
    return by_text
end

-- Counts what the client said: `sent`, `verified` ones among them, `unknown` (in doubt), `refused` (certainly
-- not sent). And what the server says to that: `lost` is said to be sent and is not there, `twice` is there
-- more than once, `wrong` has the sid of another or is there in spite of a refusal.
local function judge(sim, results)
    local by_text = sids_by_text(sim)
    local found = { sent = 0, verified = 0, unknown = 0, refused = 0, lost = 0, twice = 0, wrong = 0 }
    local function count(name, condition)
        found[name] = found[name] + (condition and 1 or 0)
    end
    for index, result in ipairs(results) do
        local rows = by_text[text_of(index)] or { count = 0 }
        local unknown = result.outcome == "in_doubt" or result.outcome == "accepted_no_sid"
        local refused = not result.sid and not unknown
        count("sent", result.sid)
        count("verified", result.verified)
        count("unknown", unknown)
        count("refused", refused)
        count("lost", result.sid and rows.count == 0)
        count("twice", rows.count > 1)
        count("wrong", result.sid and rows.count > 0 and not rows[result.sid] or refused and rows.count > 0)
    end
    return found
end

-- What is not wanted must be 0.
local function expect(wanted, found)
    for name, count in pairs(found) do
        assert.equal(wanted[name] or 0, count, name)
    end
end

-- Sends messages to a simulator with this script.
local function run(script, count, options, on_result, waits)
    local sim = simulator.start(("seed = 11, send_ms = 60000, script = { %s }"):format(script))
    finally(function() sim:stop() end)
    local client = sim:client(options)
    local results = send_all(client, count, on_result, waits)
    local client_stats = client:stats()
    client:close()
    local server_stats = sim:stats()
    return judge(sim, results), server_stats, client_stats, results
end

describe("when answers get lost after the server has accepted", function()
    it("here and there, each message is there once and the client knows it", function()
        local found, server, client = run([[
            { on = "send", probability = 0.1, action = "drop_after" },
        ]], MANY)
        local lost_answers = server.faults.drop_after
        assert.truthy(lost_answers > MANY / 20 and lost_answers < MANY / 5)
        expect({ sent = MANY, verified = lost_answers }, found)
        assert.same({ MANY, 0 }, { server.accepted, server.duplicates })
        assert.same({ 0, lost_answers, lost_answers },
            { client.retries, client.lookups, client.lookups_found })
        assert.truthy(client.resends_prevented > 0) -- libcurl would have sent these again by itself
    end)

    it("a hundred in a row, each message is there once and says how it was found", function()
        local found, server, _, results = run([[
            { on = "send", body = "^Message %d%d5%d%d$", action = "drop_after" },
        ]], MANY)
        expect({ sent = MANY, verified = MANY / 10 }, found)
        assert.same({ MANY, 0 }, { server.accepted, server.duplicates })
        for index, message in ipairs(results) do
            local dropped = math.floor(index / 100) % 10 == 5
            assert(message.verified == dropped and message.attempts == 1, text_of(index))
        end
    end)

    it("by a time-out, each message is there once", function()
        local found, server = run([[
            { on = "send", every = 50, action = "delay", delay_ms = 10000 },
        ]], SOME, { attempt_timeout_ms = 1000, retry = PATIENT.retry })
        assert.truthy(found.verified >= SOME / 50)
        expect({ sent = SOME, verified = found.verified }, found)
        assert.same({ SOME, 0 }, { server.accepted, server.duplicates })
    end)
end)

describe("when everything goes wrong at once", function()
    local MIX = [[
        { on = "send", probability = 0.03, action = "drop_after" },
        { on = "send", probability = 0.01, action = "drop_after", how = "close" },
        { on = "send", probability = 0.03, action = "drop_before" },
        { on = "send", probability = 0.01, action = "drop_before", how = "close" },
        { on = "send", probability = 0.02, action = "cut_after" },
        { on = "send", probability = 0.03, action = "status", status = 503 },
        { on = "send", probability = 0.02, action = "status", status = 503, accepted = true },
        { on = "send", probability = 0.02, action = "status", status = 500 },
        { on = "send", probability = 0.01, action = "html", accepted = true },
        { on = "send", probability = 0.01, action = "garbage", accepted = true },
        { on = "send", probability = 0.01, action = "garbage" },
        { on = "send", probability = 0.03, action = "status", status = 429, retry_after = 0 },
        { on = "send", after = 900, times = 1, action = "status", status = 429, retry_after = 1 },
    ]]

    it("each message is there once and the client knows it", function()
        local found, server, client = run(MIX, MANY, PATIENT)
        assert.truthy(server.faults.status > MANY / 20 and server.faults.drop_before > MANY / 50)
        expect({ sent = MANY, verified = client.lookups_found }, found)
        assert.same({ MANY, 0 }, { server.accepted, server.duplicates })
    end)

    it("even to the look-ups, the client says nothing that is not so", function()
        local found, server = run([[
            { on = "list", every = 3, action = "status", status = 503 },
            { on = "list", every = 3, action = "drop_before" },
            { on = "list", every = 3, action = "cut_after" },
        ]] .. MIX, SOME)
        assert.truthy(found.unknown > 0)
        expect({
            sent = SOME - found.unknown - found.refused, unknown = found.unknown, refused = found.refused,
            verified = found.verified,
        }, found)
        assert.equal(0, server.duplicates)
    end)

    local function expect_truth_from_breaker(waits)
        local found, server, client = run('{ on = "send", probability = 0.4, action = "drop_after" },' .. MIX,
            FEW, { breaker = { failure_threshold = 3, reset_timeout_ms = 5 } }, function(result)
                if result.kind == "TemporarilyUnavailable" then
                    sms.loop.sleep(5)
                end
            end, waits)
        assert.truthy(client.breaker_opened > 1 and found.sent > 0)
        assert.equal(waits == false, client.breaker_refused > 0)
        expect({
            sent = FEW - found.unknown - found.refused, unknown = found.unknown, refused = found.refused,
            verified = found.verified,
        }, found)
        assert.equal(0, server.duplicates)
    end

    it("and the breaker opens again and again, the client says nothing that is not so", function()
        expect_truth_from_breaker(false)
    end)

    it("and what is sent waits for the breaker, the client says nothing that is not so", function()
        expect_truth_from_breaker(nil)
    end)
end)

describe("with in_doubt = 'stop'", function()
    it("nothing is there twice, and every doubt is said", function()
        local found, server, client = run([[
            { on = "send", probability = 0.05, action = "drop_after" },
            { on = "send", probability = 0.05, action = "drop_before" },
            { on = "send", probability = 0.02, action = "status", status = 503 },
            { on = "send", probability = 0.02, action = "status", status = 500, accepted = true },
            { on = "send", probability = 0.01, action = "cut_after" },
            { on = "send", probability = 0.02, action = "status", status = 429, retry_after = 0 },
        ]], MANY, { in_doubt = "stop", retry = PATIENT.retry })
        local faults = server.faults
        local throttled = server.answers["429"]
        local unknown = faults.drop_after + faults.drop_before + faults.cut_after + faults.status - throttled
        assert.truthy(unknown > MANY / 10)
        expect({ sent = MANY - unknown, unknown = unknown }, found)
        assert.equal(0, server.duplicates)
        assert.same({ 0, throttled, unknown }, { client.lookups, client.retries, client.in_doubt })
        -- What is unknown may be there or not.
        local there = server.accepted - found.sent
        assert.truthy(there > unknown / 4 and there < unknown * 3 / 4)
    end)
end)

describe("with in_doubt = 'resend'", function()
    it("nothing is lost, but what was accepted comes twice: so this measures what it says", function()
        local found, server = run([[
            { on = "send", probability = 0.1, action = "drop_after" },
            { on = "send", probability = 0.1, action = "drop_before" },
        ]], SOME, { in_doubt = "resend", retry = PATIENT.retry })
        assert.truthy(server.faults.drop_after > 50)
        assert.equal(server.faults.drop_after, server.duplicates)
        assert.truthy(found.twice > 50)
        expect({ sent = SOME, twice = found.twice }, found)
    end)
end)

describe("another message to the same person is not taken for a lost one", function()
    -- Sends `lost`, of which the server sees nothing at first, while `other` is there already or on its way.
    local function send_beside(other, lost, together)
        local sim = simulator.start [[
            script = {
                { on = "send", body = "^Lost", times = 1, action = "drop_before" },
                { on = "send", body = "^Other", action = "delay", delay_ms = 300 },
            },
        ]]
        finally(function() sim:stop() end)
        local one = sim:client()
        local two = together and one or sim:client()
        local first = assert(one:submit(other))
        while not together and not first.done do
            one:step(-1)
        end
        local message = assert(two:send(lost))
        while not first.done do
            one:step(-1)
        end
        assert.is_false(message.verified)
        assert.equal(2, message.attempts)
        assert.not_equal(first.value.sid, message.sid)
        assert.equal(2, sim:stats().accepted)
        one:close()
        two:close()
    end

    it("when it has media and no text", function()
        send_beside({ to = "+15005550010", media = "https://example.com/a.png" },
            { to = "+15005550010", body = "Lost" })
    end)

    it("when a service may have rewritten it", function()
        local service = simulator.SERVICE_SID
        send_beside({ to = "+15005550010", messaging_service_sid = service, body = "Other \208\182" },
            { to = "+15005550010", messaging_service_sid = service, body = "Lost \208\182" })
    end)

    it("when both are links that the server shortens, on their way at the same time", function()
        local service = simulator.SERVICE_SID
        local function link(text)
            return { to = "+15005550010", messaging_service_sid = service, shorten_urls = true, body = text }
        end
        send_beside(link "Other https://example.com/1", link "Lost https://example.com/2", true)
    end)
end)

describe("the same text to the same person many times", function()
    it("is there just as often, each with a sid of its own", function()
        local COUNT = 150
        local sim = simulator.start [[
            seed = 5, send_ms = 60000,
            script = {
                { on = "send", probability = 0.2, action = "drop_after" },
                { on = "send", probability = 0.1, action = "drop_before" },
                { on = "send", probability = 0.1, action = "status", status = 503, accepted = true },
            },
        ]]
        finally(function() sim:stop() end)
        local client = sim:client(PATIENT)
        local i = 0
        local sids, verified = {}, 0
        for _, message, err in client:send_many(function()
            i = i + 1
            return i <= COUNT and { to = "+15005550010", body = "Fire in the server room" } or nil
        end) do
            assert(message, err)
            assert.is_nil(sids[message.sid])
            sids[message.sid] = true
            verified = verified + (message.verified and 1 or 0)
        end
        client:close()
        assert.truthy(verified > 20)
        local rows = sim:truth()
        assert.equal(COUNT, #rows)
        for _, row in ipairs(rows) do
            assert.truthy(sids[row.sid])
        end
    end)
end)

--- Checks of drivers: time, many calls at once, and the policies that stand before and behind each call.
local peers = require "driver_peer"
local stage = require "driver_stage"

local TO, SID, HELLO = stage.TO, stage.SID, stage.HELLO
local reply, raw, hang = peers.reply, peers.raw, peers.hang
local expect, expect_error, pick = stage.expect, stage.expect_error, stage.pick
local message_json, accept = stage.message_json, stage.accept

local ONE_SEND = { { "send", HELLO } }

local CONNECTION, TIMEOUT = "NetworkError.ConnectionFailed", "NetworkError.Timeout"
local UNAVAILABLE, OPTED_OUT = "ServerError.ServiceUnavailable", "MessageError.OptedOut"

local M = {}

local function check(name, body)
    M[#M + 1] = { name = name, body = body }
end

-- ---- Time ----------------------------------------------------------------------------------------

check("an attempt that takes too long is in doubt", function(t)
    local answer = t:call(hang, { attempt_timeout_ms = 100, in_doubt = "stop" }, "send", HELLO)
    expect_error({ type = TIMEOUT, outcome = "in_doubt", attempts = 1, retryable = true }, answer,
        "a send")
    answer = t:call(function(count)
        if count == 1 then
            return hang()
        end
        return reply(200, message_json())
    end, { attempt_timeout_ms = 100 }, "get", SID)
    expect(SID, answer.value and answer.value.sid, "a look that was tried again")
end)

check("a call ends at its time, whatever is under way", function(t)
    local answer = t:call(hang, { timeout_ms = 100 }, "send", HELLO)
    expect_error({ type = TIMEOUT, outcome = "in_doubt", attempts = 1 }, answer, "an option")
    answer = t:call(hang, nil, "send", HELLO, { timeout_ms = 100 })
    expect_error({ type = TIMEOUT, outcome = "in_doubt", attempts = 1 }, answer, "an argument")
end)

check("connecting that takes too long has not sent anything", function(t)
    local silent = peers.start() -- the system takes its connections, and nobody serves them
    local answer = t:call(accept, {
        base_url = silent.url, connect_timeout_ms = 100,
    }, "send", HELLO)
    silent:stop()
    expect_error({ type = TIMEOUT, outcome = "not_sent", attempts = 3, retryable = true }, answer,
        "a send")
end)

check("a connection that is refused has not sent anything", function(t)
    local gone = peers.start()
    gone:stop()
    local answer = t:call(accept, { base_url = gone.url }, "send", HELLO)
    expect_error({ type = CONNECTION, outcome = "not_sent", attempts = 3, retryable = true }, answer,
        "a send")
end)

check("a server that is not trusted is not sent anything", function(t)
    local stranger = peers.start()
    stranger:serve(accept)
    local result = t:run(accept, {
        options = { base_url = stranger.url }, calls = ONE_SEND, beside = stranger,
    })
    local asked = #stranger.requests
    stranger:stop()
    expect_error({ type = CONNECTION, outcome = "not_sent" }, result.answers[1], "a send")
    expect(0, asked, "requests")
end)

-- ---- Many at once --------------------------------------------------------------------------------

local function connections(requests)
    local seen, count = {}, 0
    for _, request in ipairs(requests) do
        if not seen[request.connection] then
            seen[request.connection] = true
            count = count + 1
        end
    end
    return count
end

local function messages(count)
    local list = {}
    for i = 1, count do
        list[i] = { to = TO, body = ("message %d"):format(i) }
    end
    return list
end

check("one connection serves one request after the other", function(t)
    local calls = {}
    for i = 1, 10 do
        calls[i] = { i % 2 == 0 and "get" or "delete", SID }
    end
    t:run(stage.answer_well, { calls = calls })
    expect(1, connections(t.peer.requests), "connections")
end)

check("a connection that the server wants to close is not used again", function(t)
    local body = message_json()
    local bytes = ("HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"):format(#body)
        .. body
    local result = t:run(function() return raw(bytes) end, {
        options = { in_doubt = "stop" }, calls = { { "send", HELLO }, { "send", HELLO }, { "send", HELLO } },
    })
    for i, answer in ipairs(result.answers) do
        expect(SID, answer.value and answer.value.sid, "message " .. i)
    end
    expect(3, connections(t.peer.requests), "connections")
end)

local function echo(_, request)
    return reply(201, message_json {
        sid = ("SM%032x"):format(tonumber(request.body:match "message%+(%d+)")),
        body = request.body:match "Body=(.*)$":gsub("+", " "),
    }, nil, 5)
end

check("200 messages over 50 connections each get their own answer", function(t)
    local answer, result = t:call(echo, { max_concurrency = 50 }, "send_many", messages(200),
        { concurrency = 50 })
    for i = 1, 200 do
        local one = answer.many[i]
        expect({ sid = ("SM%032x"):format(i), body = "message " .. i },
            pick(one and one.value, "sid body"), "message " .. i)
    end
    expect(200, #t.peer.requests, "requests")
    expect(true, connections(t.peer.requests) <= 50, "no more than 50 connections")
    expect(true, t.peer.most_open > 25 and t.peer.most_open <= 50, "between 25 and 50 at once")
    expect({ requests = 200, succeeded = 200, in_flight = 0, queued = 0 },
        pick(result.stats, "requests succeeded in_flight queued"), "the counts")
end)

check("no more are on the wire than max_concurrency", function(t)
    local calls = {}
    for i, message in ipairs(messages(12)) do
        calls[i] = { "send", message }
    end
    local result = t:run(function() return reply(201, message_json(), nil, 10) end, {
        options = { max_concurrency = 3 }, calls = calls, together = true,
    })
    for i, answer in ipairs(result.answers) do
        expect(SID, answer.value and answer.value.sid, "message " .. i)
    end
    expect(3, t.peer.most_open, "requests at once")
end)

check("closing ends what is under way, in doubt, and what is not, not sent", function(t)
    local calls = {}
    for i, message in ipairs(messages(5)) do
        calls[i] = { "send", message }
    end
    local result = t:run(hang, {
        options = { max_concurrency = 2 }, calls = calls, together = true, close_at = 2,
    })
    local outcomes = {}
    for i, answer in ipairs(result.answers) do
        expect_error({ type = "ServerError.TemporarilyUnavailable" }, answer, "message " .. i)
        outcomes[answer.err.outcome] = (outcomes[answer.err.outcome] or 0) + 1
    end
    expect({ in_doubt = 2, not_sent = 3 }, outcomes, "the outcomes")
end)

-- ---- Policies --------------------------------------------------------------------------------------

check("a limit that cannot be met in time refuses before anything leaves", function(t)
    local result = t:run(accept, {
        options = { rate = { per_number = 0.01 } },
        calls = { { "send", HELLO }, { "send", HELLO, { timeout_ms = 1000 } } },
    })
    expect(SID, result.answers[1].value and result.answers[1].value.sid, "the first")
    expect_error({ type = "RateLimitError.NumberRateLimited", outcome = "not_sent", attempts = 0 },
        result.answers[2], "the second")
    expect(1, #t.peer.requests, "requests")
end)

check("hooks let through, put off and refuse", function(t)
    local result = t:run(accept, { checks = { { "allow" } }, calls = ONE_SEND })
    expect(SID, result.answers[1].value and result.answers[1].value.sid, "allow")
    result = t:run(accept, { checks = { { "defer", 10 }, { "defer", 10 }, { "allow" } }, calls = ONE_SEND })
    expect(SID, result.answers[1].value and result.answers[1].value.sid, "defer, then allow")
    expect(1, #t.peer.requests, "requests")
    result = t:run(accept, { checks = { { "deny", "at night" } }, calls = ONE_SEND })
    expect_error({ type = "MessageError.InvalidRequest", outcome = "not_sent", attempts = 0 },
        result.answers[1], "deny")
    expect({ 0, 1 }, { #t.peer.requests, result.stats.denied }, "requests and denials")
end)

check("a STOP while a message waits wins", function(t)
    local result = t:run(accept, { checks = { { "defer", 20 }, { "deny", "opted_out" } }, calls = ONE_SEND })
    expect_error({ type = OPTED_OUT, outcome = "not_sent" }, result.answers[1], "a send")
    expect(0, #t.peer.requests, "requests")
    result = t:run(function() return reply(503, "") end, {
        options = { in_doubt = "resend" }, checks = { { "allow" }, { "deny", "opted_out" } },
        calls = ONE_SEND,
    })
    expect(1, #t.peer.requests, "requests before an attempt was to be repeated")
    -- That nobody is written to again does not undo the first time.
    expect_error({ type = UNAVAILABLE, outcome = "in_doubt", attempts = 1 }, result.answers[1],
        "a send that was to be repeated")
end)

check("who is opted out by Twilio's own word is not written to again", function(t)
    local result = t:run(function() return reply(400, '{"code":21610,"message":"no","status":400}') end, {
        calls = { { "send", HELLO }, { "send", HELLO } },
    })
    expect_error({ type = OPTED_OUT, code = 21610, outcome = "rejected" }, result.answers[1], "the first")
    expect_error({ type = OPTED_OUT, outcome = "not_sent", attempts = 0 }, result.answers[2], "the second")
    expect(1, #t.peer.requests, "requests")
end)

check("the breaker opens, and then nothing leaves", function(t)
    local result = t:run(function() return reply(503, "") end, {
        options = {
            breaker = { failure_threshold = 2, reset_timeout_ms = 60000 }, in_doubt = "stop",
        },
        calls = { { "get", SID }, { "get", SID }, { "send", HELLO } },
    })
    expect_error({ type = "ServerError.TemporarilyUnavailable", outcome = "not_sent" }, result.answers[3],
        "a send")
    expect({ "open", 1 }, { result.stats.breaker, result.stats.breaker_opened }, "the breaker")
    expect(2, #t.peer.requests, "requests")
end)

-- ---- What is told ------------------------------------------------------------------------------------

check("events and counts are the same", function(t)
    local sendings = 0
    local result = t:run(stage.unless_list(function()
        sendings = sendings + 1
        if sendings == 1 then
            return reply(503, "")
        elseif sendings == 2 then
            return accept()
        end
        return reply(400, stage.REFUSAL)
    end), { calls = { { "send", HELLO }, { "send", HELLO } } })
    local told = {}
    for i, event in ipairs(result.events) do
        told[i] = table.concat({
            event.type, event.operation, tostring(event.attempt), tostring(event.http_status),
            tostring(event.outcome), tostring(event.error),
        }, " ")
    end
    expect({
        "attempt send 1 nil nil nil", "response send 1 503 in_doubt " .. UNAVAILABLE,
        "attempt send 1 nil nil nil", "response send 1 200 accepted nil", "lookup send 1 nil nil nil",
        "retry send 1 nil nil nil",
        "attempt send 2 nil nil nil", "response send 2 201 accepted nil", "done send 2 nil accepted nil",
        "attempt send 1 nil nil nil", "response send 1 400 rejected MessageError.InvalidRecipient",
        "done send 1 400 rejected MessageError.InvalidRecipient",
    }, told, "the events")
    expect({
        submitted = 2, succeeded = 1, failed = 1, requests = 4, retries = 1, lookups = 1, lookups_found = 0,
        in_doubt = 0, in_flight = 0, queued = 0, denied = 0, throttled = 0, rate_limited = 0,
        retries_suppressed = 0, resends_prevented = 0, breaker = "closed", breaker_opened = 0,
        breaker_refused = 0, events_dropped = 0, log_dropped = 0, export_dropped = 0,
    }, result.stats, "the counts")
end)

return M

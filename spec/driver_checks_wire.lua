--- Checks of drivers: what goes over the wire, and what each answer is taken for.
local core = require "twilio_sms.core"
local peers = require "driver_peer"
local stage = require "driver_stage"

local TO, FROM, SID, HELLO = stage.TO, stage.FROM, stage.SID, stage.HELLO
local MESSAGES, ONE = stage.MESSAGES, stage.MESSAGES .. "/" .. stage.SID
local MEDIA_SID = stage.MEDIA_SID
local reply, raw, drop, cut = peers.reply, peers.raw, peers.drop, peers.cut
local expect, expect_error, pick = stage.expect, stage.expect_error, stage.pick
local message_json, list_json, accept = stage.message_json, stage.list_json, stage.accept

local M = {}

local function check(name, body)
    M[#M + 1] = { name = name, body = body }
end

local LONG_BODY = ("0123456789abcdef"):rep(100)

-- What each operation says on the wire: the arguments of a call, the request, and its form or nil.
local WIRE = {
    { { "send", HELLO }, "POST", MESSAGES .. ".json", "To=%2B15005550010&From=%2B15005550006&Body=hello" },
    { { "send", { to = TO, body = "J'ai reçu 50% de 1+1=2 & 漢字 😀\r\n\t~-._*" } }, "POST", MESSAGES .. ".json",
        "To=%2B15005550010&From=%2B15005550006&Body=J%27ai+re%C3%A7u+50%25+de+1%2B1%3D2+%26+"
        .. "%E6%BC%A2%E5%AD%97+%F0%9F%98%80%0D%0A%09%7E-._*" },
    { { "send", { to = TO, body = LONG_BODY } }, "POST", MESSAGES .. ".json",
        "To=%2B15005550010&From=%2B15005550006&Body=" .. LONG_BODY },
    { { "send", {
        to = TO, messaging_service_sid = stage.SERVICE_SID,
        media = { "https://example.com/a?b=c&d", "https://example.com/e" },
        status_callback = "https://example.com/status", validity_period_s = 60, provide_feedback = true,
    } }, "POST", MESSAGES .. ".json", "To=%2B15005550010&MessagingServiceSid=" .. stage.SERVICE_SID
        .. "&MediaUrl=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d&MediaUrl=https%3A%2F%2Fexample.com%2Fe"
        .. "&StatusCallback=https%3A%2F%2Fexample.com%2Fstatus&ProvideFeedback=true&ValidityPeriod=60" },
    { { "get", SID }, "GET", ONE .. ".json" },
    { { "cancel", SID }, "POST", ONE .. ".json", "Status=canceled" },
    { { "redact", SID }, "POST", ONE .. ".json", "Body=" },
    { { "delete", SID }, "DELETE", ONE .. ".json" },
    { { "page", { to = TO, from = FROM, date_sent = "2026-01-02", page_size = 7 } }, "GET",
        MESSAGES .. ".json?To=%2B15005550010&From=%2B15005550006&DateSent=2026-01-02&PageSize=7" },
    { { "list", { date_sent_after = "2026-01-02", limit = 3 } }, "GET",
        MESSAGES .. ".json?DateSent%3E=2026-01-02&PageSize=3" },
    { { "media", SID }, "GET", ONE .. "/Media.json" },
    { { "media", SID, MEDIA_SID }, "GET", ONE .. "/Media/" .. MEDIA_SID .. ".json" },
    { { "delete_media", SID, MEDIA_SID }, "DELETE", ONE .. "/Media/" .. MEDIA_SID .. ".json" },
    { { "feedback", SID, "confirmed" }, "POST", ONE .. "/Feedback.json", "Outcome=confirmed" },
}

check("each operation says the same on the wire", function(t)
    local calls, wanted, got = {}, {}, {}
    for i, case in ipairs(WIRE) do
        calls[i] = case[1]
        wanted[i] = { case[2], case[3], case[4] or "" }
    end
    local result = t:run(stage.answer_well, { calls = calls })
    for i, answer in ipairs(result.answers) do
        expect(nil, answer.err, calls[i][1])
        local request = t.peer.requests[i] or {}
        got[i] = { request.method, request.target, request.body }
        expect(wanted[i], got[i], calls[i][1])
    end
    expect(#calls, #t.peer.requests, "requests")
end)

check("the headers are these and no others", function(t)
    t:run(stage.answer_well, { calls = { { "send", HELLO }, { "get", SID }, { "delete", SID } } })
    local host = t.peer.url:match "^https://(.*)$"
    local common = {
        accept = "application/json", authorization = t.peer.requests[1].headers.authorization, host = host,
        ["user-agent"] = "twilio-sms/" .. core.version,
    }
    expect("Basic ", common.authorization:sub(1, 6), "the scheme of the authorization")
    expect(common, t.peer.requests[2].headers, "of a GET")
    expect(common, t.peer.requests[3].headers, "of a DELETE")
    common["content-type"] = "application/x-www-form-urlencoded"
    common["content-length"] = tostring(#t.peer.requests[1].body)
    expect(common, t.peer.requests[1].headers, "of a POST")
end)

check("good answers come back as values", function(t)
    local result = t:run(stage.answer_well, { calls = {
        { "send", HELLO }, { "get", SID }, { "delete", SID }, { "list" }, { "media", SID },
        { "feedback", SID, "confirmed" },
    } })
    local value = {}
    for i, answer in ipairs(result.answers) do
        value[i] = answer.value
    end
    expect({ sid = SID, outcome = "accepted", attempts = 1, verified = false, to = TO, status = "queued" },
        pick(value[1], "sid outcome attempts verified to status"), "a message that was sent")
    expect({ sid = SID, body = "hello" }, pick(value[2], "sid body"), "a message that was read")
    expect(true, value[3], "a deletion")
    expect({ SID, 1 }, { value[4][1].sid, #value[4] }, "a list")
    expect({ MEDIA_SID, 1 }, { value[5][1].sid, #value[5] }, "media")
    expect({ message_sid = SID, outcome = "confirmed" }, pick(value[6], "message_sid outcome"), "feedback")
end)

check("texts come back byte for byte", function(t)
    local text = "漢字 😀 \"\\ é\n" .. ("x"):rep(100000)
    local answer = t:call(function() return reply(201, message_json { body = text }) end, nil, "send", HELLO)
    expect(true, answer.value.body == text, "the text")
end)

check("lists go over pages", function(t)
    local function sid(i)
        return ("SM%032x"):format(i)
    end
    local answer = t:call(function(count)
        local rows = { message_json { sid = sid(2 * count - 1) }, message_json { sid = sid(2 * count) } }
        return reply(200, list_json(rows, ("%s.json?PageSize=5&Page=%d"):format(MESSAGES, count)))
    end, nil, "list", { limit = 5 })
    local sids, targets = {}, {}
    for i, row in ipairs(answer.value) do
        sids[i] = row.sid
    end
    for i, request in ipairs(t.peer.requests) do
        targets[i] = request.target:match "%?(.*)$"
    end
    expect({ sid(1), sid(2), sid(3), sid(4), sid(5) }, sids, "the sids")
    expect({ "PageSize=5", "PageSize=5&Page=1", "PageSize=5&Page=2" }, targets, "the pages")
end)

check("wait looks until nothing more will happen", function(t)
    local answer = t:call(function(count)
        return reply(200, message_json { status = count < 3 and "sent" or "delivered" })
    end, nil, "wait", SID, { interval_ms = 5 })
    expect({ "delivered", 3 }, { answer.value.status, #t.peer.requests }, "the status and the looks")
    answer = t:call(function() return reply(200, message_json { status = "sent" }) end, nil, "wait", SID,
        { timeout_ms = 20, interval_ms = 5 })
    expect_error({ type = "NetworkError.Timeout" }, answer, "a wait that took too long")
    expect("sent", answer.err.last.status, "the last status")
end)

-- ---- Answers that refuse, and such that are none ---------------------------------------------------

local REQUEST_ID = { ["Twilio-Request-Id"] = "RQ" .. ("7a"):rep(16) }

check("a refusal says what the server said", function(t)
    local answer = t:call(function() return reply(400, stage.REFUSAL, REQUEST_ID) end, nil, "send", HELLO)
    expect_error({
        type = "MessageError.InvalidRecipient", code = 21211, http_status = 400, outcome = "rejected",
        attempts = 1, retryable = false, request_id = "RQ" .. ("7a"):rep(16),
        more_info = "https://www.twilio.com/docs/errors/21211",
    }, answer, "a 400")
    expect(1, #t.peer.requests, "requests")
    answer = t:call(function()
        return reply(401, '{"code":20003,"message":"no","status":401}')
    end, nil, "send", HELLO)
    expect_error({ type = "AuthenticationError.InvalidCredentials", outcome = "rejected" }, answer, "a 401")
    answer = t:call(function()
        return reply(404, '{"code":20404,"message":"no","status":404}')
    end, nil, "get", SID)
    expect_error({ type = "MessageError.InvalidRequest", http_status = 404 }, answer, "a 404")
end)

check("a 429 is tried again, after its time", function(t)
    local answer = t:call(function(count)
        if count == 1 then
            return reply(429, '{"code":20429,"message":"no","status":429}', { ["Retry-After"] = "0" })
        end
        return accept()
    end, nil, "send", HELLO)
    expect({ 2, false }, { answer.value.attempts, answer.value.verified }, "attempts")
    answer = t:call(function()
        return reply(429, '{"code":20429,"message":"no","status":429}', { ["Retry-After"] = "7" })
    end, { timeout_ms = 1000 }, "send", HELLO)
    expect_error({
        type = "RateLimitError.AccountRateLimited", outcome = "throttled", attempts = 1,
        retry_after_ms = 7000,
    }, answer, "a 429 that asks for more time than there is")
end)

local INTERNAL, CONNECTION = "ServerError.InternalError", "NetworkError.ConnectionFailed"
local UNAVAILABLE, INVALID = "ServerError.ServiceUnavailable", "MessageError.InvalidRequest"
local NO_SID = "accepted_no_sid"
local HUGE = ("x"):rep(9 * 1024 * 1024)
local OVERLONG = "HTTP/1.1 201 Created\r\nX: " .. ("x"):rep(1048576)

-- What answers a message, what it is taken for (the error's type, its outcome, some of its text), and whether
-- the message is sent again when it is not found.
local BAD = {
    { "a 500", { reply(500, '{"code":20500,"message":"no"}') }, INTERNAL, "in_doubt", "", true },
    { "a 503", { reply(503, "") }, UNAVAILABLE, "in_doubt", "503", true },
    { "a 502 of HTML", { reply(502, "<html><title>Bad Gateway</title>") }, UNAVAILABLE, "in_doubt",
        "Bad Gateway", true },
    { "a redirect", { reply(302, "", { Location = "/elsewhere" }) }, INTERNAL, "in_doubt", "redirect" },
    { "a 400 of HTML", { reply(400, "<html><title>No</title>") }, INVALID, "rejected", "No" },
    { "half of a 400", { cut(400, stage.REFUSAL) }, INVALID, "in_doubt", "cut off" },
    { "a 201 without JSON", { reply(201, "fine") }, INTERNAL, NO_SID, "unreadable" },
    { "half of a 201", { cut(201, message_json()) }, INTERNAL, NO_SID, "cut off" },
    { "a 201 of 9 MiB", { reply(201, HUGE) }, INTERNAL, NO_SID, "cut off" },
    { "a 201 with a header of 1 MiB", { raw(OVERLONG) }, INTERNAL, NO_SID, "cut off" },
    { "bytes that are no HTTP", { raw "\0\255 nothing of the kind\r\n\r\n" }, CONNECTION, "in_doubt", "",
        true },
    { "an end without an answer", { drop "close" }, CONNECTION, "in_doubt", "", true },
    { "a reset", { drop "reset" }, CONNECTION, "in_doubt", "", true },
}

-- Answers in one of these ways.
local function serve_badly(case)
    return case[2][1], case[2][2]
end

check("bad answers are errors that say whether the message may exist", function(t)
    for _, case in ipairs(BAD) do
        local what, kind, outcome, text = case[1], case[3], case[4], case[5]
        local answer, result = t:call(function() return serve_badly(case) end, { in_doubt = "stop" }, "send",
            HELLO)
        expect_error({ type = kind, outcome = outcome, attempts = 1 }, answer, what)
        if not answer.err.message:find(text, 1, true) then
            error(("%s: %q does not say %q"):format(what, answer.err.message, text), 0)
        end
        expect({ 1, 1 }, { #t.peer.requests, result.stats.requests }, what .. ": requests")
    end
end)

check("after a bad answer the message is looked for, and found", function(t)
    for _, case in ipairs(BAD) do
        local what, outcome = case[1], case[4]
        if outcome ~= "rejected" then
            local answer = t:call(function(count, request)
                if request.method == "GET" then
                    return reply(200, list_json { message_json() })
                end
                return serve_badly(case)
            end, nil, "send", HELLO)
            expect({ value = { sid = SID, verified = true, attempts = 1 }, requests = 2 }, {
                value = pick(answer.value, "sid verified attempts"), requests = #t.peer.requests,
            }, what)
        end
    end
end)

check("after a bad answer the message is looked for, and sent again when it is not there", function(t)
    for _, case in ipairs(BAD) do
        local what, again = case[1], case[6]
        if again then
            local sendings = 0
            local answer = t:call(stage.unless_list(function()
                sendings = sendings + 1
                if sendings == 1 then
                    return serve_badly(case)
                end
                return accept()
            end), nil, "send", HELLO)
            expect({ sid = SID, verified = false, attempts = 2 },
                pick(answer.value, "sid verified attempts"), what)
            expect(2, sendings, what .. ": sendings")
        end
    end
end)

check("reading is simply tried again", function(t)
    for _, case in ipairs(BAD) do
        local what, again = case[1], case[6]
        if again then
            local answer = t:call(function(count)
                if count == 1 then
                    return serve_badly(case)
                end
                return reply(200, message_json())
            end, nil, "get", SID)
            expect(SID, answer.value and answer.value.sid, what)
            expect(2, #t.peer.requests, what .. ": requests")
        end
    end
end)

-- ---- Forms of good answers -------------------------------------------------------------------------

local BODY = message_json()
local HEAD = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"

local function chunked(text, size)
    local pieces = {}
    for at = 1, #text, size do
        local piece = text:sub(at, at + size - 1)
        pieces[#pieces + 1] = ("%x;x=y\r\n%s\r\n"):format(#piece, piece)
    end
    return table.concat(pieces) .. "0\r\nTrailer: yes\r\n\r\n"
end

check("answers may come in any form that HTTP has", function(t)
    for what, bytes in pairs {
        ["in chunks"] = HEAD .. "Transfer-Encoding: chunked\r\n\r\n" .. chunked(BODY, 17),
        ["with a length"] = HEAD .. ("Content-Length: %d\r\n\r\n"):format(#BODY) .. BODY,
        ["until the end of the connection"] = HEAD .. "Connection: close\r\n\r\n" .. BODY,
        ["in HTTP/1.0"] = HEAD:gsub("1%.1", "1.0") .. "\r\n" .. BODY,
        ["after a 100 and a 103"] = "HTTP/1.1 100 Continue\r\n\r\n"
            .. "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            .. HEAD .. ("Content-Length: %d\r\n\r\n"):format(#BODY) .. BODY,
        ["with names in other case, and spaces"] = "HTTP/1.1 201 \r\nCONTENT-LENGTH:\t" .. #BODY
            .. "  \r\n\r\n" .. BODY,
    } do
        local answer = t:call(function() return raw(bytes) end, { in_doubt = "stop" }, "send", HELLO)
        expect({ sid = SID, attempts = 1 }, pick(answer.value, "sid attempts"), what)
    end
end)

check("a redirect is not followed", function(t)
    local answer = t:call(function(count)
        if count == 1 then
            return reply(307, "", { Location = t.peer.url .. MESSAGES .. ".json" })
        end
        return accept()
    end, { in_doubt = "stop" }, "send", HELLO)
    expect_error({ outcome = "in_doubt", http_status = 307 }, answer, "a 307")
    expect(1, #t.peer.requests, "requests")
end)

return M

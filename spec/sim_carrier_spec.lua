local carrier = require "twilio_sms.sim.carrier"
local random = require "twilio_sms.sim.random"

local START_MS = 1700000000000
local SERVICE = "MG" .. ("0"):rep(32)
local A, B = "+15558675310", "+15558675311"

local function new(opts)
    opts = opts or {}
    local c = carrier.new {
        account_sid = "AC" .. ("0"):rep(32), random = random.new(1), send_ms = 200, deliver_ms = 1000,
        service_number = "+15005550006", numbers = opts.numbers, marker = opts.marker,
        service_sid = opts.service_sid, callbacks = opts.callbacks,
    }
    c:advance(START_MS)
    return c
end

local function create(c, changes)
    local params = { To = A, From = "+15557122661", Body = "Hello" }
    for name, value in pairs(changes or {}) do
        params[name] = value or nil
    end
    return assert(c:create(params))
end

local function sids(list)
    local out = {}
    for i, message in ipairs(list) do
        out[i] = message.sid
    end
    return out
end

describe("twilio_sms.sim.carrier", function()
    it("moves a message from queued to delivered", function()
        local c = new()
        local message = create(c)
        assert.equal("queued", message.status)
        assert.equal(1, message.num_segments)
        assert.equal(START_MS / 1000, message.created_s)
        assert.equal(START_MS + 200, c:due_ms())
        c:advance(START_MS + 199)
        assert.equal("queued", message.status)
        assert.is_nil(message.sent_s)
        c:advance(START_MS + 200)
        assert.equal("sent", message.status)
        assert.equal(START_MS / 1000, message.sent_s)
        assert.is_nil(message.price)
        c:advance(START_MS + 1200)
        assert.equal("delivered", message.status)
        assert.equal("-0.00790", message.price)
        assert.equal(START_MS / 1000 + 1, message.updated_s)
        assert.is_nil(c:due_ms())
    end)

    it("does the same in one leap", function()
        local c = new()
        local message = create(c)
        c:advance(START_MS + 3600000)
        assert.equal("delivered", message.status)
        assert.equal(START_MS / 1000 + 1, message.updated_s)
        c:advance(START_MS) -- time does not go back
        assert.equal(START_MS / 1000 + 3600, create(c).created_s)
    end)

    it("lets a service choose its sender later", function()
        local c = new()
        local message = create(c, { From = false, MessagingServiceSid = SERVICE })
        assert.same({ "accepted", 0 }, { message.status, message.num_segments })
        assert.is_nil(message.from)
        c:advance(START_MS + 200)
        assert.same({ "queued", 1, "+15005550006" }, { message.status, message.num_segments, message.from })
        c:advance(START_MS + 1400)
        assert.equal("delivered", message.status)
    end)

    it("fails a service's message later for what a number's message is refused for", function()
        local c = new()
        local message = create(c, { From = false, MessagingServiceSid = SERVICE, To = "+15005550004" })
        assert.equal("accepted", message.status)
        c:advance(START_MS + 10000)
        assert.same({ "failed", 21610 }, { message.status, message.error_code })
        local refused, err = c:create { To = "+15005550004", From = "+15557122661", Body = "x" }
        assert.is_nil(refused)
        assert.same({ 21610, 400, "Attempt to send to unsubscribed recipient" },
            { err.code, err.status, err.message })
        assert.same({ 1, 1 }, { c:stats().accepted, c:stats().refused })
    end)

    it("keeps a scheduled message until its time", function()
        local c = new()
        local message = create(c, { From = false, MessagingServiceSid = SERVICE, ScheduleType = "fixed",
            SendAt = os.date("!%Y-%m-%dT%H:%M:%SZ", START_MS / 1000 + 3600) })
        assert.same({ "scheduled", 0 }, { message.status, message.num_segments })
        c:advance(START_MS + 3599999)
        assert.equal("scheduled", message.status)
        c:advance(START_MS + 3600000)
        assert.equal("queued", message.status)
        c:advance(START_MS + 3600200)
        assert.same({ "sent", START_MS / 1000 + 3600 }, { message.status, message.sent_s })
    end)

    it("cancels what has not left", function()
        local c = new()
        local queued, accepted = create(c), create(c, { From = false, MessagingServiceSid = SERVICE })
        local scheduled = create(c, { From = false, MessagingServiceSid = SERVICE, ScheduleType = "fixed",
            SendAt = os.date("!%Y-%m-%dT%H:%M:%SZ", START_MS / 1000 + 3600) })
        for _, message in ipairs { queued, accepted, scheduled } do
            assert.equal(message, c:cancel(message))
        end
        local gone = create(c)
        c:advance(START_MS + 7200000)
        for _, message in ipairs { queued, accepted, scheduled } do
            assert.equal("canceled", message.status)
            assert.is_nil(message.sent_s)
        end
        for _, message in ipairs { queued, gone } do
            local canceled, err = c:cancel(message)
            assert.is_nil(canceled)
            assert.equal(30409, err.code)
        end
        assert.same({ queued = 0, accepted = 0, scheduled = 0, canceled = 3, sent = 0, delivered = 1 },
            c:stats().statuses)
    end)

    it("redacts and deletes what is complete", function()
        local c = new()
        local message = create(c)
        for _, change in ipairs { "redact", "delete" } do
            local done, err = c[change](c, message)
            assert.is_nil(done)
            assert.equal(20009, err.code)
        end
        c:advance(START_MS + 200)
        assert.equal("", c:redact(message).body)
        assert.is_true(c:delete(message))
        assert.is_nil(c:fetch(message.sid))
        c:advance(START_MS + 10000) -- the receipt comes too late to matter
        assert.equal("sent", message.status)
    end)

    it("keeps attachments", function()
        local c = new()
        local urls = { "https://e.org/a.PNG?x=.gif", "http://e.org/b", "http://e.org/c.mp4" }
        local message = create(c, { MediaUrl = urls })
        assert.equal("MM", message.sid:sub(1, 2))
        assert.same({ 3, 1 }, { message.num_media, message.num_segments })
        local types = {}
        for i, media in ipairs(message.media) do
            types[i] = media.content_type
            assert.equal(message.sid, media.parent_sid)
            assert.truthy(media.sid:find "^ME%x+$")
            local found, place = c:media(message, media.sid)
            assert.same({ media, i }, { found, place })
        end
        assert.same({ "image/png", "image/jpeg", "video/mp4" }, types)
        assert.is_nil(c:media(message, "ME0"))
        assert.is_nil(c:media(create(c), "ME0"))
    end)

    it("lists the newest first, by recipient, sender and date", function()
        local c = new()
        local m = {}
        for i = 1, 6 do
            m[i] = create(c, { To = i % 2 == 0 and A or B, From = i <= 3 and "12345" or "54321" })
        end
        assert.same({ m[6].sid, m[5].sid, m[4].sid, m[3].sid, m[2].sid, m[1].sid }, sids(c:list({}, 50)))
        assert.same({ m[6].sid, m[4].sid, m[2].sid }, sids(c:list({ to = A }, 50)))
        assert.same({ m[5].sid }, sids(c:list({ to = B, from = "54321" }, 50)))
        assert.same({}, c:list({ to = "+15550000000" }, 50))
        assert.same({}, c:list({ sent_from_s = 0 }, 50)) -- nothing was sent yet
        c:advance(START_MS + 200)
        local sent_s = START_MS / 1000
        assert.equal(6, #c:list({ sent_from_s = sent_s, sent_until_s = sent_s }, 50))
        assert.equal(0, #c:list({ sent_from_s = sent_s + 1 }, 50))
        assert.equal(0, #c:list({ sent_until_s = sent_s - 1 }, 50))
        c:delete(m[4])
        assert.same({ m[6].sid, m[2].sid }, sids(c:list({ to = A }, 50)))
    end)

    it("pages in both directions without losing or doubling any", function()
        local c = new()
        local all = {}
        for i = 1, 23 do
            all[24 - i] = create(c, { To = i % 3 == 0 and B or A }).sid
        end
        local seen, cursor = {}, nil
        local pages = {}
        repeat
            local page, more = c:list({}, 5, cursor)
            pages[#pages + 1] = page
            for _, message in ipairs(page) do
                seen[#seen + 1] = message.sid
            end
            -- What arrives or goes meanwhile does not disturb the walk.
            create(c)
            cursor = { sid = page[#page].sid }
        until not more
        assert.same(all, seen)
        for i = #pages, 2, -1 do
            local back = c:list({}, 5, { sid = pages[i][1].sid, newer = true })
            assert.same(sids(pages[i - 1]), sids(back))
        end
        c:advance(START_MS + 5000)
        c:delete(pages[2][1])
        assert.same(sids(pages[1]), sids(c:list({}, 5, { sid = pages[2][1].sid, newer = true })))
        assert.is_nil(c:list({}, 5, { sid = "SM" .. ("0"):rep(32) }))
    end)

    it("finds its place in a list that does not hold the cursor's message", function()
        local c = new()
        local a1, b1, a2 = create(c, { To = A }), create(c, { To = B }), create(c, { To = A })
        assert.same({ a1.sid }, sids(c:list({ to = A }, 5, { sid = b1.sid })))
        assert.same({ a2.sid }, sids(c:list({ to = A }, 5, { sid = b1.sid, newer = true })))
        assert.same({}, sids(c:list({ to = A }, 5, { sid = a1.sid })))
    end)

    local FROM, CALLBACK = "+15557122661", "https://example.com/status"

    local function receive(c, body, changes)
        local params = { From = A, To = FROM, Body = body }
        for name, value in pairs(changes or {}) do
            params[name] = value
        end
        return c:receive(params)
    end

    -- The changes so far in words.
    local function changes_of(c)
        local out = {}
        for i, change in ipairs(c:changes()) do
            out[i] = change.status .. " " .. change.from .. (change.is_last and " last" or "")
        end
        return out
    end

    it("keeps changes for those who asked for them", function()
        local c = new { callbacks = true }
        create(c)
        assert.is_nil(c:callback_due_ms())
        create(c, { StatusCallback = CALLBACK })
        assert.same({}, c:changes())
        assert.equal(START_MS + 200, c:callback_due_ms())
        c:advance(START_MS + 5000)
        assert.same({ "sent " .. FROM, "delivered " .. FROM .. " last" }, changes_of(c))
        assert.same({}, c:changes())
        assert.is_nil(c:callback_due_ms())
        local message = create(c, { StatusCallback = CALLBACK, From = false, MessagingServiceSid = SERVICE })
        c:advance(START_MS + 5200)
        assert.same({ "queued +15005550006" }, changes_of(c))
        c:cancel(message)
        assert.same({ "canceled +15005550006 last" }, changes_of(c))
        assert.is_nil(c:callback_due_ms())
        message = create(c, { StatusCallback = CALLBACK })
        c:advance(START_MS + 5400)
        c:delete(message)
        assert.is_nil(c:callback_due_ms())
        c = new()
        create(c, { StatusCallback = CALLBACK })
        c:advance(START_MS + 5000)
        assert.same({}, c:changes())
    end)

    it("takes messages from persons", function()
        local c = new()
        local message = receive(c, ("x"):rep(161))
        assert.same({ "inbound", "received", 2, 0 },
            { message.direction, message.status, message.num_segments, message.num_media })
        assert.equal(message, c:fetch(message.sid))
        assert.equal(message, c:list({ to = FROM }, 5)[1])
        message = receive(c, "", { MediaUrl = { "https://example.com/a.gif" } })
        assert.same({ 1, "image/gif", "MM" },
            { message.num_media, message.media[1].content_type, message.sid:sub(1, 2) })
        assert.equal(1, receive(c, "\255").num_segments)
        assert.same({ 3, 0, 3 }, { c:stats().received, c:stats().accepted, c:stats().statuses.received })
        assert.is_true(c:delete(message))
    end)

    it("refuses by number who has said STOP", function()
        local c = new()
        receive(c, "Stop")
        local message, err = c:create { To = A, From = FROM, Body = "x" }
        assert.is_nil(message)
        assert.same({ 21610, 400 }, { err.code, err.status })
        assert.same({ 1, 1, 0 }, { c:stats().refused, c:stats().refused_opted_out, c:stats().accepted })
        create(c, { From = "12345" })
        create(c, { To = B })
        receive(c, "START")
        create(c)
    end)

    it("accepts by messaging service who has said STOP, and fails then", function()
        local c = new { service_sid = SERVICE }
        receive(c, "STOP", { To = "+15005550006" })
        local message = create(c, { From = false, MessagingServiceSid = SERVICE })
        assert.equal("accepted", message.status)
        c:advance(START_MS + 200)
        assert.same({ "failed", 21610 }, { message.status, message.error_code })
        assert.same({ 1, 0 }, { c:stats().accepted_opted_out, c:stats().refused_opted_out })
        local other = create(c, { From = false, MessagingServiceSid = "MG" .. ("1"):rep(32) })
        c:advance(START_MS + 1000)
        assert.equal("sent", other.status)
        assert.equal(SERVICE, receive(c, "x", { To = "+15005550006" }).service)
    end)

    it("looks at the STOP when the time of a scheduled message has come", function()
        local c = new { service_sid = SERVICE }
        local message = create(c, { From = false, MessagingServiceSid = SERVICE, ScheduleType = "fixed",
            SendAt = "2023-11-14T23:13:20Z" })
        receive(c, "STOP", { To = "+15005550006" })
        c:advance(START_MS + 3600000)
        assert.same({ "failed", 21610, 0 },
            { message.status, message.error_code, c:stats().accepted_opted_out })
    end)

    it("counts what it accepted twice", function()
        local c = new()
        create(c)
        create(c, { Body = "Hello again" })
        create(c, { To = B })
        create(c, { From = "12345" })
        assert.equal(0, c:stats().duplicates)
        create(c)
        create(c)
        assert.same({ 6, 2 }, { c:stats().accepted, c:stats().duplicates })
    end)

    it("tells copies by a mark of the client's choice", function()
        local c = new { marker = "#(%d+)" }
        create(c, { Body = "one #1" })
        create(c, { Body = "two #1", To = B })
        create(c, { Body = "one #2" })
        create(c, { Body = "no mark" })
        create(c, { Body = "no mark" })
        assert.equal(2, c:stats().duplicates)
    end)

    it("creates the five thousandth message with as much work as the first", function()
        local c = new()
        -- Counts the Lua instructions of some creates to one recipient, all with different texts.
        local made = 0
        local function work()
            local steps = 0
            local co = coroutine.create(function() -- a hook belongs to one coroutine
                for _ = 1, 200 do
                    made = made + 1
                    c:create { To = A, From = "12345", Body = "Message " .. made }
                end
            end)
            debug.sethook(co, function()
                steps = steps + 1
            end, "", 100)
            assert(coroutine.resume(co))
            debug.sethook(co)
            return steps
        end
        if rawget(_G, "jit") then
            jit.off() -- hooks are not called from compiled code
            jit.flush() -- of which there may be some
        end
        local early = work()
        for _ = 1, 25 do
            work()
        end
        local late = work()
        if rawget(_G, "jit") then
            jit.on()
        end
        assert.truthy(early > 0 and late <= early * 1.2, early .. " then " .. late)
    end)

    it("gives the same sids for the same calls", function()
        local one, two = new(), new()
        for _ = 1, 50 do
            assert.equal(create(one).sid, create(two).sid)
        end
    end)
end)

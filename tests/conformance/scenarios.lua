-- What every client is asked to do, step by step, on a fresh simulator; `expected.lua` says what must come.
--
-- A step has a name, an `op`, and what the op needs. Parameters have Twilio's names in lower case with
-- underscores. "$name" stands for the sid that the step of this name answered, "@path" for a URL of the
-- client's own receiver of webhooks, which answers a text that ends with a question mark by TwiML.
--
-- A message is sent SEND_S after it is queued, and delivered DELIVER_S after that; with a service it is
-- queued SEND_S after it was accepted. Time moves by the steps "advance" alone: a run takes seconds, all else
-- is far longer.
local M = { SEND_S = 600, DELIVER_S = 600, DAY_S = 86400 }

M.NUMBER = "+15005550006"
M.PERSON = "+15558675310"
M.LISTED = "+15558675320" -- who gets the messages that the lists are about
M.SLOW = "+15558675330" -- a message to this one takes the simulator a while
M.WRITER = "+15558675340" -- who writes to us
M.WRITTEN = "Caf\xC3\xA9 & \xF0\x9F\x98\x80?"
M.BRAND = "MYBRAND"
M.SERVICE = "MG" .. ("0"):rep(31) .. "3"
M.API_KEY = "SK" .. ("0"):rep(31) .. "5"
M.API_SECRET = ("0"):rep(31) .. "6"
M.UNKNOWN = "SM" .. ("0"):rep(31) .. "9"
M.MEDIA = { "https://www.example.com/map.png", "https://www.example.com/way.gif" }

local STEP_S = M.SEND_S + 60

local steps, start_s, area

local function step(name, op, fields)
    fields = fields or {}
    fields.name, fields.op, fields.area = name, op, area
    steps[#steps + 1] = fields
end

-- Creates a message from the account's number, unless `params` says otherwise; false takes a field away.
local function create(name, params, fields)
    local all = { to = M.PERSON, from = M.NUMBER, body = "Hello" }
    for field, value in pairs(params or {}) do
        all[field] = value or nil
    end
    fields = fields or {}
    fields.params = all
    step(name, "create", fields)
end

local function by_service(params)
    params.from, params.messaging_service_sid = false, M.SERVICE
    return params
end

local function iso(time_s)
    return os.date("!%Y-%m-%dT%H:%M:%SZ", time_s)
end

local function day(number)
    return os.date("!%Y-%m-%d", start_s + number * M.DAY_S)
end

local function sending()
    create "text"
    step("text.fetch", "fetch", { sid = "$text" })
    create("two segments", { body = ("x"):rep(161) })
    create("ucs-2", { body = ("\xC3\xA9\xC4\x81"):rep(35) .. "." }) -- 71 characters, half of them not GSM-7
    create("longest", { body = ("x"):rep(1600) })
    create("mms", { body = "Map", media_url = M.MEDIA })
    create("media only", { body = false, media_url = { M.MEDIA[1] } })
    create("alphanumeric", { from = M.BRAND, to = "+447700900123" })
    create("service", by_service {})
    step("service.fetch", "fetch", { sid = "$service" })
    create("asks for feedback", { provide_feedback = true })
    step("feedback", "feedback", { sid = "$asks for feedback", outcome = "confirmed" })
    step("feedback.unconfirmed", "feedback", { sid = "$asks for feedback", outcome = "unconfirmed" })
    step("feedback.wrong", "feedback", { sid = "$asks for feedback", outcome = "perhaps" })
end

M.MAGIC_FROM = { "+15005550001", "+15005550007", "+15005550008", "+15005550999" }
M.MAGIC_TO = { "+15005550001", "+15005550002", "+15005550003", "+15005550004", "+15005550009" }
M.MAGIC_LATER = { "+15005550002", "+15005550003", "+15005550004", "+15005550009" } -- with a service

local function magic_numbers()
    for _, from in ipairs(M.MAGIC_FROM) do
        create("magic from " .. from, { from = from })
    end
    create("magic from before body", { from = "+15005550007", body = "" })
    for _, to in ipairs(M.MAGIC_TO) do
        create("magic to " .. to, { to = to })
    end
    for _, to in ipairs(M.MAGIC_LATER) do
        create("magic later " .. to, by_service { to = to })
    end
end

local function refusals()
    create("no to", { to = "" })
    create("no sender", { from = false })
    create("no content", { body = false })
    create("empty body", { body = "" })
    create("too long", { body = ("x"):rep(1601) })
    local eleven = {}
    for i = 1, 11 do
        eleven[i] = M.MEDIA[1]
    end
    create("eleven media", { media_url = eleven })
    create("media no url", { media_url = { "map.png" } })
    create("callback no host", { status_callback = "http://under_score.example.com/status" })
    create("validity zero", { validity_period = 0 })
    create("validity too long", { validity_period = 36001 })
    create("validity longest", { validity_period = 36000 })
    create("unknown service", { from = false, messaging_service_sid = "MG123" })
    step("fetch unknown", "fetch", { sid = M.UNKNOWN })
    step("media of unknown", "media_list", { sid = M.UNKNOWN })
    step("cancel unknown", "update", { sid = M.UNKNOWN, params = { status = "canceled" } })
    step("delete unknown", "delete", { sid = M.UNKNOWN })
    step("api key", "fetch", { sid = "$text", as = "api key" })
    step("bad token", "fetch", { sid = "$text", as = "bad token" })
    create("bad token.create", {}, { as = "bad token" })
    step("unknown account", "fetch", { sid = M.UNKNOWN, as = "unknown account" })
    step("page too large", "list", { how = "list", params = { page_size = 1001 } })
    step("date no date", "list", { how = "list", params = { date_sent = ">=2019-08-08" } })
    local slow = { to = M.SLOW, from = M.NUMBER, body = "Hello" }
    step("too many at once", "burst", { times = 4, params = slow })
end

local function scheduling()
    local in_two_hours = iso(start_s + 7200)
    local function schedule(name, send_at, params)
        params = params or by_service {}
        params.schedule_type, params.send_at = "fixed", send_at
        create(name, params)
    end
    schedule("scheduled", in_two_hours)
    step("scheduled.fetch", "fetch", { sid = "$scheduled" })
    step("scheduled.cancel", "update", { sid = "$scheduled", params = { status = "canceled" } })
    step("scheduled.cancel again", "update", { sid = "$scheduled", params = { status = "canceled" } })
    schedule("scheduled to leave", in_two_hours)
    schedule("schedule without service", in_two_hours, {})
    create("schedule without time", by_service { schedule_type = "fixed" })
    schedule("schedule too early", iso(start_s + 60))
    schedule("schedule too late", iso(start_s + 36 * M.DAY_S))
    schedule("schedule no date", "tomorrow")
end

local function states()
    step("queued.redact", "update", { sid = "$text", params = { body = "" } })
    step("queued.delete", "delete", { sid = "$text" })
    step("queued.other text", "update", { sid = "$text", params = { body = "Another text" } })
    step("queued.other status", "update", { sid = "$text", params = { status = "sent" } })
    step("queued", "advance", { seconds = STEP_S })
    step("text.sent", "fetch", { sid = "$text" })
    step("service.queued", "fetch", { sid = "$service" })
    for _, to in ipairs(M.MAGIC_LATER) do
        step("magic later " .. to .. ".failed", "fetch", { sid = "$magic later " .. to })
    end
    step("sent.cancel", "update", { sid = "$text", params = { status = "canceled" } })
    step("sent", "advance", { seconds = STEP_S })
    step("text.delivered", "fetch", { sid = "$text" })
    step("two segments.delivered", "fetch", { sid = "$two segments" })
    step("delivered.cancel", "update", { sid = "$text", params = { status = "canceled" } })
    step("text.redact", "update", { sid = "$text", params = { body = "" } })
    step("text.redacted", "fetch", { sid = "$text" })
    step("text.delete", "delete", { sid = "$text" })
    step("text.deleted", "fetch", { sid = "$text" })
    step("text.delete again", "delete", { sid = "$text" })
    step("scheduled time", "advance", { seconds = 7200 })
    step("scheduled to leave.delivered", "fetch", { sid = "$scheduled to leave" })
end

local function media()
    step("mms.media", "media_list", { sid = "$mms" })
    step("mms.media.fetch", "media_fetch", { sid = "$mms", media = "$mms.media" })
    step("mms.media.delete", "media_delete", { sid = "$mms", media = "$mms.media" })
    step("mms.media.deleted", "media_fetch", { sid = "$mms", media = "$mms.media" })
    step("mms.media.left", "media_list", { sid = "$mms" })
    step("text without media", "media_list", { sid = "$two segments" })
    step("mms.delete", "delete", { sid = "$mms" })
    step("mms.media of deleted", "media_list", { sid = "$mms" })
end

-- Three messages on day 0, two on day 1, two on day 2, and one that is never sent.
local function lists()
    local function list(name, params, how)
        params.to = params.to or M.LISTED
        step("list " .. name, "list", { how = how or "list", params = params })
    end
    for i, count in ipairs { 3, 2, 2 } do
        for j = 1, count do
            create(("listed %d.%d"):format(i - 1, j), { to = M.LISTED })
        end
        step("day " .. i, "advance", { seconds = M.DAY_S })
    end
    create("listed unsent", { to = M.LISTED })
    list("all", {})
    list("pages of 3", { page_size = 3 })
    list("limit 2", { limit = 2 })
    list("limit 5, pages of 2", { limit = 5, page_size = 2 })
    list("one by one", { page_size = 2 }, "each")
    list("one by one, limit 3", { limit = 3, page_size = 2 }, "each")
    list("page by page", { page_size = 3 }, "pages")
    list("page by page and back", { page_size = 3 }, "back")
    list("by day", { date_sent = day(1) })
    list("by native date", { date_sent = { date = start_s - start_s % M.DAY_S + M.DAY_S } })
    list("until a day", { date_sent_before = day(1) })
    list("from a day on", { date_sent_after = day(1) })
    list("between days", { date_sent_after = day(1), date_sent_before = day(1) })
    list("by day, pages of 2", { date_sent = day(0), page_size = 2 })
    list("by sender", { to = "+447700900123", from = M.BRAND })
    list("by other sender", { from = M.BRAND })
    list("by nobody", { to = "+15558675399" })
end

local function webhooks()
    step("receiver", "inbound_url", { url = "@/sms" })
    create("watched", { status_callback = "@/status?id=7&name=caf%C3%A9" })
    create("watched service", by_service { status_callback = "@/status" })
    create("watched failure", by_service { to = "+15005550009", status_callback = "@/status" })
    step("watched time", "advance", { seconds = 4 * STEP_S })
    -- sent, delivered; queued, sent, delivered; failed
    step("callbacks", "receive", { count = 6 })
    step("person writes", "inbound", { params = { From = M.WRITER, To = M.NUMBER, Body = M.WRITTEN } })
    step("inbound", "receive", { count = 1 })
    step("answer's time", "advance", { seconds = 1, wait = true })
    step("answer", "list", { how = "list", params = { to = M.WRITER } })
    step("person sends a picture", "inbound", {
        params = { From = M.WRITER, To = M.NUMBER, Body = "", MediaUrl = M.MEDIA[1] },
    })
    step("inbound media", "receive", { count = 1 })
    step("person says stop", "inbound", { params = { From = M.WRITER, To = M.NUMBER, Body = "Stop" } })
    step("inbound stop", "receive", { count = 1 })
    create("opted out", { to = M.WRITER })
    create("opted out, service", by_service { to = M.WRITER })
    step("opted out time", "advance", { seconds = STEP_S })
    step("opted out, service.failed", "fetch", { sid = "$opted out, service" })
    step("person says start", "inbound", { params = { From = M.WRITER, To = M.NUMBER, Body = "START" } })
    step("inbound start", "receive", { count = 1 })
    create("opted in", { to = M.WRITER })
end

--- The steps of a run whose virtual time starts at start_s, which must be noon, GMT.
function M.steps(starts_s)
    steps, start_s = {}, starts_s
    for _, part in ipairs {
        { "Sending, fetching, feedback", sending },
        { "Magic numbers", magic_numbers },
        { "Refusals", refusals },
        { "Scheduling", scheduling },
        { "States, redacting, deleting", states },
        { "Media", media },
        { "Lists", lists },
        { "Webhooks and opt-out", webhooks },
    } do
        area = part[1]
        part[2]()
    end
    return steps
end

return M

-- Takes the steps of scenarios.lua with this library: a JSON list in, JSON Lines out.
-- Usage: lua5.4 own.lua STEPS, with HTTPS_PROXY, TWILIO_CA_FILE, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN,
-- API_KEY, API_SECRET, SIM_URL
local core = require "twilio_sms.core"
local json = require "cjson"
local server = require "twilio_sms.server"
local sms = require "twilio_sms"

local TOKEN, OTHER_TOKEN = os.getenv "TWILIO_AUTH_TOKEN", ("f"):rep(32)
local CA_FILE = os.getenv "TWILIO_CA_FILE"

-- Nothing is repeated and nothing held back, so that each answer is seen as it came.
local function client_of(opts)
    opts.proxy = os.getenv "HTTPS_PROXY"
    opts.rate = { per_second = 0, per_number = 0 }
    opts.retry = { quota = 0 }
    opts.breaker = { failure_threshold = 0 }
    opts.optout = false
    return sms.assert(sms.from_env(opts))
end

local clients = {
    own = client_of {},
    ["api key"] = client_of { api_key = os.getenv "API_KEY", api_secret = os.getenv "API_SECRET" },
    ["bad token"] = client_of { auth_token = OTHER_TOKEN },
    ["unknown account"] = client_of { account_sid = "AC" .. OTHER_TOKEN },
}
local saved = {}

-- ---- What comes out: Twilio's names, and this library's types

local MESSAGE = {
    "account_sid", "api_version", "body", "date_created", "date_sent", "date_updated", "direction",
    "error_code", "error_message", "from", "messaging_service_sid", "num_media", "num_segments", "price",
    "price_unit", "sid", "status", "subresource_uris", "to", "uri",
}
local MEDIA = { "account_sid", "content_type", "date_created", "date_updated", "parent_sid", "sid", "uri" }
local FEEDBACK = { "account_sid", "date_created", "date_updated", "message_sid", "outcome", "uri" }

local function record(names, object)
    local out = {}
    for _, name in ipairs(names) do
        local value = object[name]
        if name:find "^date_" and value ~= nil then
            value = { date = object[name .. "_unix"] }
        end
        out[name] = value == nil and json.null or value
    end
    return out
end

local function records(names, list)
    local out = {}
    for i, object in ipairs(list) do
        out[i] = record(names, object)
    end
    return out
end

local function failure(err)
    if not sms.error.is(err) then
        return { raised = tostring(err) }
    end
    return {
        status = err.http_status, code = err.code, message = err.message, more_info = err.more_info,
        type = err.type, outcome = err.outcome,
    }
end

-- ---- Webhooks

local receiver = sms.assert(server.new { tls = false })
local received = {}

local function note(request)
    local base = ("http://127.0.0.1:%d"):format(receiver:port())
    local signature = request:header "X-Twilio-Signature"
    local function verify(token, body)
        return (sms.signature.verify {
            tokens = token, url = base .. request:target(), body = body, signature = signature,
        })
    end
    local params = {}
    for _, pair in ipairs(core.form_decode(request:body())) do
        params[pair[1]] = pair[2]
    end
    received[#received + 1] = {
        path = request:target(),
        params = params,
        token = request:header "I-Twilio-Idempotency-Token",
        valid = verify(TOKEN, request:body()),
        refuses_changed = not verify(TOKEN, (request:body():gsub("To=", "To=1"))),
        refuses_other_token = not verify(OTHER_TOKEN, request:body()),
    }
    local answer = sms.twiml.new()
    if params.Body and params.Body:find "%?$" then
        sms.assert(answer:message("You asked: " .. params.Body))
    end
    request:reply(200, { ["Content-Type"] = "text/xml" }, answer:text())
end

local function take_requests(timeout_ms)
    receiver:step(timeout_ms)
    local request = receiver:next()
    while request do
        note(request)
        request = receiver:next()
    end
end

-- ---- What goes in

-- "$name" is a sid that was answered before, "@path" a URL of ours; a date is a day here.
local function fill(value)
    if type(value) == "table" and value.date then
        return os.date("!%Y-%m-%d", value.date)
    elseif type(value) ~= "string" then
        return value
    elseif value:sub(1, 1) == "$" then
        return saved[value:sub(2)]
    elseif value:sub(1, 1) == "@" then
        return ("http://127.0.0.1:%d%s"):format(receiver:port(), value:sub(2))
    end
    return value
end

local NAMES = { media_url = "media", validity_period = "validity_period_s" }

local function parameters(params)
    local out = {}
    for name, value in pairs(params) do
        if name ~= "schedule_type" then -- it has one value only, which the client adds
            out[NAMES[name] or name] = fill(value)
        end
    end
    return out
end

-- ---- The simulator's own endpoints

local poster = assert(core.poster { ca_file = CA_FILE })

local function control(name, params)
    local form = {}
    for key, value in pairs(params) do
        local text = tostring(value):gsub("[^%w]", function(c)
            return ("%%%02X"):format(c:byte())
        end)
        form[#form + 1] = key .. "=" .. text
    end
    local id = assert(poster:submit {
        url = os.getenv "SIM_URL" .. "/_sim/" .. name, method = "POST", body = table.concat(form, "&"),
        headers = { { "Content-Type", "application/x-www-form-urlencoded" } },
    })
    local done, answer, fault
    repeat
        poster:step(5)
        take_requests(0)
        done, answer, fault = poster:result()
    until done == id
    assert(answer, fault and fault.message)
    return answer.status
end

-- ---- Operations: each answers a value, or nil and an error

local function message(object, err)
    if not object then
        return nil, err
    end
    return record(MESSAGE, object)
end

local function messages(list, err)
    if not list then
        return nil, err
    end
    return records(MESSAGE, list)
end

local LISTS = {}

function LISTS.list(client, filter)
    return messages(client:list(filter))
end

LISTS.each = LISTS.list

function LISTS.pages(client, filter)
    local pages = {}
    local page, err = client:page(filter)
    while page do
        pages[#pages + 1] = records(MESSAGE, page)
        if not page.next_page_uri then
            return pages
        end
        page, err = client:page { page_uri = page.next_page_uri }
    end
    return nil, err
end

function LISTS.back()
    return nil, "cannot be asked for"
end

local OPS = {}

function OPS.create(client, step)
    if step.params.schedule_type and not step.params.send_at then
        return nil, "cannot be asked for"
    end
    return message(client:send(parameters(step.params)))
end

function OPS.fetch(client, step)
    return message(client:get(fill(step.sid)))
end

function OPS.update(client, step)
    if step.params.status == "canceled" then
        return message(client:cancel(fill(step.sid)))
    elseif step.params.body == "" then
        return message(client:redact(fill(step.sid)))
    end
    return nil, "cannot be asked for"
end

function OPS.delete(client, step)
    return client:delete(fill(step.sid))
end

function OPS.feedback(client, step)
    local object, err = client:feedback(fill(step.sid), step.outcome)
    return object and record(FEEDBACK, object), err
end

function OPS.media_list(client, step)
    local list, err = client:media(fill(step.sid))
    return list and records(MEDIA, list), err
end

function OPS.media_fetch(client, step)
    local object, err = client:media(fill(step.sid), fill(step.media))
    return object and record(MEDIA, object), err
end

function OPS.media_delete(client, step)
    return client:delete_media(fill(step.sid), fill(step.media))
end

function OPS.list(client, step)
    return LISTS[step.how](client, parameters(step.params))
end

function OPS.burst(client, step)
    local tickets, out = {}, {}
    for i = 1, step.times do
        tickets[i] = sms.assert(client:submit(parameters(step.params)))
    end
    for i, ticket in ipairs(tickets) do
        while not ticket.done do
            client:step()
        end
        out[i] = ticket.value and record(MESSAGE, ticket.value) or failure(ticket.err)
    end
    return out
end

function OPS.advance(_, step)
    return control("advance", { Seconds = step.seconds, Wait = step.wait == true })
end

function OPS.inbound(_, step)
    return control("inbound", step.params)
end

function OPS.inbound_url(_, step)
    return control("inbound_url", { Url = fill(step.url) })
end

function OPS.receive(_, step)
    while #received < step.count do
        take_requests(1000)
    end
    local out = received
    received = {}
    return out
end

local file = assert(io.open(arg[1], "rb"))
local steps = json.decode(file:read "a")
file:close()
for _, step in ipairs(steps) do
    local line = { name = step.name }
    local ok, value, err = pcall(OPS[step.op], clients[step.as or "own"], step)
    if ok and value ~= nil then
        line.value = value
        local first = type(value) == "table" and (value.sid and value or value[1])
        saved[step.name] = first and first.sid
    else
        line.error = failure(ok and err or value)
    end
    print(json.encode(line))
end

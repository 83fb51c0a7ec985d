-- Sends, receives, records and replays, with good and bad values, and prints all that the library says.
-- Usage: mixed.lua DIRECTORY URL CA_FILE; files that the library writes go into DIRECTORY/out
local report = require "report"
local sms = require "twilio_sms"
local store = require "twilio_sms.store"

local unpack = table.unpack or unpack -- luacheck: ignore 113
local directory, url, ca_file = assert(arg[1]), assert(arg[2]), assert(arg[3])
local ACCOUNT = "AC00000000000000000000000000000001"
local API_KEY = "SK00000000000000000000000000000005"
local CALLBACK_URL = "https://example.com/sms"

local function line_of(name)
    local file = assert(io.open(directory .. "/" .. name))
    local line = file:read "*l"
    file:close()
    return line
end

local token, secret, ref_key = line_of "auth_token", line_of "api_secret", line_of "ref_key"
local proxy = ("http://%s@"):format(line_of "proxy_userinfo")
local personal = dofile(directory .. "/personal.lua")
local persons, texts = personal.persons, personal.texts

-- Everything that is logged and traced, in all forms.
local LOGS = {
    { level = "trace", format = "logfmt", to = print, per_second = 0 },
    { level = "trace", format = "json", to = print, per_second = 0, numbers = "pseudonyms", key = ref_key },
}
local serial = 0

local function observed(opts)
    serial = serial + 1
    opts.log = LOGS[serial % #LOGS + 1]
    opts.trace = { to = { file = directory .. "/out/spans.jsonl" } }
    return opts
end

local function options(changes)
    local opts = observed {
        account_sid = ACCOUNT, auth_token = token, from = "+15005550006", base_url = url, ca_file = ca_file,
        seed = 1, callback_ref = { key = ref_key }, attempt_timeout_ms = 1000,
        rate = { per_second = 0, per_number = 0 }, breaker = { failure_threshold = 0 },
        retry = { rate_limit = { base_ms = 1 }, unavailable = { base_ms = 1 }, internal = { base_ms = 1 },
            timeout = { base_ms = 1 }, connection = { base_ms = 1 }, settle_ms = 0 },
    }
    for name, value in pairs(changes or {}) do
        opts[name] = value ~= "" and value or nil
    end
    return opts
end

-- Misuse raises and other failures are answered: both are shown.
local function try(what, f, ...)
    local args = { n = select("#", ...), ... }
    local function handler(err)
        return { raised = tostring(err), stack = debug.traceback(tostring(err)) }
    end
    local ok, result, err = xpcall(function() return f(unpack(args, 1, args.n)) end, handler)
    report.value(what, not ok and result or result == nil and err or result)
    return ok and result or nil
end

-- ---- Options that make no sense -------------------------------------------------------------------

-- Only their values: names that a program gives to what there is none of are quoted in errors.

local function try_options()
    for i, changes in ipairs {
        { auth_token = token .. " " }, { auth_token = token:sub(1, 15) }, { auth_token = "'" .. token },
        { auth_token = token .. "\n" }, { auth_token = token .. "\0" }, { auth_token = { env = token } },
        { auth_token = { file = token } }, { auth_token = { token } },
        { account_sid = token }, { account_sid = "AC" .. token .. "0" }, { from = persons[1] .. "0000000" },
        { api_key = API_KEY, api_secret = secret .. " " }, { api_key = secret, api_secret = secret },
        { api_secret = secret }, { callback_ref = { key = ref_key:sub(1, 15) } },
        { base_url = "http://a:" .. token .. "@b" },
        { base_url = "https://a:" .. token .. "@b/c" }, { base_url = token }, { region = token },
        { edge = secret }, { proxy = proxy }, { proxy = proxy .. "h:p" }, { proxy = proxy .. "h:1/x y" },
        { proxy = "ftp://" .. proxy }, { status_callback = token },
        { messaging_service_sid = token }, { driver = token }, { http_version = token },
        { shared = token .. "/" },
        { max_concurrency = token }, { errors = { [21211] = { kind = token } } },
    } do
        local client = try("bad options " .. i, sms.new, options(changes))
        if client then
            report.client(client)
            client:close()
        end
    end
end

-- ---- Sending --------------------------------------------------------------------------------------

local function try_messages(client)
    local sid
    for i, name in ipairs { "well", "unavailable", "limited", "lost", "late", "page" } do
        local n = i % 4 + 1
        local message = try("message " .. i, client.send, client, {
            to = persons[n], body = ("case %s %s"):format(name, texts[n]), status_callback = CALLBACK_URL,
        })
        sid = message and message.sid or sid
        report.events(client)
    end
    for i, fields in ipairs {
        { to = persons[1] }, { to = persons[1]:sub(2), body = texts[1] },
        { to = persons[1] .. "x", body = texts[1] },
        { to = persons[1] .. persons[2]:sub(2), body = texts[1] }, { to = "+15005550001", body = texts[1] },
        { to = persons[1], body = texts[1]:rep(100) }, { to = persons[1], body = texts[1] .. "\255" },
        { to = persons[1], body = texts[1], media = { texts[2] } }, { to = persons[1], body = { texts[1] } },
        { to = persons[1], body = texts[1], status_callback = "https://a:" .. token .. "@b/" },
        { to = persons[1], body = texts[1], send_at = texts[1] }, { to = token, body = token },
        { to = persons[1], body = texts[1], from = persons[2] .. "00000000" },
        { to = persons[1], body = texts[1], messaging_service_sid = token },
        { to = persons[1], body = texts[1], timeout_ms = persons[2] },
    } do
        try("bad message " .. i, client.send, client, fields)
        report.events(client)
    end
    for i, bad in ipairs { token, persons[1], texts[1] } do
        for _, name in ipairs { "get", "cancel", "redact", "delete", "media" } do
            try(("%s %d"):format(name, i), client[name], client, bad)
        end
        try("feedback " .. i, client.feedback, client, sid, bad)
        try("metrics " .. i, client.metrics, client, bad)
        try("list " .. i, client.list, client, { to = bad, date_sent = bad })
        try("page " .. i, client.page, client, { page_uri = bad })
    end
    client:hook("check", function(message) error("no more of that to " .. #message.to) end)
    try("hook that fails", client.send, client, { to = persons[1], body = texts[1] })
    report.client(client)
end

local function try_credentials()
    local wrong = ("f"):rep(32)
    local client = sms.assert(sms.new(options { auth_token = wrong }))
    try("wrong token", client.send, client, { to = persons[1], body = texts[1] })
    report.client(client)
    client:close()
    client = sms.assert(sms.new(options { auth_token = "", api_key = API_KEY, api_secret = secret }))
    try("key", client.send, client, { to = persons[1], body = texts[1] })
    report.client(client)
    client:close()
    for i, place in ipairs { "127.0.0.1:1", "no-such-host.invalid:1" } do -- nobody listens; there is none
        client = sms.assert(sms.new(options { proxy = proxy .. place, base_url = "https://" .. place,
            retry = { connection = { attempts = 1 } } }))
        try("no proxy " .. i, client.send, client, { to = persons[1], body = texts[1] })
        report.client(client)
        client:close()
    end
end

-- ---- Tapes ----------------------------------------------------------------------------------------

local function try_tapes()
    local tape = directory .. "/out/tape.jsonl"
    local client = sms.assert(sms.new(options { driver = sms.driver.record(tape, sms.driver.curl()),
        callback_ref = "" }))
    for i = 1, 4 do
        try("recorded " .. i, client.send, client, { to = persons[i], body = texts[i] })
    end
    try("recorded list", client.list, client, { to = persons[1] })
    try("closed tape", client.close, client)
    client = sms.assert(sms.new(options { driver = sms.driver.replay(tape), callback_ref = "" }))
    try("replayed", client.send, client, { to = persons[1], body = texts[1] })
    try("never recorded", client.send, client, { to = persons[1], body = texts[2] })
    try("closed replay", client.close, client)
end

-- ---- Receiving ------------------------------------------------------------------------------------

local function try_webhooks()
    local messages = assert(store.open(directory .. "/out/messages.db"))
    local ledger = sms.assert(sms.optout.new { account_sid = ACCOUNT, store = messages })
    local tracker = sms.track.new { account_sid = ACCOUNT, store = messages }
    local said -- what a handler of errors would put into its log
    local function on_error(err, event, explanation)
        said = true
        report.value("on_error", err)
        print("explained", explanation, event and event.type)
    end
    for _, key in ipairs { "", { key = ref_key, required = true } } do
        local receiver = sms.assert(sms.webhook.new(observed {
            account_sid = ACCOUNT, auth_token = { token, secret }, urls = { CALLBACK_URL },
            store = messages, optout = ledger, track = tracker, on_error = on_error,
            callback_ref = key ~= "" and key or nil,
            on_message = function(event, reply)
                if event.body == texts[1] then
                    error "a handler that fails"
                end
                reply:message { body = "Thank you" }
            end,
        }))
        for _, name in ipairs { "webhooks.lua", "token_webhooks.lua" } do
            for _, request in ipairs(dofile(directory .. "/" .. name)) do
                local answer, _, err = receiver:handle(request)
                report.value("answer", answer)
                report.value("why", err)
            end
        end
        report.value("receiver", receiver)
        report.value("receiver's stats", receiver:stats())
        print(receiver:metrics())
        print(receiver:metrics "openmetrics")
        receiver:close()
    end
    assert(said, "no webhook was refused")
    for i, opts in ipairs { { auth_token = "" }, { auth_token = { "" } }, { auth_token = token .. "\0" },
        { auth_token = 7 }, { auth_token = token, urls = { token } },
        { auth_token = token, account_sid = token },
        { auth_token = token, callback_ref = { key = ref_key:sub(1, 9) } },
        { auth_token = token, trusted_proxies = { token } },
        { auth_token = token, accounts = { [token] = token } },
    } do
        opts.account_sid, opts.optout = opts.account_sid or ACCOUNT, false
        try("bad receiver " .. i, sms.webhook.new, opts)
    end
    local signer = sms.assert(sms.signature.new { tokens = token })
    report.value("signer", signer)
    for _, request in ipairs(dofile(directory .. "/token_webhooks.lua")) do
        local with_userinfo = CALLBACK_URL:gsub("//", "//u:" .. token .. "@")
        local with_secrets = ("%s?token=%s&to=%%2B%s"):format(with_userinfo, token, persons[1]:sub(2))
        print(signer:explain(with_secrets, request.body, request.signature))
        try("verified", signer.verify, signer, with_secrets, request.body, request.signature)
    end
    try("bad signer", sms.signature.new, { tokens = { { token } } })
    report.value("tracker", tracker)
    report.value("ledger", ledger)
    messages:close()
end

-- ---- Texts ----------------------------------------------------------------------------------------

local function try_texts()
    local template = sms.assert(sms.template.new "Dear {{name}}, {{text}}")
    report.value("template", template)
    try("missing value", template.render, template, { name = texts[1] })
    try("unknown value", template.render, template, { name = texts[1], text = texts[2], other = persons[1] })
    try("bad value", template.render, template, { name = texts[1], text = texts[2] .. "\255" })
    try("bad text", sms.segments, texts[1] .. "\255")
end

try_options()
local client = sms.assert(sms.new(options()))
try_messages(client)
try_credentials()
try_tapes()
try_webhooks()
try_texts()
client:close()
report.value("closed", client)
try("closed", client.send, client, { to = persons[1], body = texts[1] })

--- `twilio-sms webhook`: receives webhooks and prints them, one JSON object a line.
local account = require "twilio_sms.cli.account"
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local json = require "twilio_sms.cli.json"
local output = require "twilio_sms.cli.output"
local sms = require "twilio_sms"
local terminal = require "twilio_sms.cli.terminal"

local M = {
    name = "webhook",
    about = "Receive webhooks and print them, one JSON object a line.",
    options = definition.options({
        { "--host", "<address>", "Where to listen. Default: 127.0.0.1." },
        { "--port", "<port>", "Default: 8443; 0 lets the system choose.", sort = definition.WHOLE },
        { "--certificate-file", "<file>", "Its certificate. Default: one of a throw-away CA." },
        { "--key-file", "<file>", "The key of the certificate." },
        { "--ca-file", "<file>", "Where the certificate of the throw-away CA goes." },
        { "--no-tls", false, "Speak plain HTTP, behind a proxy on this machine." },
        { "--trusted-proxy", "<address>", "A proxy whose X-Forwarded headers are believed.", many = true },
        { "--url", "<url>", "A public URL that it is called by. Default: any that was signed for.",
            many = true },
        { "--reply", "<text>", "Answer messages with this text." },
        { "--store", "<file>", "An SQLite file with the opt-out list; STOP is written there." },
        { "--count", "<number>", "End after so many webhooks.", sort = definition.COUNT },
    }, account.IDENTITY_OPTIONS, output.OPTIONS, output.NUMBER_OPTIONS),
}

-- What is printed of an event: not its signature, with which everybody could repeat it.
local function shown(event)
    local out = { received_at = os.date "!%Y-%m-%dT%H:%M:%SZ" }
    for name, value in pairs(event) do
        out[name] = value
    end
    out.signature = nil
    out.fields = nil -- they are in params
    out.media = event.media and json.list(event.media)
    return out
end

-- Prints an event. Without a reader there is nothing to go on for.
local function printer(given, state)
    local out = output.new { json = true, mask = given.mask }
    return function(event)
        local ok, why = pcall(out.object, out, shown(event))
        if not ok then
            state.failure = why
        end
        state.count = state.count + 1
        if not ok or state.count == given.count then
            state.listener:stop()
        end
        return event.type == "inbound" and ok and given.reply or nil
    end
end

-- Where it is. It must not be mixed with what comes.
local function say_ready(given, ca_file)
    return function(listener, state)
        state.listener = listener
        local scheme = given.no_tls and "http" or "https"
        local host = given.host or "localhost"
        io.stderr:write(("listening on %s://%s:%d%s\n"):format(scheme, host, listener:port(),
            ca_file and ", whose CA is in " .. ca_file or ""))
    end
end

local function tell(err, event, explanation)
    local hint = explanation and explanation:match "hint: ([^\n]*)"
    local of = event and " [" .. event.type .. "]" or ""
    local text = tostring(err) .. of .. (hint and "; " .. hint or "")
    io.stderr:write("twilio-sms webhook: ", terminal.escape(text), "\n")
end

local function options_of(given, token, settings, store, watch)
    local state = { count = 0 }
    local handler = printer(given, state)
    local ready = say_ready(given, given.ca_file)
    return {
        host = given.host, port = given.port or 8443, tls = not given.no_tls,
        certificate_file = given.certificate_file, key_file = given.key_file, ca_file = given.ca_file,
        trusted_proxies = given.trusted_proxy and given.trusted_proxy[1] and given.trusted_proxy or nil,
        urls = given.url and given.url[1] and given.url or nil,
        account_sid = settings.account_sid, auth_token = token, store = store, optout = store ~= nil,
        on_message = handler, on_status = handler, on_unknown = handler, on_error = tell,
        log = watch.log, trace = watch.trace,
        on_ready = function(listener) ready(listener, state) end,
    }, state
end

local function check(given)
    if given.port and (given.port < 0 or given.port > 65535) then
        return nil, failure.usage "option '--port' must be a whole number from 0 to 65535"
    elseif not given.certificate_file ~= not given.key_file then
        return nil, failure.usage "--certificate-file and --key-file belong together"
    elseif given.no_tls and (given.certificate_file or given.ca_file) then
        return nil, failure.usage "with --no-tls there is no certificate"
    elseif given.reply then
        local ok, err = require("twilio_sms.core").twiml():message { body = given.reply }
        return ok and true, err and failure.usage("option '--reply': %s", err.message)
    end
    return true
end

function M.run(given)
    local ok, err = check(given)
    if not ok then
        return nil, err
    end
    local token, settings = account.token(given)
    if not token then
        return nil, settings
    elseif not settings.account_sid then
        return nil, failure.new(failure.CONFIGURATION,
            "whose webhooks? Set TWILIO_ACCOUNT_SID, or give --account-sid")
    end
    local watch, store
    watch, err = account.watching(settings)
    if not watch then
        return nil, err
    end
    settings.store = given.store or settings.store
    store, err = account.store(settings, true)
    if err then
        return nil, err
    end
    local own_file = not given.no_tls and not given.certificate_file and not given.ca_file
    given.ca_file = own_file and os.tmpname() or given.ca_file
    local opts, state = options_of(given, token, settings, store, watch)
    ok, err = sms.webhook.serve(opts)
    if own_file then
        os.remove(given.ca_file)
    end
    if store then
        store:close()
    end
    if ok and not state.failure then
        return 0
    end
    return nil, state.failure or failure.new(failure.status(err), "it cannot start: " .. tostring(err), err)
end

return definition.command(M)

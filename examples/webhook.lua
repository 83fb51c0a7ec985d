-- Answers text messages: an HTTPS server that checks Twilio's signature, keeps the opt-out list in a file and
-- replies. Behind a proxy that ends TLS, give `tls = false` and `trusted_proxies` instead of the certificate.
--
--     export TWILIO_ACCOUNT_SID=AC... TWILIO_AUTH_TOKEN=...
--     export WEBHOOK_URL=https://example.com:8443/sms WEBHOOK_HOST=0.0.0.0 WEBHOOK_PORT=8443
--     lua5.4 examples/webhook.lua cert.pem key.pem
--
-- It ends with Ctrl-C or SIGTERM, when what is under way has been answered. WEBHOOK_URL should be what is
-- configured at Twilio; without it, webhooks are taken for any URL that Twilio has signed.
local sms = require "twilio_sms"
local store = require "twilio_sms.store"

io.stdout:setvbuf "line"

local certificate_file, key_file = arg[1], arg[2]
if not key_file then
    io.stderr:write("usage: lua5.4 examples/webhook.lua cert.pem key.pem\n")
    os.exit(2)
end
local url = os.getenv "WEBHOOK_URL"
local port = tonumber(os.getenv "WEBHOOK_PORT" or 8443)
if not port then
    io.stderr:write("WEBHOOK_PORT must be a number\n")
    os.exit(2)
end

local account_sid = os.getenv "TWILIO_ACCOUNT_SID"
local file = sms.assert(store.open(os.getenv "WEBHOOK_STORE" or "messages.db"))
local ledger = sms.assert(sms.optout.new { account_sid = account_sid, store = file })

local hours = { Monday = "closed", default = "9:00 to 18:00" }

local function answer(text)
    if text:lower():find("hour", 1, true) then
        return "We are open " .. hours.default .. ", Mondays " .. hours.Monday .. "."
    end
    return "Thank you. Write HOURS for our opening hours, STOP to hear no more from us."
end

local ok, err = sms.webhook.serve {
    host = os.getenv "WEBHOOK_HOST",
    port = port,
    certificate_file = certificate_file,
    key_file = key_file,
    account_sid = account_sid,
    auth_token = { env = "TWILIO_AUTH_TOKEN" },
    urls = url and { url },
    store = file,
    optout = ledger,
    replies = { -- where Twilio does not answer these words itself
        stop = "You will hear no more from us. Write START to undo this.",
        start = "Welcome back.",
        help = "Tea House. Call +1 555 867 5309, or write STOP to hear no more from us.",
    },
    on_message = function(event, reply)
        if event.opt_out then
            print("opted out or in: " .. event.opt_out.action)
            return
        end
        reply:message(answer(event.body))
    end,
    on_status = function(event)
        print(event.message_sid, event.status, event.error_code or "")
    end,
    on_error = function(problem, _, explanation)
        local text = tostring(problem) .. "\n" .. (explanation or "")
        io.stderr:write((text:gsub("\n+", "\n")))
    end,
    on_ready = function(listener)
        print(("listening on port %d"):format(listener:port()))
    end,
}
sms.assert(ok, err)
file:close()

-- A listener for webhook_load: answers every message. Prints "ready port=N"; ends with SIGTERM.
-- Usage: lua5.4 webhook_listener.lua CA_FILE [STORE_FILE]
local sms = require "twilio_sms"

local function open_store()
    return arg[2] and sms.assert(require("twilio_sms.store").open(arg[2])) or nil
end

local store = open_store()
sms.assert(sms.webhook.serve {
    ca_file = arg[1],
    account_sid = "AC0123456789abcdef0123456789abcdef",
    auth_token = "0123456789abcdef0123456789abcdef",
    store = store,
    max_handlers = 1000,
    on_message = function(event, reply)
        reply:message("You wrote: " .. event.body)
    end,
    on_error = function(err)
        io.stderr:write(tostring(err), "\n")
    end,
    on_ready = function(listener)
        print(("ready port=%d"):format(listener:port()))
        io.stdout:flush()
    end,
})

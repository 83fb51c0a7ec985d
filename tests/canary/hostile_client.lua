-- Sends to the hostile server, and prints all that the library says about it.
-- Usage: hostile_client.lua DIRECTORY URL CA_FILE
local report = require "report"
local sms = require "twilio_sms"

local directory, url, ca_file = assert(arg[1]), assert(arg[2]), assert(arg[3])
local personal = dofile(directory .. "/personal.lua")
local CASES = 56

local client = sms.assert(sms.new {
    account_sid = "AC00000000000000000000000000000001", auth_token = { file = directory .. "/auth_token" },
    log = { level = "trace", to = print, per_second = 0 },
    trace = { to = { file = directory .. "/out/spans.jsonl" } },
    from = "+15005550006", base_url = url, ca_file = ca_file, seed = 1,
    rate = { per_second = 0, per_number = 0 }, breaker = { failure_threshold = 0 },
    retry = { rate_limit = { attempts = 1 }, unavailable = { attempts = 1 }, internal = { attempts = 1 },
        connection = { attempts = 1 }, timeout = { attempts = 1 }, settle_ms = 0 },
})
for case = 1, CASES do
    local i = case % 4 + 1
    local message, err = client:send {
        to = personal.persons[i], body = ("case %d %s"):format(case, personal.texts[i]),
    }
    report.value("case " .. case, err or message)
    report.events(client)
end
report.client(client)
client:close()
report.value("closed client", client)

-- Kills a receiver with SIGKILL, again and again, while STOPs arrive: every STOP that was answered with 2xx
-- must be in the opt-out list afterwards.
-- Usage: lua5.4 tests/integration/receiver_crash.lua ROUNDS
--
-- The receiver is a process of its own with a real SQLite file and real TLS. The moment of each kill is drawn
-- from a fixed seed, as a number of answers that have come in.
local core = require "twilio_sms.core"
local optout = require "twilio_sms.optout"
local store = require "twilio_sms.store"

local ROUNDS = tonumber(arg[1] or 200)
local IN_FLIGHT = 8
local STOPS = 24 -- in a round, of which some are under way when it ends

local ACCOUNT_SID = "AC" .. ("a"):rep(32)
local TOKEN = ("12345678"):rep(4)
local NUMBER = "+15005550006"

local directory = os.tmpname()
os.remove(directory)
assert(os.execute("mkdir -m 700 " .. directory))
local ca_file, database = directory .. "/ca.pem", directory .. "/messages.db"

local RECEIVER = ([[
    local sms = require "twilio_sms"
    local store = sms.assert(require("twilio_sms.store").open(%q))
    sms.assert(sms.webhook.serve {
        ca_file = %q, account_sid = %q, auth_token = %q, store = store,
        on_ready = function(listener)
            print(("%%d %%d"):format(listener:port(), io.open("/proc/self/stat"):read "n"))
            io.stdout:flush()
        end,
    })
]]):format(database, ca_file, ACCOUNT_SID, TOKEN)

local function start_receiver()
    local process = assert(io.popen(("exec lua5.4 -e '%s'"):format(RECEIVER), "r"))
    local port, pid = process:read("n", "n")
    return assert(port, "the receiver did not start"), pid, process
end

local signer = core.signer()
assert(signer:add(TOKEN))

local function stop_request(port, n)
    local url = ("https://localhost:%d/sms"):format(port)
    local sid = ("SM%032x"):format(n)
    local params = {
        { "AccountSid", ACCOUNT_SID }, { "Body", "STOP" }, { "From", ("+1555%07d"):format(n) },
        { "MessageSid", sid }, { "NumMedia", "0" }, { "NumSegments", "1" }, { "SmsMessageSid", sid },
        { "SmsSid", sid }, { "SmsStatus", "received" }, { "To", NUMBER },
    }
    local form = {}
    for i, param in ipairs(params) do
        form[i] = param[1] .. "=" .. param[2]:gsub("%+", "%%2B")
    end
    return {
        method = "POST", url = url, body = table.concat(form, "&"),
        headers = {
            { "Content-Type", "application/x-www-form-urlencoded" },
            { "X-Twilio-Signature", signer:sign(url, params) },
        },
    }
end

local answered = {} -- the numbers of the STOPs that got a 2xx
local sent = 0

-- Sends STOPs, kills after so many answers, and takes the answers that still arrive.
local function round(kill_after)
    local port, pid, process = start_receiver()
    local poster = assert(core.poster { ca_file = ca_file })
    local waiting, numbers, answers, last = 0, {}, 0, sent + STOPS
    local killed = false
    while waiting > 0 or not killed do
        while not killed and waiting < IN_FLIGHT and sent < last do
            sent = sent + 1
            numbers[assert(poster:submit(stop_request(port, sent)))] = sent
            waiting = waiting + 1
        end
        poster:step(-1)
        local id, answer = poster:result()
        while id do
            waiting = waiting - 1
            if answer and answer.status >= 200 and answer.status < 300 then
                answered[#answered + 1] = numbers[id]
                answers = answers + 1
            end
            id, answer = poster:result()
        end
        if not killed and (answers >= kill_after or waiting == 0) then
            assert(os.execute(("kill -KILL %d"):format(pid)))
            killed = true
        end
    end
    poster:close()
    process:close()
end

local seed = 20261122
local function draw(most)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed // 65536 % most
end

for _ = 1, ROUNDS do
    round(draw(STOPS))
end

local file = assert(store.open(database))
local ledger = assert(optout.new { account_sid = ACCOUNT_SID, store = file })
local missing = {}
for _, n in ipairs(answered) do
    if ledger:status(("+1555%07d"):format(n), NUMBER) ~= "opted_out" then
        missing[#missing + 1] = n
    end
end
file:close()
os.execute("rm -r " .. directory)
print(("%d kills, %d STOPs sent, %d answered with 2xx, %d of those missing"):format(
    ROUNDS, sent, #answered, #missing))
os.exit(#missing == 0 and #answered > 0 and #answered < sent)

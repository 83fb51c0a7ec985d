-- Stops `twilio-sms bulk` again and again in the middle, by turns with SIGKILL and with SIGINT, and runs it
-- again: in the end the simulator must have exactly one message for each row, and the report must say so.
-- Usage: lua5.4 tests/integration/bulk_crash.lua ROWS STOPS
--
-- The moment of each stop is drawn from a fixed seed, as a size of the results file.
package.path = "spec/?.lua;" .. package.path
local core = require "twilio_sms.core"
local simulator = require "simulator"

local ROWS = tonumber(arg[1] or 2000)
local STOPS = tonumber(arg[2] or 5)
local ROW_BYTES = 340 -- of the results file: an intent and an outcome

local directory = os.tmpname()
os.remove(directory)
assert(os.execute("mkdir -m 700 " .. directory))
local input, results = directory .. "/rows.csv", directory .. "/results.jsonl"

local function number_of(row)
    return ("+1555%07d"):format(row)
end

local function write_input()
    local file = assert(io.open(input, "w"))
    file:write "to,name\r\n"
    for row = 1, ROWS do
        file:write(number_of(row), ',"Person, ', row, '"\r\n')
    end
    file:close()
end

local sim = simulator.start()

local COMMAND = table.concat({
    "TWILIO_BASE_URL=" .. sim.url, "TWILIO_CA_FILE=" .. sim.ca_file,
    "TWILIO_ACCOUNT_SID=" .. simulator.ACCOUNT_SID, "TWILIO_AUTH_TOKEN=" .. simulator.AUTH_TOKEN,
    "TWILIO_FROM=" .. simulator.FROM,
    "exec", os.getenv "TWILIO_SMS_BUILD" .. "/bin/twilio-sms bulk", input, "--results", results,
    "--template 'Hello {{name}}' --per-second 0 --per-number 0 --settle 0 --quiet --json",
}, " ")

local function start()
    local process = assert(io.popen("echo $$; " .. COMMAND, "r"))
    return process, assert(process:read "n")
end

local function size_of(path)
    local file = io.open(path)
    local size = file and file:seek "end" or 0
    if file then
        file:close()
    end
    return size
end

-- Runs until the results file has this size, and stops it then. Answers the report, if there is one, and
-- whether it had ended before.
local function run(until_bytes, signal)
    local process, pid = start()
    local is_over = false
    while until_bytes and size_of(results) < until_bytes and not is_over do
        core.poll({}, 1)
        local stat = io.open(("/proc/%d/stat"):format(pid))
        is_over = not stat or stat:read "*a":match "%) (%a)" == "Z"
        if stat then
            stat:close()
        end
    end
    if until_bytes and not is_over then
        assert(os.execute(("kill -%s %d"):format(signal, pid)))
    end
    local report
    for line in process:lines() do -- it is the last one
        report = core.json_decode(line)
    end
    process:close()
    return type(report) == "table" and report or nil, is_over
end

local seed = 20261122
local function draw(least, most)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return least + seed // 65536 % 32768 * (most - least) // 32768
end

write_input()
local kills, interrupts, sent, found = 0, 0, 0, 0
for stop = 1, STOPS do
    local size = size_of(results)
    local left = math.max(0, ROWS * ROW_BYTES - size)
    local signal = stop % 2 == 1 and "KILL" or "INT"
    local report, is_over = run(size + 1 + draw(0, left * 2 // (STOPS - stop + 2)), signal)
    if not is_over then
        kills, interrupts = kills + (stop % 2), interrupts + (1 - stop % 2)
    end
    sent = sent + (report and report.sent or 0)
    found = found + (report and report.found or 0)
    assert(signal == "KILL" or report, "no report")
end
local last = assert(run(), "the last run has no report")
local again = assert(run(), "one more run has no report")
found = found + last.found

local texts, twice = {}, 0
local messages = sim:truth()
for _, message in ipairs(messages) do
    twice = twice + (texts[message.to] and 1 or 0)
    texts[message.to] = message.body
end
local missing = 0
for row = 1, ROWS do
    missing = missing + (texts[number_of(row)] == ("Hello Person, %d"):format(row) and 0 or 1)
end
sim:stop()
os.execute("rm -r " .. directory)
print(("%d rows, %d kills, %d interrupts: %d messages, %d found in the list, %d texted twice, %d missing")
    :format(ROWS, kills, interrupts, #messages, found, twice, missing))
local function is_complete(report)
    return report.sent + report.done_before == ROWS and report.left == 0 and report.in_doubt == 0
        and not report.stopped
end
os.exit(twice == 0 and missing == 0 and #messages == ROWS and is_complete(last) and is_complete(again)
    and again.sent == 0 and again.done_before == ROWS and kills > 0)

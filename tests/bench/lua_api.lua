-- The Lua API at the same work as bare_multi and c_api, with the same command line and the same line
-- of results: messages go in as tables, and `sid` and `status` of each result are read.
local sms = require "twilio_sms"

local options = {
    ["--log"] = "none", ["--trace"] = "none", -- or "function", and for a log "9", the descriptor
    ["--http"] = "1.1", ["--concurrency"] = "50", ["--count"] = "10000", ["--warmup"] = "500",
}
for i = 1, #arg, 2 do
    options[arg[i]] = arg[i + 1]
end
local concurrency = tonumber(options["--concurrency"])

local function peak_kb()
    for line in io.lines("/proc/self/status") do
        local kb = line:match("^VmHWM:%s*(%d+)")
        if kb then
            return tonumber(kb)
        end
    end
end

-- Plain Lua has no wall clock finer than a second; the kernel's uptime has hundredths.
local function wall_s()
    local file <close> = assert(io.open("/proc/uptime"))
    return file:read("n")
end

-- What takes lines or spans in, and does nothing with them, so that only their making is measured.
local lines, spans = 0, 0

local LOGS = {
    ["9"] = { per_second = 0, to = 9 },
    ["function"] = { per_second = 0, to = function() lines = lines + 1 end },
}
local TRACES = { ["function"] = { to = function(_, span_count) spans = spans + span_count end } }

local client = sms.assert(sms.new {
    log = LOGS[options["--log"]], trace = TRACES[options["--trace"]],
    account_sid = "AC0123456789abcdef0123456789abcdef", auth_token = "0123456789abcdef0123456789abcdef",
    from = "+15005550006", base_url = options["--base-url"], ca_file = options["--ca"],
    http_version = options["--http"], max_concurrency = concurrency,
    rate = { per_second = 0, per_number = 0 },
})

local number = 0

local function run(count)
    local last = number + count
    local function next_message()
        if number < last then
            local id = ("%07d"):format(number % 10000000)
            number = number + 1
            return {
                to = "+1555" .. id,
                body = "Your parcel " .. id
                    .. " arrives on Thursday between 9 and 12. Reply STOP to opt out. Bye",
            }
        end
    end
    for _, message, err in client:send_many(next_message, { concurrency = concurrency }) do
        sms.assert(message, err)
        assert(#message.sid == 34 and message.status == "queued")
    end
end

local count = tonumber(options["--count"])
run(tonumber(options["--warmup"]))
local wall_before, cpu_before = wall_s(), os.clock()
run(count)
local cpu, wall = os.clock() - cpu_before, wall_s() - wall_before
print(("program=lua_api http=%s concurrency=%d sends=%d wall_s=%.6f cpu_s=%.6f "
    .. "cpu_us_per_send=%.3f peak_kb=%d"):format(options["--http"], concurrency, count, wall, cpu,
    cpu * 1e6 / count, peak_kb()))
client:close()
local sends = count + tonumber(options["--warmup"])
assert(options["--log"] ~= "function" or lines >= sends, "a line for each send")
assert(options["--trace"] == "none" or spans >= 2 * sends, "two spans for each send")

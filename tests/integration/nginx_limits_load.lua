-- What the workers of nginx_limits.lua do: each sends from every sender as fast as it is let, from its start
-- until it is told to end or leaves.
-- luacheck: std max+ngx_lua
local sms = require "resty.twilio_sms"

local M = {}

local THREADS = 2 -- for each sender in each worker, so that one message always waits
local LOOK_S = 0.05

local senders -- how many

--- In init_by_lua.
-- @tparam table opts options of resty.twilio_sms
-- @tparam number sender_count
function M.setup(opts, sender_count)
    senders = sender_count
    sms.setup(opts)
end

local function is_over()
    return ngx.worker.exiting() or ngx.shared.limits:get "over" ~= nil
end

local function send_on(client, from, first)
    local number = first
    while not is_over() do
        number = number + THREADS
        local message, err = client:send {
            from = from, to = ("+1555%07d"):format(number % 10000000), body = "Message " .. number,
        }
        if not message then
            ngx.shared.limits:incr("failed", 1, 0)
            ngx.log(ngx.ERR, "a message failed: ", tostring(err))
        end
    end
end

-- How long a message can have been on its way to the server: an exchange begins when the message may leave,
-- and takes as long as the server waits with its answer, too.
local function watch(client)
    local slowest_ms = 0
    repeat
        ngx.sleep(LOOK_S)
        for event in client:events() do
            if event.type == "response" and event.duration_ms > slowest_ms then
                slowest_ms = event.duration_ms
                local known_ms = ngx.shared.limits:get "slowest_ms" or 0
                ngx.shared.limits:set("slowest_ms", math.max(known_ms, slowest_ms))
            end
        end
    until is_over()
end

local function run(premature)
    if premature then
        return
    end
    local client = assert(sms.client())
    for i = 1, senders do
        local from = ("+1555867%04d"):format(i)
        for thread = 1, THREADS do
            ngx.thread.spawn(send_on, client, from, thread)
        end
    end
    watch(client)
end

--- In init_worker_by_lua.
function M.start()
    assert(ngx.timer.at(0, run))
end

--- Answers how many messages failed, and the longest exchange in milliseconds.
function M.figures()
    ngx.say(ngx.shared.limits:get "failed" or 0, " ", ngx.shared.limits:get "slowest_ms" or 0)
end

--- Lets the workers end.
function M.stop()
    ngx.shared.limits:set("over", true)
    ngx.say "stopping"
end

return M

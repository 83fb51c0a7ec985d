-- What runs in the workers of openresty.conf: a location for each way to send, and one for webhooks.
-- luacheck: std max+ngx_lua
local M = {}

local ACCOUNT = "AC0123456789abcdef0123456789abcdef"
local TOKEN = "0123456789abcdef0123456789abcdef"
local FROM = "+15005550006"
local SENDS_AT_ONCE = 256 -- of a worker

local settings -- as given to setup
local bare_send, blocking_client, number -- of this worker, from their first use

-- Another recipient and another text for each send, as in bench.h.
local function next_message()
    number = ((number or ngx.worker.pid() % 100 * 100000) + 1) % 10000000
    local id = ("%07d"):format(number)
    return "+1555" .. id, "Your parcel " .. id
        .. " arrives on Thursday between 9 and 12. Reply STOP to opt out. Bye"
end

local function client_options()
    return {
        account_sid = ACCOUNT, auth_token = TOKEN, from = FROM, ca_file = settings.ca_file,
        base_url = "https://localhost:" .. settings.port, max_concurrency = SENDS_AT_ONCE,
        rate = { per_second = 0, per_number = 0 },
    }
end

-- ---- Setting up ----------------------------------------------------------------------------------

local STORES = {
    sqlite = function()
        return require("resty.twilio_sms.sqlite").open(settings.store_at)
    end,
    redis = function()
        return require("resty.twilio_sms.redis").new { unix = settings.redis_at }
    end,
}

--- In init_by_lua.
-- @tparam table opts port (of the API's stand-in), ca_file, webhook_port, store (a name of STORES, or "none":
-- then there is no opt-out list), store_at (a file), redis_at (a socket), client ("yes"; or "no" for the
-- baselines only)
function M.setup(opts)
    settings = opts
    require "twilio_sms"
    require "openresty_bare"
    if opts.client ~= "yes" then
        return
    end
    local client = client_options()
    client.ca_file = nil -- nginx has it: lua_ssl_trusted_certificate
    client.shared = "bench-" .. opts.webhook_port
    client.store = STORES[opts.store]
    if not client.store then
        client.optout = false -- each worker would have its own
    end
    client.webhook = {
        urls = { ("https://localhost:%d/sms"):format(opts.webhook_port) },
        on_message = function(event, reply)
            reply:message("You wrote: " .. event.body)
        end,
    }
    require("resty.twilio_sms").setup(client)
end

-- ---- Sending -------------------------------------------------------------------------------------

local function answer(text)
    ngx.header.content_length = #text
    ngx.print(text)
end

local function answer_sent(message, err)
    if not message then
        ngx.log(ngx.ERR, tostring(err))
        ngx.status = 502
        return answer(tostring(err))
    end
    answer(message.sid)
end

function M.nothing()
    next_message()
    answer "SM0123456789abcdef0123456789abcdef"
end

local function ours()
    return assert(require("resty.twilio_sms").client())
end

function M.ours()
    local to, body = next_message()
    answer_sent(ours():send { to = to, body = body })
end

local function bare()
    bare_send = bare_send or require("openresty_bare").new {
        account_sid = ACCOUNT, auth_token = TOKEN, from = FROM, address = "127.0.0.1", host = "localhost",
        port = settings.port, user_agent = "twilio-sms/" .. require("twilio_sms")._VERSION,
    }
    return bare_send
end

function M.bare()
    answer_sent(bare()(next_message()))
end

function M.blocking()
    blocking_client = blocking_client or assert(require("twilio_sms").new(client_options()))
    local to, body = next_message()
    answer_sent(blocking_client:send { to = to, body = body })
end

-- Many messages in one request: no request of its own for each of them.

local function numbers_asked()
    return tonumber(ngx.var.arg_count), tonumber(ngx.var.arg_concurrency)
end

function M.ours_many()
    local left, concurrency = numbers_asked()
    local function next_one()
        left = left - 1
        if left >= 0 then
            local to, body = next_message()
            return { to = to, body = body }
        end
    end
    for _, message, err in ours():send_many(next_one, { concurrency = concurrency }) do
        assert(message, err)
    end
    answer "done"
end

function M.bare_many()
    local left, concurrency = numbers_asked()
    local send, threads = bare(), {}
    for i = 1, concurrency do
        threads[i] = ngx.thread.spawn(function()
            while left > 0 do
                left = left - 1
                assert(send(next_message()).sid)
            end
        end)
    end
    for i = 1, concurrency do
        assert(ngx.thread.wait(threads[i]))
    end
    answer "done"
end

-- ---- The rest ------------------------------------------------------------------------------------

function M.webhook()
    require("resty.twilio_sms").webhook()
end

--- Answers this worker's pid and how many KB its Lua has in use after a full collection.
function M.heap()
    collectgarbage()
    collectgarbage()
    answer(("%d %.0f"):format(ngx.worker.pid(), collectgarbage "count"))
end

return M

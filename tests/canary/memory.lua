-- A program that sends and receives with secrets that it only points at, for memory_search: it stops with
-- everything open, and again when all is closed.
-- Usage: memory.lua DIRECTORY URL CA_FILE WHERE, which is "file" or "env": where the secrets are
--
-- It writes what can be reached in Lua into DIRECTORY: from the client and the receiver, and from everywhere.
local sms = require "twilio_sms"
local walk = require "walk"

local directory, url, ca_file, where = assert(arg[1]), assert(arg[2]), assert(arg[3]), assert(arg[4])
local ACCOUNT = "AC00000000000000000000000000000001"
local WEBHOOKS = { "https://example.com/sms" }

local function secret(name)
    if where == "env" then
        return { env = "CANARY_" .. name:upper() }
    end
    return { file = directory .. "/" .. name }
end

-- Lets memory_search look at this process.
local function stop()
    collectgarbage()
    collectgarbage()
    os.execute "kill -STOP $PPID"
end

local function write_strings(name, client, receiver, signer)
    collectgarbage()
    local objects = walk.write(("%s/reachable-%s"):format(directory, name), client, receiver, signer)
    assert(objects > 100, "hardly anything can be reached")
    objects = walk.write(("%s/everything-%s"):format(directory, name), debug.getregistry(), _G)
    assert(objects > 500, "hardly anything can be reached")
end

local client = sms.assert(sms.new {
    account_sid = ACCOUNT, auth_token = secret "auth_token", callback_ref = { key = secret "ref_key" },
    from = "+15005550006", base_url = url, ca_file = ca_file, seed = 1, attempt_timeout_ms = 1000,
    rate = { per_second = 0, per_number = 0 }, breaker = { failure_threshold = 0 },
    retry = { rate_limit = { base_ms = 1 }, unavailable = { base_ms = 1 }, timeout = { base_ms = 1 },
        connection = { base_ms = 1 }, settle_ms = 0 },
})
local with_key = sms.assert(sms.new {
    account_sid = ACCOUNT, api_key = "SK00000000000000000000000000000005", api_secret = secret "api_secret",
    from = "+15005550006", base_url = url, ca_file = ca_file, seed = 1,
})
local receiver = sms.assert(sms.webhook.new {
    account_sid = ACCOUNT, auth_token = secret "auth_token", callback_ref = { key = secret "ref_key" },
    urls = WEBHOOKS, optout = false, on_error = function() end,
})
local signer = sms.assert(sms.signature.new { tokens = { secret "auth_token" } })

-- Texts of people are the program's own; none of them may stay behind in the library.
local function work()
    local personal = dofile(directory .. "/personal.lua")
    for i, case in ipairs { "", "case unavailable ", "case limited ", "case late " } do
        sms.assert(client:send { to = personal.persons[i], body = case .. personal.texts[i],
            status_callback = WEBHOOKS[1] })
    end
    client:send { to = personal.persons[1], body = "case page " .. personal.texts[1] }
    for _ in client:events() do end -- luacheck: ignore 542
    sms.assert(client:list())
    sms.assert(with_key:send { to = personal.persons[1], body = personal.texts[1] })
    for _ in with_key:events() do end -- luacheck: ignore 542
    for _, request in ipairs(dofile(directory .. "/webhooks.lua")) do
        local answer = receiver:handle(request)
        assert(answer.status == request.expected, ("%d, not %d"):format(answer.status, request.expected))
        signer:verify(request.url, request.body, request.signature)
        signer:explain(request.url, request.body, request.signature)
    end
end

work()
write_strings("open", client, receiver, signer)
stop()
client:close()
with_key:close()
receiver:close()
write_strings("closed", client, receiver, signer)
client, with_key, receiver, signer = nil, nil, nil, nil -- luacheck: ignore 311
stop()

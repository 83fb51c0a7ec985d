-- What was planted on the way is found nowhere on a tape, in no encoding.
local scripted = require "scripted"
local sms = require "twilio_sms"
local tapes = require "tapes"
local twilio = require "twilio"

local ACCOUNT = "AC" .. ("9f"):rep(16)
local TOKEN = "tok/en+with=signs" .. ("6b"):rep(8)
local API_SECRET = "api:secret!" .. ("x7"):rep(10)
local PROXY_PASSWORD = "proxy-pa55word"
local WEBHOOK_SECRET = "webhook~secret"
local SID = "SM" .. ("4d"):rep(16)
local PEOPLE = { "+12125551234", "+447911123456", "+33612345678", "+4915112345678", "+819012345678",
    "+37251234567" }
local NAMES = { "Annabelle", "Kowalczyk", "Мария", "山田太郎", "Ωmega" }

local function escape(text)
    return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function hex(text)
    return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
    local bits = text:gsub(".", function(c)
        local byte, out = c:byte(), ""
        for i = 7, 0, -1 do
            out = out .. math.floor(byte / 2 ^ i) % 2
        end
        return out
    end)
    bits = bits .. ("0"):rep(-#bits % 6)
    return (bits:gsub("%d%d%d%d%d%d", function(six)
        local place = tonumber(six, 2) + 1
        return DIGITS:sub(place, place)
    end))
end

local function unicode_escaped(text)
    return (text:gsub(".", function(c) return ("\\u%04x"):format(c:byte()) end))
end

-- All the ways in which a text may stand in a file.
local function disguises_of(secret)
    local list = { secret, escape(secret), escape(secret):lower(), hex(secret), hex(secret):upper(),
        unicode_escaped(secret), (secret:gsub("/", "\\/")) }
    for skipped = 0, 2 do -- the three places in a group of base64
        local text = base64(("x"):rep(skipped) .. secret)
        list[#list + 1] = text:sub(skipped == 0 and 1 or skipped + 2, -3)
    end
    return list
end

local function sentence(text)
    return ('{"code":21211,"message":"%s","more_info":"https://www.twilio.com/docs/errors/21211",'
        .. '"status":400}'):format(text)
end

-- Everything that a server may say, with what the request said to it in all the wrong places.
local function nasty_answers()
    local list = {}
    for i, person in ipairs(PEOPLE) do
        local name = NAMES[(i - 1) % #NAMES + 1]
        list[#list + 1] = scripted.answer(201, scripted.message(SID, ACCOUNT, { to = person, body = name }))
        local bad_number = "The 'To' number " .. person .. " of " .. name .. " is not valid"
        list[#list + 1] = scripted.answer(400, sentence(bad_number))
        local path = "/2010-04-01/Accounts/" .. ACCOUNT .. "/Messages/" .. SID .. ".json"
        list[#list + 1] = scripted.answer(404, sentence("The requested resource " .. path .. " is not there"))
        list[#list + 1] = scripted.answer(201, ('{"sid":"%s","status":"queued","unknown":{"who":"%s",'
            .. '"tel":"%s","n":%s,"%s":[true,"%s"]}}'):format(SID, name, person, person:sub(2),
            person, TOKEN))
        list[#list + 1] = scripted.answer(403, ("<html><title>No, %s</title>%s %s %s</html>"):format(name,
            person, TOKEN, escape(person)))
        list[#list + 1] = scripted.answer(401, sentence("Authenticate " .. name))
        list[#list + 1] = scripted.answer(403, "Basic " .. base64(ACCOUNT .. ":" .. TOKEN))
        list[#list + 1] = { sent = false, fault = "ConnectionFailed", message = "no way to " .. person }
        list[#list + 1] = { sent = true, fault = "Timeout",
            message = name .. " via http://u:" .. PROXY_PASSWORD .. "@proxy.corp:3128" }
        list[#list + 1] = { sent = true, status = 400, complete = false,
            body = scripted.message(SID, ACCOUNT, { to = person, body = name }):sub(1, 60 + 25 * i) }
        list[#list + 1] = { status = 400, body = "\255\254" .. person .. "\0" .. name,
            headers = { { "Date", person }, { "Retry-After", name } } }
    end
    return list
end

local ONE_TRY = {}
for _, name in ipairs { "rate_limit", "unavailable", "internal", "timeout", "connection" } do
    ONE_TRY[name] = { attempts = 1 }
end

local function send_all(client, count)
    for i = 1, count do
        local person, name = PEOPLE[i % #PEOPLE + 1], NAMES[i % #NAMES + 1]
        local picture = "https://cdn.private.org/" .. escape(name) .. ".png?tel=" .. escape(person)
        client:send {
            to = person, from = i % 5 == 0 and NAMES[1] or "+12025550100",
            body = "Dear " .. name .. ", your number " .. person .. " and code 77" .. i .. "31",
            media = i % 3 == 0 and { picture } or nil,
            status_callback = "https://hooks.private.org/" .. escape(name) .. "?to=" .. escape(person),
        }
    end
    client:get(SID)
end

local function webhook_requests()
    local list = {}
    for i, person in ipairs(PEOPLE) do
        local name = NAMES[(i - 1) % #NAMES + 1]
        local place = "hooks.private.org/" .. escape(name) .. "?n=" .. escape(person)
        list[#list + 1] = twilio.request(twilio.inbound {
            MessageSid = twilio.sid(i), From = person, Body = "I am " .. name .. ", call " .. person,
            ProfileName = name, WaId = person:sub(2), FromCity = name, NumMedia = "1",
            MediaUrl0 = "https://api.twilio.com/2010-04-01/Accounts/" .. ACCOUNT .. "/Messages/" .. SID
                .. "/Media/ME" .. ("5c"):rep(16),
        }, {
            url = "https://user:" .. WEBHOOK_SECRET .. "@" .. place,
            signed_url = "https://" .. place,
        })
        list[#list + 1] = { method = "POST", url = "https://hooks.private.org/x", headers = {},
            body = name .. person }
        list[#list + 1] = { method = "POST", url = "https://hooks.private.org/" .. person, headers = {
            ["Content-Type"] = name, ["X-Twilio-Signature"] = TOKEN,
            Authorization = "Basic " .. base64(TOKEN),
            ["I-Twilio-Idempotency-Token"] = name .. person,
        }, body = '{"a":"' .. person }
    end
    return list
end

local SECRETS = { ACCOUNT, TOKEN, API_SECRET, PROXY_PASSWORD, WEBHOOK_SECRET, SID, twilio.ACCOUNT_SID,
    "private.org", "proxy.corp" }

local function assert_clean(path)
    local text = tapes.read(path)
    local planted = {}
    for _, list in ipairs { SECRETS, NAMES, PEOPLE } do
        for _, secret in ipairs(list) do
            planted[#planted + 1] = secret
        end
    end
    for _, person in ipairs(PEOPLE) do
        planted[#planted + 1] = person:sub(2)
    end
    for _, secret in ipairs(planted) do
        for _, disguise in ipairs(disguises_of(secret)) do
            local at = text:find(disguise, 1, true)
            assert.is_nil(at, at and secret .. " as " .. text:sub(math.max(1, at - 200), at + 60))
        end
    end
end

describe("what was planted is nowhere on a tape", function()
    local path

    before_each(function()
        path = tapes.path()
    end)

    after_each(function()
        os.remove(path)
    end)

    for _, seed in ipairs { "one", "two", "three" } do
        it("of messages, errors and faults, seed " .. seed, function()
            local answers = nasty_answers()
            local driver = sms.driver.record(path, scripted.driver(answers), {
                seed = seed, secrets = { WEBHOOK_SECRET }, on_violation = function() end,
            })
            local client = sms.assert(sms.new {
                driver = driver, account_sid = ACCOUNT, auth_token = TOKEN,
                from = "+12025550100", proxy = "http://u:" .. PROXY_PASSWORD .. "@proxy.corp:3128",
                rate = { per_second = 0, per_number = 0 }, breaker = { failure_threshold = 0 },
                retry = ONE_TRY, in_doubt = "stop", optout = false,
            })
            local count = #answers - 1
            send_all(client, count)
            local ok, err = client:close()
            assert.is_true(ok, tostring(err))
            local _, lines = tapes.read(path):gsub("\n", "")
            assert.equal(count + 2, lines)
            assert_clean(path)
        end)

        it("of webhooks, seed " .. seed, function()
            local receiver = sms.assert(sms.webhook.new {
                account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, optout = false,
                on_error = function() end,
                on_message = function(event, reply)
                    reply:message { body = "Thank you, " .. event.from .. ": " .. event.body, to = PEOPLE[1] }
                end,
            })
            local recorder = sms.assert(sms.cassette.webhooks(path, receiver, {
                seed = seed, secrets = { twilio.TOKEN, WEBHOOK_SECRET },
            }))
            local answered = 0
            for _, request in ipairs(webhook_requests()) do
                local answer = recorder:handle(request)
                answered = answered + (answer.status == 200 and 1 or 0)
            end
            assert.is_true(answered > 0)
            local ok, err = recorder:close()
            assert.is_true(ok, tostring(err))
            assert_clean(path)
        end)
    end
end)

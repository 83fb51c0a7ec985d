-- A server that says back all that it gets, wherever a client might pass it on.
-- Usage: hostile.lua DIRECTORY CA_FILE; prints its port, ends with standard input
local https = require "twilio_sms.server"

local directory, ca_file = assert(arg[1]), assert(arg[2])
local token = assert(io.open(directory .. "/auth_token")):read "*l"

local function json(text)
    return '"' .. text:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function decoded(form, name)
    local value = ("&" .. form):match("&" .. name .. "=([^&]*)") or ""
    return (value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- The secret first, so that nothing cuts it off.
local function everything(request)
    local authorization, form = request:header "Authorization" or "", request:body()
    return { authorization, "token " .. token, decoded(form, "To"), decoded(form, "Body") }
end

local JSON = { ["Content-Type"] = "application/json" }

local function error_body(code, message, detail, link)
    return ('{"code":%s,"message":%s,"detail":%s,"more_info":%s,"status":400}'):format(code, json(message),
        json(detail), json(link))
end

local ANSWERS = {}

-- One error of Twilio's shape for each thing that can be said back.
for _, case in ipairs { { 401, 20003 }, { 400, 21211 }, { 400, 21610 }, { 403, 20005 }, { 500, 20500 },
    { 503, 20503 }, { 429, 20429 }, { 400, "null" } } do
    for i = 1, 4 do
        ANSWERS[#ANSWERS + 1] = function(request)
            local said = everything(request)
            local link = "https://example.com/" .. said[i]:gsub("[^%w]", function(c)
                return ("%%%02X"):format(c:byte())
            end)
            request:reply(case[1], JSON, error_body(case[2], "No: " .. said[i], said[i], link))
        end
    end
end

for i = 1, 4 do
    ANSWERS[#ANSWERS + 1] = function(request) -- a line of text, as of a proxy
        request:reply(502, { ["Content-Type"] = "text/plain" }, everything(request)[i])
    end
    ANSWERS[#ANSWERS + 1] = function(request)
        local page = "<title>" .. everything(request)[i] .. "</title>"
        request:reply(502, { ["Content-Type"] = "text/html" }, page)
    end
    ANSWERS[#ANSWERS + 1] = function(request)
        local said = everything(request)[i]:gsub("[%c ]", "")
        request:reply(302, { Location = "https://example.com/?a=" .. said }, "")
    end
    ANSWERS[#ANSWERS + 1] = function(request)
        request:reply(500, { ["Twilio-Request-Id"] = everything(request)[i]:gsub("%c", "") }, "{}")
    end
    ANSWERS[#ANSWERS + 1] = function(request) -- no HTTP
        request:raw("HTTP/1.1 " .. everything(request)[i] .. "\r\n\r\n")
    end
    ANSWERS[#ANSWERS + 1] = function(request) -- accepted, in JSON that is none
        request:reply(201, JSON, '{"sid":"' .. everything(request)[i])
    end
end

local server = assert(https.new { ca_file = ca_file })
print(server:port())
io.stdout:flush()
while not https.input_closed() do
    server:step(200)
    local request = server:next()
    while request do
        local case = tonumber(decoded(request:body(), "Body"):match "case (%d+)")
        if case then
            ANSWERS[(case - 1) % #ANSWERS + 1](request)
        elseif request:method() == "POST" then
            request:reply(201, JSON, ('{"sid":"SM%032d","status":"queued"}'):format(1))
        else -- where a message in doubt is looked for
            request:reply(200, JSON, '{"messages":[]}')
        end
        request = server:next()
    end
end

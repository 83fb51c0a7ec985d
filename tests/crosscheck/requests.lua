-- Makes up webhook requests, the same ones for the same seed: good ones, as Twilio may send them, and for
-- each a forged one.
local signature = require "twilio_sms.signature"

local M = {}

-- ---- Chance (a linear congruential generator after Knuth's MMIX)

local state

local function below(limit)
    state = state * 6364136223846793005 + 1442695040888963407
    return math.tointeger((state >> 33) % limit)
end

local function chance(percent)
    return below(100) < percent
end

local function pick(list)
    return list[below(#list) + 1]
end

-- ---- URLs

local HOSTS = {
    "hooks.example.com", "hooks.example.com", "Hooks.Example.COM", "10.0.0.1", "localhost", "[2001:db8::1]",
    "bücher.example",
}
local USERINFOS = { "user:pass@", "user@", "user:p%40ss@", "user:p@ss@" }
local PORTS = { "443", "80", "8443", "1", "65535" }
local PATHS = {
    "", "/", "/sms", "/sms/", "/sms/inbound", "//double//slash", "/España", "/a%20b/+c", "/p;v=1", "/a:1/b@c",
}
local QUERIES = {
    "", "a=1&b=2", "b=2&a=1", "x=a+b%20c", "next=https%3A%2F%2Fx%3A1%2F", "q='quoted'", "plus=%2B1", "año=ñ",
    "a=1&a=2", "flag", "=", "a=http://b:1/@c",
}

local function make_url()
    local parts = {
        scheme = chance(4) and pick { "HTTPS", "Http" } or chance(15) and "http" or "https",
        userinfo = chance(10) and pick(USERINFOS) or "",
        host = pick(HOSTS), path = pick(PATHS),
        port = chance(30) and ":" .. (chance(50) and pick(PORTS) or tostring(below(65535) + 1)) or "",
        query = chance(50) and "?" .. pick(QUERIES) or "",
        fragment = chance(5) and "#rc=3&rp=5xx" or "",
    }
    return parts
end

local function text_of(parts)
    return parts.scheme .. "://" .. parts.userinfo .. parts.host .. parts.port .. parts.path .. parts.query
        .. parts.fragment
end

local function with(parts, changes)
    local copy = {}
    for name, value in pairs(parts) do
        copy[name] = changes[name] or value
    end
    return copy
end

local function other_port(parts)
    if parts.port ~= "" then
        return ""
    end
    return parts.scheme:lower() == "https" and ":443" or ":80"
end

-- The URL that the sender signs, for the receiver's URL: `spelling` says how it differs.
local function signed_url(parts)
    local changes = { fragment = "" }
    if parts.userinfo ~= "" and chance(60) then
        changes.userinfo = ""
    end
    if chance(30) then
        changes.port = other_port(parts)
    end
    local escaped = parts.query:gsub("'", "%%27"):gsub("%+", "%%20")
    local spelling = "same"
    if escaped ~= parts.query and chance(40) then
        changes.query, spelling = escaped, "escaped"
    elseif chance(2) then
        changes.scheme, spelling = parts.scheme:lower() == "https" and "http" or "https", "other scheme"
    end
    return text_of(with(parts, changes)), spelling
end

-- ---- Parameters

local NAMES = {
    "MessageSid", "SmsSid", "AccountSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "MediaUrl1",
    "MediaUrl10", "FromCity", "FromCountry", "MessageStatus", "ErrorCode", "body", "BODY",
    "_", "Items[]", "Größe", "名前", "a b", "a+b", "a&b=c", "🎉", "",
}
local CHARACTERS = {
    "a", "Z", "0", "9", " ", "+", "&", "=", "%", "%41", "#", "?", "'", "\"", "<", "\\", "/", ":", ";", "\t",
    "\n", "\r\n", "\0", "\127", "é", "ß", "€", "字", "א", "\u{200B}", "\u{FFFD}", "！", "🎉", "👩‍👧", "e\u{301}",
}

local function make_text(most)
    local text = {}
    for i = 1, below(most + 1) do
        text[i] = pick(CHARACTERS)
    end
    return table.concat(text)
end

-- Most requests have each name once; those with repeats have equal pairs, too.
local function make_params()
    local params, seen, repeats = {}, {}, chance(8)
    for _ = 1, below(24) do
        local name = repeats and #params > 0 and chance(30) and pick(params)[1]
            or chance(5) and make_text(4) or pick(NAMES)
        if repeats or not seen[name] then
            seen[name] = true
            params[#params + 1] = {
                name, chance(15) and "" or chance(30) and pick { "1", "10", "2" } or make_text(20),
            }
        end
    end
    return params
end

-- The raw body of a form, with the freedom that senders take.
local function encode(text)
    local lower, plus = chance(20), chance(50)
    return (text:gsub("[^%w*._-]", function(c)
        if c == " " and plus then
            return "+"
        end
        return (lower and "%%%02x" or "%%%02X"):format(c:byte())
    end))
end

local function form_of(params)
    local pairs_ = {}
    for i, param in ipairs(params) do
        pairs_[i] = encode(param[1]) .. "=" .. encode(param[2])
    end
    return table.concat(pairs_, "&")
end

-- ---- Requests

local function make_json()
    return ('{"text":"%s","n":%d}'):format(make_text(20):gsub('[%c"\\]', ""), below(1000))
end

-- Something else that the signature must not fit.
local function forge(request)
    local forged = { url = request.url, params = request.params, body = request.body }
    forged.signature = request.signature
    local kind = pick { "signature", "signature", "token", "path", "content" }
    if kind == "signature" then
        local place = below(27) + 1
        local c = request.signature:sub(place, place) == "A" and "B" or "A"
        forged.signature = request.signature:sub(1, place - 1) .. c .. request.signature:sub(place + 1)
    elseif kind == "token" then
        forged.signature = signature.sign(request.token .. "x", request.signed_url, request.params)
    elseif kind == "path" then
        forged.url = request.url:gsub("^(%w+://[^/?#]*)", "%1/forged", 1)
    elseif request.params then
        forged.params = { { "Forged", "1" } }
        table.move(request.params, 1, #request.params, 2, forged.params)
    else
        forged.body = request.body .. " "
    end
    return forged
end

local function make_request(id)
    local request = { id = id, token = ("%016x%016x"):format(below(1 << 30), below(1 << 30)) }
    local parts = make_url()
    request.kind = chance(80) and "form" or chance(20) and "JSON without hash" or "JSON"
    if request.kind == "form" then
        request.params = make_params()
    else
        request.body = make_json()
    end
    if request.kind == "JSON" then
        local hash = signature.body_sha256(request.body)
        hash = chance(5) and hash:upper() or hash
        parts.query = (#parts.query > 1 and parts.query .. "&" or "?") .. "bodySHA256=" .. hash
    end
    request.url = text_of(parts)
    request.parts = parts
    request.signed_url, request.spelling = signed_url(parts)
    request.signature = assert(signature.sign(request.token, request.signed_url, request.params))
    request.form = request.params and form_of(request.params)
    request.forged = forge(request)
    request.forged.form = request.forged.params and form_of(request.forged.params)
    return request
end

function M.make(seed, count)
    state = seed
    local list = {}
    for id = 1, count do
        list[id] = make_request(id)
    end
    return list
end

return M

-- Makes the values that must not show up anywhere, new ones for each run, and all the forms to search for.
-- Usage: lua5.4 tests/canary/canaries.lua DIRECTORY
--
-- Writes into the directory: a file for each secret; `personal.lua`, a table with numbers and texts of
-- people; and the lists of memory_search, `secrets.needles` and `all.needles`.
local directory = assert(arg[1], "usage: canaries.lua DIRECTORY")

local random = assert(io.open("/dev/urandom", "rb"))

local function write(name, text)
    local file = assert(io.open(directory .. "/" .. name, "wb"))
    assert(file:write(text))
    assert(file:close())
end

local function to_hex(bytes)
    return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function hex(digits)
    return to_hex(random:read(digits / 2))
end

local function digits(count)
    return (random:read(count):gsub(".", function(c) return c:byte() % 10 end))
end

-- ---- Forms ----------------------------------------------------------------------------------------

local function percent(text, format)
    return (text:gsub("[^%w%-%._~]", function(c) return format:format(c:byte()) end))
end

local function escaped(text, signs)
    return (text:gsub(signs, "\\%0"))
end

local function unicode_escaped(text)
    return (text:gsub("[^%w]", function(c) return ("\\u%04x"):format(c:byte()) end))
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

-- The digits of base64 that depend on nothing but the text, when `before` bytes stand in front of it.
local function base64(text, before, last_two)
    local alphabet, out, bits, count = ALPHABET .. last_two, {}, 0, 0
    for c in (("\0"):rep(before) .. text):gmatch "." do
        bits, count = bits * 256 + c:byte(), count + 8
        while count >= 6 do
            local digit = bits // 2 ^ (count - 6) // 1 | 0
            out[#out + 1] = alphabet:sub(digit + 1, digit + 1)
            bits, count = bits - digit * 2 ^ (count - 6) // 1 | 0, count - 6
        end
    end
    return table.concat(out, "", before == 0 and 1 or before + 2)
end

local function forms_of(text)
    local forms = {
        { "raw", text },
        { "percent-encoded", percent(text, "%%%02X") },
        { "percent-encoded in lower case", percent(text, "%%%02x") },
        { "JSON", escaped(text, '["\\]') },
        { "JSON with escaped slashes", escaped(text, '["\\/]') },
        { "JSON with code points", unicode_escaped(text) },
        { "hexadecimal", to_hex(text) },
        { "hexadecimal in upper case", to_hex(text):upper() },
    }
    for before = 0, 2 do
        for _, last_two in ipairs { "+/", "-_" } do
            local name = ("base64 at %d, %s"):format(before, last_two)
            forms[#forms + 1] = { name, base64(text, before, last_two) }
        end
    end
    return forms
end

-- ---- The lists ------------------------------------------------------------------------------------

local HALVES_FROM = 24 -- bytes; half of them are still too many to be there by chance

-- A freed block of memory has lost its beginning, one that was used again perhaps its end: a half counts.
local function pieces_of(form)
    if #form < HALVES_FROM then
        return { form }
    end
    return { form:sub(1, #form // 2), form:sub(#form // 2 + 1) }
end

local function add(list, name, text)
    local seen = {}
    for _, form in ipairs(forms_of(text)) do
        for i, piece in ipairs(pieces_of(form[2])) do
            if not seen[piece] then
                seen[piece] = true
                list[#list + 1] = ("%s, %s, part %d\t%s\n"):format(name, form[1], i, to_hex(piece))
            end
        end
    end
end

-- Signs that each encoding writes in another way stand in the middle of those that may have them.
local secrets = {
    auth_token = hex(32),
    api_secret = hex(16) .. '"/+\\&' .. hex(16),
    ref_key = hex(20) .. "/+=" .. hex(20),
    proxy_password = hex(16) .. "/+" .. hex(16),
}
local persons, texts = {}, {}
for i = 1, 4 do
    persons[i] = "+1555" .. digits(7)
    texts[i] = hex(12) .. '"/' .. hex(12)
end

local needles = {}
for _, name in ipairs { "auth_token", "api_secret", "ref_key", "proxy_password" } do
    write(name, secrets[name] .. "\n")
    add(needles, name, secrets[name])
end
write("secrets.needles", table.concat(needles))
for i, person in ipairs(persons) do
    add(needles, "number " .. i, person:sub(-10))
    add(needles, "text " .. i, texts[i])
end
write("all.needles", table.concat(needles))
write("personal.lua", ("return { persons = { %q, %q, %q, %q }, texts = { %q, %q, %q, %q } }\n"):format(
    persons[1], persons[2], persons[3], persons[4], texts[1], texts[2], texts[3], texts[4]))
write("proxy_userinfo", "canary:" .. percent(secrets.proxy_password, "%%%02X") .. "\n")

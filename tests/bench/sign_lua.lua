-- The Lua API at the same work as bare_sign: verifier:verify(url, body, signature), and verify{}, from the
-- raw body to a verdict. Prints one line of CPU times, as bare_sign and sign_bench do.
-- Usage: lua5.4 tests/bench/sign_lua.lua tests/bench/webhook.form
local signature = require "twilio_sms.signature"

local TOKEN = "0123456789abcdef0123456789abcdef"
local URL = "https://hooks.example.com/sms/inbound?tenant=42"
local BATCHES, CALLS = 9, 20000

local file = assert(io.open(assert(arg[1], "which body?"), "rb"))
local body = file:read("*a"):gsub("\n$", "")
file:close()

local verifier = assert(signature.new { tokens = TOKEN })
local params = {}
for name, value in (body .. "&"):gmatch "(.-)=(.-)&" do
    value = value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    params[#params + 1] = { name, value }
end
local made = assert(verifier:sign(URL, params))

-- The median of what one call costs; the first batch only warms up.
local function median_ns(call)
    local ns = {}
    for batch = 0, BATCHES do
        local before = os.clock()
        for _ = 1, CALLS do
            call()
        end
        ns[batch] = (os.clock() - before) * 1e9 / CALLS
    end
    table.sort(ns)
    return ns[(BATCHES + 1) / 2]
end

local good_ns = median_ns(function()
    assert(verifier:verify(URL, body, made))
end)
local once_ns = median_ns(function()
    assert(signature.verify { tokens = TOKEN, url = URL, body = body, signature = made })
end)
print(("program=sign_lua signature=%s good_ns=%.1f verify_ns=%.1f"):format(made, good_ns, once_ns))

local core = require "twilio_sms.core"
local json = require "cjson"
local signature = require "twilio_sms.signature"

local TOKEN = "0123456789abcdef0123456789abcdef"
local URL = "https://hooks.example.com/sms"
local FORM = "Body=Gr%C3%BC%C3%9Fe+%F0%9F%8E%89&From=%2B15558675310&MediaUrl=b&MediaUrl=a"
local PARAMS = { Body = "Grüße 🎉", From = "+15558675310", MediaUrl = { "a", "b" } }

-- A file with this text, which is removed when the test ends.
local function temporary_file(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    finally(function() os.remove(path) end)
    return path
end

-- What f raises, when it blames this file.
local function blamed(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    assert.matches("signature_spec", message, 1, true)
    return message
end

describe("published signatures", function()
    local file = assert(io.open("tests/data/signature_vectors.json", "rb"))
    local vectors = json.decode(file:read "*a").vectors
    file:close()

    local function present(value)
        return value ~= json.null and value or nil
    end

    for _, vector in ipairs(vectors) do
        it(vector.id .. (vector.valid and " is right" or " is wrong"), function()
            local ok, why = signature.verify {
                tokens = vector.auth_token, url = vector.url, signature = vector.signature,
                params = present(vector.params),
                body = not present(vector.params) and present(vector.body) or nil,
            }
            assert.equal(vector.valid, ok)
            assert.equal(vector.valid and "nil" or "string", type(why))
            if vector.valid then
                local params = vector.signed_params or present(vector.params)
                assert.equal(vector.signature,
                    signature.sign(vector.auth_token, present(vector.signed_url) or vector.url, params))
            end
        end)
    end
end)

describe("sign", function()
    it("takes parameters in several forms", function()
        local made = signature.sign(TOKEN, URL, PARAMS)
        assert.equal(28, #made)
        assert.equal(made, signature.sign(TOKEN, URL, {
            { "MediaUrl", "b" }, { "Body", "Grüße 🎉" }, { "From", "+15558675310" }, { "MediaUrl", "a" },
        }))
        assert.not_equal(made, signature.sign(TOKEN, URL))
        assert.equal(signature.sign(TOKEN, URL), signature.sign(TOKEN, URL, {}))
        assert.equal(signature.sign(TOKEN, URL), signature.sign(TOKEN, URL .. "#rc=3"))
    end)

    it("takes the token from elsewhere", function()
        local path = temporary_file(TOKEN .. "\n")
        assert.equal(signature.sign(TOKEN, URL), signature.sign({ file = path }, URL))
        local home = os.getenv "PATH"
        assert.equal(signature.sign(home, URL), signature.sign({ env = "PATH" }, URL))
    end)

    it("says that there is no token", function()
        local made, err = signature.sign({ env = "TWILIO_SMS_NOT_SET" }, URL)
        assert.is_nil(made)
        assert.equal("InvalidAuthToken", err.kind)
        made, err = signature.sign("", URL)
        assert.is_nil(made)
        assert.equal("InvalidAuthToken", err.kind)
    end)

    it("refuses too many parameters", function()
        local many = {}
        for i = 1, 1001 do
            many[i] = { "a", tostring(i) }
        end
        local made, err = signature.sign(TOKEN, URL, many)
        assert.is_nil(made)
        assert.equal("PayloadParseError", err.kind)
    end)

    it("raises at who misuses it", function()
        assert.matches("url must be a string, not nil", blamed(function() signature.sign(TOKEN) end))
        assert.matches("a token is a string", blamed(function() signature.sign(nil, URL) end))
        assert.matches("tokens must be a string", blamed(function() signature.sign({ 1 }, URL) end))
        assert.matches("at least one", blamed(function() signature.sign({}, URL) end))
        assert.matches("tokens must be a string, {", blamed(function()
            signature.sign({ env = "A", file = "b" }, URL)
        end))
        for _, params in ipairs {
            "Body=Hi", 5, { Body = 5 }, { Body = { 5 } }, { [1.5] = "x" }, { [true] = "x" }, { { "Body" } },
            { { "Body", 5 } }, { "Body", "Hi" }, { { "Body", "Hi" }, From = "x" }, { Body = function() end },
        } do
            assert.matches("params", blamed(function() signature.sign(TOKEN, URL, params) end))
        end
    end)
end)

describe("verify", function()
    local made = signature.sign(TOKEN, URL, PARAMS)

    it("takes a raw body or parameters", function()
        assert.is_true(signature.verify { tokens = TOKEN, url = URL, body = FORM, signature = made })
        assert.is_true(signature.verify { tokens = TOKEN, url = URL, params = PARAMS, signature = made })
        assert.is_false(signature.verify { tokens = TOKEN, url = URL, signature = made })
    end)

    it("answers nothing else beside true", function()
        local request = { tokens = TOKEN, url = URL, body = FORM, signature = made }
        assert.equal(1, select("#", signature.verify(request)))
        assert.equal(1, select("#", signature.sign(TOKEN, URL)))
        assert.equal(1, select("#", signature.new { tokens = TOKEN }))
    end)

    it("says why not", function()
        local function why(opts)
            opts.tokens, opts.url, opts.body = opts.tokens or TOKEN, opts.url or URL, opts.body or FORM
            local ok, text = signature.verify(opts)
            assert.is_false(ok)
            return text
        end
        assert.equal("no X-Twilio-Signature", why {})
        assert.equal("no X-Twilio-Signature", why { signature = "" })
        assert.equal("the signature is not 28 characters long", why { signature = made .. "=" })
        assert.equal("the signature is wrong", why { signature = made, body = FORM .. "&x=1" })
        assert.equal("the signature is wrong", why { signature = made, tokens = "other" })
        assert.equal("more than 1000 parameters", why { signature = made, body = ("a&"):rep(1001) })
        local unset = { env = "TWILIO_SMS_NOT_SET" }
        assert.matches("TWILIO_SMS_NOT_SET", why { signature = made, tokens = unset })
    end)

    it("takes several tokens", function()
        local path = temporary_file(TOKEN)
        local sources = { { env = "PATH" }, { file = path } }
        for _, tokens in ipairs { { "other", TOKEN }, { TOKEN, "other" }, sources } do
            assert.is_true(signature.verify { tokens = tokens, url = URL, body = FORM, signature = made })
        end
    end)

    it("reads a file each time", function()
        local path = temporary_file(TOKEN)
        local request = { tokens = { file = path }, url = URL, body = FORM, signature = made }
        assert.is_true(signature.verify(request))
        local file = assert(io.open(path, "wb"))
        file:write "other"
        file:close()
        assert.is_false(signature.verify(request))
    end)

    it("keeps few signers, and the right one for each set of tokens", function()
        local many = {}
        for i = 1, 40 do
            many[i] = signature.sign("token" .. i, URL)
        end
        for _ = 1, 2 do
            for i = 1, 40 do
                local request = { tokens = "token" .. i, url = URL, signature = many[i] }
                assert.is_true(signature.verify(request))
                request.tokens = "token" .. i + 1
                assert.is_false(signature.verify(request))
                request.tokens = { "a", "token" .. i }
                assert.is_true(signature.verify(request))
            end
        end
    end)

    it("keeps no token where Lua code finds it", function()
        local token = "a token that stands nowhere else"
        signature.sign(token, URL)
        local seen = {}
        local function search(value)
            if value == token then
                return true
            elseif type(value) ~= "table" or seen[value] then
                return false
            end
            seen[value] = true
            for key, member in pairs(value) do
                if search(key) or search(member) then
                    return true
                end
            end
            return false
        end
        local found = false
        for _, name in ipairs { "sign", "verify", "new" } do
            local function walk(f)
                for i = 1, 60 do
                    local upvalue, value = debug.getupvalue(f, i)
                    if not upvalue then
                        break
                    elseif type(value) == "function" and not seen[value] then
                        seen[value] = true
                        walk(value)
                    end
                    found = found or search(value)
                end
            end
            walk(signature[name])
        end
        assert.is_false(found)
    end)

    it("raises at who misuses it", function()
        local verify = signature.verify
        assert.matches("tokens and url", blamed(function() verify() end))
        assert.matches("tokens and url", blamed(function() verify { url = URL } end))
        assert.matches("tokens and url", blamed(function() verify { tokens = TOKEN } end))
        assert.matches("unknown option 'token'", blamed(function() verify { token = TOKEN, url = URL } end))
        assert.matches("not both", blamed(function()
            verify { tokens = TOKEN, url = URL, body = "", params = {} }
        end))
        assert.matches("'body' must be a string", blamed(function()
            verify { tokens = TOKEN, url = URL, body = 5 }
        end))
        assert.matches("a value must be a string", blamed(function()
            verify { tokens = TOKEN, url = URL, params = { NumMedia = 0 } }
        end))
        assert.matches("at least one", blamed(function() verify { tokens = {}, url = URL } end))
        assert.matches("a token is a string", blamed(function() verify { tokens = 5, url = URL } end))
    end)
end)

describe("a verifier", function()
    local verifier = assert(signature.new { tokens = { TOKEN, "next" } })
    local made = signature.sign(TOKEN, URL, PARAMS)

    it("verifies and signs", function()
        assert.equal(made, verifier:sign(URL, PARAMS))
        assert.is_true(verifier:verify(URL, FORM, made))
        assert.is_true(verifier:verify(URL, FORM, signature.sign("next", URL, PARAMS)))
        assert.is_true(verifier:verify_params(URL, PARAMS, made))
        assert.is_true(verifier:verify(URL, nil, verifier:sign(URL)))
        assert.is_true(verifier:verify_params(URL, nil, verifier:sign(URL)))
        assert.same({ false, "the signature is wrong" }, { verifier:verify(URL, FORM .. "&a", made) })
        assert.same({ false, "no X-Twilio-Signature" }, { verifier:verify(URL, FORM, nil) })
        assert.same({ false, "the signature is wrong" }, { verifier:verify_params(URL, {}, made) })
    end)

    it("forgets the parameters of the last call", function()
        verifier:sign(URL, PARAMS)
        assert.is_true(verifier:verify_params(URL, {}, verifier:sign(URL)))
        pcall(verifier.sign, verifier, URL, { { "a", "1" }, { "b", 2 } })
        assert.equal(signature.sign(TOKEN, URL), verifier:sign(URL))
    end)

    it("explains", function()
        assert.equal("verdict: good\ntokens: 2 tokens\nparameters: 4 form pairs\n"
            .. "tried: " .. URL
            .. "\ntried: https://hooks.example.com:443/sms\n"
            .. "signature: right for the URL and its parameters\n",
            verifier:explain(URL, FORM, made))
        assert.matches("4 given pairs", verifier:explain(URL, PARAMS, made))
        local http = verifier:sign("http" .. URL:sub(6), PARAMS)
        assert.matches("right for the other of http and https", verifier:explain(URL, FORM, http))
        assert.matches("X%-Twilio%-Signature is missing", verifier:explain(URL))
    end)

    it("shows neither tokens nor values", function()
        local text = verifier:explain("https://u:secret@h/?a=secret", FORM, made)
        for _, hidden in ipairs { TOKEN, "secret", "5558675310", "15558675310" } do
            assert.is_nil(text:find(hidden, 1, true))
        end
        assert.is_nil(tostring(verifier):find(TOKEN, 1, true))
    end)

    it("can be given more tokens", function()
        local own = assert(signature.new { tokens = "first" })
        assert.is_false(own:verify(URL, FORM, made))
        assert.is_true(own:add(TOKEN))
        assert.is_true(own:verify(URL, FORM, made))
        local added, err = own:add ""
        assert.is_nil(added)
        assert.equal("InvalidAuthToken", err.kind)
    end)

    it("says which token it cannot read", function()
        local none, err = signature.new { tokens = { TOKEN, { file = "/nowhere/token" } } }
        assert.is_nil(none)
        assert.equal("InvalidAuthToken", err.kind)
        assert.matches("/nowhere/token", err.message, 1, true)
        assert.is_nil(err.message:find(TOKEN, 1, true))
    end)

    it("takes at most 8 tokens", function()
        local none, err = signature.new { tokens = { "1", "2", "3", "4", "5", "6", "7", "8", "9" } }
        assert.is_nil(none)
        assert.equal("InvalidAuthToken", err.kind)
        assert(signature.new { tokens = { "1", "2", "3", "4", "5", "6", "7", "8", "8" } })
    end)

    it("raises at who misuses it", function()
        assert.matches("tokens = ", blamed(function() signature.new() end))
        assert.matches("tokens = ", blamed(function() signature.new {} end))
        assert.matches("unknown option", blamed(function() signature.new { TOKEN } end))
        assert.matches("at least one", blamed(function() signature.new { tokens = {} } end))
        assert.matches("a token is a string", blamed(function() signature.new { tokens = 5 } end))
        assert.matches("tokens must be", blamed(function() signature.new { tokens = { 5 } } end))
        assert.matches("url must be a string", blamed(function() verifier:verify(nil, FORM, made) end))
        assert.matches("body must be a string", blamed(function() verifier:verify(URL, {}, made) end))
        assert.matches("signature must be a string", blamed(function() verifier:verify(URL, FORM, 5) end))
        assert.matches("params must be a table", blamed(function()
            verifier:verify_params(URL, "x", made)
        end))
        assert.has_error(function() verifier.verify({}, URL, FORM, made) end)
        assert.has_error(function() verifier.sign(nil, URL) end)
    end)

    it("is closed once it was collected", function()
        local own = assert(signature.new { tokens = TOKEN })
        local close = debug.getmetatable(own).__gc
        close(own)
        close(own)
        assert.has_error(function() own:sign(URL) end)
    end)
end)

describe("a body that is no form", function()
    local BODY = '{"event":"Grüße"}'
    local HASH = core.body_sha256(BODY)

    it("has its SHA-256 in the URL", function()
        assert.equal("0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            signature.body_sha256 '{"property": "value", "boolean": true}')
        local cases = {
            ["https://h/p"] = "https://h/p?bodySHA256=" .. HASH,
            ["https://h"] = "https://h?bodySHA256=" .. HASH,
            ["https://h/p?"] = "https://h/p?bodySHA256=" .. HASH,
            ["https://h/p?a=1"] = "https://h/p?a=1&bodySHA256=" .. HASH,
            ["https://h/p?a=1&"] = "https://h/p?a=1&bodySHA256=" .. HASH,
            ["https://h/p?a=1#rc=3"] = "https://h/p?a=1&bodySHA256=" .. HASH .. "#rc=3",
            ["https://h/p#?"] = "https://h/p?bodySHA256=" .. HASH .. "#?",
        }
        for url, wanted in pairs(cases) do
            assert.equal(wanted, signature.url_for_body(url, BODY))
        end
    end)

    it("is checked with the URL", function()
        local url = signature.url_for_body(URL, BODY)
        local made = signature.sign(TOKEN, url)
        assert.is_true(signature.verify { tokens = TOKEN, url = url, body = BODY, signature = made })
        local ok, why = signature.verify { tokens = TOKEN, url = url, body = BODY .. " ", signature = made }
        assert.is_false(ok)
        assert.equal("the body is not the one of bodySHA256", why)
        assert.is_false(signature.verify { tokens = TOKEN, url = URL, body = BODY,
            signature = signature.sign(TOKEN, URL) })
    end)

    it("raises at who misuses it", function()
        assert.matches("two strings", blamed(function() signature.url_for_body(URL) end))
        assert.matches("already", blamed(function()
            signature.url_for_body(URL .. "?bodySHA256=1", BODY)
        end))
        assert.matches("body must be a string", blamed(function() return (signature.body_sha256()) end))
    end)
end)

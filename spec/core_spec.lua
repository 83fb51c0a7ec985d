local core = require "twilio_sms.core"

local OPTIONS = {
    account_sid = "AC" .. ("0"):rep(32),
    auth_token = "0123456789abcdef0123456789abcdef",
    base_url = "https://127.0.0.1:1",
}

local function with(changes)
    local opts = {}
    for name, value in pairs(OPTIONS) do
        opts[name] = value
    end
    for name, value in pairs(changes) do
        opts[name] = value
    end
    return opts
end

describe("segments", function()
    it("are counted by encoding", function()
        assert.same({ encoding = "GSM-7", segments = 1, units = 5, per_segment = 160, characters = 5 },
            core.segments "Hello")
        assert.same(
            { encoding = "UCS-2", segments = 1, units = 5, per_segment = 70, characters = 4,
                first_ucs2 = 3 },
            core.segments "hi\240\159\152\128!")
        assert.equal(2, core.segments(("x"):rep(161)).segments)
    end)

    it("need UTF-8", function()
        local segments, err = core.segments "\255"
        assert.is_nil(segments)
        assert.equal("MessageError.InvalidRequest", err.type)
    end)

    it("raise for what is no string", function()
        assert.has_error(function() core.segments(5) end)
        assert.has_error(function() core.segments() end)
    end)
end)

describe("form_decode", function()
    it("keeps order and repetition", function()
        assert.same({ { "a", "1 2" }, { "b", "" }, { "a", "\195\169" } },
            core.form_decode "a=1+2&b=&a=%C3%A9")
        assert.same({}, core.form_decode "")
    end)

    it("is not mixed with a form that a finalizer decodes in the middle of it", function()
        local pairs_in, names = {}, {}
        for i = 1, 300 do
            names[i] = ("Name%d"):format(i)
            pairs_in[i] = names[i] .. "=" .. ("value%d"):format(i)
        end
        local form, other = table.concat(pairs_in, "&"), ("n"):rep(9000) .. "=" .. ("v"):rep(9000)
        local is_mixed, finalized = false, 0
        local function finalize()
            finalized = finalized + 1
            core.form_decode(other)
        end
        for _ = 1, 100 do
            if newproxy then -- luacheck: ignore 113
                getmetatable(newproxy(true)).__gc = finalize -- luacheck: ignore 113
            else
                setmetatable({}, { __gc = finalize })
            end
            for i, pair in ipairs(core.form_decode(form)) do
                is_mixed = is_mixed or pair[1] ~= names[i] or pair[2] ~= ("value%d"):format(i)
            end
        end
        collectgarbage()
        assert.is_false(is_mixed)
        assert.equal(100, finalized)
    end)
end)

describe("mask", function()
    it("hides numbers", function()
        assert.equal("+1********34", core.mask "+15550001234")
    end)
end)

describe("a core client", function()
    it("takes nested options, lists and an error table", function()
        local client = assert(core.client(with {
            rate = { per_second = 5, burst = 2, wait = false },
            retry = { rate_limit = { attempts = 2, base_ms = 10 } },
            callback_urls = { "https://example.com/a", "https://example.com/b" },
            errors = { [21408] = { kind = "InvalidRequest", retryable = false } },
        }))
        client:close()
    end)

    it("takes secrets from the environment and from files", function()
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(OPTIONS.auth_token, "\n")
        file:close()
        local client = assert(core.client(with { auth_token = { file = path } }))
        client:close()
        os.remove(path)
        local missing, err = core.client(with { auth_token = { env = "TWILIO_SMS_NO_SUCH_VARIABLE" } })
        assert.is_nil(missing)
        assert.equal("ConfigurationError", err.category)
        assert.matches("TWILIO_SMS_NO_SUCH_VARIABLE", err.message)
    end)

    it("refuses wrong options with a sentence that helps", function()
        local cases = {
            { { max_concurency = 5 }, "did you mean 'max_concurrency'" },
            { { rate = { per_secnd = 5 } }, "did you mean 'rate.per_second'" },
            { { rate = 5 }, "option 'rate' is a group: set one of its own, such as 'rate.per_second'" },
            { { timeout_ms = "soon" }, "timeout_ms" },
            { { timeout_ms = 1.5 }, "timeout_ms" },
            { { timeout_ms = 0 / 0 }, "timeout_ms" },
            { { from = print }, "from" },
            { { "AC" }, "options have names" },
            { { callback_urls = { 5 } }, "list of strings" },
            { { callback_urls = { url = "https://example.com/" } }, "list of strings" },
            { { ["from\0"] = "+15005550006" }, "options have names" },
            { { [""] = {} }, "options have names" },
            { { errors = { [21408] = { kind = "Oops" } } }, "kind" },
            { { errors = { x = {} } }, "errors" },
            { { errors = { [21408] = { kind = "OptedOut\0", retryable = true } } }, "kind" },
            { { errors = { [21408] = { kind = "OptedOut" } } }, "'retryable' must be true or false" },
            { { errors = { [21408] = { kind = "OptedOut", retryable = "false" } } }, "'retryable'" },
            { { errors = { [21408.5] = { kind = "OptedOut", retryable = true } } }, "21408.5" },
            { { errors = { [1e300] = { kind = "OptedOut", retryable = true } } }, "no code" },
            { { base_url = "http://api.twilio.com" }, "https" },
        }
        for _, case in ipairs(cases) do
            local client, err = core.client(with(case[1]))
            assert.is_nil(client)
            assert.equal("ConfigurationError", err.category)
            assert.matches(case[2], err.message, 1, true)
            assert.is_nil(tostring(err):find(OPTIONS.auth_token, 1, true))
        end
    end)

    it("tells which credential is wrong", function()
        local function kind_of(changes)
            local client, err = core.client(with(changes))
            assert.is_nil(client)
            return err.kind
        end
        assert.equal("InvalidAccountSid", kind_of { account_sid = "AC123" })
        assert.equal("InvalidAuthToken", kind_of { auth_token = "has spaces in it, so no" })
        assert.equal("InvalidPhoneNumber", kind_of { from = "+0" })
        local _, err = core.client {}
        assert.equal("InvalidAccountSid", err.kind)
    end)

    it("survives a table that contains itself", function()
        for _, name in ipairs { "rate", "" } do
            local loop = {}
            loop[name] = loop
            local client, err = core.client(loop)
            assert.is_nil(client)
            assert.equal("InvalidOption", err.kind)
        end
    end)

    it("raises after close, and closes twice", function()
        local client = assert(core.client(OPTIONS))
        assert.equal("twilio_sms.core.client (open)", tostring(client))
        client:close()
        client:close()
        assert.equal("twilio_sms.core.client (closed)", tostring(client))
        for _, method in ipairs { "step", "result", "check", "stats", "event", "pollfd", "timeout_ms" } do
            assert.has_error(function() client[method](client, 0) end, "the client is closed")
        end
    end)

    it("refuses fields that are unknown or of the wrong type", function()
        local client = assert(core.client(OPTIONS))
        local function refusal(operation, fields)
            local id, err = client:submit(operation, fields)
            assert.is_nil(id)
            assert.equal("not_sent", err.outcome)
            return err.message
        end
        assert.matches("did you mean 'body'", refusal("send", { to = "+15005550009", bdoy = "x" }))
        assert.matches("did you mean 'body'", refusal("send", { text = "x" }))
        assert.matches("did you mean 'media'", refusal("send", { media_url = "x" }))
        assert.matches("to: must be a string, not a number", refusal("send", { to = 15005550009 }))
        assert.matches('fields have names, as in { to = "...", body', refusal("send", { "x" }), 1, true)
        assert.matches("media: must be a string or a list", refusal("send", { media = 5 }))
        assert.matches("media: must be a string, not a number", refusal("send", { media = { 5 } }))
        assert.matches("media: must be a list, without names or gaps",
            refusal("send", { media = { url = "https://example.com/" } }))
        assert.matches("smart_encoded: must be true or false", refusal("send", { smart_encoded = 1 }))
        assert.equal("attempt: must be a whole number", refusal("send", { attempt = 1.5 }))
        assert.equal("attempt: must be a whole number, not a string", refusal("send", { attempt = "1" }))
        assert.matches("send_at: must be Unix seconds or a time", refusal("send", { send_at = "tomorrow" }))
        assert.matches("unknown field 'body'", refusal("fetch", { body = "x" }))
        assert.has_error(function() client:submit("fly", {}) end)
        assert.has_error(function() client:submit("send", "x") end)
        assert.has_error(function() client:step(0.5) end)
        client:close()
    end)

    it("makes a file that did not exist, for its owner only", function()
        local path = os.tmpname()
        os.remove(path)
        finally(function() os.remove(path) end)
        assert.is_true(core.new_file(path))
        local listed = io.popen("ls -l " .. path):read "*l"
        assert.equal("-rw-------", listed:sub(1, 10))
        local made, why, exists = core.new_file(path)
        assert.same({ nil, "File exists", true }, { made, why, exists })
        os.remove(path)
        assert(os.execute("ln -s /nowhere/at/all " .. path))
        made, why, exists = core.new_file(path)
        assert.same({ nil, "File exists", true }, { made, why, exists })
        made, why, exists = core.new_file "/nowhere/at/all"
        assert.same({ nil, "No such file or directory", false }, { made, why, exists })
    end)
end)

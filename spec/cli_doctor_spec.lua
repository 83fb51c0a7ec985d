local cjson = require "cjson"
local command = require "command"
local simulator = require "simulator"

describe("twilio-sms doctor", function()
    local sim, env

    setup(function()
        sim = simulator.start()
    end)

    teardown(function()
        sim:stop()
    end)

    before_each(function()
        env = command.env(sim)
    end)

    -- The findings by check, and the exit status.
    local function doctor(line)
        local result = command.run("doctor --json " .. (line or ""), env)
        local found = {}
        for text in result.out:gmatch "[^\n]+" do
            local row = cjson.decode(text)
            found[row.check] = row
        end
        return found, result.status
    end

    it("finds nothing where nothing is wrong", function()
        local result = command.run("doctor", env)
        assert.equal(0, result.status, result.out)
        assert.is_nil(result.out:find("FAILS", 1, true))
        for _, name in ipairs { "versions", "account", "auth_token", "sender", "options", "connection",
            "clock", "credentials" } do
            assert.truthy(result.out:find("\n?ok     " .. name .. " "), name .. " in " .. result.out)
        end
        assert.is_nil(result.out:find(simulator.AUTH_TOKEN, 1, true))
    end)

    it("finds libraries that do not do", function()
        local judge = require("twilio_sms.cli.doctor_versions").judge
        local function with(changes)
            local versions = {
                libcurl = "7.88.1", libcurl_least = "7.85.0", tls = "OpenSSL/3.0.17",
                openssl = "OpenSSL 3.0.17 1 Jul 2025", openssl_major = 3, openssl_built_major = 3,
            }
            for name, value in pairs(changes) do
                versions[name] = value or nil
            end
            return versions
        end
        for _, libcurl in ipairs { "7.85.0", "7.85.1", "7.100.0-DEV", "8.0.0" } do
            assert.same({ "ok", "libcurl " .. libcurl .. " with OpenSSL/3.0.17, OpenSSL 3.0.17 1 Jul 2025" },
                { judge(with { libcurl = libcurl }) })
        end
        for wrong, changes in pairs {
            ["libcurl is 7.84.9, but 7.85.0 is needed"] = { libcurl = "7.84.9" },
            ["libcurl is 7.9.8, but 7.85.0 is needed"] = { libcurl = "7.9.8" },
            ["libcurl 7.88.1 was built without TLS"] = { tls = false },
            ["this is OpenSSL 4.0.0, but it was built for OpenSSL 3"] = {
                openssl = "OpenSSL 4.0.0", openssl_major = 4,
            },
        } do
            local verdict, text, advice = judge(with(changes))
            assert.same({ "fails", wrong, "string" }, { verdict, text, type(advice) })
        end
    end)

    it("names the libraries that it runs with", function()
        local curl = io.popen "curl-config --version"
        local version = curl:read("*a"):match "[%d.]+"
        curl:close()
        local text = doctor("--offline").versions.text
        assert.truthy(text:find("^twilio%-sms %S+ on Lua%a* [^:]+: libcurl %S+ with %S+, OpenSSL %d"), text)
        assert.truthy(text:find("libcurl " .. version, 1, true), text)
    end)

    it("looks at this machine only when it is told so", function()
        env.TWILIO_BASE_URL = "https://localhost:1"
        local found, status = doctor "--offline"
        assert.equal(0, status)
        assert.is_nil(found.connection)
        assert.is_nil(found.credentials)
    end)

    it("finds what is wrong with the credentials", function()
        env.TWILIO_AUTH_TOKEN = ("9"):rep(32)
        local found, status = doctor()
        assert.same({ 1, "ok", "fails" }, { status, found.auth_token.verdict, found.credentials.verdict })
        env.TWILIO_AUTH_TOKEN = ("9"):rep(31)
        found = doctor()
        assert.same({ "fails", "it has 31 characters, not 32" },
            { found.auth_token.verdict, found.auth_token.text })
        env.TWILIO_AUTH_TOKEN = ("9"):rep(31) .. " "
        assert.equal("there is white space in it", doctor().auth_token.text)
        env.TWILIO_AUTH_TOKEN = nil
        found = doctor()
        assert.same({ "fails", "fails" }, { found.auth_token.verdict, found.options.verdict })
        assert.is_nil(found.connection)
        found = doctor "--auth-token-file /nowhere/token"
        assert.equal("/nowhere/token: No such file or directory", found.auth_token.text)
        found = doctor("--auth-token-file " .. simulator.AUTH_TOKEN)
        assert.equal("its file (not shown: it may be the secret): No such file or directory",
            found.auth_token.text)
        env.TWILIO_API_KEY = "SK" .. ("1"):rep(32)
        assert.equal("its secret is not known", doctor().api_key.text)
        env.TWILIO_ACCOUNT_SID = "AC123"
        assert.equal("the SID is not AC and 32 hex digits", doctor().account.text)
        env.TWILIO_ACCOUNT_SID = nil
        assert.equal("no SID is known", doctor().account.text)
    end)

    it("finds what is wrong with the way to Twilio", function()
        env.TWILIO_CA_FILE = nil
        local found, status = doctor()
        assert.same({ 1, "fails" }, { status, found.tls.verdict })
        env.TWILIO_BASE_URL = "https://nobody.invalid"
        assert.equal("fails", doctor().dns.verdict)
        env.TWILIO_BASE_URL = "https://localhost:1"
        found = doctor()
        assert.same({ "fails", "skipped" }, { found.connection.verdict, found.credentials.verdict })
        assert.truthy(found.connection.advice:find("localhost:1?", 1, true))
        env.TWILIO_CA_FILE = "/nowhere/ca.pem"
        assert.truthy(doctor().options.text:find("/nowhere/ca.pem", 1, true))
    end)

    it("finds a clock that is wrong", function()
        local other = simulator.start "start = 1700000000"
        env = command.env(other)
        local found, status = doctor()
        other:stop()
        assert.same({ 1, "fails", "set the clock (timedatectl set-ntp true)" },
            { status, found.clock.verdict, found.clock.advice })
        assert.truthy(found.clock.text:find "^%d+ s before the server's$")
    end)

    it("looks at the opt-out list", function()
        local found, status = doctor "--store /nowhere/o.db"
        assert.same({ 1, "fails" }, { status, found.store.verdict })
        assert.truthy(found.store.text:find("/nowhere/o.db is not there: ", 1, true))
        local missing = os.tmpname()
        os.remove(missing)
        found = doctor("--store " .. missing)
        assert.equal("fails", found.store.verdict)
        assert.is_nil(io.open(missing)) -- it only looks
        local file = command.file "this is no database, for certain"
        found = doctor("--store " .. file)
        assert.equal("fails", found.store.verdict)
        os.remove(file)
        file = os.tmpname()
        os.remove(file)
        assert.equal(0, command.run("optout add +15558675310 --store " .. file, env).status)
        assert.equal("ok", doctor("--store " .. file).store.verdict)
        assert(os.execute("rm -f " .. file .. "*"))
    end)
end)

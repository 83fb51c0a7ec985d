local cjson = require "cjson"
local command = require "command"
local config_file = require "twilio_sms.cli.config_file"
local core = require "twilio_sms.core"

local SID = "AC" .. ("0"):rep(31) .. "1"
local OTHER = "AC" .. ("0"):rep(31) .. "2"
local TOKEN = ("12345678"):rep(4)

local WHOLE = ("account_sid = %s\nauth_token = %s\nfrom = +15005550001\n"):format(SID, TOKEN)

-- What `doctor` says of the account, by check.
local function doctor(line, env)
    local result = command.run("doctor --offline --json " .. line, env)
    local found = {}
    for text in result.out:gmatch "[^\n]+" do
        local row = cjson.decode(text)
        found[row.check or "error"] = row.error or row
    end
    return found, result
end

-- Only root can give a file to somebody else.
local it_as_root = io.popen("id -u"):read "*l" == "0" and it or pending

describe("read_file", function()
    it("reads a file, and tells whether it is private", function()
        for mode, private in pairs { ["600"] = true, ["400"] = true, ["640"] = false, ["604"] = false } do
            local path = command.file("a\0b", mode)
            assert.same({ "a\0b", private }, { core.read_file(path) })
            os.remove(path)
        end
    end)

    it("tells who else may change it", function()
        for mode, changed_by in pairs { ["660"] = "others", ["602"] = "others", ["644"] = false } do
            local path = command.file("x", mode)
            assert.equal(changed_by or nil, select(3, core.read_file(path)))
            os.remove(path)
        end
    end)

    it_as_root("tells that it is another user's", function()
        local path = command.file("x", "600")
        assert(os.execute("chown 65534 " .. path))
        assert.same({ "x", false, "owner" }, { core.read_file(path) })
        local settings, err = config_file.read(path, false)
        assert.same({ nil, path .. ": it belongs to another user, who may change where your secrets are sent "
            .. "to: make a copy of your own", 78 }, { settings, err.message, err.status })
        os.remove(path)
    end)

    it("says why it does not", function()
        local long = command.file(("x"):rep(65537))
        for path, why in pairs {
            ["/nowhere"] = "No such file or directory", ["/tmp"] = "it is no regular file",
            [long] = "it is longer than 64 KiB",
        } do
            assert.same({ nil, why }, { core.read_file(path) })
        end
        os.remove(long)
        local pipe = os.tmpname()
        os.remove(pipe)
        assert(os.execute("mkfifo " .. pipe))
        assert.same({ nil, "it is no regular file" }, { core.read_file(pipe) })
        os.remove(pipe)
    end)
end)

describe("the configuration file", function()
    local function read(text, mode)
        local path = command.file(text, mode)
        local settings, err = config_file.read(path, false)
        os.remove(path)
        return settings, err and err.message:gsub(path, "FILE", 1):gsub(path, "FILE"), path
    end

    it("has names, values and comments", function()
        local settings = assert(read("\239\187\191account_sid = " .. SID .. "\r\n\n# a comment\n"
            .. "  from=+15005550006 \nrate.per_second = 5\nauth_token_file = /run/token"))
        assert.same({
            account_sid = SID, from = "+15005550006", ["rate.per_second"] = "5",
            auth_token = { file = "/run/token" },
        }, settings)
    end)

    it("sees paths from its own folder", function()
        local settings, _, path = read "store = sms.db\nca_file = sub/ca.pem\nauth_token_file = token\n"
        local folder = path:match "^.*/"
        assert.same({ store = folder .. "sms.db", ca_file = folder .. "sub/ca.pem",
            auth_token = { file = folder .. "token" } }, settings)
    end)

    it("is refused when it makes no sense, without showing what may be secret", function()
        for text, why in pairs {
            ["auth_token " .. TOKEN] = "FILE: line 1 is not like `name = value`",
            ["from = a\n= " .. TOKEN] = "FILE: line 2 is not like `name = value`",
            ["auth_token ="] = "FILE: line 1: auth_token has no value",
            ["from = a\nfrom = b"] = "FILE: line 2: from stands there twice",
            ["auth_token = a\nauth_token_file = b"] = "FILE: line 2: auth_token stands there twice",
            ["auth_token.file = a"] = "FILE: line 1: unknown option 'auth_token.file'",
            ["driver = curl"] = "FILE: line 1: unknown option 'driver'",
            ["from = a\noptout = false"] = "FILE: line 2: unknown option 'optout'",
            ["track = x"] = "FILE: line 1: unknown option 'track'",
        } do
            local settings, err = read(text)
            assert.same({ nil, why }, { settings, err })
        end
    end)

    it("is refused when it holds a secret that others may read", function()
        for _, name in ipairs { "auth_token", "api_secret", "callback_ref.key" } do
            local text = name .. " = " .. TOKEN
            assert.is_table((read(text, "600")))
            local _, err = read(text, "644")
            assert.equal(("FILE: others may read it, and it holds %s: chmod 600 'FILE'"):format(name), err)
        end
        assert.is_table((read("auth_token_file = /run/token", "644")))
        for url, is_secret in pairs {
            ["http://bob:hunter2@proxy:3128"] = true, ["bob:hunter2@proxy:3128"] = true,
            ["http://proxy:3128"] = false, ["http://bob@proxy:3128"] = false,
        } do
            assert.is_table((read("proxy = " .. url, "600")))
            local settings = read("proxy = " .. url, "644")
            assert.equal(is_secret, settings == nil, url)
        end
    end)

    it("is refused when others may change it, whatever it holds", function()
        for _, mode in ipairs { "620", "602", "666" } do
            local settings, err = read("base_url = https://api.twilio.com", mode)
            assert.same({ nil, "FILE: others may change it, and with it where your secrets are sent to: "
                .. "chmod go-w 'FILE'" }, { settings, err })
        end
        local path = command.file("from = +15005550001", "664")
        local found, result = doctor("--config " .. path)
        os.remove(path)
        assert.same({ 78, 78 }, { result.status, found.error.exit_status })
    end)

    it("need not be there, unless it was named", function()
        assert.same({}, config_file.read("/nowhere/config", true))
        local settings, err = config_file.read("/nowhere/config", false)
        assert.same({ nil, 78 }, { settings, err.status })
    end)
end)

describe("the account of a command", function()
    it("comes from arguments, then the environment, then the file", function()
        local config = command.file(WHOLE)
        local found = doctor("--config " .. config)
        assert.truthy(found.account.text:find("from " .. config, 1, true))
        assert.same({ "ok", "ok", "+15005550001" },
            { found.auth_token.verdict, found.options.verdict, found.sender.text })
        found = doctor("--config " .. config, { TWILIO_FROM = "+15005550002", TWILIO_ACCOUNT_SID = SID })
        assert.equal("+15005550002", found.sender.text)
        assert.truthy(found.account.text:find "from environment$")
        found = doctor("--from +15005550003 --config " .. config, { TWILIO_FROM = "+15005550002" })
        assert.equal("+15005550003", found.sender.text)
        os.remove(config)
    end)

    it("never has a secret or a sender of another account", function()
        local config = command.file(WHOLE)
        local found = doctor("--config " .. config, { TWILIO_ACCOUNT_SID = OTHER })
        assert.same({ "fails", "skipped", "fails" },
            { found.auth_token.verdict, found.sender.verdict, found.options.verdict })
        -- Nor the key of one source with the token of another.
        local key = { TWILIO_API_KEY = "SK" .. ("1"):rep(32), TWILIO_API_SECRET = ("s"):rep(32) }
        found = doctor("--config " .. config, key)
        assert.same({ "skipped", "ok" }, { found.auth_token.verdict, found.api_secret.verdict })
        os.remove(config)
    end)

    it("lies in the user's folder by default", function()
        local folder = os.tmpname()
        os.remove(folder)
        assert(os.execute(("mkdir -p %s/.config/twilio-sms %s/xdg/twilio-sms"):format(folder, folder)))
        local function write(path, from)
            local file = assert(io.open(folder .. path, "w"))
            file:write("from = ", from, "\n")
            file:close()
        end
        write("/.config/twilio-sms/config", "+15005550001")
        write("/xdg/twilio-sms/config", "+15005550002")
        assert.equal("+15005550001", doctor("", { HOME = folder }).sender.text)
        assert.equal("skipped", doctor("", { HOME = "/dev/null" }).sender.verdict)
        local xdg = { HOME = folder, XDG_CONFIG_HOME = folder .. "/xdg" }
        assert.equal("+15005550002", doctor("", xdg).sender.text)
        xdg.XDG_CONFIG_HOME = "relative" -- is to be ignored
        assert.equal("+15005550001", doctor("", xdg).sender.text)
        assert(os.execute("rm -r " .. folder))
    end)

    it("has its secrets from files, but not from arguments", function()
        local token = command.file(TOKEN .. "\n")
        local found = doctor(("--account-sid %s --auth-token-file %s"):format(SID, token))
        assert.same({ "ok", "ok" }, { found.auth_token.verdict, found.options.verdict })
        assert(os.execute("chmod 644 " .. token))
        found = doctor(("--account-sid %s --auth-token-file %s"):format(SID, token))
        assert.equal("fails", found.auth_token.verdict)
        assert.equal("chmod 600 '" .. token .. "'", found.auth_token.advice)
        os.remove(token)
        for line, wanted in pairs {
            ["send --auth-token " .. TOKEN .. " +15558675310 x"] = "TWILIO_AUTH_TOKEN",
            ["send --auth-token=" .. TOKEN] = "--auth-token-file",
            ["list --json --api-secret=" .. TOKEN] = "TWILIO_API_SECRET",
            ["list --auth-tokn=" .. TOKEN] = "unknown option '--auth-tokn'",
            ["list --proxy http://bob:" .. TOKEN .. "@proxy:3128"] = "`proxy = ...`",
            ["list --proxy=http://bob:" .. TOKEN .. "@proxy:3128"] = "`proxy = ...`",
        } do
            local result = command.run(line)
            assert.equal(64, result.status)
            assert.truthy((result.err .. result.out):find(wanted, 1, true), result.err)
            assert.is_nil((result.err .. result.out):find(TOKEN, 1, true))
        end
    end)

    it("is asked for when there is none", function()
        for _, line in ipairs { "send +15558675310 x", "list", "get SM" .. ("1"):rep(32) } do
            local result = command.run(line)
            assert.equal(78, result.status)
            local wanted = "whose account? Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or write "
                .. "account_sid and auth_token_file into /nowhere/.config/twilio-sms/config"
            assert.truthy(result.err:find(wanted, 1, true), result.err)
        end
    end)

    it("takes every option of a client, and says which one is none", function()
        local env = { TWILIO_ACCOUNT_SID = SID, TWILIO_AUTH_TOKEN = TOKEN }
        for _, name in ipairs { "sources", "config_path", "retry" } do
            local wrong = command.file(name .. " = 5\nretry.timeout.attempts = 2\n")
            local text = doctor("--config " .. wrong, env).options.text
            assert.truthy(text:find("option '" .. name .. "'", 1, true), text)
            os.remove(wrong)
        end
        local config = command.file "rate.per_secnd = 5\n"
        local found = doctor("--config " .. config, env)
        assert.truthy(found.options.text:find("did you mean 'rate.per_second'", 1, true))
        os.remove(config)
        config = command.file("rate.per_second = 5\nrate.wait = false\nretry.timeout.attempts = 2\n"
            .. "in_doubt = stop\n")
        assert.equal("ok", doctor("--config " .. config, env).options.verdict)
        os.remove(config)
    end)

    it("knows the variables that the library knows", function()
        local page = assert(io.open "docs/configuration.md")
        local source = assert(io.open "lua/twilio_sms/cli/account.lua")
        local names = source:read("*a"):match "local NAMES = (%b{})"
        local count = 0
        for name in page:read("*a"):gmatch "| `TWILIO_([%u_]+)` |" do
            count = count + 1
            assert.truthy(names:find('"' .. name:lower() .. '"', 1, true), name)
        end
        local _, listed = names:gsub('"[%l_]+"', "")
        assert.equal(count, listed)
        page:close()
        source:close()
    end)
end)

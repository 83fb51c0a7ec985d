local core = require "twilio_sms.core"
local simulator = require "simulator"

-- Runs Lua code in a process of its own; what it prints.
local function elsewhere(code, before)
    local script = ("package.path, package.cpath = %q, %q\n%s"):format(package.path, package.cpath, code)
    local command = ("%s %s -e %s 2>&1"):format(before or "", simulator.lua, simulator.quote(script))
    local pipe = assert(io.popen(command))
    local text = pipe:read "*a"
    pipe:close()
    return text
end

describe("a journal", function()
    local path

    before_each(function()
        path = os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
    end)

    local function contents()
        local file = assert(io.open(path, "rb"))
        local text = file:read "*a"
        file:close()
        return text
    end

    it("is made for its owner only, and grows", function()
        local journal = assert(core.open_journal(path))
        assert.equal("-rw-------", io.popen("ls -l " .. path):read(10))
        assert.is_true(journal:append "one\n")
        assert.is_true(journal:append "two\0\n")
        assert.is_true(journal:sync())
        assert.equal("one\ntwo\0\n", contents())
        journal:close()
        journal = assert(core.open_journal(path))
        assert.is_true(journal:append "three\n")
        assert.equal("one\ntwo\0\nthree\n", contents())
        assert.is_true(journal:cut(4))
        assert.is_true(journal:append "four\n")
        assert.equal("one\nfour\n", contents())
        journal:close()
        journal:close()
    end)

    it("is one process's at a time", function()
        local journal = assert(core.open_journal(path))
        local open = ([[
            local journal, why, is_in_use = require("twilio_sms.core").open_journal(%q)
            print(type(journal), why, is_in_use)
        ]]):format(path)
        assert.equal("nil\tanother process is using it\ttrue\n", elsewhere(open))
        local again, why, is_in_use = core.open_journal(path) -- nor twice in one
        assert.same({ nil, "another process is using it", true }, { again, why, is_in_use })
        journal:close()
        assert.equal("userdata\tnil\tnil\n", elsewhere(open))
        assert.truthy(core.open_journal(path)) -- whoever ended has closed it
    end)

    it("says what cannot be one", function()
        for name, wanted in pairs {
            ["/nowhere/at/all"] = "No such file or directory", ["/dev/null"] = "not a regular file",
            ["/tmp"] = "Is a directory",
        } do
            local journal, why, is_in_use = core.open_journal(name)
            assert.same({ nil, wanted, false }, { journal, why, is_in_use })
        end
        assert.has_error(function() core.open_journal() end)
    end)

    it("takes back what has no room", function()
        local code = ([[
            local journal = assert(require("twilio_sms.core").open_journal(%q))
            print(journal:append(("x"):rep(1000)))
            print(journal:append(("y"):rep(1000)))
            print(journal:append "z")
        ]]):format(path)
        -- Two blocks of 512 bytes, and no signal for more than that.
        local text = elsewhere(code, "ulimit -f 2; trap '' XFSZ;")
        assert.equal("true\nnil\tFile too large\ntrue\n", text)
        assert.equal(("x"):rep(1000) .. "z", contents())
    end)

    it("cannot be used when it is closed", function()
        local journal = assert(core.open_journal(path))
        journal:close()
        for _, method in ipairs { "append", "sync", "cut" } do
            assert.error_matches(function() journal[method](journal, "0") end, "closed")
        end
    end)
end)

describe("signals", function()
    -- Not os.execute, during which a process does not hear SIGINT.
    local KILL = [[
        local core = require "twilio_sms.core"
        local pid = io.open("/proc/self/stat"):read(_VERSION == "Lua 5.1" and "*n" or "n")
        local function kill(name)
            io.popen(("kill -%s %d"):format(name, pid)):close()
        end
        io.stdout:setvbuf "no"
    ]]

    it("are counted, and the third one ends the process", function()
        local text = elsewhere(KILL .. [[
            core.catch_signals()
            core.catch_signals()
            print(core.signals())
            for _, name in ipairs { "INT", "TERM" } do
                kill(name)
                print(core.signals())
            end
            kill "TERM"
            print "still here"
        ]])
        assert.truthy(text:find "^0\n1\n2\n", text)
        assert.is_nil(text:find("still here", 1, true))
    end)

    it("do what they did before, afterwards", function()
        local text = elsewhere(KILL .. [[
            core.catch_signals()
            core.release_signals()
            core.release_signals()
            kill "INT"
            print "still here"
        ]])
        assert.truthy(text:find("interrupted!", 1, true), text) -- so both interpreters take it
        assert.is_nil(text:find("still here", 1, true))
    end)

    it("make writing to nobody an error", function()
        local text = elsewhere(KILL .. [[
            core.catch_signals()
            local pipe = io.popen("exec true", "w")
            pipe:setvbuf "no"
            local ok, why
            repeat ok, why = pipe:write "x" until not ok
            print(why)
        ]])
        assert.equal("Broken pipe\n", text)
    end)
end)

describe("is_tty", function()
    it("knows a pipe from a terminal", function()
        local ask = "print(require('twilio_sms.core').is_tty(0), require('twilio_sms.core').is_tty(99))"
        assert.equal("false\tfalse\n", elsewhere(ask, "echo |"))
        local script = ("script -qec %s /dev/null < /dev/null"):format(simulator.quote(
            simulator.lua .. " -e " .. simulator.quote(
                ("package.path, package.cpath = %q, %q\n%s"):format(package.path, package.cpath, ask))))
        assert.equal("true\tfalse\r\n", io.popen(script):read "*a")
    end)
end)

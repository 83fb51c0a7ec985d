local core = require "twilio_sms.core"
local files = require "files"
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

-- Only root can be somebody else.
local it_as_root = io.popen("id -u"):read "*l" == "0" and it or pending

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

    it("becomes its owner's only when others may see what is there", function()
        for _, mode in ipairs { "644", "660", "755" } do
            files.write(path, "one\n")
            assert(os.execute(("chmod %s %s"):format(mode, path)))
            assert(core.open_journal(path)):close()
            assert.equal(mode == "755" and "-rwx------" or "-rw-------", io.popen("ls -l " .. path):read(10))
            assert.equal("one\n", contents())
        end
    end)

    it_as_root("is not used when it is another user's, and others may use it", function()
        assert(os.execute(("mkdir -m 777 %s.d"):format(path)))
        local shared = path .. ".d/shared"
        files.write(shared, "one\n")
        local open = ('print(require("twilio_sms.core").open_journal(%q))'):format(shared)
        for mode, wanted in pairs {
            ["666"] = "nil\tit belongs to another user, and more than its owner may use it\tfalse\n",
            ["600"] = "nil\tPermission denied\tfalse\n",
        } do
            assert(os.execute(("chmod %s %s"):format(mode, shared)))
            assert.equal(wanted, elsewhere(open, "setpriv --reuid 65534 --clear-groups"))
        end
        assert(os.execute(("rm -r %s.d"):format(path)))
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
        local text = elsewhere(code, files.limit(2))
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

    it("tell of a terminal that closes once, however often that is told", function()
        local text = elsewhere(KILL .. [[
            core.catch_signals()
            for _ = 1, 3 do
                kill "HUP"
                print(core.signals())
            end
            kill "TERM"
            print(core.signals())
            core.release_signals()
            kill "HUP"
            print "still here"
        ]])
        assert.truthy(text:find "^1\n1\n1\n2\n", text)
        assert.is_nil(text:find("still here", 1, true))
    end)

    it("leave alone what works without a terminal", function()
        local code = [[
            kill "HUP"
            print(core.signals())
        ]]
        for _, start in ipairs { "core.catch_signals()\n", "core.unite_signals()\n" } do
            assert.equal("0\n", elsewhere(KILL .. start .. code, "trap '' HUP;"))
        end
    end)

    it("are all the same, if that is wanted", function()
        for _, name in ipairs { "TERM", "HUP" } do
            local text = elsewhere(KILL .. ([[
                core.unite_signals()
                local ok, why = pcall(function()
                    kill %q
                    print "still here"
                end)
                print(ok, why)
            ]]):format(name))
            assert.truthy(text:find "^false\t[^\n]*interrupted!\n$", text)
        end
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

describe("a terminal", function()
    local function ask(code, before)
        return elsewhere("local core = require 'twilio_sms.core'\n" .. code, before)
    end

    -- The same on a terminal.
    local function ask_there(code, before)
        local path = os.tmpname()
        files.write(path, ("package.path, package.cpath = %q, %q\nlocal core = require 'twilio_sms.core'\n%s")
            :format(package.path, package.cpath, code))
        local line = ("%s %s %s"):format(before or "", simulator.lua, path)
        local pipe = io.popen(("script -qec %s /dev/null < /dev/null"):format(simulator.quote(line)))
        local text = pipe:read "*a"
        pipe:close()
        os.remove(path)
        return text
    end

    it("is known from a pipe", function()
        local code = "print(core.is_tty(0), core.is_tty(99))"
        assert.equal("false\tfalse\n", ask(code, "echo |"))
        assert.equal("true\tfalse\r\n", ask_there(code))
    end)

    it("says how wide it is", function()
        local code = "print(core.terminal_width(0), core.terminal_width(99))"
        assert.equal("nil\tnil\n", ask(code, "echo |"))
        assert.equal("47\tnil\r\n", ask_there(code, "stty cols 47;"))
        assert.equal("nil\tnil\r\n", ask_there(code, "stty cols 0;"))
    end)
end)

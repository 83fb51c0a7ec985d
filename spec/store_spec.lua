local conformance = require "twilio_sms.store_conformance"
local core = require "twilio_sms.core"
local finalizers = require "finalizers"
local sqlite = require "twilio_sms.store"

local function read_file(path)
    local file = assert(io.open(path, "rb"))
    local bytes = file:read "*a"
    file:close()
    return bytes
end

describe("twilio_sms.store", function()
    local path, opened

    local function remove_files()
        for _, suffix in ipairs { "", "-wal", "-shm" } do
            os.remove(path .. suffix)
        end
    end

    local function open(options)
        local store = assert(sqlite.open(path, options))
        opened[#opened + 1] = store
        return store
    end

    before_each(function()
        path, opened = os.tmpname(), {}
        remove_files()
    end)

    after_each(function()
        for _, store in ipairs(opened) do
            store:close()
        end
        remove_files()
    end)

    it("does what a store must do", function()
        local failures, count = conformance.run(function()
            remove_files()
            return sqlite.open(path)
        end)
        assert.same({}, failures)
        assert.truthy(count > 20)
    end)

    it("keeps records for the next one who opens it", function()
        local record = { text = "é\0", list = { 1, core.json_null }, n = 7 }
        local store = open()
        assert.is_true(store:write { { space = "s", key = "k", record = record, at = 5 } })
        store:close()
        store = open()
        local got, version = store:read("s", "k")
        assert.same(record, got)
        assert.equal(1, version)
        assert.equal(1, store:purge("s", 6))
    end)

    it("shows two who have it open the same", function()
        local one, two = open(), open()
        assert.is_true(one:write { { space = "s", key = "k", record = { n = 1 }, version = 0 } })
        assert.is_false(two:write { { space = "s", key = "k", record = { n = 2 }, version = 0 } })
        assert.is_true(two:write { { space = "s", key = "k", record = { n = 2 }, version = 1 } })
        assert.same({ n = 2 }, (one:read("s", "k")))
    end)

    it("takes an empty file", function()
        io.open(path, "w"):close()
        assert.same({}, open():list "s")
    end)

    it("refuses what it cannot open, with nil and an error", function()
        local function refused(bad, message)
            local store, err = sqlite.open(bad)
            assert.is_nil(store)
            assert.equal("ConfigurationError.InvalidOption", err.type)
            assert.truthy(err.message:find(message, 1, true), err.message)
        end
        refused("", "the path is empty")
        refused("/", "the path is a directory")
        refused("/nowhere/file", "the directory of the file: No such file or directory")
        refused(":memory:", "twilio_sms.memory")
        refused("a\0b", "zero byte")
        local file = assert(io.open(path, "w"))
        local text = ("some other file\n"):rep(100)
        file:write(text)
        file:close()
        refused(path, "the file is no SQLite database")
        assert.equal(text, read_file(path))
    end)

    it("raises for misuse", function()
        assert.has_error(function() sqlite.open() end)
        assert.has_error(function() sqlite.open(1) end)
        for _, value in ipairs { 0, 1.5, -1, "5", 600001 } do
            assert.has_error(function() sqlite.open(path, { busy_timeout_ms = value }) end)
        end
        assert.has_error(function() sqlite.open(path, { timeout = 1 }) end, "unknown field 'timeout'")
        local store = open { busy_timeout_ms = 1 }
        local function write(change)
            return function() store:write { change } end
        end
        assert.has_error(write(5), "a change must be a table, not a number")
        assert.has_error(write { space = "s", key = "k", verson = 1 }, "unknown field 'verson'")
        assert.has_error(write { space = "s", key = "k", version = -1 },
            "'version' must be a whole number from 0 to 9007199254740992")
        assert.has_error(write { space = "s", key = "" }, "'key' must have 1 to 512 bytes")
        assert.has_error(write { space = "s", key = "k", record = { a = { "\255" } } },
            "record.a[1]: text that is not UTF-8")
        assert.has_error(write { space = "s", key = "k", record = { a = ("x"):rep(1024 * 1024) } },
            "record: too much for one text")
    end)

    it("says the same as the store in memory does", function()
        local store, other = open(), require("twilio_sms.memory").new()
        local function message(one, call)
            local _, text = pcall(one[call[1]], one, call[2], call[3])
            return (tostring(text):gsub("^%S+:%d+: ", ""))
        end
        local calls = {
            { "read" }, { "read", "s" }, { "read", "s", ("k"):rep(513) },
            { "write", { 5 } }, { "write", { { space = "s" } } }, { "write", { { space = 7, key = "k" } } },
            { "write", { { space = "s", key = "k", at = 0.5 } } },
            { "write", { { space = "s", key = "k", record = 7 } } },
            { "write", { { space = "s", key = "k", record = { x = { print } } } } },
            { "list", "s", 5 }, { "list", "s", { limit = 0 } }, { "list", "s", { x = 1 } }, { "purge", "s" },
        }
        for _, call in ipairs(calls) do
            assert.equal(message(other, call), message(store, call))
        end
    end)

    it("lets finalizers use it while it makes the tables of its answers", function()
        local store = open()
        local text = ("x"):rep(100)
        local changes = { { space = "b", key = "large", record = { text = ("y"):rep(40000) } } }
        for i = 1, 200 do
            changes[i + 1] = { space = "a", key = ("%03d"):format(i), record = { i = i, text = text } }
        end
        assert.is_true(store:write(changes))
        finalizers.run(function()
            store:read("b", "large")
        end, function()
            for _ = 1, 2 do
                local rows = assert(store:list("a", { limit = 200 }))
                assert.equal(200, #rows)
                for i, row in ipairs(rows) do
                    assert.same({ i = i, text = text }, row.record)
                    assert.same({ i = i, text = text }, (assert(store:read("a", row.key))))
                end
            end
        end)
    end)

    it("closes once, and by itself", function()
        local store = open()
        assert.equal("twilio_sms.store (open)", tostring(store))
        store:close()
        store:close()
        assert.equal("twilio_sms.store (closed)", tostring(store))
        assert.has_error(function() store:read("s", "k") end, "the store is closed")
        local other = assert(sqlite.open(path))
        other:write { { space = "s", key = "k", record = {} } }
        assert.truthy(io.open(path .. "-wal"))
        other = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.is_nil(io.open(path .. "-wal"))
    end)

    it("refuses a store that is no store", function()
        assert.has_error(function() open().read({}, "s", "k") end)
        assert.has_error(function() open().write(io.stdout, {}) end)
    end)
end)

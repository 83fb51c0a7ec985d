local arguments = require "twilio_sms.store_arguments"

-- A store that does nothing else.
local Store = {}
Store.__index = Store

function Store:read(space, key)
    assert(self)
    arguments.read(space, key)
end

function Store:write(changes)
    self.changes = arguments.write(changes)
end

function Store:list(space, given)
    self.prefix, self.after, self.limit = arguments.list(space, given)
end

function Store:purge(space, before)
    assert(self)
    arguments.purge(space, before)
end

describe("twilio_sms.store_arguments", function()
    local store

    before_each(function()
        store = setmetatable({}, Store)
    end)

    it("hands on changes with their records as JSON", function()
        store:write {
            { space = "s", key = "\0\255", record = { n = 1 }, at = 5, version = 0 },
            { space = "s", key = "k", at = -5.0 },
        }
        assert.same({
            { space = "s", key = "\0\255", text = '{"n":1}', at = 5, version = 0 },
            { space = "s", key = "k", at = -5 },
        }, store.changes)
        store:write { { space = "s", key = "k" } }
        assert.truthy(math.abs(store.changes[1].at - os.time()) <= 5)
        store:write {}
        assert.same({}, store.changes)
    end)

    it("fills in what a list leaves out", function()
        store:list "s"
        assert.same({ "", nil, 100 }, { store.prefix, store.after, store.limit })
        store:list("s", { prefix = "p", after = "p1", limit = 1000 })
        assert.same({ "p", "p1", 1000 }, { store.prefix, store.after, store.limit })
    end)

    it("blames misuse on the line that calls the method", function()
        local function change(changes)
            return function() store:write { { space = "s", key = "k" }, changes } end
        end
        for text, f in pairs {
            ["'space' must be a string, not nil"] = function() store:read() end,
            ["'space' must have 1 to 64 bytes"] = function() store:read(("s"):rep(65), "k") end,
            ["'key' must have 1 to 512 bytes"] = function() store:read("s", "") end,
            ["a list of changes expected"] = function() store:write { space = "s", key = "k" } end,
            ["a list of changes"] = function() store:write() end,
            ["a change must be a table, not a number"] = change(5),
            ["unknown field 'verson'; did you mean 'version'?"] =
                change { key = "k", space = "s", verson = 1 },
            ["'version' must be a whole number from 0"] = change { space = "s", key = "k", version = -1 },
            ["'at' must be a whole number"] = change { space = "s", key = "k", at = 0.5 },
            ["'record' must be a table, not a string"] = change { space = "s", key = "k", record = "x" },
            ["record.x: "] = change { space = "s", key = "k", record = { x = print } },
            ["record: too much"] = change { space = "s", key = "k", record = { ("x"):rep(1024 * 1024) } },
            ["options must be a table, not a number"] = function() store:list("s", 5) end,
            ["unknown field 'befor'"] = function() store:list("s", { befor = "x" }) end,
            ["'limit' must be a whole number from 1 to 1000"] = function() store:list("s", { limit = 0 }) end,
            ["'prefix' must be a string"] = function() store:list("s", { prefix = 5 }) end,
            ["'before' must be a whole number"] = function() store:purge "s" end,
        } do
            local ok, err = pcall(f)
            assert.is_false(ok, text)
            assert.truthy(err:find(text, 1, true), err)
            assert.truthy(err:find "^[^:]*store_arguments_spec.lua:%d+: ", err)
        end
    end)
end)

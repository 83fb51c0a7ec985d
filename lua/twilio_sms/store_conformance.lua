--- Checks that a store does what the modules of this library expect of one.
--
--     local failures = require("twilio_sms.store_conformance").run(open)
--
-- It needs no test framework: each failure is a table with the name of a check and what went wrong.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"

local M = {}

-- ---- Saying what is expected ---------------------------------------------------------------------

local function show(value)
    if type(value) == "table" then
        return core.json_encode(value) or tostring(value)
    end
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b
    end
    for key, value in pairs(a) do
        if not same(value, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

local function expect(wanted, got, what)
    if not same(wanted, got) then
        error(("%s: wanted %s, got %s"):format(what, show(wanted), show(got)), 2)
    end
end

local function expect_row(store, space, key, record, version)
    local got_record, got_version = store:read(space, key)
    expect(record, got_record, ("the record of %q"):format(key))
    expect(version, got_version, ("the version of %q"):format(key))
end

local function expect_misuse(what, method, ...)
    if pcall(method, ...) then
        error(what .. " was not refused by an error", 2)
    end
end

local function keys_of(rows)
    local keys = {}
    for i, row in ipairs(rows) do
        keys[i] = row.key
    end
    return keys
end

local function put(store, space, key, record, at)
    expect(true, store:write { { space = space, key = key, record = record or {}, at = at or 1 } }, "a write")
end

-- ---- The checks ----------------------------------------------------------------------------------

local CHECKS = {}

local function check(name, body)
    CHECKS[#CHECKS + 1] = { name = name, body = body }
end

check("an absent record is nil, with version 0", function(store)
    expect_row(store, "s", "k", nil, 0)
end)

check("a record comes back as it was written", function(store)
    local record = {
        text = 'a "quoted" \\ line\n\0\127 é 😀', empty = "", yes = true, no = false,
        list = { 1, "b", { c = {} } },
        nested = { a = { b = { c = "d" } } }, [""] = "no name", zero = 0, negative = -7,
        large = 9007199254740991, fraction = 0.1, tiny = 5e-324, huge = 1.7976931348623157e308,
    }
    put(store, "s", "k", record)
    expect_row(store, "s", "k", record, 1)
    put(store, "s", "empty", {})
    expect_row(store, "s", "empty", {}, 1)
end)

check("whole numbers stay whole", function(store)
    put(store, "s", "k", { n = 3, large = 1700000000 })
    local record = store:read("s", "k")
    expect("3 1700000000", ("%s %s"):format(record.n, record.large), "the numbers as text")
end)

check("a list keeps its null", function(store)
    put(store, "s", "k", { list = { 1, core.json_null, 3 } })
    expect({ list = { 1, core.json_null, 3 } }, store:read("s", "k"), "the record")
end)

check("records are copies", function(store)
    local given = { list = { 1 } }
    put(store, "s", "k", given)
    given.list[1] = 2
    local got = store:read("s", "k")
    expect({ list = { 1 } }, got, "the record after the table was changed")
    got.list[1] = 3
    store:list("s")[1].record.list[1] = 4
    expect_row(store, "s", "k", { list = { 1 } }, 1)
end)

check("each change adds one to the version", function(store)
    for version = 1, 5 do
        put(store, "s", "k", { version = version })
        expect_row(store, "s", "k", { version = version }, version)
    end
end)

check("spaces do not see each other", function(store)
    put(store, "a", "k", { from = "a" })
    put(store, "b", "k", { from = "b" })
    put(store, "ab", "k", { from = "ab" })
    expect_row(store, "a", "k", { from = "a" }, 1)
    expect_row(store, "b", "k", { from = "b" }, 1)
    expect(1, #store:list "a", "records in a space")
end)

check("without a record a write removes", function(store)
    put(store, "s", "k")
    put(store, "s", "l")
    expect(true, store:write { { space = "s", key = "k" } }, "a removal")
    expect_row(store, "s", "k", nil, 0)
    expect({ "l" }, keys_of(store:list "s"), "the keys")
    expect(true, store:write { { space = "s", key = "k" } }, "a removal of nothing")
    put(store, "s", "k")
    expect_row(store, "s", "k", {}, 1)
end)

check("a guarded change wants its version", function(store)
    local function write(version, record)
        return (store:write { { space = "s", key = "k", record = record, at = 1, version = version } })
    end
    expect(false, write(1, { n = 1 }), "version 1 of nothing")
    expect(true, write(0, { n = 2 }), "version 0 of nothing")
    expect(false, write(0, { n = 3 }), "version 0 of something")
    expect(true, write(1, { n = 4 }), "version 1")
    expect(false, write(1, { n = 5 }), "version 1 of version 2")
    expect_row(store, "s", "k", { n = 4 }, 2)
    expect(false, write(1, nil), "removing version 1 of version 2")
    expect(true, write(2, nil), "removing version 2")
    expect(true, write(0, nil), "removing nothing, version 0")
    expect_row(store, "s", "k", nil, 0)
end)

check("a write makes all changes or none", function(store)
    put(store, "s", "a", { n = 1 })
    put(store, "s", "gone", { n = 1 })
    local changes = {
        { space = "s", key = "a", record = { n = 2 }, at = 1 },
        { space = "s", key = "new", record = { n = 2 }, at = 1 },
        { space = "s", key = "gone" },
        { space = "t", key = "b", record = { n = 2 }, at = 1, version = 7 },
    }
    expect(false, store:write(changes), "a write with a wrong version")
    expect_row(store, "s", "a", { n = 1 }, 1)
    expect_row(store, "s", "new", nil, 0)
    expect_row(store, "s", "gone", { n = 1 }, 1)
    expect({ "a", "gone" }, keys_of(store:list "s"), "the keys")
    changes[4].version = 0
    expect(true, store:write(changes), "a write with the right one")
    expect({ "a", "new" }, keys_of(store:list "s"), "the keys")
    expect_row(store, "s", "a", { n = 2 }, 2)
    expect_row(store, "t", "b", { n = 2 }, 1)
    expect(true, store:write {}, "a write without changes")
end)

check("changes are made in their order, and guards see those before them", function(store)
    local function change(version, n)
        return { space = "s", key = "k", record = n and { n = n }, at = 1, version = version }
    end
    expect(true, store:write { change(0, 1), change(1, 2), change(nil, 3) }, "three of one key")
    expect_row(store, "s", "k", { n = 3 }, 3)
    expect(true, store:write { change(3, nil), change(0, 4) }, "removing and making")
    expect_row(store, "s", "k", { n = 4 }, 1)
    expect(false, store:write { change(1, nil), change(0, 5), change(2, 6) }, "a wrong version at the end")
    expect_row(store, "s", "k", { n = 4 }, 1)
    expect({ "k" }, keys_of(store:list "s"), "the keys")
end)

check("a change that is misuse leaves those before it undone", function(store)
    expect_misuse("a change without a key", store.write, store,
        { { space = "s", key = "a", record = {} }, { space = "s", record = {} } })
    expect_row(store, "s", "a", nil, 0)
end)

check("lists are in the order of the bytes", function(store)
    local keys = { "\1", "\0", "A", "Z", "a", "z", "aa", "a\0", "é", "\255", "+1", "10", "9", "_" }
    for _, key in ipairs(keys) do
        put(store, "s", key)
    end
    expect({ "\0", "\1", "+1", "10", "9", "A", "Z", "_", "a", "a\0", "aa", "z", "é", "\255" },
        keys_of(store:list "s"), "the keys")
end)

check("rows of a list have key, record and version", function(store)
    put(store, "s", "a", { n = 1 })
    put(store, "s", "b", { n = 1 })
    put(store, "s", "b", { n = 2 })
    expect({ { key = "a", record = { n = 1 }, version = 1 }, { key = "b", record = { n = 2 }, version = 2 } },
        store:list "s", "the rows")
    expect({}, store:list "nothing", "the rows of an empty space")
end)

check("prefix, after and limit", function(store)
    for _, key in ipairs { "a", "ab", "abc", "b", "b/1", "b/2", "b0", "c" } do
        put(store, "s", key)
    end
    local function list(which)
        return table.concat(keys_of(store:list("s", which)), " ")
    end
    expect("b b/1 b/2 b0", list { prefix = "b" }, "prefix b")
    expect("b/1 b/2", list { prefix = "b/" }, "prefix b/")
    expect("", list { prefix = "bb" }, "prefix bb")
    expect("", list { prefix = "d" }, "prefix d")
    expect("a ab abc b b/1 b/2 b0 c", list { prefix = "" }, "prefix of nothing")
    expect("b/2 b0 c", list { after = "b/1" }, "after b/1")
    expect("b b/1 b/2 b0 c", list { after = "abcd" }, "after a key that is not there")
    expect("a ab abc b b/1 b/2 b0 c", list { after = "" }, "after nothing")
    expect("", list { after = "c" }, "after the last")
    expect("b/2", list { prefix = "b/", after = "b/1" }, "prefix and after")
    expect("b/1 b/2", list { prefix = "b/", after = "a" }, "after a key before the prefix")
    expect("b/1 b/2", list { prefix = "b/", after = "b" }, "after the beginning of the prefix")
    expect("", list { prefix = "a", after = "b" }, "after a key behind the prefix")
    expect("a ab", list { limit = 2 }, "limit")
    expect("ab abc", list { prefix = "a", after = "a", limit = 5 }, "all three")
end)

check("pages make up the whole", function(store)
    local changes = {}
    for i = 1, 1203 do
        -- 7 and 1203 have no common divisor, so each number comes once, in a mixed order.
        changes[i] = { space = "s", key = ("%04d"):format(i * 7 % 1203), record = { i = i }, at = 1 }
    end
    expect(true, store:write(changes), "a long write")
    expect(100, #store:list "s", "rows without a limit")
    expect(1000, #store:list("s", { limit = 1000 }), "rows with the highest limit")
    local seen, after = 0, nil
    repeat
        local rows = store:list("s", { after = after, limit = 97 })
        for _, row in ipairs(rows) do
            expect(("%04d"):format(seen), row.key, "the next key")
            seen, after = seen + 1, row.key
        end
    until #rows == 0
    expect(1203, seen, "rows in all")
end)

check("purge removes what was written before", function(store)
    put(store, "s", "old", {}, 100)
    put(store, "s", "new", {}, 200)
    put(store, "s", "again", {}, 100)
    put(store, "s", "again", {}, 300)
    put(store, "t", "other", {}, 100)
    expect(0, store:purge("s", 100), "what was written before 100")
    expect(1, store:purge("s", 200), "what was written before 200")
    expect({ "again", "new" }, keys_of(store:list "s"), "the keys")
    expect({ "other" }, keys_of(store:list "t"), "the keys of another space")
    expect(2, store:purge("s", 1e9), "all")
    expect({}, store:list "s", "the rows")
    expect_row(store, "s", "new", nil, 0)
end)

check("without a time a change happens now", function(store)
    store:write { { space = "s", key = "k", record = {} } }
    expect(0, store:purge("s", os.time() - 3600), "what was written an hour ago")
    expect(1, store:purge("s", os.time() + 3600), "what was written by an hour from now")
end)

check("the longest names and the largest record", function(store)
    local space, key = ("s"):rep(64), ("k"):rep(512)
    local most = { t = ("x"):rep(1024 * 1024 - #'{"t":""}') }
    put(store, space, key, most)
    expect(true, same(most, (store:read(space, key))), "the largest record")
    expect(key, store:list(space)[1].key, "the longest key")
    local function write(one_space, one_key, record)
        return store.write, store, { { space = one_space, key = one_key, record = record } }
    end
    expect_misuse("a space that is too long", write(space .. "s", "k", {}))
    expect_misuse("a key that is too long", write("s", key .. "k", {}))
    expect_misuse("a record that is too large", write("s", "k", { t = most.t .. "x" }))
    expect_misuse("an empty space", write("", "k", {}))
    expect_misuse("an empty key", write("s", "", {}))
end)

check("records that cannot be kept are refused", function(store)
    local holds_itself = {}
    holds_itself.again = holds_itself
    local deep = {}
    for _ = 1, 64 do
        deep = { deep }
    end
    local refused = {
        ["a function"] = { x = print }, ["a coroutine"] = { x = coroutine.create(function() end) },
        ["a table that holds itself"] = holds_itself, ["65 tables in each other"] = deep,
        ["text that is not UTF-8"] = { x = "\255" }, ["a key that is not UTF-8"] = { ["\255"] = 1 },
        ["infinity"] = { x = math.huge }, ["no number"] = { x = 0 / 0 },
        ["a list with a hole"] = { 1, nil, 3 },
        ["a list with a name"] = { 1, 2, x = 3 },
        ["a boolean as a key"] = { [true] = 1 },
        ["text for a record"] = "text",
    }
    for what, record in pairs(refused) do
        expect_misuse(what, store.write, store, { { space = "s", key = "k", record = record } })
    end
    expect({}, store:list "s", "the rows")
    put(store, "s", "deep", deep[1])
    expect_row(store, "s", "deep", deep[1], 1)
end)

check("misuse raises", function(store)
    local good = { space = "s", key = "k", record = {} }
    for name, value in pairs { version = -1, at = 0.5, key = 1, space = false, verson = 1, record = 7 } do
        local change = { space = good.space, key = good.key, record = good.record }
        change[name] = value
        expect_misuse(("a change with %s = %s"):format(name, tostring(value)), store.write, store, { change })
    end
    expect_misuse("a change that is no table", store.write, store, { 1 })
    expect_misuse("a change that is no list", store.write, store, good)
    expect_misuse("no changes", store.write, store)
    expect_misuse("a read without a key", store.read, store, "s")
    expect_misuse("a read of an empty key", store.read, store, "s", "")
    expect_misuse("a read of no space", store.read, store, nil, "k")
    for name, value in pairs { limit = 0, prefix = 1, after = true, befor = "x" } do
        expect_misuse(("a list with %s = %s"):format(name, tostring(value)), store.list, store, "s",
            { [name] = value })
    end
    expect_misuse("a limit of 1001", store.list, store, "s", { limit = 1001 })
    expect_misuse("a purge without a time", store.purge, store, "s")
    expect_misuse("a purge of nothing", store.purge, store, nil, 1)
    expect({}, store:list "s", "the rows")
end)

check("a closed store is closed", function(store)
    store:close()
    store:close()
    expect_misuse("a read", store.read, store, "s", "k")
    expect_misuse("a write", store.write, store, {})
    expect_misuse("a list", store.list, store, "s")
    expect_misuse("a purge", store.purge, store, "s", 1)
end)

--- Runs all checks.
-- @tparam function open gives a store that is empty, a new one each time it is called; each is closed
-- @treturn table the failures, a list of { name=, message= }
-- @treturn number how many checks there were
function M.run(open)
    if type(open) ~= "function" then
        error("run takes a function that opens an empty store, not " .. options.kind_of(open), 2)
    end
    local failures = {}
    for _, one in ipairs(CHECKS) do
        local ok, message = pcall(function()
            local store, err = open()
            if not store then
                error("the store was not opened: " .. tostring(err), 0)
            end
            local good, why = pcall(one.body, store)
            store:close()
            if not good then
                error(why, 0)
            end
        end)
        if not ok then
            failures[#failures + 1] = { name = one.name, message = tostring(message) }
        end
    end
    return failures, #CHECKS
end

return M

local core = require "twilio_sms.core"
local rows = require "twilio_sms.cli.bulk.rows"
local seen = require "twilio_sms.cli.bulk.seen"

-- An input of records that are there already.
local function input_of(records, format)
    return {
        name = "rows.csv", format = format or "csv",
        records = function()
            local i = 0
            return function()
                i = i + 1
                return records[i], records[i] and i
            end
        end,
    }
end

local function good()
    return true
end

local function all_of(made)
    local out = {}
    for row in made:all() do
        out[#out + 1] = row
    end
    return out
end

local function first(records, text, check)
    local made = assert(rows.new(input_of(records, records[1].object and "json"), text, check or good))
    return all_of(made)[1], made
end

describe("the rows of bulk", function()
    it("become messages, and columns without a meaning do not matter", function()
        local row = first {
            { "To", " body ", "from", "media", "send_at", "city" },
            { "+1", "Hi, you", "", "https://a  https://b", "1792000000", "Rome" },
        }
        assert.same({
            to = "+1", body = "Hi, you", media = { "https://a", "https://b" }, send_at = 1792000000,
        }, row.fields)
        assert.same({ 1, 2 }, { row.number, row.line })
        row = first { { "to", "body", "send_at" }, { "+1", "x", "2026-04-14T09:26:42Z" } }
        assert.equal("2026-04-14T09:26:42Z", row.fields.send_at)
    end)

    it("fill a template", function()
        local row = first({ { "to", "name" }, { "+1", "Ada" } }, "Hi {{name}}")
        assert.same({ to = "+1", body = "Hi Ada" }, row.fields)
        row = first({ { "to", "name" }, { "+1", "" } }, "Hi {{name}}")
        assert.equal("variable 'name' is missing", row.problem.message)
        row = first({ { "to", "body" }, { "+1", "{{x}}" } }, "Dear, {{body}}")
        assert.equal("Dear, {{x}}", row.fields.body)
        row = first({ { object = { to = "+1", n = 3, x = true } } }, "{{n}} left")
        assert.equal("3 left", row.fields.body)
    end)

    it("come from objects, too", function()
        local row, made = first {
            { object = { to = "+1", body = "x", id = 7, media = { "https://a" }, from = core.json_null } },
        }
        assert.same({ to = "+1", body = "x", media = { "https://a" } }, row.fields)
        assert.same({ "7", "id" }, { row.key, made:identity().keyed_by })
        row = first { { object = { to = "+1", body = "x", sendat = "2026-04-14T09:26:42Z" } } }
        assert.equal("unknown member 'sendat'; did you mean 'send_at'?", row.problem)
    end)

    it("are known by their id, or by their place and what they say", function()
        local records = {
            { "to", "body", "id" }, { "+1", "x", "a" }, { "+1", "x", "" }, { "+1", "x", "\255" },
            { "+1", "x", ("i"):rep(129) }, { "+1", "x", ("i"):rep(128) },
        }
        local all = all_of(rows.new(input_of(records), nil, good))
        assert.equal("a", all[1].key)
        assert.equal("it has no id, as other rows have", all[2].problem)
        assert.truthy(all[3].problem:find "not UTF%-8")
        assert.truthy(all[4].problem:find "longer than 128 bytes")
        assert.equal(128, #all[5].key)
        local function keys(...)
            local list = { { "to", "body" }, ... }
            local out = {}
            for i, row in ipairs(all_of(rows.new(input_of(list), nil, good))) do
                out[i] = row.key
            end
            return out
        end
        local same, other = keys({ "+1", "x" }, { "+1", "x" }), keys({ "+1", "y" }, { "+1", "x" })
        assert.are_not.equal(same[1], same[2])
        assert.are_not.equal(same[1], other[1])
        assert.equal(same[2], other[2])
    end)

    it("that cannot be sent say why, and spoil no other", function()
        local records = { { "to", "body" }, { "+1" }, { "+1", "x", "y" }, { "", "x" }, { "+1", "x" } }
        local all = all_of(rows.new(input_of(records), nil, function(fields)
            return fields.to or nil, core.error("InvalidRecipient", "no recipient")
        end))
        assert.equal("1 cells, but 2 columns", all[1].problem)
        assert.equal("3 cells, but 2 columns", all[2].problem)
        assert.equal("no recipient", all[3].problem.message)
        assert.same({ 4, 5 }, { all[4].number, all[4].line })
        assert.is_nil(all[4].problem)
    end)

    it("are refused when their columns cannot be", function()
        for _, case in ipairs {
            { { "phone", "body" }, "there is no column 'to'; there are: phone, body" },
            { { "to;body" }, "is --separator another one?" },
            { { "to", "name" }, "there is no column 'body', and no --template; there are: to, name" },
            { { "to", "body", "to" }, "the column 'to' is there twice" },
            { { "to", "body", "send at" }, "unknown column 'send at'; did you mean 'send_at'?" },
            { { "to", "nme" }, "the template wants {{name}}, and no column has that name", "{{name}}" },
            { { "to", "body" }, "which one is the text?", "Hello" },
            { { "to", "x" }, "the template cannot be used: the braces at byte 1", "{{" },
        } do
            local made, why = rows.new(input_of { case[1] }, case[3], good)
            assert.is_nil(made)
            assert.truthy(why:find(case[2], 1, true), why)
        end
        assert.truthy(rows.new(input_of { { "to", "media" } }, nil, good))
        assert.truthy(rows.new(input_of { { "to", "body", "", "" } }, nil, good))
        assert.truthy(rows.new(input_of { { "to", "body", "no", "date", "city" } }, nil, good))
    end)

    it("tell what makes this input", function()
        local _, made = first({ { "to", "name" }, { "+1", "x" } }, "Hi {{name}}")
        assert.same({
            columns = { "to", "name" }, keyed_by = "row", template = core.body_sha256 "Hi {{name}}",
        }, made:identity())
    end)
end)

describe("what was seen", function()
    it("is known", function()
        local known = seen.new()
        for i = 1, 1000 do
            assert.is_true(known:add("text " .. i))
        end
        for i = 1, 1000 do
            assert.is_false(known:add("text " .. i))
            assert.is_true(known:has("text " .. i))
        end
        assert.is_false(known:has "text 0")
    end)

    it("is not mixed up when half of what is kept is the same", function()
        local known = seen.new()
        known:add "a"
        known.values[seen.number "b"] = 0 -- as if another text had the same number
        assert.is_false(known:has "b")
        assert.is_true(known:add "b")
        assert.is_false(known:add "b")
        assert.is_true(known:has "b")
    end)
end)

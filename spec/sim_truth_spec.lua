local truth = require "twilio_sms.sim.truth"

describe("twilio_sms.sim.truth", function()
    local counts

    before_each(function()
        counts = truth.new()
    end)

    local function accept(to, body, fields)
        local message = fields or { from = "sender" }
        message.to, message.body = to, body
        counts:accept(message)
        return message
    end

    it("counts the same text from the same sender to the same person", function()
        accept("a", "x")
        accept("a", "y")
        accept("b", "x")
        accept("a", "x", { from = "other" })
        assert.equal(0, counts.duplicates)
        accept("a", "x")
        accept("b", "x")
        assert.same({ 6, 2 }, { counts.accepted, counts.duplicates })
    end)

    it("counts each copy after the first", function()
        for _ = 1, 5 do
            accept("a", "x")
        end
        assert.equal(4, counts.duplicates)
    end)

    it("takes a messaging service for one sender, whatever number it chooses", function()
        local message = accept("a", "x", { service = "MG1" })
        message.from = "chosen"
        accept("a", "x", { service = "MG1" })
        assert.equal(1, counts.duplicates)
        accept("a", "x", { from = "chosen" })
        assert.equal(1, counts.duplicates)
    end)

    it("remembers the text of a message that was emptied", function()
        accept("a", "x").body = ""
        accept("a", "y")
        accept("a", "x")
        assert.equal(1, counts.duplicates)
    end)

    it("goes by the mark, if there is one", function()
        counts = truth.new "#(%d+)"
        accept("a", "one #1")
        accept("b", "two #1")
        accept("a", "#2")
        accept("a", "none")
        accept("a", "none")
        assert.equal(2, counts.duplicates)
    end)

    it("forgets: what comes later is the first one again", function()
        for _, marker in ipairs { false, "(%w+)" } do
            counts = truth.new(marker or nil)
            local first = accept("a", "x")
            counts:forget(first)
            local second = accept("a", "x")
            assert.equal(0, counts.duplicates)
            local third = accept("a", "x")
            counts:forget(second)
            accept("a", "x")
            assert.equal(2, counts.duplicates)
            counts:forget(third)
        end
    end)

    it("forgets in any order, and keeps nothing", function()
        for _, order in ipairs { { 1, 2, 3, 4 }, { 4, 3, 2, 1 }, { 2, 1, 4, 3 }, { 3, 4, 1, 2 } } do
            counts = truth.new()
            local made = { accept("a", "x"), accept("a", "x", { from = "o" }), accept("a", "y"),
                accept("a", "x", { from = "p" }) }
            for _, i in ipairs(order) do
                counts:forget(made[i])
            end
            assert.same({ {}, {}, {} }, { counts.only, counts.crowds, counts.marked })
        end
    end)

    it("takes any text", function()
        for _ = 1, 2 do
            for _, body in ipairs { "", "1", "sid", "to", "\0" } do
                accept("a", body)
            end
        end
        assert.equal(5, counts.duplicates)
    end)

    it("leaves alone what it never counted", function()
        counts:forget { to = "a", body = "x", direction = "inbound" }
        accept("a", "x")
        counts:forget { to = "a", body = "x", direction = "inbound" }
        accept("a", "x")
        assert.equal(1, counts.duplicates)
    end)
end)

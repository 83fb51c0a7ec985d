local quotes = require "twilio_sms.cassette.quotes"

describe("quoted values", function()
    local function around(text, ...)
        return quotes.around({ ... }, text, function(part) return (part:gsub("%w", "x")) end)
    end

    it("become what stands for them, wherever they are", function()
        assert.equal("xxx xxxxx: Ab, Ab", around("You wrote: Yo, Yo", { "Yo", "Ab" }))
        assert.equal("Ab", around("Yo", { "Yo", "Ab" }))
        assert.equal("(+99) x", around("(+12) a", { "+12", "+99" }))
    end)

    it("are no parts of longer words", function()
        assert.equal("xxx", around("You", { "Yo", "Ab" }))
        assert.equal("xxx", around("aYo", { "Yo", "Ab" }))
    end)

    it("are looked for from the longest to the shortest", function()
        assert.equal("B A", around("one two one", { "one", "A" }, { "one two", "B" }))
    end)
end)

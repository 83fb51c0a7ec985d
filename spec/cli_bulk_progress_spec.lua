local progress = require "twilio_sms.cli.bulk.progress"

-- A file that keeps what is written.
local function paper()
    local out = { text = "" }
    function out.write(_, ...)
        out.text = out.text .. table.concat { ... }
    end
    function out.flush() end
    return out
end

describe("the progress of bulk", function()
    it("writes numbers and times for people", function()
        for n, wanted in pairs {
            [0] = "0", [7] = "7", [999] = "999", [1000] = "1,000", [50000] = "50,000",
            [1234567] = "1,234,567",
        } do
            assert.equal(wanted, progress.number(n))
        end
        for seconds, wanted in pairs {
            [0] = "0 s", [0.2] = "1 s", [59] = "59 s", [125] = "2:05 min", [11220] = "3:07 h",
            [400000] = "4.6 days",
        } do
            assert.equal(wanted, progress.duration(seconds))
        end
    end)

    it("is a bar on a terminal, which changes five times a second", function()
        local out = paper()
        local shown = progress.new(out, "terminal", 1000, 0)
        shown:show(0, 0, 0)
        assert.equal("\r[--------------------] 0/1,000  0%  0.0/s  0 failed", out.text)
        out.text = ""
        shown:show(199, 100, 0)
        assert.equal("", out.text)
        shown:show(2000, 250, 3)
        assert.equal("\r[#####---------------] 250/1,000  25%  125/s  6 s left  3 failed", out.text)
        out.text = ""
        shown:show(4000, 1000, 3)
        local line = "[####################] 1,000/1,000  100%  250/s  3 failed"
        local rest = #"[#####---------------] 250/1,000  25%  125/s  6 s left  3 failed" - #line
        assert.equal("\r" .. line .. (" "):rep(rest) .. ("\b"):rep(rest), out.text)
        out.text = ""
        shown:finish()
        assert.equal("\r" .. (" "):rep(#line) .. ("\b"):rep(#line) .. "\r", out.text)
    end)

    it("keeps to one line of a terminal, whatever its width becomes", function()
        local out, columns = paper(), 80
        local shown = progress.new(out, "terminal", 1000, 0, function() return columns end)
        local function show(now_ms)
            out.text = ""
            shown:show(now_ms, 0, 0)
            return out.text
        end
        local whole = "[--------------------] 0/1,000  0%  0.0/s  0 failed"
        local numbers = whole:sub(24)
        assert.equal("\r" .. whole, show(0))
        columns = #whole + 1
        assert.equal("\r" .. whole, show(200))
        columns = #whole
        local rest = #whole - 1 - #numbers
        assert.equal("\r" .. numbers .. (" "):rep(rest) .. ("\b"):rep(rest), show(400))
        columns = 10
        assert.equal("\r" .. numbers:sub(1, 9), show(600))
        columns = 1
        assert.equal("\r", show(800))
        columns = nil -- it does not say
        assert.equal("\r" .. whole, show(1000))
    end)

    it("is a line every ten seconds elsewhere", function()
        local out = paper()
        local shown = progress.new(out, "lines", 100000, 0)
        for second = 0, 25 do
            shown:show(second * 1000, second * 4, 1)
        end
        shown:finish()
        assert.equal("40/100,000  0%  4.0/s  6:56 h left  1 failed\n"
            .. "80/100,000  0%  4.0/s  6:56 h left  1 failed\n", out.text)
    end)

    it("shows the rate of now, not of the whole time", function()
        local out = paper()
        local shown = progress.new(out, "lines", 100000, 0)
        for second = 1, 60 do
            shown:show(second * 1000, second <= 30 and second * 100 or 3000 + (second - 30), 0)
        end
        assert.truthy(out.text:find("3,030/100,000  3%%  1.0/s"), out.text)
    end)

    it("is nothing when nothing is wanted", function()
        local out = paper()
        local shown = progress.new(out, "none", 10, 0)
        shown:show(100000, 5, 0)
        shown:finish()
        assert.equal("", out.text)
    end)

    it("has an end when there is nothing to do", function()
        local out = paper()
        progress.new(out, "terminal", 0, 0):show(0, 0, 0)
        assert.truthy(out.text:find("0/0  100%", 1, true))
    end)
end)

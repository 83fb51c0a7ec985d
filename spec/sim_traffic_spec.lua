local traffic = require "twilio_sms.sim.traffic"

describe("twilio_sms.sim.traffic", function()
    local function request(body, query)
        return {
            method = "POST", path = "/path", query = query, body = body or "",
            authorization = "Basic c2VjcmV0",
        }
    end

    it("keeps what came and how it was answered, the oldest first", function()
        local log = traffic.new()
        log:add(request "To=%2B1&Body=a+b", { status = 201 }, 1000)
        log:add(request("", "PageSize=2"), { drop = "reset" }, 2000)
        log:add(request "", { raw = "junk" }, 3000)
        log:add(request "", { cut = true, status = 201 }, 4000)
        assert.same({
            { method = "POST", path = "/path", form = { To = "+1", Body = "a b" }, body_bytes = 16,
                status = 201, at_ms = 1000 },
            { method = "POST", path = "/path?PageSize=2", form = {}, body_bytes = 0, fault = "reset",
                at_ms = 2000 },
            { method = "POST", path = "/path", form = {}, body_bytes = 0, fault = "garbage", at_ms = 3000 },
            { method = "POST", path = "/path", form = {}, body_bytes = 0, fault = "cut", status = 201,
                at_ms = 4000 },
        }, log:list())
    end)

    it("makes a list of what is repeated", function()
        local log = traffic.new()
        log:add(request "MediaUrl=a&To=x&MediaUrl=b&MediaUrl=c", { status = 201 }, 1)
        assert.same({ MediaUrl = { "a", "b", "c" }, To = "x" }, log:list()[1].form)
    end)

    it("keeps no credentials", function()
        local log = traffic.new()
        log:add(request "A=1", { status = 200 }, 1)
        for _, value in pairs(log.entries[1]) do
            assert.is_nil(tostring(value):find "c2VjcmV0")
        end
    end)

    it("keeps the last 1000, and of a long body its length only", function()
        local log = traffic.new()
        for i = 1, 1500 do
            log:add(request(("a"):rep(16384)), { status = 200 }, i)
        end
        log:add(request(("a"):rep(16385)), { status = 200 }, 1501)
        local list = log:list()
        assert.same({ 1000, 502, 1501 }, { #list, list[1].at_ms, list[1000].at_ms })
        assert.is_nil(list[1000].form)
        assert.equal(16385, list[1000].body_bytes)
        local kept = 0
        for _ in pairs(log.entries) do
            kept = kept + 1
        end
        assert.equal(1000, kept)
    end)

    it("shows bytes that are no text as question marks", function()
        local log = traffic.new()
        log:add(request "A%FF=%80b&C=%C3%A4", { status = 200 }, 1)
        assert.same({ ["A?"] = "?b", C = "ä" }, log:list()[1].form)
    end)

    it("forgets", function()
        local log = traffic.new()
        log:add(request(), { status = 200 }, 1)
        log:clear()
        assert.same({}, log:list())
        log:add(request(), { status = 200 }, 2)
        assert.equal(2, log:list()[1].at_ms)
    end)
end)

local cjson = require "cjson"
local control = require "twilio_sms.sim.control"

describe("twilio_sms.sim.control", function()
    local given, is_told
    local sim = {
        inbound = function(_, opts)
            given = opts
            return "SM1", is_told
        end,
        set_inbound_url = function(_, url)
            given = url
        end,
        webhooks = function()
            return { { kind = "inbound", forged = true, status = 204, params = { A = 'b"c' } } }
        end,
    }

    local function ask(method, path, body, peer)
        local request = { method = method, path = path, body = body or "", peer = peer or "127.0.0.1:1234" }
        local answer = control.handle(sim, request)
        return answer and answer.status, answer and cjson.decode(table.concat(answer.body))
    end

    it("leaves everything else alone", function()
        assert.is_nil(ask("GET", "/2010-04-01/Accounts"))
        assert.is_nil(ask("GET", "/_sim/stats"))
        assert.is_nil(ask("GET", "/_sim/inbound"))
        assert.is_nil(ask("GET", "/_simulation"))
    end)

    it("lets persons write", function()
        local status, answer = ask("POST", "/_sim/inbound",
            "From=%2B1&To=%2B2&Body=a+b&MediaUrl=u&MediaUrl=v&FromCity=X&OptOutType=STOP"
                .. "&MessagingServiceSid=MG")
        assert.same({ 202, "SM1" }, { status, answer.message_sid })
        assert.same({ from = "+1", to = "+2", body = "a b", media = { "u", "v" }, opt_out_type = "STOP",
            messaging_service_sid = "MG", params = { FromCity = "X" } }, given)
        assert.equal("nobody is told: there is no inbound_url", answer.message)
        is_told = true
        status, answer = ask("POST", "/_sim/inbound", "From=%2B1&To=%2B2")
        assert.same({ 202, { message_sid = "SM1" } }, { status, answer })
        assert.equal(400, (ask("POST", "/_sim/inbound", "From=%2B1")))
    end)

    it("leads the webhooks elsewhere", function()
        assert.equal(200, (ask("POST", "/_sim/inbound_url", "Url=https%3A%2F%2Flocalhost%3A1%2Fsms")))
        assert.equal("https://localhost:1/sms", given)
        assert.equal(200, (ask("POST", "/_sim/inbound_url", "Url=")))
        assert.is_nil(given)
        assert.equal(400, (ask("POST", "/_sim/inbound_url", "url=x")))
    end)

    it("shows the log", function()
        local status, answer = ask("GET", "/_sim/webhooks")
        assert.equal(200, status)
        assert.same({ { kind = "inbound", forged = true, status = 204, params = { A = 'b"c' } } }, answer)
    end)

    it("is for the same machine only", function()
        for peer, allowed in pairs {
            ["127.0.0.1:1"] = true, ["127.9.9.9:1"] = true, ["[::1]:1"] = true,
            ["10.0.0.1:1"] = false, ["[::2]:1"] = false, ["[::10]:1"] = false, ["1127.0.0.1:1"] = false,
        } do
            assert.equal(allowed and 200 or 403, (ask("GET", "/_sim/webhooks", "", peer)), peer)
            assert.equal(not allowed and 403 or nil, (ask("GET", "/_sim/stats", "", peer)), peer)
        end
    end)
end)

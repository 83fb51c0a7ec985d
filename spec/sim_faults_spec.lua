-- What each action of a script is to a client, and whether the message was accepted.
local world = require "twilio_sms.sim.world"

local PERSON, FROM = "+15558675310", "+15005550006"

-- One send under one rule: the error's kind ("" for none) and outcome, how many messages were accepted, and
-- how many seconds it took.
local function under(rule)
    local truth = world.new { script = { rule } }
    local client = assert(truth:client { from = FROM, in_doubt = "stop", optout = false })
    local value, err = client:send { to = PERSON, body = "Hello" }
    local seconds, accepted = truth:now_ms() / 1000, #truth:messages { to = PERSON }
    assert.equal((value and 0 or 1) > 0, err ~= nil)
    truth:close()
    return err and err.kind or "", err and err.outcome or "", accepted, seconds
end

describe("in a world", function()
    for name, case in pairs {
        ["nobody listens"] = { { action = "refused" }, "ConnectionFailed", "not_sent", 0 },
        ["a name has no address"] = { { action = "dns" }, "DnsResolutionFailed", "not_sent", 0 },
        ["TLS fails"] = { { action = "tls" }, "ConnectionFailed", "not_sent", 0 },
        ["a request hangs"] = { { action = "hang" }, "Timeout", "in_doubt", 0 },
        ["an answer hangs"] = { { action = "hang", accepted = true }, "Timeout", "in_doubt", 1 },
        -- The status has come, so that it is known to be there.
        ["an answer trickles for ever"] = { { action = "slow", slow_ms = 600000 }, "InternalError",
            "accepted_no_sid", 1 },
        ["an answer trickles"] = { { action = "slow", slow_ms = 500 }, "", "", 1 },
        ["an answer is late"] = { { action = "delay", delay_ms = 500 }, "", "", 1 },
        ["a request is lost"] = { { action = "drop_before" }, "ConnectionFailed", "in_doubt", 0 },
        ["an answer is lost"] = { { action = "drop_after" }, "ConnectionFailed", "in_doubt", 1 },
        ["a rule makes an exception"] = { { action = "reply" }, "", "", 1 },
        ["an outage is over"] = { { action = "refused", until_s = 0.2 }, "", "", 1 },
    } do
        it("knows the truth when " .. name, function()
            local kind, outcome, accepted = under(case[1])
            assert.same({ case[2], case[3], case[4] }, { kind, outcome, accepted })
        end)
    end

    it("takes the time that it takes", function()
        local _, _, _, at_once = under { action = "reply" }
        local _, _, _, late = under { action = "delay", delay_ms = 500 }
        local _, _, _, slow = under { action = "slow", slow_ms = 700 }
        assert.truthy(at_once < 0.2)
        assert.truthy(late >= 0.5 and late < 0.7 and slow >= 0.7 and slow < 0.9)
    end)

    it("does what is to be done when it is to be done", function()
        local log = {}
        local function note(name)
            return function(truth)
                log[#log + 1] = ("%s %d"):format(name, truth:now_ms() / 1000)
            end
        end
        local truth = world.new {
            script = function(s)
                s.at(5, note "at")
                s.every(20, note "every")
                s.between(30, 50, function()
                    s.every(8, note "between")
                end)
            end,
        }
        truth:run(60)
        assert.same({ "at 5", "every 20", "between 38", "every 40", "between 46", "every 60" }, log)
        truth:close()
    end)
end)

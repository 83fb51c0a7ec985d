local blocks = require "twilio_sms.sim.blocks"

local PERSON, OTHER = "+15558675310", "+15558675311"
local NUMBER, SECOND, TOLL_FREE, SHORT = "+15557122661", "+15557122662", "+18885550100", "12345"
local SERVICE = "MG" .. ("0"):rep(32)

describe("twilio_sms.sim.blocks", function()
    local list

    before_each(function()
        list = blocks.new()
    end)

    it("knows Twilio's keywords, as the whole message, in any case", function()
        for _, word in ipairs { "STOP", "stop", "StopAll", "UNSUBSCRIBE", "cancel", "END", "quit", "revoke",
            "OptOut", " stop ", "\nSTOP\r\n" } do
            list = blocks.new()
            assert.equal("STOP", list:learn(PERSON, NUMBER, word))
            assert.is_true(list:has(PERSON, NUMBER))
        end
        for _, word in ipairs { "start", "YES", "unstop" } do
            list:learn(PERSON, NUMBER, "STOP")
            assert.equal("START", list:learn(PERSON, NUMBER, word))
            assert.is_false(list:has(PERSON, NUMBER))
        end
        for _, word in ipairs { "help", "Info" } do
            assert.equal("HELP", list:learn(PERSON, NUMBER, word))
        end
        for _, text in ipairs { "stop please", "stop.", "opt out", "STOP ALL", "arret", "", "no" } do
            assert.is_nil(list:learn(PERSON, NUMBER, text))
            assert.is_false(list:has(PERSON, NUMBER))
        end
    end)

    it("holds between a person and a number", function()
        list:learn(PERSON, NUMBER, "STOP")
        assert.is_false(list:has(OTHER, NUMBER))
        assert.is_false(list:has(PERSON, SECOND))
        list:learn(PERSON, SECOND, "START")
        assert.is_true(list:has(PERSON, NUMBER))
    end)

    it("holds for the whole messaging service", function()
        list:join(NUMBER, SERVICE)
        list:join(SECOND, SERVICE)
        assert.equal(SERVICE, list:service_of(NUMBER))
        list:learn(PERSON, NUMBER, "STOP")
        assert.is_true(list:has(PERSON, SECOND))
        assert.is_true(list:has(PERSON, nil, SERVICE))
        assert.is_false(list:has(PERSON, nil, "MG1"))
        list:learn(PERSON, SECOND, "START")
        assert.is_false(list:has(PERSON, NUMBER))
    end)

    it("takes the word of a service with keywords of its own", function()
        assert.equal("STOP", list:learn(PERSON, NUMBER, "basta", "STOP"))
        assert.is_true(list:has(PERSON, NUMBER))
        list:learn(PERSON, NUMBER, "vale", "START")
        assert.is_false(list:has(PERSON, NUMBER))
    end)

    it("lets the network of toll-free numbers block by itself", function()
        list:learn(PERSON, TOLL_FREE, "STOP")
        list:learn(PERSON, TOLL_FREE, "YES")
        assert.is_true(list:has(PERSON, TOLL_FREE))
        list:learn(PERSON, TOLL_FREE, "UNSTOP")
        assert.is_false(list:has(PERSON, TOLL_FREE))
        list:learn(PERSON, TOLL_FREE, "quit")
        assert.is_true(list:has(PERSON, TOLL_FREE))
        list:learn(PERSON, TOLL_FREE, "yes")
        assert.is_false(list:has(PERSON, TOLL_FREE))
        list:learn(PERSON, "+18105550100", "STOP") -- a number of Michigan
        list:learn(PERSON, "+18105550100", "YES")
        assert.is_false(list:has(PERSON, "+18105550100"))
    end)

    it("leaves a stand-alone short code to the application", function()
        assert.is_nil(list:learn(PERSON, SHORT, "STOP"))
        assert.is_false(list:has(PERSON, SHORT))
        list:join(SHORT, SERVICE)
        assert.equal("STOP", list:learn(PERSON, SHORT, "STOP"))
        assert.is_true(list:has(PERSON, SHORT))
    end)

    it("holds for RCS as for SMS, and not for other channels", function()
        list:learn("rcs:" .. PERSON, NUMBER, "STOP")
        assert.is_true(list:has(PERSON, NUMBER))
        assert.is_true(list:has("rcs:" .. PERSON, NUMBER))
        assert.is_false(list:has("whatsapp:" .. PERSON, NUMBER))
    end)
end)

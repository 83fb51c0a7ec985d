local core = require "twilio_sms.core"
local key = require "twilio_sms.optout.key"
local optout = require "twilio_sms.optout"
local stores = require "optout_stores"

local ACCOUNT = "AC" .. ("0"):rep(31) .. "1"
local SERVICE = "MG" .. ("a"):rep(32)
local PERSON = "+15558675310"

describe("an address", function()
    it("has one name, however it is written", function()
        for name, spellings in pairs {
            [PERSON] = {
                PERSON, "+1 (555) 867-5310", "(+1) 555.867.5310", "sms:" .. PERSON, "SMS:sMs:" .. PERSON,
                "rcs:" .. PERSON, "mms:" .. PERSON, "tel:+1-555-867-5310", "smsto:" .. PERSON,
            },
            ["whatsapp:" .. PERSON] = { "WhatsApp:" .. PERSON, "WHATSAPP:+1-555-867-5310" },
            ["whatsapp:US.13491208655302741918"] = { "Whatsapp:US.13491208655302741918" },
            ["messenger:1234567890"] = { "Messenger:1234567890" },
            ["72727"] = { "72727", "sms:72727" },
            ["rcs:Acme_agent"] = { "RCS:Acme_agent" },
            ["acme & co"] = { "Acme & Co" },
        } do
            for _, spelling in ipairs(spellings) do
                assert.equal(name, (key.name(spelling)), spelling)
            end
        end
    end)

    it("has none when nobody could tell whose it is", function()
        for _, address in ipairs {
            "", "+", "15558675310", "5558675310", "+0155586753", "+1555", "+1555867531012345", "sms:",
            "sms:15558675310", "sms:5558675310", "rcs:+1555/8675310", "rcs:15558675310",
            "tel:+15558675310;ext=1",
            "whatsapp:15558675310", "whatsapp:+1/5558675310", "whatsapp:sms:" .. PERSON,
            "sms:whatsapp:" .. PERSON, "sms:whatsapp:sms:" .. PERSON, "line:a b", "line:a\n", "line:",
            "a:b:c",
            "sms:%2B15558675310", "sms:" .. PERSON .. "\0", ("x"):rep(12), ("line:"):rep(20), "héllo",
        } do
            assert.is_nil((key.name(address)), address)
        end
        assert.is_nil((key.name(15558675310)))
        assert.is_nil((key.name(nil)))
    end)

    it("that can only write is no recipient", function()
        assert.is_nil(key.recipient "Acme")
        assert.is_nil(key.recipient "rcs:acme_agent")
        assert.equal("72727", key.recipient "72727")
    end)

    it("of digits alone is nobody whom a program can opt out, because its country is missing", function()
        for _, digits in ipairs { "72727", "8675310", "20123456", "15558675310" } do
            assert.is_nil((key.person(digits)))
        end
        assert.equal("72727", key.person "sms:72727")
        assert.equal("72727", key.person(key.person_text "72727"))
    end)
end)

describe("a scope", function()
    it("is a sender, a service or all", function()
        for text, name in pairs {
            ["*"] = "*", [SERVICE] = SERVICE, [SERVICE:lower()] = SERVICE, [SERVICE:upper()] = SERVICE,
            ["+1 500 555 0006"] = "+15005550006", ["72727"] = "72727", ["Acme"] = "acme",
        } do
            assert.equal(name, key.scope(text))
        end
        for _, text in ipairs {
            "", "15005550006", SERVICE .. "a", SERVICE:sub(1, -2), "MG" .. ("g"):rep(32), "(555) 000-1111",
        } do
            local name, why = key.scope(text)
            assert.is_nil(name)
            assert.matches("write E.164", why)
        end
    end)
end)

-- Everybody whom the client would let a message through to, although each of these is the person or nobody.
describe("a message to somebody who has opted out", function()
    -- All ways to write a number that somebody may think of, and some that nobody would.
    local function spellings_of(number)
        local digits, spellings = number:sub(2), {}
        local forms = {
            number, digits, digits:sub(2), "00" .. digits, "+ " .. digits, "+1 555 867 5310",
            "+1-555-867-5310", "+1/555/8675310", "+1(555)8675310", "+01" .. digits, "++" .. digits,
            "%2B" .. digits, number .. " ", " " .. number, number .. "\n", number .. ";ext=1", number .. "?",
            "//" .. number, number .. "@x", "+1555867531O",
            "\239\188\139" .. digits, number .. "\226\128\139", "\226\128\142" .. number,
            "whatsapp:" .. number,
        }
        local channels = {
            "", "sms:", "SMS:", "Sms:", "sms:sms:", "sms:rcs:mms:", "mms:", "rcs:", "RCS:", "tel:", "Tel:",
            "sms: ", "sms::", "tel:sms:", "callto:sms:", " sms:", "sms :",
        }
        for _, form in ipairs(forms) do
            for _, channel in ipairs(channels) do
                spellings[#spellings + 1] = channel .. form
            end
        end
        return spellings
    end

    for kind, open in pairs(stores) do
        it("is refused by the client or by the check, on " .. kind, function()
            local store, remove = open()
            local ledger = optout.new { account_sid = ACCOUNT, store = store }
            local client = assert(core.client {
                account_sid = ACCOUNT, auth_token = ("0"):rep(32), from = "+15005550006",
            })
            ledger:opt_out(PERSON)
            local by_client, by_check = 0, 0
            for _, to in ipairs(spellings_of(PERSON)) do
                local id, err = client:submit("send", { to = to, body = "Hello" })
                if id then
                    by_check = by_check + 1
                    local is_another = to == "whatsapp:" .. PERSON
                    assert.equal(is_another, (ledger:check { to = to, from = "+15005550006" }), to)
                else
                    by_client = by_client + 1
                    assert.equal("InvalidRecipient", err.kind, to)
                end
            end
            assert.is_true(by_client > 100 and by_check > 100)
            client:close()
            remove()
        end)
    end

    it("is refused in each channel of its own, whatever the case of its name", function()
        local ledger = optout.new()
        for person, spellings in pairs {
            ["whatsapp:" .. PERSON] = {
                "WhatsApp:" .. PERSON, "WHATSAPP:+1-555-8675310", "whatsapp:15558675310",
            },
            ["messenger:12345"] = { "Messenger:12345", "sms:messenger:12345" },
            ["sim:DE" .. ("0"):rep(32)] = { "SIM:DE" .. ("0"):rep(32) },
        } do
            ledger:opt_out(person)
            for _, to in ipairs(spellings) do
                assert.is_false((ledger:check { to = to }), to)
            end
        end
        assert.is_true(ledger:check { to = PERSON })
    end)
end)

local pseudonyms = require "twilio_sms.cassette.pseudonyms"
local redaction = require "twilio_sms.cassette.redaction"

local ACCOUNT = "AC" .. ("9f"):rep(16)
local SID = "SM" .. ("4d"):rep(16)
local MESSAGES = "/2010-04-01/Accounts/" .. ACCOUNT .. "/Messages"

describe("redaction", function()
    local names, redact

    before_each(function()
        names = pseudonyms.new { key = "a key", account_sid = ACCOUNT }
        redact = redaction.new(names)
    end)

    local function value_of(name, value)
        return redact:pairs({ { name, value } })[1][2]
    end

    it("keeps what Twilio defines, as long as it is that", function()
        for _, pair in ipairs { { "ValidityPeriod", "3600" }, { "SmartEncoded", "true" },
            { "MaxPrice", "0.10" },
            { "SendAt", "2026-01-01T12:00:00Z" }, { "DateSent>", "2026-01-01" }, { "Status", "canceled" },
            { "MessageStatus", "delivered" }, { "FromCountry", "US" }, { "OptOutType", "STOP" },
            { "MediaContentType0", "image/png" } } do
            assert.equal(pair[2], value_of(pair[1], pair[2]))
            assert.are_not.equal("Annabelle 12125551234", value_of(pair[1], "Annabelle 12125551234"))
            assert.are_not.equal("12125551234", value_of(pair[1], "12125551234"))
        end
    end)

    it("knows nothing of other parameters but their names", function()
        assert.equal("ProfileName", redact:pairs({ { "ProfileName", "Ann" } })[1][1])
        assert.are_not.equal("Ann", value_of("ProfileName", "Ann"))
        assert.are_not.equal("x+12125551234", redact:pairs({ { "x+12125551234", "" } })[1][1])
    end)

    it("knows the number of WhatsApp again", function()
        local number = names:number "+12125551234"
        assert.equal(number:sub(2), value_of("WaId", "12125551234"))
        assert.equal("whatsapp:" .. number, value_of("From", "whatsapp:+12125551234"))
        assert.matches("^%u%l%l 1?", value_of("WaId", "Ann 1"))
    end)

    it("knows members of answers only where they are documented", function()
        assert.equal('{"code":21211,"messages":[{"error_code":30003}]}',
            redact:body('{"code":21211,"messages":[{"error_code":30003}]}', {}))
        assert.equal('{"otp":{"code":0}}', redact:body('{"otp":{"code":493827}}', {}))
        local uri = redact:body('{"uri":"/2010-04-01/Ann Smith.json"}', {})
        assert.is_nil(uri:find "Ann", uri)
    end)

    it("rewrites what users write as JSON", function()
        local out = value_of("ContentVariables", '{"1":"Ann","n":[12125551234,true]}')
        assert.matches('^{"%d":"%u%l%l","n":%[0,true%]}$', out)
    end)

    it("has the same names in a path, a query and an answer", function()
        local request = redact:request {
            method = "GET", origin = "https://api.dublin.ie1.twilio.com", form = "",
            path = MESSAGES .. "/" .. SID .. ".json?To=%2B12125551234&PageToken=PA" .. SID,
        }
        local sid, number = names:sid(SID), names:number "+12125551234"
        assert.same({
            method = "GET", host = "api.dublin.ie1", form = {},
            path = "/2010-04-01/Accounts/" .. names:sid(ACCOUNT) .. "/Messages/" .. sid .. ".json",
            query = { { "To", number }, { "PageToken", "PA" .. sid } },
        }, request)
        local body = redact:body('{"sid":"' .. SID .. '","next_page_uri":"' .. MESSAGES
            .. '.json?To=%2B12125551234&Page=1&PageToken=PA' .. SID .. '","subresource_uris":{"media":"'
            .. MESSAGES .. "/" .. SID .. '/Media.json"}}', {})
        assert.matches('"sid":"' .. sid .. '"', body, 1, true)
        assert.matches(".json?To=%2B" .. number:sub(2) .. "&Page=1&PageToken=PA" .. sid, body, 1, true)
        assert.matches("/Messages/" .. sid .. '/Media.json"}', body, 1, true)
    end)

    it("keeps an alias of the host only", function()
        for _, origin in ipairs { "https://api.twilio.com", "https://localhost:8443", "http://a.shop.org" } do
            local request = { method = "GET", origin = origin, path = "/x", form = "" }
            assert.equal("api", redact:request(request).host)
        end
    end)

    it("keeps four headers of an answer", function()
        local headers = redact:headers {
            { "Date", "Mon, 23 Nov 2026 00:06:07 GMT" }, { "Set-Cookie", "a=b" }, { "Retry-After", "5" },
            { "Content-Type", "application/json; charset=utf-8" }, { "X-Home-Region", "us1" },
            { "Twilio-Request-Id", "RQ" .. ("7a"):rep(16) }, { "Authorization", "Basic x" },
        }
        assert.equal(4, #headers)
        assert.same({ "Date", "Mon, 23 Nov 2026 00:06:07 GMT" }, headers[1])
        assert.same({ "Retry-After", "5" }, headers[2])
        assert.same({ "Content-Type", "application/json; charset=utf-8" }, headers[3])
        assert.matches("^RQ00000000", headers[4][2])
    end)

    it("does not believe an answer that has no JSON", function()
        local out = redact:body("<html><title>Hello Ann</title></html>", {})
        assert.matches("^<%l%l%l%l><%l%l%l%l%l>%u%l%l%l%l %u%l%l</", out)
        assert.is_nil(out:find "Ann")
    end)
end)

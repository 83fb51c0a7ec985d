local core = require "twilio_sms.core"
local twiml = require "twilio_sms.twiml"

local BEGIN = '<?xml version="1.0" encoding="UTF-8"?><Response>'
local END = "</Response>"

local function check_refused(kind, message, fields)
    local reply = twiml.new()
    assert(reply:message { body = "first" })
    local before = reply:text()
    local answer, err = reply:message(fields)
    assert.is_nil(answer)
    assert.is_true(core.is_error(err))
    assert.equal("MessageError." .. kind, err.type)
    assert.equal(message, err.message)
    assert.equal(before, reply:text())
end

describe("a TwiML document", function()
    it("is empty at first", function()
        local reply = twiml.new()
        assert.equal(BEGIN .. END, reply:text())
        assert.equal(0, reply:count())
        assert.equal(0, #reply)
    end)

    it("takes messages and a redirect, in a chain or one by one", function()
        local reply = twiml.new()
        assert.equal(reply, reply:message { body = "A & B" }:message {
            body = "<3", media = { "https://example.com/a.png", "/b.png" }, to = "+15558675310",
            from = "+15005550006", action = "/done", method = "GET", status_callback = "/status",
        })
        assert.equal(reply, reply:message { media = "/c.png" })
        assert.equal(reply, reply:redirect("/next?a=1&b=2", "POST"))
        assert.equal(BEGIN
            .. "<Message><Body>A &amp; B</Body></Message>"
            .. '<Message to="+15558675310" from="+15005550006" action="/done" method="GET"'
            .. ' statusCallback="/status"><Body>&lt;3</Body><Media>https://example.com/a.png</Media>'
            .. "<Media>/b.png</Media></Message>"
            .. "<Message><Media>/c.png</Media></Message>"
            .. '<Redirect method="POST">/next?a=1&amp;b=2</Redirect>' .. END, reply:text())
        assert.equal(reply:text(), tostring(reply))
        assert.equal(4, reply:count())
        assert.equal(4, #reply)
    end)

    it("takes a text for a message", function()
        assert.equal(twiml.new():message({ body = "x" }):text(), twiml.new():message("x"):text())
        local answer, err = twiml.new():message ""
        assert.is_nil(answer)
        assert.equal("nothing to send: set body or media", err.message)
    end)

    it("takes a redirect without a method", function()
        assert.equal(BEGIN .. "<Redirect>/next</Redirect>" .. END, twiml.new():redirect("/next"):text())
    end)

    it("refuses what cannot be sent, and stays as it was", function()
        check_refused("InvalidRequest", "nothing to send: set body or media", {})
        check_refused("InvalidRequest", "body has U+0007 at byte offset 1, which XML cannot hold",
            { body = "a\7" })
        check_refused("InvalidRequest", "body is not UTF-8 at byte offset 0", { body = "\255" })
        check_refused("MessageTooLong", "body has 1601 characters; Twilio takes at most 1600",
            { body = ("x"):rep(1601) })
        check_refused("InvalidRecipient", "to is not an E.164 number: '+', then 7 to 15 digits with the "
            .. "country code first", { body = "x", to = "555" })
        check_refused("InvalidSender", "from is no E.164 number, short code or alphanumeric sender ID",
            { body = "x", from = "<>" })
        check_refused("InvalidRequest", "action is no percent-encoded http or https URL, and no path",
            { body = "x", action = "javascript:alert(1)" })
        check_refused("InvalidRequest", 'method is neither "GET" nor "POST"', { body = "x", method = "PUT" })
        local media = {}
        for i = 1, 12 do
            media[i] = "/" .. i
        end
        check_refused("InvalidRequest", "12 media URLs; a message takes at most 10", { media = media })
    end)

    it("refuses fields of the wrong name or type, as client:send does", function()
        check_refused("InvalidRequest", "unknown field 'text'", { text = "x" })
        check_refused("InvalidRequest", "body: must be a string, not a number", { body = 5 })
        check_refused("InvalidRequest", "media: must be a string, not a boolean", { media = true })
        check_refused("InvalidRequest", "media: must be a string, not a number", { media = { "/a", 5 } })
        check_refused("InvalidRequest", "media: must be a list, without names or gaps",
            { media = { "/a", url = "/b" } })
        check_refused("InvalidRequest", 'fields have names, as in { body = "..." }', { "x" })
    end)

    it("has nothing behind a redirect", function()
        local reply = twiml.new():redirect "/next"
        local answer, err = reply:message { body = "lost" }
        assert.is_nil(answer)
        assert.equal("Twilio reads nothing behind a redirect", err.message)
        answer, err = twiml.new():redirect ""
        assert.is_nil(answer)
        assert.equal("a redirect needs a URL", err.message)
    end)

    it("raises for misuse", function()
        local reply = twiml.new()
        assert.has_error(function() reply:message() end)
        assert.has_error(function() reply:message(5) end)
        assert.has_error(function() reply:redirect() end)
        assert.has_error(function() reply:redirect({}) end)
        assert.has_error(function() reply.message({}, { body = "x" }) end)
    end)

    it("is freed once, whatever is done to it", function()
        local reply = twiml.new()
        local meta = debug.getmetatable(reply)
        meta.__gc(reply)
        meta.__gc(reply)
        assert.has_error(function() reply:text() end)
        for i = 1, 1000 do
            twiml.new():message { body = ("x"):rep(i) }
        end
        collectgarbage()
    end)
end)

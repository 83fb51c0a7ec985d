local reader = require "twilio_sms.sim.twiml_reader"

local function read(body, content_type)
    return reader.read(content_type or "text/xml", body)
end

local function message_of(inside)
    local verbs, code = read("<Response>" .. inside .. "</Response>")
    assert(verbs, code)
    return verbs[1]
end

local function code_of(...)
    return select(2, read(...))
end

describe("twilio_sms.sim.twiml_reader", function()
    it("finds nothing to send in an empty answer", function()
        for _, body in ipairs { "", " \n", "<Response/>", "<Response></Response>",
            "<Response>\n</Response >", "\239\187\191<Response/>",
            '<?xml version="1.0" encoding="UTF-8"?><!-- a > b --><Response />\n' } do
            assert.same({}, read(body))
        end
        assert.same({}, reader.read(nil, ""))
        assert.same({}, read("  ", "text/plain"))
    end)

    it("reads messages", function()
        assert.same({ { verb = "message", body = "Hello", media = {} } },
            read "<Response><Message> Hello\n</Message></Response>")
        assert.same({
            verb = "message", body = "One Two", media = { "https://a/1.png", "https://a/2.png?a&b" },
            to = "+1", from = "+2", status_callback = "/status",
        }, message_of [[<Message to="+1" from='+2' statusCallback = "/status" method="GET" action="/a">
            <Body>One </Body><Media>https://a/1.png</Media><Body>Two</Body>
            <Media> https://a/2.png?a&amp;b </Media></Message>]])
        assert.equal(2, #read "<Response><Message>a</Message><Message>b</Message></Response>")
        assert.same({ verb = "message", body = "", media = {} }, message_of "<Message/>")
    end)

    it("reads redirects", function()
        assert.same({ verb = "redirect", url = "/a?b&c", method = "GET" },
            message_of '<Redirect method="GET"> /a?b&amp;c </Redirect>')
        assert.same({ verb = "redirect", url = "" }, message_of "<Redirect/>")
    end)

    it("reads entities, CDATA and comments", function()
        for text, expected in pairs {
            ["&lt;&gt;&amp;&quot;&apos;"] = "<>&\"'", ["&#65;&#x42;&#xe9;&#8364;&#x1F600;"] = "ABé€😀",
            ["a<!-- b -->c"] = "ac", ["<![CDATA[<b>&amp;]]>"] = "<b>&amp;", ["a<?php ?>b"] = "ab",
            ["é"] = "é", ["&amp;amp;"] = "&amp;", ["a > b"] = "a > b",
        } do
            assert.equal(expected, message_of("<Message>" .. text .. "</Message>").body)
        end
    end)

    it("takes a plain text for a message", function()
        assert.same({ { verb = "message", body = "<Hi>", media = {} } },
            read("<Hi>", "text/plain; charset=utf-8"))
        for _, kind in ipairs { "text/xml", "application/xml", "text/html;charset=utf-8", "Text/XML" } do
            assert.same({}, read("<Response/>", kind))
        end
        for _, kind in ipairs { "application/json", "", "image/png" } do
            assert.equal(12300, code_of("<Response/>", kind))
        end
        assert.equal(12300, (select(2, reader.read(nil, "<Response/>"))))
    end)

    it("refuses what is not well-formed", function()
        for _, body in ipairs {
            "x", "<Response>", "</Response>", "<Response></response>", "<Response/><Response/>",
            "<Response/>x", "x<Response/>", "<Response><Message></Response></Message>",
            "<Response a=b/>", '<Response a="b/>',
            "<Response a='1' a='2'/>", "<Response>&</Response>", "<Response>&nbsp;</Response>",
            "<Response>&#0;</Response>", "<Response>&#xD800;</Response>", "<Response>&#x110000;</Response>",
            "<Response>&amp</Response>", "<Response><!-- </Response>", "<Response><![CDATA[x</Response>",
            "<Response><?x</Response>", "<!DOCTYPE a><Response/>", "<", "<>", "<Response", "< Response/>",
            "<Response a='<'/>", ("<a>"):rep(9) .. ("</a>"):rep(9), ("<a>"):rep(100000),
            "<![CDATA[x]]><Response/>",
        } do
            assert.equal(12100, code_of(body), body:sub(1, 60))
        end
    end)

    it("refuses what is no TwiML for messages", function()
        assert.equal(12102, code_of "<response/>")
        assert.equal(12102, code_of "<html/>")
        for _, inside in ipairs {
            "<Say>x</Say>", "<message/>", "<Message too='1'/>", "<Message><b/></Message>",
            "<Message><Body><b/></Body></Message>", "<Message><Body a='1'/></Message>", "<Redirect a='1'/>",
            "<Redirect><a/></Redirect>",
        } do
            assert.equal(12200, code_of("<Response>" .. inside .. "</Response>"), inside)
        end
    end)

    it("survives whatever comes", function()
        local random = require("twilio_sms.sim.random").new(1)
        local pieces = { "<", ">", "/", "Response", "Message", "&", ";", "#x", "41", "'", '"', "=", " ",
            "<!--", "-->", "<![CDATA[", "]]>", "?", "\0", "\255", "a" }
        for _ = 1, 20000 do
            local out = {}
            for i = 1, random:next() % 30 do
                out[i] = pieces[random:next() % #pieces + 1]
            end
            local verbs, code = read(table.concat(out))
            assert(verbs or code)
        end
    end)
end)

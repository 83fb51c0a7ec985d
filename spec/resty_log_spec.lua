local nginx = require "nginx"
local resty = require "resty"
local twilio = require "twilio"

describe("a log in nginx", function()
    local server

    local function start(setup, log_level)
        server = resty.start {
            log_level = log_level,
            setup = ([[
                optout = false, log = { %s },
                webhook = {
                    urls = { "https://example.com/" }, trusted_proxies = { "127.0.0.1" },
                    on_message = function(event) if event.body == "fail" then error "no" end end,
                },
            ]]):format(setup),
        }
        return server
    end

    local function logged(text)
        return nginx.await(function() return server:error_log():find(text, 1, true) end)
    end

    after_each(function()
        server:stop()
    end)

    it("is nginx's own, with the level that fits", function()
        start("level = 'debug'", "info")
        assert.equal(204, (server:post(twilio.inbound { Body = "Canary" })))
        assert.truthy(logged "level=info event=received sid=")
        assert.equal(500, (server:post(twilio.inbound {
            Body = "fail", MessageSid = "SM00000000000000000000000000000002",
        })))
        assert.truthy(logged "level=error event=webhook_failed type=inbound")
        assert.equal(403, (server:post(twilio.inbound {}, { token = "another" })))
        assert.truthy(logged "event=webhook_refused verdict=bad_signature")
        local text = server:error_log()
        assert.truthy(text:find("%[info%] [^\n]*event=received"))
        assert.truthy(text:find("%[error%] [^\n]*event=webhook_failed"))
        assert.falsy(text:find("event=refusal_explained", 1, true)) -- error_log wants no [debug]
        assert.falsy(text:find("twilio_sms: a webhook", 1, true)) -- one fact is one line
        assert.falsy(text:find("Canary", 1, true))
    end)

    it("tells of what a client does", function()
        start("", "info")
        server:request("GET", "/send?to=555") -- no number at all
        assert.truthy(logged "event=send_failed operation=send error=MessageError.InvalidRecipient")
    end)

    it("goes to a file that the workers open", function()
        local path = os.tmpname()
        os.remove(path)
        start(("format = 'json', to = { file = %q }"):format(path))
        local stands_there = io.open(path)
        server:post(twilio.inbound {})
        local line
        nginx.await(function()
            local file = io.open(path)
            line = file and file:read "*l"
            if file then
                file:close()
            end
            return line
        end)
        os.remove(path)
        assert.is_nil(stands_there)
        assert.truthy(line:find '^{"time":.*"event":"received"')
    end)

    it("goes to a function of the program", function()
        start("to = function(line, level) ngx.log(ngx.WARN, 'mine ', level, ' ', line) end")
        server:post(twilio.inbound {})
        assert.truthy(logged "mine info time=")
    end)
end)

describe("setup of a log in nginx", function()
    it("stops nginx for what is wrong", function()
        local wrongs = {
            "level = 'loud'", "numbers = 'pseudonyms'", "key = 'short'", "nonsense = 1", "to = 'stdout'",
            "to = 'x'", "level = 3",
        }
        for _, wrong in ipairs(wrongs) do
            local ok = pcall(function()
                resty.start { setup = ("optout = false, log = { %s },"):format(wrong) }:stop()
            end)
            assert.is_false(ok)
        end
    end)
end)

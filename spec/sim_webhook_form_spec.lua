local core = require "twilio_sms.core"
local form = require "twilio_sms.sim.webhook_form"
local random = require "twilio_sms.sim.random"

local ACCOUNT = "AC" .. ("0"):rep(32)

local function message(changes)
    local out = { sid = "SM1", from = "+1", to = "+2", body = "Hello", num_media = 0, num_segments = 1 }
    for name, value in pairs(changes or {}) do
        out[name] = value
    end
    return out
end

local function status(changes)
    local change = { message = message(), status = "sent", from = "+1", at_s = 1700000000 }
    for name, value in pairs(changes) do
        change[name] = value
    end
    return form.by_name(form.status(ACCOUNT, change))
end

describe("twilio_sms.sim.webhook_form", function()
    it("names what a person wrote", function()
        local params = form.by_name(form.inbound(ACCOUNT, message {
            service = "MG1", opt_out_type = "STOP", num_media = 2,
            media = {
                { url = "u0", content_type = "image/png" }, { url = "u1", content_type = "video/mp4" },
            },
        }, { ToCity = "", Body = "another" }))
        assert.same({ "Hello", "MG1", "STOP", "2", "u0", "video/mp4", "" }, { params.Body,
            params.MessagingServiceSid, params.OptOutType, params.NumMedia, params.MediaUrl0,
            params.MediaContentType1, params.ToCity })
    end)

    it("tells of errors and of the carrier's date only where there are some", function()
        assert.is_nil(status({}).ErrorCode)
        assert.is_nil(status({}).RawDlrDoneDate)
        assert.equal("30003", status({ status = "undelivered", error_code = 30003 }).ErrorCode)
        assert.equal("2311142213", status({ status = "delivered" }).RawDlrDoneDate)
    end)

    it("encodes so that every reader gets the same back", function()
        local list = { { "a", "x y+z&=%" }, { "b", "é😀" }, { "c", "" }, { "d*._-~", "\r\n\0" } }
        assert.equal("a=x+y%2Bz%26%3D%25&b=%C3%A9%F0%9F%98%80&c=&d*._-%7E=%0D%0A%00", form.encode(list))
        assert.same(list, core.form_decode(form.encode(list)))
    end)

    it("shuffles by the seed, and loses nothing", function()
        local function shuffled(seed)
            local list = {}
            for i = 1, 12 do
                list[i] = { ("%02d"):format(i), "" }
            end
            return form.encode(form.shuffle(list, random.new(seed)))
        end
        assert.equal(shuffled(1), shuffled(1))
        assert.not_equal(shuffled(1), shuffled(2))
        local names = {}
        for name in shuffled(3):gmatch "%d+" do
            names[#names + 1] = name
        end
        table.sort(names)
        assert.equal("01 02 03 04 05 06 07 08 09 10 11 12", table.concat(names, " "))
    end)
end)

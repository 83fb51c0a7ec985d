local files = require "files"

local LUA = jit and "luajit" or "lua5.4" -- luacheck: ignore 113

-- The modules of this library that a program has loaded at its end, when it began with none.
local function loaded_by(program)
    local list = [[
        local names = {}
        for name in pairs(package.loaded) do
            if name:find "^twilio_sms" then
                names[#names + 1] = name
            end
        end
        table.sort(names)
        print(table.concat(names, " "))
    ]]
    local pipe = io.popen(("%s -e %s 2>&1"):format(LUA, files.quote(program .. "\n" .. list)))
    local printed = pipe:read "*a"
    pipe:close()
    return printed
end

local WITH_CLIENT = [[
    local sms = require "twilio_sms"
    local client = sms.assert(sms.new { account_sid = "AC" .. ("0"):rep(32), auth_token = ("0"):rep(32) })
]]

describe("twilio_sms", function()
    it("loads nothing but its C part", function()
        assert.equal("twilio_sms twilio_sms.core\n", loaded_by [[require "twilio_sms"]])
    end)

    it("loads nothing more to count segments", function()
        assert.equal("twilio_sms twilio_sms.core\n", loaded_by [[require("twilio_sms").segments "Hello"]])
    end)

    it("makes a client without the parts that it may never use", function()
        local loaded = loaded_by(WITH_CLIENT)
        assert.truthy(loaded:find("twilio_sms.client ", 1, true), loaded)
        for _, part in ipairs {
            "bulk", "cassette", "cli", "observe", "sim", "template", "track", "twiml", "webhook",
        } do
            assert.is_nil(loaded:find("twilio_sms%." .. part .. "[%. \n]"), part)
        end
    end)

    it("has the parts that are asked for", function()
        local sms = require "twilio_sms"
        for _, part in ipairs {
            "cassette", "driver", "error", "loop", "optout", "signature", "sim", "template", "track", "twiml",
            "webhook",
        } do
            assert.equal(require("twilio_sms." .. part), sms[part])
            assert.equal(sms[part], rawget(sms, part)) -- from now on it is found at once
        end
        assert.is_nil(sms.parts)
    end)
end)

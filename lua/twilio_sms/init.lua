--- Sends and reads SMS and MMS through Twilio.
--
--     local sms = require "twilio_sms"
--     local token = { env = "TWILIO_AUTH_TOKEN" }
--     local client = sms.assert(sms.new { account_sid = "AC...", auth_token = token })
--     local message = sms.assert(client:send { to = "+15558675310", from = "+15005550006", body = "Hello" })
--     print(message.sid, message.status)
local core = require "twilio_sms.core"

local M = { _VERSION = core.version, assert = core.assert }

-- Not every program needs all parts, and one that is started for each message waits for what it loads: they
-- are loaded when they are asked for. So is the client, with the first one that is made.
local PARTS = {
    cassette = "twilio_sms.cassette",
    driver = "twilio_sms.driver",
    error = "twilio_sms.error",
    loop = "twilio_sms.loop",
    observe = "twilio_sms.observe",
    optout = "twilio_sms.optout",
    signature = "twilio_sms.signature",
    sim = "twilio_sms.sim",
    template = "twilio_sms.template",
    track = "twilio_sms.track",
    twiml = "twilio_sms.twiml",
    webhook = "twilio_sms.webhook",
}

local function kind_of(value)
    return require("twilio_sms.options").kind_of(value)
end

setmetatable(M, {
    __index = function(module, name)
        local part = PARTS[name] and require(PARTS[name])
        rawset(module, name, part)
        return part
    end,
})

--- Counts the segments of a text.
-- @tparam string text UTF-8
-- @tparam[opt] table opts smart_encoded: as if Twilio's smart encoding had replaced characters first
-- @treturn table|nil encoding, segments, units, per_segment, characters, first_ucs2 (a byte position)
function M.segments(text, opts)
    if opts ~= nil and type(opts) ~= "table" then
        error("options must be a table, not " .. kind_of(opts), 2)
    elseif opts and opts.smart_encoded then
        return require("twilio_sms.smart_encoding").segments(text)
    end
    return core.segments(text)
end

--- Makes a client.
-- @tparam table opts see docs/configuration.md
-- @treturn table|nil a client, or nil and an error
function M.new(opts)
    if opts == M then
        error("call this with a dot, as in sms.new{...}", 2)
    elseif type(opts) ~= "table" then
        error("new{ account_sid=..., auth_token=... } takes a table, not " .. kind_of(opts), 2)
    end
    return require("twilio_sms.client").new(opts)
end

--- Makes a client from the TWILIO_ variables of the environment (docs/configuration.md lists them).
-- @tparam[opt] table opts more options, which win
function M.from_env(opts)
    if opts == M then
        error("call this with a dot, as in sms.from_env()", 2)
    elseif opts ~= nil and type(opts) ~= "table" then
        error("from_env takes a table or nothing, not " .. kind_of(opts), 2)
    end
    return require("twilio_sms.client").new(opts or {}, true)
end

return M

--- `twilio-sms segments`: counts what a text costs.
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local output = require "twilio_sms.cli.output"
local sms = require "twilio_sms"
local text = require "twilio_sms.cli.text"

local M = {
    name = "segments",
    about = "Count the segments of a text, by which Twilio bills.",
    arguments = { { "body", "The text. Default: standard input.", optional = true } },
    options = definition.options({
        { "--body-file", "<file>", "A file with the text; - is standard input." },
        { "--smart-encoded", false, "As if Twilio had replaced typographic characters by plain ones." },
    }, output.OPTIONS),
}

-- The character that makes it UCS-2, and which one in the text it is.
local function culprit(body, at)
    local _, before = body:sub(1, at - 1):gsub("[^\128-\191]", "")
    return body:match("^[^\128-\191][\128-\191]*", at), before + 1
end

function M.run(given)
    local body, err = text.get(given.body, given.body_file)
    if not body then
        return nil, err
    end
    local count
    count, err = sms.segments(body, { smart_encoded = given.smart_encoded })
    if not count then
        local why = err.message .. "; is this terminal or file in another encoding?"
        return nil, failure.new(failure.REFUSED, why, err)
    end
    if count.first_ucs2 and not given.smart_encoded then
        local character, place = culprit(body, count.first_ucs2)
        count.first_ucs2_character, count.first_ucs2_text = place, character
    end
    output.new(given):object(count, {
        "encoding", "segments", "units", "per_segment", "characters", "first_ucs2_character",
        "first_ucs2_text",
    })
    return 0
end

return definition.command(M)

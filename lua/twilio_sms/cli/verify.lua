--- `twilio-sms verify`: tells whether Twilio has signed a request, and if not, what was tried.
local account = require "twilio_sms.cli.account"
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local output = require "twilio_sms.cli.output"
local sms = require "twilio_sms"
local text = require "twilio_sms.cli.text"

local M = {
    name = "verify",
    about = "Tell whether Twilio has signed a request; exit status 1 if not.",
    options = definition.options({
        { "--url", "<url>", "The public URL, as it stands at Twilio, with its query." },
        { "--signature", "<text>", "The header X-Twilio-Signature." },
        { "--param", "<name=value>", "A parameter of the form, decoded.", many = true,
            sort = definition.PAIR },
        { "--body", "<text>", "The raw body, instead of parameters." },
        { "--body-file", "<file>", "A file with the raw body; - is standard input." },
    }, account.IDENTITY_OPTIONS, output.OPTIONS),
}

-- The raw body or the parameters; nil for a GET.
local function content_of(given)
    local params = given.param and given.param[1] and given.param
    if params and (given.body or given.body_file) or given.body and given.body_file then
        return nil, failure.usage "give --param, --body or --body-file, one of them"
    elseif given.body_file then
        return text.read_file(given.body_file) -- as it is: each byte counts
    end
    return given.body or params or nil
end

local function lines_of(explanation)
    local lines = {}
    for line in explanation:gmatch "[^\n]+" do
        lines[#lines + 1] = line
    end
    return lines
end

function M.run(given)
    if not given.url or not given.signature then
        return nil, failure.usage("option '%s' is needed", given.url and "--signature" or "--url")
    end
    local content, err = content_of(given)
    if err then
        return nil, err
    end
    local token, settings = account.token(given)
    if not token then
        return nil, settings
    end
    local verifier
    verifier, err = sms.signature.new { tokens = token }
    if not verifier then
        return nil, err
    end
    local check = type(content) == "table" and verifier.verify_params or verifier.verify
    local ok, why = check(verifier, given.url, content, given.signature)
    local explanation = lines_of(verifier:explain(given.url, content, given.signature))
    local out = output.new(given)
    for _, line in ipairs(explanation) do
        out:remark(line)
    end
    out:object { genuine = ok, why = why, explanation = explanation }
    return ok and 0 or failure.NO
end

return definition.command(M)

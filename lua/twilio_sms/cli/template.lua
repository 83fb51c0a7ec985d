--- `twilio-sms template`: puts values into a text, or tells what it can become at worst.
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local output = require "twilio_sms.cli.output"
local sms = require "twilio_sms"
local text = require "twilio_sms.cli.text"

local M = {
    name = "template",
    about = "Put values into a text like \"Hi {{name}}\", and count its segments.",
    arguments = { { "text", "The text. Default: standard input.", optional = true } },
    options = definition.options({
        { "--file", "<file>", "A file with the text; - is standard input." },
        { "--var", "<name=value>", "The value of a variable.", many = true, sort = definition.PAIR },
        { "--default", "<name=value>", "Its value when there is none.", many = true, sort = definition.PAIR },
        { "--limit", "<name=number>", "How many characters its value may have.", many = true,
            sort = definition.PAIR },
        { "--smart-encoded", false, "Replace typographic characters by plain ones, as Twilio would." },
        { "--check", false, "Tell how long it can become within the limits, instead of filling it." },
    }, output.OPTIONS),
}

local function map_of(what, pairs_given, convert)
    local out = {}
    for _, pair in ipairs(pairs_given or {}) do
        local name, value = pair[1], convert and convert(pair[2]) or not convert and pair[2]
        if not value then
            return nil, failure.usage("option '%s': '%s' is no whole number from 1", what, pair[2])
        elseif out[name] ~= nil then
            return nil, failure.usage("option '%s': '%s' is given twice", what, name)
        end
        out[name] = value
    end
    return out
end

local function most_of(value)
    return value:find "^[1-9]%d*$" and #value <= 9 and tonumber(value) or nil
end

local function read(given)
    local source, err = text.get(given.text, given.file)
    local limits, defaults
    if source then
        limits, err = map_of("--limit", given.limit, most_of)
    end
    if limits then
        defaults, err = map_of("--default", given.default)
    end
    if not defaults then
        return nil, err
    end
    return sms.template.new(source, {
        limits = limits, defaults = defaults, smart_encoded = given.smart_encoded or false,
    })
end

local function check(template, out)
    local report, err = template:check()
    if not report then
        return nil, err
    end
    local names = table.concat(report.variables, ", ")
    local unbounded = table.concat(report.unbounded, ", ")
    if out.as_json then
        out:object(report)
    else
        out:object({
            variables = names ~= "" and names or nil, unlimited = unbounded ~= "" and unbounded or nil,
            encoding = report.encoding, segments = report.segments, units = report.units,
            not_gsm7 = report.first_ucs2_character
                and ("character %d, %s"):format(report.first_ucs2_character, report.forced_by) or nil,
        }, { "variables", "unlimited", "encoding", "segments", "units", "not_gsm7" })
    end
    return unbounded == "" and 0 or failure.NO
end

function M.run(given)
    local out = output.new(given)
    local template, err = read(given)
    if not template then
        return nil, err
    elseif given.check then
        return check(template, out)
    end
    local vars, body
    vars, err = map_of("--var", given.var)
    if vars then
        body, err = template:render(vars)
    end
    if not body then
        return nil, err
    end
    local count = sms.segments(body)
    if out.as_json then
        count.body = body
        out:object(count)
    else
        out:line(body)
        local plural = count.segments == 1 and "" or "s"
        out:note("%s, %d segment%s, %d units", count.encoding, count.segments, plural, count.units)
    end
    return 0
end

return definition.command(M)

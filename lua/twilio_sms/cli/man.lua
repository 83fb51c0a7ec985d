--- `twilio-sms man`: prints the manual page, made of what the commands say of themselves.
local core = require "twilio_sms.core"
local definition = require "twilio_sms.cli.definition"
local output = require "twilio_sms.cli.output"

local M = {
    name = "man",
    about = "Print the manual page, for man or a file.",
}

local STATUSES = {
    { "0", "Done." },
    { "1", "The answer is no: a signature is wrong, a person has opted out, a message was not delivered, a "
        .. "tape is damaged, or something needs repair." },
    { "2", "Refused, by Twilio or by a check before it; the same again would be refused again." },
    { "3", "In doubt: a message may have been sent. Look before you send it again." },
    { "4", "Nothing was sent, and the same may work later." },
    { "64", "The command line makes no sense." },
    { "65", "The rows of bulk cannot be used." },
    { "66", "A file cannot be read." },
    { "70", "A mistake of the program itself." },
    { "74", "The result cannot be written." },
    { "77", "Twilio refused the credentials." },
    { "78", "Credentials or configuration are missing or wrong." },
    { "130", "Interrupted." },
}

local FILES = {
    { "$XDG_CONFIG_HOME/twilio-sms/config, ~/.config/twilio-sms/config",
        "Lines like name = value: the options of a client by name (account_sid, from, rate.per_second ...), "
        .. "auth_token_file and api_secret_file with the path of a file, and store with that of the opt-out "
        .. "list. Lines that begin with # are comments. Refused when it holds a secret and others may read "
        .. "it." },
}

local ENVIRONMENT = {
    { "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_API_KEY, TWILIO_API_SECRET",
        "The credentials. They come before those of the configuration file." },
    { "TWILIO_FROM, TWILIO_MESSAGING_SERVICE_SID", "The sender." },
    { "TWILIO_BASE_URL, TWILIO_REGION, TWILIO_EDGE, TWILIO_CA_FILE", "Where the API is, and whom to trust." },
}

local DESCRIPTION = "Sends, reads and receives messages through Twilio. Credentials come from the "
    .. "environment or from a configuration file, never from arguments. With --json each result is one line "
    .. "of JSON on standard output, and so is an error: an object with the member error."

-- Text as roff takes it: a dot or an apostrophe would begin a request.
local function escape(text)
    return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^([.'])", "\\&%1"):gsub("\n([.'])", "\n\\&%1"))
end

local function add(out, request, text)
    out[#out + 1] = text and request .. " " .. escape(text) or request
end

local function add_item(out, term, about)
    out[#out + 1] = ".TP"
    out[#out + 1] = ".B " .. escape(term)
    out[#out + 1] = escape(about)
end

local function add_items(out, title, rows)
    add(out, ".SH", title)
    for _, row in ipairs(rows) do
        add_item(out, row[1], row[2])
    end
end

local function synopsis_of(path, command)
    local words = { path }
    for _, row in ipairs(command.arguments or {}) do
        local word = ("<%s>%s"):format(row[1], row.many and " ..." or "")
        words[#words + 1] = row.optional and "[" .. word .. "]" or word
    end
    if command.options and command.options[1] then
        words[#words + 1] = "[options]"
    end
    return table.concat(words, " ")
end

local function add_command(out, path, command)
    add(out, ".SS", synopsis_of(path, command))
    out[#out + 1] = escape(command.about)
    for _, row in ipairs(command.arguments or {}) do
        add_item(out, "<" .. row[1] .. ">", row[2])
    end
    for _, row in ipairs(command.options or {}) do
        local again = row.many and " May be given again." or ""
        add_item(out, row[1] .. (row[2] and " " .. row[2] or ""), row[3] .. again)
    end
    for _, sub in ipairs(command.commands or {}) do
        add_command(out, path .. " " .. sub.name, sub)
    end
end

--- The page as roff.
-- @tparam table commands
function M.page(commands)
    local out = {}
    out[1] = (".TH TWILIO\\-SMS 1 \"\" \"twilio\\-sms %s\" \"User Commands\""):format(core.version)
    add(out, ".SH", "NAME")
    out[#out + 1] = "twilio\\-sms \\- SMS with Twilio from a shell, and rehearsed without it"
    add(out, ".SH", "SYNOPSIS")
    out[#out + 1] = ".B twilio\\-sms"
    out[#out + 1] = "<command> [options]"
    add(out, ".SH", "DESCRIPTION")
    out[#out + 1] = escape(DESCRIPTION)
    add(out, ".SH", "COMMANDS")
    for _, command in ipairs(commands) do
        add_command(out, command.name, command)
    end
    add_items(out, "EXIT STATUS", STATUSES)
    add_items(out, "ENVIRONMENT", ENVIRONMENT)
    add_items(out, "FILES", FILES)
    return table.concat(out, "\n")
end

function M.run(given)
    output.new(given):line(M.page(require("twilio_sms.cli").commands()))
    return 0
end

return definition.command(M)

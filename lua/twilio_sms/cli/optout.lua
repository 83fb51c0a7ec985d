--- `twilio-sms optout`: looks at the opt-out list in an SQLite file, and changes it.
local account = require "twilio_sms.cli.account"
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local output = require "twilio_sms.cli.output"
local sms = require "twilio_sms"
local transfer = require "twilio_sms.cli.optout_transfer"

local COMMON = definition.options({
    { "--store", "<file>", "The SQLite file. Default: store in the configuration file.",
        sort = definition.TEXT },
    { "--all-accounts", false, "The list that counts for all accounts, instead of that of one." },
}, account.IDENTITY_OPTIONS, output.OPTIONS, output.NUMBER_OPTIONS)

local SCOPE = { "--scope", "<sender>", "Of this number or messaging service only. Default: of all." }
local NUMBER = { "number", "The person: a number like +15558675310." }
local CHANGE = definition.options({
    SCOPE,
    { "--source", "<text>", "How you know. Default: command line." },
    { "--note", "<text>", "Anything else." },
}, COMMON)

local ENTRY = { "number", "state", "scope", "at", "source", "keyword", "class", "message_sid", "note" }

local M = {
    name = "optout",
    about = "Look at the opt-out list in an SQLite file, and change it.",
}

local function day_of(at)
    return at and os.date("!%Y-%m-%dT%H:%M:%SZ", at) or nil
end

-- An entry as it is shown: when it was in words, too.
local function shown(entry)
    local out = {}
    for name, value in pairs(entry) do
        out[name] = value
    end
    out.at = day_of(entry.at)
    out.written_at = day_of(entry.written_at)
    return out
end

-- ---- Actions -------------------------------------------------------------------------------------

local actions = {}

function actions.status(ledger, given, out)
    local state, record = ledger:status(given.number, given.scope)
    if not state then
        return nil, record
    end
    local answer = shown(record or {})
    answer.state, answer.number = state, given.number
    out:object(answer, ENTRY)
    return state == "opted_out" and failure.NO or 0
end

function actions.list(ledger, given, out)
    local rows = {}
    for _, entry, err in ledger:list { scope = given.scope, state = given.state } do
        if err then
            return nil, err
        end
        rows[#rows + 1] = shown(entry)
        if out.as_json then -- as many as there are
            out:object(table.remove(rows))
        end
    end
    if not out.as_json then
        out:rows({ "number", "state", "scope", "at", "source", "note" }, rows)
    end
    return 0
end

function actions.history(ledger, given, out)
    local entries, err = ledger:history(given.number)
    if not entries then
        return nil, err
    end
    local rows = {}
    for i, entry in ipairs(entries) do
        rows[i] = shown(entry)
        rows[i].scope = table.concat(entry.scopes or {}, " ")
    end
    out:rows({ "at", "state", "scope", "source", "keyword", "message_sid", "note" }, rows)
    return 0
end

local function change(method)
    return function(ledger, given, out)
        local ok, changed = ledger[method](ledger, given.number, {
            scope = given.scope, source = given.source or "command line", note = given.note,
        })
        if not ok then
            return nil, changed
        end
        local state, record = ledger:status(given.number, given.scope)
        local answer = shown(record or {})
        answer.number, answer.state, answer.changed = given.number, state, changed
        out:object(answer, { "number", "state", "changed" })
        return 0
    end
end

actions.add = change "opt_out"
actions.remove = change "opt_in"
actions.import = transfer.import
actions.export = transfer.export

local FORMAT = { "--format", "<csv|json>",
    "csv, or json: one object a line. Default: by the name of the file, or csv.",
    choices = { "csv", "json" } }
local STATE = { "--state", "<state>", "Only these: opted_out or opted_in.",
    choices = { "opted_out", "opted_in" } }

M.commands = {
    { name = "status", about = "Whether a person may be written to; exit status 1 if not.",
        arguments = { NUMBER }, options = definition.options({ SCOPE }, COMMON) },
    { name = "list", about = "Everybody on the list.",
        options = definition.options({ SCOPE, STATE }, COMMON) },
    { name = "history", about = "All that happened to a person.",
        arguments = { NUMBER }, options = COMMON },
    { name = "add", about = "Opt a person out.",
        arguments = { NUMBER }, options = CHANGE },
    { name = "remove", about = "Opt a person in, who has agreed to that.",
        arguments = { NUMBER }, options = CHANGE },
    { name = "import", about = "Take entries from a file; newer ones stay.",
        arguments = { { "file", "The file; - is standard input." } },
        options = definition.options({ FORMAT,
            { "--all-or-nothing", false, "One bad row keeps all others out." } }, COMMON) },
    { name = "export", about = "Write all entries in a form that import takes.",
        arguments = { { "file", "A new file. Default, and -: standard output.", optional = true } },
        options = definition.options({ FORMAT }, COMMON) },
}

-- ---- Opening -------------------------------------------------------------------------------------

local MAKES_A_FILE = { add = true, import = true }

local function open(given)
    local settings, err = account.settings(given)
    if not settings then
        return nil, err
    elseif not settings.store then
        return nil, failure.new(failure.CONFIGURATION,
            "which list? Name its file with --store, or as store in the configuration file")
    elseif not settings.account_sid and not given.all_accounts then
        return nil, failure.new(failure.CONFIGURATION, "whose list? Set TWILIO_ACCOUNT_SID, or give "
            .. "--account-sid, or --all-accounts for the one that counts for all")
    end
    local store, problem = account.store(settings, MAKES_A_FILE[given.action])
    if not store then
        return nil, problem
    end
    local account_sid = not given.all_accounts and settings.account_sid or nil
    return sms.optout.new { account_sid = account_sid, store = store }, store
end

function M.run(given)
    local ledger, store = open(given)
    if not ledger then
        return nil, store
    end
    local status, err = actions[given.action](ledger, given, output.new(given))
    store:close()
    return status, err
end

return definition.command(M)

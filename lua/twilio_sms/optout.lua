--- The opt-out list: who may not be written to, by which senders, since when and why.
--
-- It learns from what people write, from Twilio's refusals and from your program, and is asked before each
-- message. Every function answers nil and an error when the store cannot be read or written.
local core = require "twilio_sms.core"
local key = require "twilio_sms.optout.key"
local keywords = require "twilio_sms.keywords"
local list = require "twilio_sms.optout.list"
local look = require "twilio_sms.optout.look"
local memory = require "twilio_sms.memory"
local options = require "twilio_sms.options"
local scheduled = require "twilio_sms.optout.scheduled"
local transfer = require "twilio_sms.optout.transfer"
local wish = require "twilio_sms.optout.wish"
local write = require "twilio_sms.optout.write"

local M = {}

--- Says whether a text is a word for opting out, in or for help (see `twilio_sms.keywords`).
M.classify = keywords.classify

local Ledger = {}
local class = { __index = Ledger, __name = "twilio_sms.optout" }

-- These are called from the methods themselves, so that misuse is raised at the line that calls the method.

local function check_text(name, value)
    if type(value) ~= "string" then
        error(("%s must be a string, not %s"):format(name, options.kind_of(value)), 3)
    end
end

local function check_options(opts, known)
    opts = options.check(opts, known, 3)
    return opts -- not a tail call, which would hide this function from the count of levels
end

local function check_table(what, value)
    if type(value) ~= "table" then
        error(("%s takes a table, not %s"):format(what, options.kind_of(value)), 3)
    end
end

local function bad_number(address, why)
    return core.error("InvalidRecipient", ("'%s' is no number: %s"):format(core.mask(address), why))
end

local function name_person(address)
    local name, why = key.person(address)
    if not name then
        return nil, bad_number(address, why)
    end
    return name
end

local function name_scope(scope)
    local name, why = key.scope(scope or key.ALL)
    if not name then
        return nil, core.error("InvalidSender", ("'%s' is no scope: %s"):format(scope, why))
    end
    return name
end

--- Unix seconds, by the clock that the ledger was given.
function Ledger:now()
    return math.floor(self.clock())
end

-- ---- Reading ------------------------------------------------------------------------------------

--- Whether a person may be written to.
-- @tparam string number
-- @tparam[opt] string scope a sender or a messaging service; default: all
-- @treturn string|nil "opted_out", "opted_in" or "unknown"
-- @treturn table|nil the record that decides: state, source, keyword, class, at, message_sid, note
function Ledger:status(number, scope)
    check_text("number", number)
    local name, err = name_person(number)
    if not name then
        return nil, err
    end
    scope, err = name_scope(scope)
    if not scope then
        return nil, err
    end
    local record
    record, err = look.deciding(self.store, look.accounts(self.account), name, scope)
    if record == nil then
        return nil, err
    end
    return record and record.state or "unknown", record or nil
end

-- The scope of a sender: false when there is no sender, nil when it cannot be looked up.
local function scope_of(given)
    if not given or given == "" then
        return false
    end
    return (key.scope(given))
end

--- Answers a check of a client: true; false and why not; nil and why when the store cannot be read.
-- @tparam table question with to, from, messaging_service_sid, account_sid
function Ledger:check(question)
    local number = key.recipient(question.to)
    local sender, service = scope_of(question.from), scope_of(question.messaging_service_sid)
    if not number then
        return false, "the recipient is not a number that can be looked up"
    elseif sender == nil or service == nil then
        return false, "the sender is not one that can be looked up"
    end
    local blocks, err = look.blocks(self.store, number)
    if blocks == nil then
        return nil, "the opt-out list cannot be read: " .. tostring(err.message or err)
    elseif not blocks then -- as for most people
        return true
    end
    local accounts = look.accounts(self.account, question.account_sid)
    if look.forbids(blocks, accounts, sender) or look.forbids(blocks, accounts, service) then
        return false, "opted_out"
    end
    return true
end

--- A function for client:hook("check", f).
function Ledger:hook()
    return function(question)
        return self:check(question)
    end
end

-- ---- Changing -----------------------------------------------------------------------------------

local CHANGE_OPTIONS = {
    scope = "string", source = "string", keyword = "string", message_sid = "string", note = "string",
}

local function change(self, state, number, opts)
    local name, err = name_person(number)
    if not name then
        return nil, err
    end
    local scope
    scope, err = name_scope(opts.scope)
    if not scope then
        return nil, err
    end
    local outcomes
    outcomes, err = write.apply(self.store, { {
        account = self.account, number = name, scopes = { scope }, state = state, at = self:now(),
        source = opts.source or "api", keyword = opts.keyword, message_sid = opts.message_sid,
        note = opts.note,
    } })
    if not outcomes then
        return nil, err
    end
    return true, outcomes[1] == "changed"
end

--- Opts a person out.
-- @tparam string number
-- @tparam[opt] table opts scope (default: all), source ("api"), keyword, message_sid, note
-- @treturn boolean|nil true
-- @treturn boolean whether that is new
function Ledger:opt_out(number, opts)
    check_text("number", number)
    opts = check_options(opts, CHANGE_OPTIONS)
    return change(self, "opted_out", number, opts)
end

--- Opts a person in, in one scope: opt-outs in others stay.
function Ledger:opt_in(number, opts)
    check_text("number", number)
    opts = check_options(opts, CHANGE_OPTIONS)
    return change(self, "opted_in", number, opts)
end

-- ---- Learning -----------------------------------------------------------------------------------

-- Makes the change that was asked for, and adds what came of it. It stands under the account of the event; a
-- ledger without an account is one for all of them.
local function follow(self, account_sid, learned, wanted)
    wanted.account = self.account ~= key.ALL and account_sid or self.account
    wanted.at = wanted.at or self:now()
    local outcomes, err = write.apply(self.store, { wanted })
    if not outcomes then
        return nil, err
    end
    learned.changed = outcomes[1] == "changed"
    if learned.action == "start" then
        local accounts = look.accounts(self.account, account_sid)
        local out
        out, err = look.is_opted_out(self.store, accounts, wanted.number, wanted.scopes)
        if out == nil then
            return nil, err
        end
        learned.still_opted_out = outcomes[1] == "blocked" or out
    end
    return learned
end

local function learn(self, account_sid, learned, wanted, why)
    if why then
        return nil, core.error("MissingFields", why)
    elseif not wanted then
        return learned
    end
    return follow(self, account_sid, learned, wanted)
end

local REFUSAL = 21610

--- Learns from a webhook event: from what a person writes, and from a status with error 21610.
-- @tparam table event as `twilio_sms.webhook` makes it
-- @treturn table|nil action ("stop", "start", "help" or nil), class ("strict", "wide", "provider"), keyword,
--   changed, scopes, provider_replied (Twilio has answered the person already), still_opted_out (a START that
--   does not lift everything)
function Ledger:learn(event)
    check_table("learn", event)
    if event.type == "inbound" then
        return learn(self, event.account_sid, wish.of_message(self.classify, event))
    elseif event.type == "status" and tonumber(event.error_code) == REFUSAL then
        return learn(self, event.account_sid, wish.of_refusal(event))
    end
    return { changed = false, scopes = {}, provider_replied = false, still_opted_out = false }
end

--- Learns that Twilio refused a message with error 21610 when it was to be sent.
-- @tparam table refused to, from, messaging_service_sid, account_sid, message_sid; or the message, when it
-- failed later
-- @treturn table|nil as for learn
function Ledger:learn_refusal(refused)
    check_table("learn_refusal", refused)
    return learn(self, refused.account_sid, wish.of_refusal(refused))
end

-- ---- Listing ------------------------------------------------------------------------------------

local LIST_OPTIONS = { number = "string", scope = "string", state = "string" }

--- Goes through the states, with constant memory. Looking for a number without a scope reads them all.
-- @tparam[opt] table filter number, scope, state
-- @treturn function an iterator: index, entry { account, scope, number, state, source, at, keyword, class,
--   message_sid, note }, error
function Ledger:list(filter)
    filter = check_options(filter, LIST_OPTIONS)
    return list.states(self.store, self.account, filter)
end

--- All that happened to a person's states, the oldest first.
-- @treturn table|nil a list of { state, scopes, at, source, keyword, class, message_sid, note, written_at }
function Ledger:history(number)
    check_text("number", number)
    local name = key.name(number)
    if not name then
        return nil, bad_number(number, "it cannot be kept")
    end
    return list.history(self.store, self.account, name)
end

local FORMATS = { csv = true, json = true }

local function check_format(format)
    if not FORMATS[format] then
        error("the format is 'csv' or 'json'", 3)
    end
end

local IMPORT_OPTIONS = { all_or_nothing = "boolean" }

--- Takes states from a file. A row never replaces a state that is newer.
-- @param source the text, or a function that answers the next line and nil at the end, such as io.lines(path)
-- @tparam string format "csv" or "json" (an array, or one object a line)
-- @tparam[opt] table opts all_or_nothing: a bad row keeps all others out
-- @treturn table|nil { rows, changed, same, older, refused_count, refused = { { line, why }, ... } }, which
--   names the first 1000; after an error of the store nil, the error, and what was done until then
function Ledger:import(source, format, opts)
    if type(source) ~= "string" and type(source) ~= "function" then
        error("import takes a text or a function, not " .. options.kind_of(source), 2)
    end
    check_format(format)
    opts = check_options(opts, IMPORT_OPTIONS)
    return transfer.import(self.store, self.account, source, format, self:now(), opts.all_or_nothing)
end

--- Writes all states in a form that import takes back.
-- @tparam string format "csv" or "json" (one object a line)
-- @tparam function write_text gets a piece of text at a time; may answer nil and an error, which ends it
-- @treturn number|nil how many states
function Ledger:export(format, write_text)
    check_format(format)
    if type(write_text) ~= "function" then
        error("export takes a function that writes, not " .. options.kind_of(write_text), 2)
    end
    return transfer.export(self.store, self.account, format, write_text)
end

-- ---- Scheduled messages ---------------------------------------------------------------------------

--- Cancels the messages that Twilio holds for a person until their time comes: a STOP does not
-- (https://www.twilio.com/docs/messaging/features/message-scheduling).
-- @tparam table client
-- @tparam string number
-- @tparam[opt] table scopes as learn gives them; default: all
-- @treturn number how many were cancelled
-- @treturn table the errors of those that could not be, or of the list
function Ledger:cancel_scheduled(client, number, scopes)
    check_table("cancel_scheduled", client)
    check_text("number", number)
    return scheduled.cancel(client, number, scopes or { key.ALL })
end

-- ---- Making one ---------------------------------------------------------------------------------

local OPTIONS = {
    account_sid = "string", store = "any", clock = "function",
    languages = "table", words = "table", ignore = "table",
}

local function check_store(store)
    local kind = type(store)
    for _, method in ipairs { "read", "write", "list" } do
        if kind ~= "table" and kind ~= "userdata" or type(store[method]) ~= "function" then
            error("option 'store' must be a store, with read, write and list", 3)
        end
    end
    return store
end

--- Makes a ledger.
-- @tparam[opt] table opts account_sid (default: one ledger for all accounts); store (default: memory);
--   languages, words and ignore as for `twilio_sms.keywords`; clock, a function that gives Unix seconds
-- @treturn table
function M.new(opts)
    opts = options.check(opts, OPTIONS, 2)
    local store = opts.store ~= nil and check_store(opts.store) or memory.new()
    local classify = keywords.classifier({
        languages = opts.languages, words = opts.words, ignore = opts.ignore,
    }, 2)
    return setmetatable({
        account = opts.account_sid or key.ALL,
        store = store,
        classify = classify,
        clock = opts.clock or os.time,
    }, class)
end

return M

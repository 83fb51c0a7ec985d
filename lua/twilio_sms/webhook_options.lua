--- Checks the options of a receiver, and finds the opt-out list among them.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local optout = require "twilio_sms.optout"

local M = {}

local OPTIONS = {
    account_sid = "string", auth_token = "any", accounts = "table", tokens_for = "function",
    urls = "table", trusted_proxies = "table", max_body = "number", max_fields = "number",
    shared = "string", replay_window_ms = "number", callback_ref = "table",
    store = "any", optout = "any", track = "any", client = "any", replies = "table",
    on_message = "function", on_status = "function", on_unknown = "function", on_error = "function",
    log = "table", trace = "table", clock = "function",
}
local REF_OPTIONS = { key = "any", required = "boolean" }
local REPLIES = { stop = "string", start = "string", help = "string" }

-- An object with these methods may stand for a ledger or a tracker.
local function check_object(name, object, methods, level)
    for _, method in ipairs(methods) do
        if type(object) ~= "table" or type(object[method]) ~= "function" then
            error(("option '%s' must have the method '%s'"):format(name, method), level + 1)
        end
    end
end

--- Raises, at a level as for error, for what is no option and what is of the wrong type.
-- @treturn table the options
function M.check(given, level)
    local opts = options.check(given, OPTIONS, level + 1)
    options.check(opts.callback_ref, REF_OPTIONS, level + 1)
    options.check(opts.replies, REPLIES, level + 1)
    if opts.urls and opts.urls[1] == nil then
        local why = "option 'urls' is an empty list; leave it out to take any URL that was signed for"
        error(why, level + 1)
    elseif opts.callback_ref and opts.callback_ref.key == nil then
        error("option 'callback_ref' needs a key: callback_ref = { key = ... }", level + 1)
    end
    if opts.optout and opts.optout ~= true then
        check_object("optout", opts.optout, { "check", "learn" }, level + 1)
    end
    if opts.track then
        check_object("track", opts.track, { "update" }, level + 1)
    end
    if opts.client then
        check_object("client", opts.client, { "list", "cancel" }, level + 1)
    end
    if opts.store ~= nil and type(opts.store) ~= "userdata" then
        check_object("store", opts.store, { "read", "write", "list", "purge" }, level + 1)
    end
    return opts
end

--- Texts that no answer could hold.
-- @treturn boolean|nil true, or nil and an error
function M.check_replies(replies)
    for name, text in pairs(replies or {}) do
        local ok, err = core.twiml():message { body = text }
        if not ok then
            return nil, core.error("InvalidOption", ("replies.%s: %s"):format(name, err.message))
        end
    end
    return true
end

--- The opt-out list that STOPs go to. Not one in memory by mere default: a STOP must survive a restart, and
-- be seen by whoever sends.
-- @return a ledger, or false for none; or nil and an error
function M.ledger(opts)
    local client = opts.client
    if opts.optout ~= nil and opts.optout ~= true then
        return opts.optout
    elseif client and client.optout and client.optout_in_memory and opts.store ~= nil then
        local why = "store: the client keeps its opt-out list in memory, where a STOP would be lost; "
            .. "make the client with optout = sms.optout.new { store = ... }"
        return nil, core.error("InvalidOption", why)
    elseif client and client.optout then
        return client.optout
    elseif opts.store == nil then
        local why = "a STOP would be forgotten: give a store, as in store = "
            .. "require(\"twilio_sms.store\").open(\"messages.db\"), or an optout list, or optout = false"
        return nil, core.error("InvalidOption", why)
    end
    return optout.new { account_sid = opts.account_sid, store = opts.store, clock = opts.clock }
end

--- What a receiver does about its log and its trace.
-- @treturn table|boolean|nil false when it has neither; nil and an error
function M.watch(opts, level)
    if not opts.log and not opts.trace then
        return false
    end
    local watch, err = require("twilio_sms.observe").watch(opts, level + 1)
    return watch, err -- not a tail call, which would hide this function from the count of levels
end

--- What happens to errors when nobody asks for them: one line on standard error, as long as somebody may
-- still be trying things out.
function M.print_error(err, event, explanation)
    local hint = explanation and explanation:match "hint: ([^\n]*)"
    io.stderr:write("twilio_sms.webhook: ", tostring(err), event and " [" .. event.type .. "]" or "",
        hint and "; " .. hint or "", "\n")
end

return M

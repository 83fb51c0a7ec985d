--- Checks the options of `resty.twilio_sms.setup`, and sorts them by what they are for.
local copy = require "twilio_sms.copy"
local core = require "twilio_sms.core"
local observe = require "twilio_sms.observe"
local options = require "twilio_sms.options"
local webhook_options = require "twilio_sms.webhook_options"

local M = {}

-- What is opened where nginx starts would be shared by all workers. So these are functions, which each worker
-- calls for itself.
local MADE_BY_WORKERS = {
    store = "store = function() return require(\"resty.twilio_sms.sqlite\").open(path) end",
    optout = "optout = function(store) return sms.optout.new { store = store, ... } end",
    track = "track = function(store) return sms.track.new { store = store, ... } end",
    client = "client = function() return require(\"resty.twilio_sms\").new { ... } end",
}

-- Options that are not those of a client.
local OWN = { store = true, optout = true, track = true, webhook = true, webhooks = true, log = true,
    trace = true }
-- What a webhook takes over, unless it has it itself.
local INHERITED = { "account_sid", "auth_token", "shared" }

local function check_made(opts, allowed, level)
    for name, example in pairs(MADE_BY_WORKERS) do
        local value = opts[name]
        if value ~= nil and type(value) ~= "function" and value ~= allowed[name] then
            local why = "option '%s' must be a function, which each worker calls: %s"
            error(why:format(name, example), level + 1)
        end
    end
end

-- Makes a log and a trace of their options and closes them again. Objects would be shared by all workers.
local function check_watched(opts, level)
    for _, name in ipairs { "log", "trace" } do
        if type(opts[name]) == "table" and getmetatable(opts[name]) ~= nil then
            local why = "option '%s' must hold options, of which each worker makes one for itself"
            error(why:format(name), level + 1)
        end
    end
    local watch, err = observe.watch({ log = opts.log, trace = opts.trace }, level + 1)
    if watch == nil then
        error(tostring(err), level + 1)
    elseif watch then
        watch:close()
    end
end

-- Makes something of the options and closes it again: what is wrong with them stops nginx from starting. No
-- region is opened, for that would be shared.
local function try(make, opts, level)
    local trial = copy(opts)
    trial.shared = nil
    local ok, made, err = pcall(make, trial)
    if not ok or not made then
        error((tostring(ok and err or made):gsub("^[^:]*%.lua:%d+: ", "")), level + 1)
    end
    made:close()
end

local function core_options(opts)
    return {
        account_sid = opts.account_sid, urls = opts.urls, trusted_proxies = opts.trusted_proxies,
        max_body = opts.max_body, max_fields = opts.max_fields, shared = opts.shared,
        replay_window_ms = opts.replay_window_ms,
        callback_ref_key = opts.callback_ref and opts.callback_ref.key,
    }
end

-- The options of one webhook with what it takes over, ready for a receiver but for what the worker makes.
local function webhook_of(given, opts, level)
    if type(given) ~= "table" then
        error("the options of a webhook must be a table, not " .. options.kind_of(given), level + 1)
    end
    check_made(given, { optout = false }, level + 1)
    local own_account = given.account_sid ~= nil and given.account_sid ~= opts.account_sid
    local settings = copy(given)
    for _, name in ipairs(INHERITED) do
        if settings[name] == nil and not (own_account and name == "auth_token") then
            settings[name] = opts[name]
        end
    end
    if not settings.callback_ref and not own_account and opts.callback_ref then
        settings.callback_ref = { key = opts.callback_ref.key }
    end
    local makers = {}
    for name in pairs(MADE_BY_WORKERS) do
        makers[name], settings[name] = settings[name], nil
    end
    webhook_options.check(settings, level + 1)
    check_watched(settings, level + 1)
    try(core.webhook, core_options(settings), level + 1)
    local list = makers.optout
    if list == nil and not own_account then
        list = opts.optout
    end
    if not (makers.store or makers.client or opts.store) and list == nil then
        local why = "a STOP would be known to one worker only: give a store, as in %s; or optout = false"
        error(why:format(MADE_BY_WORKERS.store), level + 1)
    end
    return { options = settings, makers = makers, own_account = own_account }
end

--- Raises, at a level as for error, for what is wrong with the options.
-- @treturn table client (the options of `twilio_sms.new`), makers (store, optout, track), watched (options of
-- log and trace), webhooks (by name; the one of the option `webhook` is webhooks[1])
function M.check(given, level)
    if type(given) ~= "table" then
        local why = "setup{ account_sid=..., auth_token=... } takes a table, not "
        error(why .. options.kind_of(given), level + 1)
    end
    local client = {}
    for name, value in pairs(given) do
        if not OWN[name] then
            client[name] = value
        end
    end
    if client.driver ~= nil then
        error("option 'driver': in nginx there is one driver only; leave it out", level + 1)
    end
    check_made({ store = given.store, optout = given.optout, track = given.track },
        { optout = false, track = true }, level + 1)
    if given.track == true and not given.store then
        error("option 'track' needs a store, or each worker would know its own messages only", level + 1)
    end
    check_watched(given, level + 1)
    try(core.machine, client, level + 1)
    local webhooks = {}
    if given.webhook ~= nil then
        webhooks[1] = webhook_of(given.webhook, given, level + 1)
    end
    options.check({ webhooks = given.webhooks }, { webhooks = "table" }, level + 1)
    for name, one in pairs(given.webhooks or {}) do
        if type(name) ~= "string" then
            error("option 'webhooks' holds webhooks by their names", level + 1)
        end
        webhooks[name] = webhook_of(one, given, level + 1)
    end
    return {
        client = client,
        makers = { store = given.store, optout = given.optout, track = given.track },
        watched = { log = given.log, trace = given.trace },
        webhooks = webhooks,
    }
end

return M

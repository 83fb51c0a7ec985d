--- Where a command has its account from: what was given, then the environment, then the configuration file.
local config_file = require "twilio_sms.cli.config_file"
local core = require "twilio_sms.core"
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local sms = require "twilio_sms"
local watching = require "twilio_sms.cli.watching"

local M = {}

--- Options of every command that needs to know whose account it is.
M.IDENTITY_OPTIONS = {
    { "--config", "<file>", "The configuration file. Default: ~/.config/twilio-sms/config.",
        sort = definition.TEXT },
    { "--account-sid", "<sid>", "The account." },
    { "--auth-token-file", "<file>", "A file with its auth token." },
}

--- Options of every command that calls Twilio.
M.OPTIONS = definition.options(M.IDENTITY_OPTIONS, {
    { "--api-key", "<sid>", "An API key to be used instead of the auth token." },
    { "--api-secret-file", "<file>", "A file with the secret of the API key." },
    { "--base-url", "<url>", "Where the API is, if not at https://api.twilio.com." },
    { "--region", "<name>", "Where requests are processed, such as ie1." },
    { "--edge", "<name>", "Where requests enter the network, such as dublin." },
    { "--ca-file", "<file>", "CA certificates to trust instead of the system's." },
    { "--proxy", "<url>", "A proxy for all requests." },
})

--- How long a call may take; not for commands that mean something else by it.
M.TIMEOUT_OPTIONS = {
    { "--timeout", "<seconds>", "How long it may take in all. Default: 60.", sort = definition.SECONDS },
}

--- Options of every command that sends.
M.SENDER_OPTIONS = {
    { "--from", "<number>", "The sender." },
    { "--messaging-service", "<sid>", "The messaging service that picks the sender." },
    { "--store", "<file>", "An SQLite file with the opt-out list that is asked first.",
        sort = definition.TEXT },
}

-- What may stand in the environment, as TWILIO_ and the name in capitals.
local NAMES = {
    "account_sid", "auth_token", "api_key", "api_secret", "from", "messaging_service_sid", "region", "edge",
    "base_url", "ca_file",
}

local SECRETS = { auth_token = true, api_secret = true }
local KEYS = { auth_token = true, api_key = true, api_secret = true }
local CREDENTIALS = { account_sid = true, auth_token = true, api_key = true, api_secret = true }
local OF_ACCOUNT = {
    auth_token = true, api_key = true, api_secret = true, from = true, messaging_service_sid = true,
}

-- The name of a setting by the name of what was given.
local GIVEN = {
    account_sid = "account_sid", api_key = "api_key", base_url = "base_url", region = "region", edge = "edge",
    ca_file = "ca_file", proxy = "proxy", from = "from", messaging_service = "messaging_service_sid",
    store = "store",
}

local function from_given(given)
    local settings = {}
    for option, name in pairs(GIVEN) do
        settings[name] = given[option]
    end
    for name in pairs(SECRETS) do
        local path = given[name .. "_file"]
        settings[name] = path and { file = path } or nil
    end
    return settings
end

local function from_environment()
    local settings = {}
    for _, name in ipairs(NAMES) do
        local variable = "TWILIO_" .. name:upper()
        local value = os.getenv(variable)
        if value and value ~= "" then
            settings[name] = SECRETS[name] and { env = variable } or value
        end
    end
    return settings
end

local function any(settings, names)
    for name in pairs(names) do
        if settings[name] ~= nil then
            return true
        end
    end
    return false
end

-- What belongs to an account counts only for the one that stands beside it: a token never goes to another
-- account. And the key of one source is not mixed with the token of the next.
local function add(settings, sources, more, source)
    local other_account = settings.account_sid and more.account_sid
        and settings.account_sid ~= more.account_sid
    local has_secret = any(settings, KEYS)
    for name, value in pairs(more) do
        local skipped = other_account and OF_ACCOUNT[name] or has_secret and KEYS[name]
        if settings[name] == nil and not skipped then
            settings[name] = value
            sources[name] = source
        end
    end
end

--- All settings.
-- @tparam table given what was given to the command
-- @treturn table|nil settings by name; secrets are strings, { env = NAME } or { file = path }. Or nil and a
--   failure
-- @treturn table where each is from, by name
-- @treturn string|nil which configuration file was looked for
function M.settings(given)
    local path = given.config or config_file.default_path()
    local file, err = {}, nil
    if path then
        file, err = config_file.read(path, not given.config)
    end
    if not file then
        return nil, err
    end
    local settings, sources = {}, {}
    add(settings, sources, from_given(given), "arguments")
    add(settings, sources, from_environment(), "environment")
    add(settings, sources, file, path)
    return settings, sources, path
end

-- Options for sms.new: names with dots become tables. It is told of one that is a group and a value too, and
-- says what is wrong with it.
local function options_of(settings)
    local opts, names = {}, {}
    for name in pairs(settings) do
        names[#names + 1] = name ~= "store" and name or nil
    end
    table.sort(names) -- "retry" comes before "retry.timeout.attempts"
    for _, name in ipairs(names) do
        local at = opts
        for part in name:gmatch "([^.]*)%." do
            at[part] = at[part] == nil and {} or at[part]
            at = type(at[part]) == "table" and at[part] or {}
        end
        at[name:match "[^.]*$"] = settings[name]
    end
    return opts
end

local function nobody(path)
    local file = path or "a file that --config names"
    return failure.new(failure.CONFIGURATION, "whose account? Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, "
        .. "or write account_sid and auth_token_file into " .. file)
end

-- Who mistypes a path must not find that nobody has opted out.
local function is_there(path)
    local file = io.open(path, "rb")
    if file then
        file:close()
    end
    return file ~= nil
end

--- Opens the store that the settings name.
-- @tparam table settings
-- @tparam[opt] boolean makes_it whether it need not be there
-- @treturn userdata|nil nil when none is named; nil and a failure when it cannot be opened
function M.store(settings, makes_it)
    local path = settings.store
    if not path then
        return nil
    elseif not makes_it and not is_there(path) then
        return nil, failure.new(failure.NO_INPUT, path .. " is not there: is it the path of the "
            .. "opt-out list? `twilio-sms optout import` makes one")
    end
    local store, err = require("twilio_sms.store").open(path)
    return store, err and failure.new(failure.CONFIGURATION, tostring(err), err) or nil
end

local function client_of(settings, given, more)
    local opts = options_of(settings)
    local ok, problem = watching.check(opts)
    if not ok then
        return nil, problem
    end
    opts.timeout_ms = given.timeout and math.floor(given.timeout * 1000) or opts.timeout_ms
    for name, value in pairs(more or {}) do
        opts[name] = value or nil
    end
    local client, err = sms.new(opts)
    return client, client and settings or err
end

-- The settings of somebody; or nil and a failure.
local function settings_of_somebody(given)
    local settings, err, path = M.settings(given)
    if settings and not any(settings, CREDENTIALS) then
        return nil, nobody(path)
    end
    return settings, not settings and err or nil
end

--- Makes a client that reads.
-- @tparam table given what was given to the command
-- @treturn table|nil the client, or nil and a failure or an error
-- @treturn table the settings
function M.client(given)
    local settings, err = settings_of_somebody(given)
    if not settings then
        return nil, err
    end
    return client_of(settings, given)
end

--- Makes a client that sends: it asks the opt-out list first.
-- @tparam table given what was given to the command
-- @tparam[opt] table more options of sms.new, which win; false takes one away
-- @treturn table|nil the client, or nil and a failure or an error
-- @treturn table the settings
function M.sender(given, more)
    local settings, err = settings_of_somebody(given)
    local store
    if settings then
        store, err = M.store(settings)
    end
    if err then
        return nil, err
    end
    local own = {}
    for name, value in pairs(more or {}) do
        own[name] = value
    end
    own.optout = store and sms.optout.new { account_sid = settings.account_sid, store = store } or nil
    return client_of(settings, given, own)
end

--- Where the API is, for settings of which a client can be made.
function M.origin(settings)
    local opts = options_of(settings)
    opts.log, opts.trace = nil, nil -- the core has them as objects
    local machine = core.machine(opts)
    local origin = machine:origin()
    machine:close()
    return origin
end

--- What the settings say of logs and traces, for a receiver.
-- @treturn table|nil log and trace; or nil and a failure or an error
function M.watching(settings)
    local opts = options_of(settings)
    local ok, err = watching.check(opts)
    return ok and { log = opts.log, trace = opts.trace }, err
end

--- The auth token, for what Twilio has signed.
-- @treturn string|table|nil the token or where it is; or nil and a failure
-- @treturn table the settings
function M.token(given)
    local settings, err = M.settings(given)
    if not settings then
        return nil, err
    elseif settings.auth_token == nil then
        local why = settings.api_key and "; an API key verifies nothing" or ""
        return nil, failure.new(failure.CONFIGURATION, "the auth token is needed: set TWILIO_AUTH_TOKEN, or "
            .. "auth_token_file in the configuration file" .. why)
    end
    return settings.auth_token, settings
end

return M

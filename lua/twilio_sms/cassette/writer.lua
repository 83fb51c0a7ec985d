--- Writes a tape: one line of JSON for each interaction, each in one piece as soon as it is over.
--
-- When the tape is closed it is searched for the secrets and numbers that went past; if one of them is found
-- the file is removed.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cassette.json"
local pseudonyms = require "twilio_sms.cassette.pseudonyms"
local scan = require "twilio_sms.cassette.scan"

local M = {
    --- The version of the format.
    VERSION = 1,
}

local Writer = {}
local class = { __index = Writer, __name = "twilio_sms.cassette.writer" }

local LINE_MOST = 1048576 -- bytes that leave in one piece

-- ---- Secrets -------------------------------------------------------------------------------------

local function trimmed(text)
    return text:match "^%s*(.-)%s*$"
end

local function read_source(source)
    if type(source) == "string" then
        return source
    elseif type(source) == "table" and source.env then
        return os.getenv(source.env)
    elseif type(source) == "table" and source.file then
        local file = io.open(source.file, "rb")
        local text = file and trimmed(file:read "*a")
        if file then
            file:close()
        end
        return text
    end
end

local function add_secret(list, name, source)
    local text = read_source(source)
    -- Less than four characters are everywhere, and the account of nobody is no secret.
    if text and #text > 3 and text ~= pseudonyms.ACCOUNT_SID then
        list[#list + 1] = { name, text }
    end
end

--- The secrets of a client's options, and others.
-- @tparam table options of a core client
-- @tparam boolean from_env whether the variables TWILIO_... count
-- @tparam[opt] table more a list of sources
-- @treturn table a list of { name, text }
function M.secrets(options, from_env, more)
    local list = {}
    for _, name in ipairs { "auth_token", "api_secret", "account_sid", "api_key" } do
        local source = options[name]
        if source == nil and from_env then
            source = { env = "TWILIO_" .. name:upper() }
        end
        add_secret(list, name, source)
    end
    local proxy = type(options.proxy) == "string" and options.proxy:match "^%a+://([^@]*)@"
    if proxy then
        add_secret(list, "the password of the proxy", proxy:match ":(.*)$" or proxy)
    end
    for i, source in ipairs(more or {}) do
        add_secret(list, "secret " .. i, source)
    end
    return list
end

-- ---- Writing -------------------------------------------------------------------------------------

local function problem(path, what)
    return core.error("InvalidOption", ("cassette %s: %s"):format(path, what), "not_sent")
end

M.problem = problem

local function append(self, value)
    if self.failed then
        return
    end
    local line = json.encode(value) .. "\n"
    local ok, why = self.file:write(line)
    if ok then
        ok, why = self.file:flush()
    end
    if not ok then
        self.failed = problem(self.path, "cannot be written: " .. tostring(why))
    end
end

local function random_key()
    local file = io.open("/dev/urandom", "rb")
    local bytes = file and file:read(16)
    if file then
        file:close()
    end
    return bytes and (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- Begins a tape. A file that exists is never written to.
-- @tparam string path
-- @tparam table opts names (a function that gets the seed and answers pseudonyms), secrets, seed, wall0_ms,
--   expires_after, redaction (a list of { name, value })
-- @treturn table|nil
function M.new(path, opts)
    local existing = io.open(path, "rb")
    if existing then
        existing:close()
        return nil, problem(path, "the file exists; a tape is never recorded over, remove it first")
    end
    local seed = opts.seed or random_key()
    if not seed then
        return nil, problem(path, "there is no source of randomness for its key; give a seed")
    end
    local file, why = io.open(path, "ab")
    if not file then
        return nil, problem(path, why)
    end
    file:setvbuf("full", LINE_MOST)
    local self = setmetatable({
        path = path, file = file, count = 0, secrets = opts.secrets, names = opts.names(seed), raw = {},
    }, class)
    append(self, json.object {
        { "cassette", M.VERSION },
        { "lib", "twilio_sms " .. core.version },
        { "recorded_at", math.floor(opts.wall0_ms / 1000) },
        { "expires_after", opts.expires_after },
        { "wall0", opts.wall0_ms },
        { "seed", seed },
        { "redaction", json.object(opts.redaction) },
    })
    if self.failed then
        return nil, self.failed
    end
    return self
end

local function request_json(request)
    return json.object {
        { "method", request.method }, { "host", request.host }, { "path", request.path },
        { "query", request.query }, { "form", request.form },
    }
end

local function response_json(response)
    return response and json.object {
        { "status", response.status }, { "complete", response.complete },
        { "headers", response.headers }, { "body", response.body },
    }
end

--- Adds one interaction.
-- @tparam table interaction as `redaction` makes it, with at_ms and elapsed_ms
function Writer:add(interaction)
    self.count = self.count + 1
    append(self, json.object {
        { "index", self.count },
        { "at_ms", interaction.at_ms }, { "elapsed_ms", interaction.elapsed_ms },
        { "operation", interaction.operation }, { "lookup", interaction.lookup },
        { "request", request_json(interaction.request) },
        { "sent", interaction.sent }, { "outcome", interaction.outcome }, { "message", interaction.message },
        { "response", response_json(interaction.response) },
        { "moved", self.names:take_news() },
    })
end

--- Adds one webhook and what it was answered with.
function Writer:add_webhook(webhook)
    self.count = self.count + 1
    append(self, json.object {
        { "index", self.count },
        { "at_ms", webhook.at_ms },
        { "webhook", json.object {
            { "method", webhook.method }, { "url", webhook.url }, { "headers", webhook.headers },
            { "body", webhook.body },
        } },
        { "answer", response_json(webhook.answer) },
        { "moved", self.names:take_news() },
    })
end

-- What the tape must not hold: the numbers that were replaced.
local function forbidden(names)
    local seen = {}
    for id, pseudonym in pairs(names.of) do
        local kind, digits = id:match "^(%a+):%+?(%d+)$"
        if (kind == "number" or kind == "text") and #digits >= 7 and "+" .. digits ~= pseudonym then
            seen[digits] = kind == "number" or nil
        end
    end
    return { seen = seen, is_allowed = function(number) return names:is_pseudonym(number) end }
end

--- The tape lacks something; `close` will say so.
function Writer:fail(what)
    self.failed = self.failed or problem(self.path, what)
end

--- Ends the tape and searches it.
-- @treturn boolean|nil true; nil and an error when it could not be written, or was removed because of what
-- was found in it
function Writer:close()
    if not self.file then
        return true
    end
    self.file:close()
    self.file = nil
    local found, line = scan.file(self.path, self.secrets, forbidden(self.names))
    self.secrets = nil
    if found then
        os.remove(self.path)
        local err = problem(self.path, ("removed, because line %d held %s"):format(line, found))
        io.stderr:write("twilio_sms.cassette: ", err.message, "\n")
        return nil, err
    elseif self.failed then
        return nil, self.failed
    end
    return true
end

--- The pseudonyms of a tape with this seed.
-- @tparam string seed of the tape
-- @tparam table opts as for `pseudonyms.new`, and key: a secret that is not on the tape
function M.names(seed, opts)
    return pseudonyms.new {
        key = opts.key and core.body_sha256(opts.key .. "\0" .. seed) or seed,
        account_sid = opts.account_sid, keep_hosts = opts.keep_hosts, keep_texts = opts.keep_texts,
        keep_sids = opts.keep_sids,
    }
end

return M

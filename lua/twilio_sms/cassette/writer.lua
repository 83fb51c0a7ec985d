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

local function problem(path, what)
    return core.error("InvalidOption", ("cassette %s: %s"):format(path, what), "not_sent")
end

M.problem = problem

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

local SECRET_LEAST = 4 -- less characters are everywhere

-- Answers whether it can be searched for.
local function add_secret(list, name, source)
    local text = read_source(source)
    if not text or #text < SECRET_LEAST then
        return false
    elseif text ~= pseudonyms.ACCOUNT_SID then -- the account of nobody is no secret
        list[#list + 1] = { name, text }
    end
    return true
end

--- Raises when a list of secrets is none: one that is misspelt would not be searched for.
-- @tparam table|nil list
-- @tparam number level as for error
function M.check_secrets(list, level)
    local count = 0
    for _ in pairs(list or {}) do
        count = count + 1
    end
    for i = 1, count do
        local source = list[i]
        local text = type(source) == "table" and (source.env or source.file) or source
        if type(text) ~= "string" then
            error("option 'secrets' must be a list of strings, { env = name } or { file = path }", level + 1)
        end
    end
end

-- User and password, as they are and as they are sent.
local function add_proxy(list, proxy)
    local user_info = type(proxy) == "string" and proxy:match "^%a[%w+.-]*://(.*)@"
    if user_info then
        local password = user_info:match ":(.*)$" or user_info
        add_secret(list, "the password of the proxy", password)
        add_secret(list, "the password of the proxy", pseudonyms.unescape(password))
    end
end

--- The secrets of a client's options, and others.
-- @tparam string path of the tape
-- @tparam table options of a core client
-- @tparam boolean from_env whether the variables TWILIO_... count
-- @tparam[opt] table more a list of sources
-- @treturn table|nil a list of { name, text }; nil and an error when one of `more` cannot be searched for
function M.secrets(path, options, from_env, more)
    local list = {}
    for _, name in ipairs { "auth_token", "api_secret", "account_sid", "api_key" } do
        local source = options[name]
        if source == nil and from_env then
            source = { env = "TWILIO_" .. name:upper() }
        end
        add_secret(list, name, source)
    end
    add_proxy(list, options.proxy)
    for i, source in ipairs(more or {}) do
        if not add_secret(list, "secret " .. i, source) then
            local why = "secret %d is not there, or has less than %d characters"
            return nil, problem(path, why:format(i, SECRET_LEAST))
        end
    end
    return list
end

-- ---- Writing -------------------------------------------------------------------------------------

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
    local seed = opts.seed or random_key()
    if not seed then
        return nil, problem(path, "there is no source of randomness for its key; give a seed")
    end
    local made, why, exists = core.new_file(path)
    if not made then
        return nil, problem(path, exists
            and "the file exists; a tape is never recorded over, remove it first" or why)
    end
    local file
    file, why = io.open(path, "ab")
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
        file:close()
        os.remove(path)
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

-- What the tape must not hold: the numbers that were replaced, unless they stand for others.
local function forbidden(names)
    local seen = {}
    for id in pairs(names.of) do
        local digits = id:match "^number:%+(%d+)$"
        if digits and not names:is_pseudonym("+" .. digits) then
            seen[digits] = true
        end
    end
    return { seen = seen, is_allowed = function(number) return names:is_pseudonym(number) end }
end

--- The tape lacks something; `close` will say so.
function Writer:fail(what)
    self.failed = self.failed or problem(self.path, what)
end

-- Answers what has become of the file.
local function discard(path)
    if os.remove(path) then
        return "removed"
    end
    local file = io.open(path, "wb") -- where the folder may not be written to
    if file then
        file:close()
    end
    return file and "emptied" or "to be removed, which failed"
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
        local fate = discard(self.path)
        local err = problem(self.path, ("%s, because line %d held %s"):format(fate, line, found))
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

--- A store in Redis for nginx's workers: whoever waits for it lets other requests go on.
--
--     local redis = require "resty.twilio_sms.redis"
--     local store = assert(redis.new { host = "10.0.0.5", password = { env = "REDIS_PASSWORD" } })
--
-- docs/stores.md says what it promises; `resty.twilio_sms.redis.scripts` how it lies in Redis.
local core = require "twilio_sms.core"
if not ngx then
    error("resty.twilio_sms.redis works inside of nginx only (with its Lua module, or OpenResty)", 0)
end
local arguments = require "twilio_sms.store_arguments"
local connection = require "resty.twilio_sms.redis.connection"
local fault = require "resty.twilio_sms.redis.fault"
local options = require "twilio_sms.options"
local scripts = require "resty.twilio_sms.redis.scripts"
local sorted_keys = require "twilio_sms.sorted_keys"

local M = {}

local Store = {}
Store.__index = Store
Store.__name = "resty.twilio_sms.redis"

local function check_open(self)
    if not self.connection then
        error("the store is closed", 3)
    end
    return self.connection
end

-- ---- Reading -------------------------------------------------------------------------------------

-- The record and its version; or nil and an error.
local function read_value(value)
    local text, version = scripts.unpack(value)
    local record = text and core.json_decode(text)
    if not record then
        return nil, fault.of_record()
    end
    return record, version
end

--- @treturn table|nil the record
-- @treturn number its version, 0 when it is absent
function Store:read(space, key)
    local server = check_open(self)
    arguments.read(space, key)
    local value, err = server:ask(function(redis)
        return redis:hget(self.base .. ":records:" .. space, key)
    end)
    if not value then
        return nil, err
    elseif value == ngx.null then
        return nil, 0
    end
    return read_value(value)
end

-- What comes behind all keys that begin with a prefix, as ZRANGEBYLEX has it.
local function behind_prefix(prefix)
    local head = prefix:gsub("\255+$", "")
    if head == "" then
        return "+"
    end
    return "(" .. head:sub(1, -2) .. string.char(head:byte(-1) + 1)
end

local ANSWER_BYTES = 1024 * 1024 -- Redis does nothing else while it makes an answer

--- @treturn table rows with key, record and version, by key
function Store:list(space, given)
    local server = check_open(self)
    local prefix, after, limit = arguments.list(space, given)
    local from = after and not sorted_keys.less(after, prefix) and "(" .. after or "[" .. prefix
    local to = behind_prefix(prefix)
    local rows, has_more = {}, true
    while has_more and #rows < limit do
        local left = limit - #rows
        local answer, err = server:run(scripts.list, 1, self.base, space, from, to, left, ANSWER_BYTES)
        if not answer then
            return nil, err
        end
        for i = 2, #answer, 2 do
            local record, version = read_value(answer[i + 1])
            if not record then
                return nil, version
            end
            rows[#rows + 1] = { key = answer[i], record = record, version = version }
        end
        has_more = answer[1] == 1
        from = has_more and "(" .. rows[#rows].key
    end
    return rows
end

-- ---- Writing -------------------------------------------------------------------------------------

-- Drawn by the worker itself: what the master draws is the same in all workers.
local drawn, drawn_by, drawn_count

-- A name that nobody else gives to a write.
local function new_id()
    if drawn_by ~= ngx.worker.pid() then
        local source = assert(io.open("/dev/urandom", "rb"))
        drawn = ngx.encode_base64(source:read(15))
        source:close()
        drawn_by, drawn_count = ngx.worker.pid(), 0
    end
    drawn_count = drawn_count + 1
    return ("%s-%d"):format(drawn, drawn_count)
end

-- Runs a script that writes. Answers a number; or nil and an error.
local function change(self, server, script, ...)
    local verdict_key = self.base .. ":verdict:" .. new_id()
    local verdict, err, is_lost = server:run(script, 2, self.base, verdict_key, ...)
    if not verdict and is_lost then
        err.outcome = "in_doubt"
    end
    return verdict, err
end

--- Makes all changes or none.
-- @treturn boolean|nil false when a version was another one. After an error whose `outcome` is "in_doubt"
-- they may have been made, or be made yet; after any other error they were not.
function Store:write(changes)
    local server = check_open(self)
    local list = arguments.write(changes)
    if not list[1] then
        return true
    end
    local verdict, err = change(self, server, scripts.write, scripts.pack(list))
    if not verdict then
        return nil, err
    end
    return verdict == 1
end

local PURGED_AT_ONCE = 500 -- about a millisecond, in which Redis does nothing else

--- Removes the records of a space that were written before this Unix time.
-- @treturn number how many
function Store:purge(space, before)
    local server = check_open(self)
    arguments.purge(space, before)
    local total, before_text = 0, ("%.0f"):format(before)
    repeat
        local count, err = change(self, server, scripts.purge, space, before_text, PURGED_AT_ONCE)
        if not count then
            return nil, err
        end
        total = total + count
    until count < PURGED_AT_ONCE
    return total
end

--- Ends its use. Connections that nobody uses are closed after idle_ms.
function Store:close()
    self.connection = nil
end

Store.__close = Store.close

function Store:__tostring()
    return ("%s (%s)"):format(Store.__name, self.connection and "open" or "closed")
end

-- ---- Making one ----------------------------------------------------------------------------------

local OPTIONS = {
    host = "string", port = "number", unix = "string", ssl = "boolean", ssl_verify = "boolean",
    server_name = "string", username = "string", password = "any", db = "number", prefix = "string",
    timeout_ms = "number", pool_size = "number", idle_ms = "number",
}

local NUMBERS = { -- default, least, most
    port = { 6379, 1, 65535 },
    db = { 0, 0, 65535 },
    timeout_ms = { 1000, 1, 60000 },
    pool_size = { 30, 1, 10000 },
    idle_ms = { 60000, 1, 86400000 },
}

local PREFIX_BYTES = 64

local function check_numbers(opts, level)
    local out = {}
    for name, range in pairs(NUMBERS) do
        local value = opts[name] or range[1]
        if value % 1 ~= 0 or value < range[2] or value > range[3] then
            local what = "option '%s' must be a whole number from %d to %d"
            error(what:format(name, range[2], range[3]), level + 1)
        end
        out[name] = value
    end
    return out
end

local function check_password(password, level)
    local is_source = type(password) == "table" and (password.env == nil) ~= (password.file == nil)
        and type(password.env or password.file) == "string"
    if password ~= nil and type(password) ~= "string" and not is_source then
        error("option 'password' must be a string, { env = \"NAME\" } or { file = \"path\" }", level + 1)
    end
end

local function check_options(given, level)
    local opts = options.check(given, OPTIONS, level + 1)
    local prefix = opts.prefix or "twilio_sms"
    if prefix == "" or #prefix > PREFIX_BYTES or prefix:find "[{}]" then
        error(("option 'prefix' must have 1 to %d bytes, and no braces"):format(PREFIX_BYTES), level + 1)
    elseif opts.unix and (opts.host or opts.port or opts.ssl) then
        error("option 'unix' stands alone, without 'host', 'port' and 'ssl'", level + 1)
    elseif opts.username and opts.password == nil then
        error("option 'username' needs a 'password'", level + 1)
    end
    check_password(opts.password, level + 1)
    local out = check_numbers(opts, level + 1)
    out.prefix, out.unix, out.host = prefix, opts.unix, opts.host or "127.0.0.1"
    out.ssl, out.ssl_verify, out.server_name = opts.ssl or false, opts.ssl_verify ~= false, opts.server_name
    out.username, out.password = opts.username, opts.password
    return out
end

local function read_file(path)
    local file, why = io.open(path, "rb")
    if not file then
        return nil, why
    end
    local text
    text, why = file:read "*a"
    file:close()
    return text and text:gsub("\r?\n$", ""), why
end

-- Answers the password; or nil and an error.
local function read_password(source)
    local text, why = source, nil
    if type(source) == "table" and source.env then
        text, why = os.getenv(source.env), ("the environment variable '%s' is not set"):format(source.env)
    elseif type(source) == "table" then
        text, why = read_file(source.file)
    end
    if not text or text == "" then
        return nil, core.error("InvalidOption", "option 'password': " .. (why or "it is empty"))
    end
    return text
end

--- Makes a store. Nothing is asked yet, so that it may be made in any phase, also in the master.
-- @tparam[opt] table opts host ("127.0.0.1") and port (6379), or unix, the path of a socket; ssl (false),
-- ssl_verify (true), server_name (the host); username, password (a string, { env = } or { file = }, read
-- now), db (0); prefix ("twilio_sms"); timeout_ms (1000) for each step; pool_size (30) idle connections of a
-- worker, idle_ms (60000)
-- @treturn table|nil nil and an error when the password cannot be read
function M.new(opts)
    local settings = check_options(opts, 2)
    if settings.password ~= nil then
        local password, err = read_password(settings.password)
        if not password then
            return nil, err
        end
        settings.password = password
    end
    local base = "{" .. settings.prefix .. "}"
    return setmetatable({ base = base, connection = connection.new(settings) }, Store)
end

return M

--- The auth tokens of a receiver: those that it was given, and those that it asks its program for.
--
-- Tokens are one, or a list of them; each a string, { env = "NAME" } or { file = "path" }.
local core = require "twilio_sms.core"

local M = {}

local Tokens = {}
local class = { __index = Tokens, __name = "twilio_sms.tokens" }

-- How long to believe what the program has answered, before a signature that none of the tokens has made is
-- a reason to ask again: an account may have a new token.
local ASK_AGAIN_MS = 60000

--- @param receiver a core.webhook
-- @tparam function|nil lookup answers the tokens of an account, or nil
function M.new(receiver, lookup)
    return setmetatable({ receiver = receiver, lookup = lookup, asked_ms = {} }, class)
end

local function is_source(value)
    return type(value) == "table" and (type(value.env) == "string" or type(value.file) == "string")
end

--- The tokens of an option as a list, none of them read yet. Raises for what cannot be a token.
function M.list(given)
    if type(given) == "string" or is_source(given) then
        return { given }
    elseif type(given) ~= "table" then
        error("a token is a string, { env = \"NAME\" }, { file = \"path\" } or a list of these", 0)
    end
    return given
end

--- Sets the tokens of an account, instead of those that it had. Raises for what cannot be a token.
-- @tparam string|nil account_sid nil means the receiver's own
-- @treturn boolean|nil true, or nil and an error
function Tokens:set(account_sid, given)
    local list = M.list(given)
    if #list == 0 then
        return nil, core.error("InvalidAuthToken", "a list of tokens is empty")
    end
    self.receiver:forget(account_sid)
    for _, token in ipairs(list) do
        local ok, err = self.receiver:add_token(account_sid, token)
        if not ok then
            return nil, err
        end
    end
    return true
end

--- Sets those of a receiver's options auth_token and accounts.
-- @treturn boolean|nil true, or nil and an error
function Tokens:set_all(opts)
    if opts.auth_token == nil and not opts.accounts and not opts.tokens_for then
        return nil, core.error("InvalidAuthToken", "auth_token: it is needed to check signatures")
    end
    local ok, err = true, nil
    if opts.auth_token ~= nil then
        ok, err = self:set(nil, opts.auth_token)
    end
    for account_sid, given in pairs(opts.accounts or {}) do
        if ok then
            ok, err = self:set(account_sid, given)
        end
    end
    return ok, err
end

local function lookup_error(what)
    local err = core.error("ServiceUnavailable", "tokens_for failed: " .. tostring(what))
    err.http_status = 500
    return err
end

-- Asks the program for the tokens of an account. Answers whether there are new ones, or nil and an error.
local function ask(self, account_sid, now_ms)
    local asked_ms = self.asked_ms[account_sid]
    if asked_ms and now_ms - asked_ms < ASK_AGAIN_MS and now_ms >= asked_ms then
        return false
    end
    local ok, given, problem = pcall(self.lookup, account_sid)
    if not ok or given == nil and problem ~= nil then
        return nil, lookup_error(ok and problem or given)
    elseif given == nil then
        return false
    end
    local set, why
    ok, set, why = pcall(self.set, self, account_sid, given)
    if not ok or not set then
        return nil, lookup_error(ok and why or set)
    end
    self.asked_ms[account_sid] = now_ms -- accounts without tokens leave no trace
    return true
end

--- Reads a request, asking for the tokens of its account if those that are known did not sign it.
-- @treturn table|nil the event, or nil and an error
function Tokens:read(request, now_ms)
    local event, err = self.receiver:read(request, now_ms)
    local account_sid = not event and self.lookup and self.receiver:refused_account()
    if not account_sid then
        return event, err
    end
    local new, problem = ask(self, account_sid, now_ms)
    if not new then
        return nil, problem or err
    end
    return self.receiver:read(request, now_ms)
end

return M

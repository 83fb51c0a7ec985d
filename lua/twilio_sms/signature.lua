--- Signs webhooks as Twilio does, and checks their signatures.
--
--     local signature = require "twilio_sms.signature"
--     local verifier = signature.new { tokens = { env = "TWILIO_AUTH_TOKEN" } }
--     local ok, why = verifier:verify(url, body, headers["x-twilio-signature"])
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local tokens = require "twilio_sms.tokens"

local M = {}

--- The SHA-256 of a body, as 64 hex digits in lower case.
M.body_sha256 = core.body_sha256

-- Calls f; misuse that it finds is blamed on the caller of the function that calls this, which must not be a
-- tail call.
local function call(f, ...)
    local ok, result, why = pcall(f, ...)
    if not ok then
        error(result, 3)
    end
    return result, why
end

local function make(list)
    local signer = core.signer()
    for _, token in ipairs(list) do
        local ok, added, err = pcall(signer.add, signer, token)
        if not ok then
            error(added, 0)
        elseif not added then
            return nil, err
        end
    end
    return signer
end

-- The signers of tokens that were given as strings, so that verify{} sets up a key once. A token is not kept:
-- a signer holds hashed keys, and is found by the SHA-256 of its tokens. Tokens that are only pointed at are
-- read each time, because what they point at may change.
local CACHE_SIZE = 16
local cache, cached, oldest = {}, {}, 1

local function remember(key, signer)
    if cached[oldest] then
        cache[cached[oldest]] = nil
    end
    cache[key], cached[oldest] = signer, key
    oldest = oldest % CACHE_SIZE + 1
end

local function signer_of(given)
    local list = tokens.list(given)
    if #list == 0 then
        error("tokens: at least one is needed", 0)
    end
    for _, token in ipairs(list) do
        if type(token) ~= "string" then
            return make(list)
        end
    end
    -- No token holds a NUL.
    local key = core.body_sha256(table.concat(list, "\0"))
    local signer, err = cache[key], nil
    if not signer then
        signer, err = make(list)
        if signer then
            remember(key, signer)
        end
    end
    return signer, err
end

local NEW_OPTIONS = { tokens = "any" }

--- Makes a verifier, which sets up the keys once.
--
-- It has the methods verify(url, body, signature) and verify_params(url, params, signature), which answer
-- true, or false and why; sign(url, params); and explain(url, body or params, signature), which tells in
-- words what was tried.
-- @tparam table opts tokens: a string, { env = "NAME" }, { file = "path" }, or a list of these
-- @return a verifier, or nil and an error
function M.new(opts)
    options.check(opts, NEW_OPTIONS, 2)
    if opts == nil or opts.tokens == nil then
        error("new{ tokens = ... } is needed", 2)
    end
    local list = call(tokens.list, opts.tokens)
    if #list == 0 then
        error("tokens: at least one is needed", 2)
    end
    local verifier, err = call(make, list)
    if not verifier then
        return nil, err
    end
    return verifier
end

--- Signs a request.
-- @param token a string, { env = "NAME" } or { file = "path" }
-- @tparam string url
-- @tparam[opt] table params { Body = "Hi" }, where a value may be a list, or { { "Body", "Hi" }, ... }
-- @treturn string|nil the signature, or nil and an error
function M.sign(token, url, params)
    local signer, err = call(signer_of, token)
    if not signer then
        return nil, err
    end
    local text
    text, err = call(signer.sign, signer, url, params)
    if not text then
        return nil, err
    end
    return text
end

local VERIFY_OPTIONS = {
    tokens = "any", url = "string", params = "table", body = "string", signature = "string",
}

--- Checks a request. Give `body`, the bytes as they came, or `params`, the decoded form.
-- @tparam table opts tokens, url, params or body, signature
-- @treturn boolean true, or false and why
function M.verify(opts)
    options.check(opts, VERIFY_OPTIONS, 2)
    if opts == nil or opts.tokens == nil or opts.url == nil then
        error("verify{ tokens = ..., url = ..., signature = ... } needs tokens and url", 2)
    elseif opts.params and opts.body then
        error("verify{} takes params or body, not both", 2)
    end
    local signer, err = call(signer_of, opts.tokens)
    if not signer then
        return false, err.message
    end
    local ok, why
    if opts.params then
        ok, why = call(signer.verify_params, signer, opts.url, opts.params, opts.signature)
    else
        ok, why = call(signer.verify, signer, opts.url, opts.body, opts.signature)
    end
    if not ok then
        return false, why
    end
    return true
end

--- The URL with the bodySHA256 of a body that is no form; then the URL alone is signed.
-- @tparam string url
-- @tparam string body
function M.url_for_body(url, body)
    if type(url) ~= "string" or type(body) ~= "string" then
        error("url_for_body(url, body) takes two strings", 2)
    end
    local address, fragment = url:match "^([^#]*)(.*)$"
    if address:find "[?&]bodySHA256=" then
        error("the URL has a bodySHA256 already", 2)
    end
    local mark = not address:find("?", 1, true) and "?" or address:find "[?&]$" and "" or "&"
    return address .. mark .. "bodySHA256=" .. core.body_sha256(body) .. fragment
end

return M

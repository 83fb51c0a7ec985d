--- The URL of a webhook: what is requested, what is signed, and how patient and stubborn the sender is.
--
-- Limits and defaults are those of Twilio's docs "Webhooks connection overrides": pairs behind the "#". The
-- edge (e) and the server name indication (sni) are accepted and change nothing here.
local M = {}

local NUMBERS = {
    ct = { field = "connect_timeout_ms", default = 5000, least = 100, most = 10000 },
    rt = { field = "read_timeout_ms", default = 15000, least = 100, most = 15000 },
    tt = { field = "total_timeout_ms", default = 15000, least = 100, most = 15000 },
    rc = { field = "retries", default = 1, least = 0, most = 5 },
}

local FAILURES = { ["4xx"] = true, ["5xx"] = true, ct = true, rt = true }

local function read_number(text, row)
    local value = text and text:find "^%d+$" and tonumber(text)
    return value and value >= row.least and value <= row.most and value or row.default
end

-- Which failures are tried again; nil for a list that holds something unknown.
local function read_policy(text)
    local policy = {}
    for word in (text .. ","):gmatch "([^,]*)," do
        if word == "all" then
            for failure in pairs(FAILURES) do
                policy[failure] = true
            end
        elseif FAILURES[word] then
            policy[word] = true
        else
            return nil
        end
    end
    return policy
end

-- Messaging webhooks are signed without userinfo and with their port (docs "Webhooks security").
local function without_userinfo(url)
    local scheme, authority, rest = url:match "^(%a[%w+.-]*://)([^/?]*)(.*)$"
    return scheme and scheme .. authority:gsub("^.*@", "") .. rest or url
end

--- Whether a webhook can be sent there: an absolute URL of http or https with a host.
function M.is_absolute(url)
    return url:find "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#%s]" ~= nil
end

--- Reads a URL. An override that is out of its range, or unknown, counts as not given.
-- @tparam string url
-- @treturn table request_url, signed_url, connect_timeout_ms, read_timeout_ms, total_timeout_ms (of all
-- attempts together), retries, retry_on (a set of "4xx", "5xx", "ct", "rt")
function M.read(url)
    local request_url, fragment = url:match "^([^#]*)#?(.*)$"
    local pairs_given = {}
    for name, value in fragment:gmatch "([^&=]+)=([^&]*)" do
        pairs_given[name] = value
    end
    local target = {
        request_url = request_url,
        signed_url = without_userinfo(request_url),
        retry_on = pairs_given.rp and read_policy(pairs_given.rp) or { ct = true },
    }
    for name, row in pairs(NUMBERS) do
        target[row.field] = read_number(pairs_given[name], row)
    end
    return target
end

--- The absolute URL that a reference means where it stands at a base (RFC 3986 section 5.2, without dots).
function M.resolve(base, reference)
    if reference:find "^%a[%w+.-]*:" then
        return reference
    end
    local clean = base:match "^[^?#]*"
    local scheme, authority, path = clean:match "^(%a[%w+.-]*:)(//[^/]*)(.*)$"
    if reference == "" then
        return base
    elseif reference:find "^//" then
        return scheme .. reference
    elseif reference:find "^/" then
        return scheme .. authority .. reference
    elseif reference:find "^%?" then
        return clean .. reference
    end
    return scheme .. authority .. (path:match "^.*/" or "/") .. reference
end

return M

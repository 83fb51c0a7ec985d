--- What `twilio-sms doctor` thinks of the libraries that it runs with.
local M = {}

-- Versions like "7.88.1" or "8.5.0-DEV" as numbers that can be compared.
local function number_of(version)
    local major, minor, patch = version:match "^(%d+)%.(%d+)%.?(%d*)"
    return ((tonumber(major) or 0) * 1000 + (tonumber(minor) or 0)) * 1000 + (tonumber(patch) or 0)
end

-- What is wrong, and what to do about it; nil when nothing is.
local function problem(versions)
    if number_of(versions.libcurl) < number_of(versions.libcurl_least) then
        return ("libcurl is %s, but %s is needed"):format(versions.libcurl, versions.libcurl_least),
            "install a newer one; is an old one in LD_LIBRARY_PATH?"
    elseif not versions.tls then
        return ("libcurl %s was built without TLS"):format(versions.libcurl),
            "install one with TLS; Debian's is libcurl4"
    elseif versions.openssl_major ~= versions.openssl_built_major then
        return ("this is %s, but it was built for OpenSSL %d"):format(versions.openssl,
            versions.openssl_built_major), "build twilio-sms again on this machine"
    end
end

--- Looks at them.
-- @tparam table versions as `core.versions` answers them
-- @treturn string "ok" or "fails"
-- @treturn string what was found
-- @treturn string|nil what to do about it
function M.judge(versions)
    local wrong, advice = problem(versions)
    if wrong then
        return "fails", wrong, advice
    end
    return "ok", ("libcurl %s with %s, %s"):format(versions.libcurl, versions.tls, versions.openssl)
end

return M

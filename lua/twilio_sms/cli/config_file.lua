--- Reads the configuration file: lines `name = value`, with comments behind "#" at the start of a line.
local core = require "twilio_sms.core"
local failure = require "twilio_sms.cli.failure"
local watching = require "twilio_sms.cli.watching"

local M = {}

local SECRETS = { auth_token = true, api_secret = true, ["callback_ref.key"] = true, ["log.key"] = true }

-- What sms.new takes from programs only: objects, and where else a secret is.
local NOT_TEXT = { driver = true, track = true, optout = true }

--- Whether a URL has a password in it.
function M.has_password(url)
    return url:find "^[^/]*//[^/?#]*:[^/?#]*@" ~= nil or url:find "^[^/]*:[^/]*@" ~= nil
end

--- Where it lies when nobody says otherwise (the XDG Base Directory Specification); nil without a home.
function M.default_path()
    local base, home = os.getenv "XDG_CONFIG_HOME", os.getenv "HOME"
    if base and base:sub(1, 1) == "/" then -- others are to be ignored, it says
        return base .. "/twilio-sms/config"
    end
    return home and home ~= "" and home .. "/.config/twilio-sms/config" or nil
end

local function bad(path, message, ...)
    return nil, failure.new(failure.CONFIGURATION, path .. ": " .. message:format(...))
end

-- A home may be no folder, as /dev/null of some users.
local IS_MISSING = { ["No such file or directory"] = true, ["Not a directory"] = true }

-- Paths are seen from the folder of the file, whatever the present one is.
local function resolve(path, value)
    local home = os.getenv "HOME"
    if value:sub(1, 2) == "~/" and home then
        return home .. value:sub(2)
    elseif value:sub(1, 1) == "/" then
        return value
    end
    return (path:match "^(.*/)" or "") .. value
end

local PATHS = { ca_file = true, store = true }

-- Names and values; those of headers and of resources are others' and have more characters.
local function split(text)
    local name, value = text:match "^%s*([%l%d_.]+)%s*=%s*(.-)%s*$"
    if name then
        return name, value
    end
    name, value = text:match "^%s*(trace%.%l+%.[%w_.%-]+)%s*=%s*(.-)%s*$"
    return name, value
end

local function take_watching(settings, path, line, name, value)
    local ok, why = watching.take(settings, name, value, function(given)
        return resolve(path, given)
    end)
    if not ok then
        return bad(path, "line %d: %s", line, why)
    end
    return true
end

local function take(settings, path, line, text)
    local name, value = split(text)
    if not name then
        return bad(path, "line %d is not like `name = value`", line) -- it may hold a secret
    elseif value == "" then
        return bad(path, "line %d: %s has no value", line, name)
    end
    local secret = name:match "^(.*)_file$"
    if secret and SECRETS[secret] then
        name, value = secret, { file = resolve(path, value) }
    elseif PATHS[name] then
        value = resolve(path, value)
    end
    if settings[name] ~= nil then
        return bad(path, "line %d: %s stands there twice", line, name)
    elseif NOT_TEXT[name] or SECRETS[name:match "^(.*)%.[^.]*$"] then
        return bad(path, "line %d: unknown option '%s'", line, name)
    end
    if watching.knows(name) and type(value) == "string" then
        return take_watching(settings, path, line, name, value)
    end
    settings[name] = value
    return true
end

-- Whoever changes where the API is gets the secrets that are sent there.
local function check_unchanged(path, changed_by)
    if changed_by == "owner" then
        return bad(path, "it belongs to another user, who may change where your secrets are sent to: "
            .. "make a copy of your own")
    elseif changed_by then
        return bad(path, "others may change it, and with it where your secrets are sent to: "
            .. "chmod go-w '%s'", path)
    end
    return true
end

local function check_private(path, settings, is_private)
    for name, value in pairs(settings) do
        local is_secret = type(value) == "string" and (SECRETS[name] or M.has_password(value))
        if is_secret and not is_private then
            return bad(path, "others may read it, and it holds %s: chmod 600 '%s'", name, path)
        end
    end
    if watching.has_secret(settings) and not is_private then
        return bad(path, "others may read it, and it holds trace.headers: chmod 600 '%s', or write "
            .. "trace.headers.NAME_file", path)
    end
    return settings
end

--- Reads a file.
-- @tparam string path
-- @tparam boolean is_optional whether it need not be there
-- @treturn table|nil settings by name, as `sms.new` names them with dots, and store; a secret may be
--   { file = path }, and what is of logs and traces has its type. Or nil and a failure
function M.read(path, is_optional)
    local text, is_private, changed_by = core.read_file(path)
    if not text and is_optional and IS_MISSING[is_private] then
        return {}
    elseif not text then
        return bad(path, "cannot be read: %s", is_private)
    end
    local ok, err = check_unchanged(path, changed_by)
    if not ok then
        return nil, err
    end
    local settings, number = {}, 0
    for line in (text:gsub("^\239\187\191", "") .. "\n"):gmatch "([^\n]*)\n" do
        number = number + 1
        if line:find "%S" and not line:find "^%s*#" then
            ok, err = take(settings, path, number, line)
            if not ok then
                return nil, err
            end
        end
    end
    return check_private(path, settings, is_private)
end

return M

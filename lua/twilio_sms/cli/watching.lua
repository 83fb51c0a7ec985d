--- What a configuration file says of logs and traces: makes values of the texts there.
local failure = require "twilio_sms.cli.failure"
local options = require "twilio_sms.options"
local sms = require "twilio_sms"

local M = {}

local FLAGS = { ["true"] = true, ["false"] = false }

local function text_of(value)
    return value
end

local function number_of(value)
    return value:find "^%-?%d+%.?%d*$" and tonumber(value) or nil, "must be a number"
end

local function flag_of(value)
    return FLAGS[value], "must be true or false"
end

local function path_of(value, resolve)
    return resolve(value)
end

-- What is no descriptor of the caller's gets that of a connection or of the opt-out list.
local function is_open(descriptor)
    -- Opening it again says no to sockets, and yes to what is open for reading only (Linux, proc(5)).
    local file = io.open("/proc/self/fdinfo/" .. descriptor)
    local flags = file and file:read "*a":match "flags:%s*(%d+)"
    if file then
        file:close()
    end
    return flags ~= nil and flags:find "[12]$" ~= nil -- O_WRONLY or O_RDWR
end

-- Results go to the standard output.
local function target_of(value)
    local descriptor = value:match "^%d+$" and tonumber(value)
    if value == "stderr" or descriptor == 2 then
        return "stderr"
    elseif descriptor and descriptor > 2 then
        return is_open(value) and descriptor or nil, "is a descriptor that is not open for writing"
    end
    return nil, "must be stderr or a descriptor from 3: results go to stdout"
end

local READERS = {
    log = {
        level = text_of, format = text_of, to = target_of, numbers = text_of, key = text_of,
        bodies = flag_of, per_second = number_of, buffer_size = number_of,
    },
    trace = {
        to = text_of, ca_file = path_of, service_name = text_of, sample = number_of, seed = number_of,
        batch = number_of, interval_ms = number_of, timeout_ms = number_of, buffer_size = number_of,
    },
}

-- Those that hold others, by their names.
local GROUPS = {
    ["log.to"] = { file = path_of }, ["trace.to"] = { file = path_of },
    ["trace.headers"] = "any", ["trace.resource"] = "any",
}

local function known(name)
    local names = {}
    for other in pairs(READERS[name]) do
        names[name .. "." .. other] = true
    end
    for group, members in pairs(GROUPS) do
        if group:find("^" .. name .. "%.") and members ~= "any" then
            names[group .. ".file"] = true
        end
    end
    return names
end

-- A header may be secret, and then in a file of its own.
local function member_of(group, name, value, resolve)
    local header = group == "trace.headers" and name:match "^(.+)_file$"
    if header then
        return header, { file = resolve(value) }
    end
    return name, GROUPS[group] ~= "any" and GROUPS[group][name](value, resolve) or value
end

--- Whether a setting is about logs or traces.
function M.knows(name)
    return READERS[name:match "^[^.]*"] ~= nil
end

--- Puts a setting where the others are.
-- @tparam table settings by name; log.to, trace.to, trace.headers and trace.resource may be tables
-- @tparam string name
-- @tparam string value
-- @tparam function resolve makes a whole path of one in the file
-- @treturn boolean|nil true; or nil and what is wrong
function M.take(settings, name, value, resolve)
    local what, option, member = name:match "^(%l+)%.([%l_]+)%.?(.*)$"
    local reader = what and READERS[what][option]
    if not what then
        return nil, ("%s has options: %s.%s = ..."):format(name, name, name == "log" and "level" or "to")
    end
    local group = what .. "." .. option
    local members = GROUPS[group]
    if member ~= "" and members and (members == "any" or members[member]) then
        local inner
        member, inner = member_of(group, member, value, resolve)
        local held = settings[group] or {}
        if type(held) ~= "table" or held[member] ~= nil then
            return nil, name .. " stands there twice"
        end
        held[member], settings[group] = inner, held
        return true
    elseif member ~= "" or not reader then
        return nil, ("unknown option '%s'%s"):format(name, options.hint(name, known(what)))
    elseif settings[name] ~= nil then
        return nil, name .. " stands there twice"
    end
    local made, why = reader(value, resolve)
    settings[name] = made
    return made ~= nil or nil, why and name .. " " .. why
end

--- Whether a secret of a trace stands in the settings themselves.
function M.has_secret(settings)
    for _, value in pairs(settings["trace.headers"] or {}) do
        if type(value) == "string" then
            return true
        end
    end
    return false
end

--- Tries the options of a log and a trace out: what a program does wrong raises, and here it is the file.
-- @tparam table opts of sms.new; others are ignored
-- @treturn boolean|nil true; or nil and a failure or an error
function M.check(opts)
    for name in pairs(READERS) do
        if opts[name] ~= nil then
            local ok, made, err = pcall(sms.observe[name], opts[name])
            if not ok then
                local why = tostring(made):gsub("^[^:]*%.lua:%d+: ", "")
                return nil, failure.new(failure.CONFIGURATION, name .. ": " .. why)
            elseif not made then
                return nil, err
            end
            made:close()
        end
    end
    return true
end

return M

--- Reads a tape.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cassette.json"
local writer = require "twilio_sms.cassette.writer"

local M = {}

local problem = writer.problem

local function is_pairs(list)
    if type(list) ~= "table" then
        return false
    end
    for _, pair in ipairs(list) do
        if type(pair) ~= "table" or type(pair[1]) ~= "string" or type(pair[2]) ~= "string" then
            return false
        end
    end
    return true
end

local function is_count(value, least, most)
    return type(value) == "number" and value % 1 == 0 and value >= least and value <= most
end

local MS_MOST = 1e15 -- numbers that are exact in every Lua, with room to add some

local function is_response(response)
    return type(response) == "table" and is_count(response.status, 100, 999)
        and type(response.body) == "string" and type(response.complete) == "boolean"
        and is_pairs(response.headers)
end

local NO_FAULTS = { ok = true, partial = true }

local function is_outcome(outcome)
    return type(outcome) == "string" and (NO_FAULTS[outcome] or (pcall(core.error, outcome, "")))
end

-- Numbers that moved on: the place that they wanted, a few digits, and the place that they have.
local function is_moved(list)
    if type(list) ~= "table" then
        return list == nil
    end
    for _, entry in ipairs(list) do
        if type(entry) ~= "table" or type(entry[1]) ~= "string" or type(entry[2]) ~= "string"
            or type(entry[3]) ~= "string" then
            return false
        end
    end
    return true
end

local function is_interaction(entry)
    local request = entry.request
    return type(request) == "table" and type(request.method) == "string" and type(request.path) == "string"
        and type(request.host) == "string" and is_pairs(request.query) and is_pairs(request.form)
        and is_outcome(entry.outcome) and is_count(entry.elapsed_ms, 0, MS_MOST)
        and type(entry.sent) == "boolean" and (entry.message == nil or type(entry.message) == "string")
        and (is_response(entry.response) or entry.response == nil and not NO_FAULTS[entry.outcome])
end

local function is_webhook(entry)
    local request = entry.webhook
    return type(request) == "table" and type(request.method) == "string" and type(request.url) == "string"
        and is_pairs(request.headers) and type(request.body) == "string" and is_response(entry.answer)
end

local function is_texts(list)
    if type(list) ~= "table" then
        return list == nil
    end
    for _, text in ipairs(list) do
        if type(text) ~= "string" then
            return false
        end
    end
    return true
end

local function is_header(header)
    local kept = header.redaction
    return type(header.seed) == "string" and is_count(header.wall0, 0, MS_MOST) and type(kept) == "table"
        and (header.expires_after == nil or is_count(header.expires_after, 0, MS_MOST))
        and is_texts(kept.keep_hosts) and is_texts(kept.keep_texts)
end

local function check_header(path, header, now)
    if type(header) ~= "table" or type(header.cassette) ~= "number" then
        return nil, problem(path, "line 1 is damaged, or this is no cassette")
    elseif header.cassette ~= writer.VERSION then
        local why = "format %s is not known; this library reads format %d"
        return nil, problem(path, why:format(tostring(header.cassette), writer.VERSION))
    elseif not is_header(header) then
        return nil, problem(path, "line 1 is damaged")
    elseif header.expires_after and now > header.expires_after then
        local date = os.date("!%Y-%m-%d", header.expires_after)
        return nil, problem(path, ("it has expired on %s; record it again"):format(date))
    end
    return true
end

-- All values of the tape, so that a program may use again what it was answered.
local function note_values(known, entry)
    for _, name in ipairs { "query", "form" } do
        for _, pair in ipairs(entry.request and entry.request[name] or {}) do
            known[pair[2]] = true
        end
    end
    if entry.request then
        for part in entry.request.path:gsub("%.json$", ""):gmatch "[^/]+" do
            known[part] = true
        end
    end
    if entry.response then
        json.each(entry.response.body, function(_, kind, value)
            if kind == "string" then
                known[value] = true
            end
        end)
    end
    for _, pair in ipairs(entry.webhook and core.form_decode(entry.webhook.body) or {}) do
        known[pair[2]] = true
    end
end

local function read_entry(tape, text, line)
    local entry = core.json_decode(text)
    local is_whole = type(entry) == "table" and is_moved(entry.moved)
        and (is_interaction(entry) or is_webhook(entry))
    if not is_whole then
        return nil, problem(tape.path, ("line %d is damaged"):format(line))
    end
    entry.line = line
    note_values(tape.known, entry)
    for _, moved in ipairs(entry.moved or {}) do
        tape.moved[#tape.moved + 1] = moved
    end
    local list = entry.webhook and tape.webhooks or tape.interactions
    list[#list + 1] = entry
    return true
end

--- Reads a tape whole.
-- @tparam string path
-- @tparam number now Unix seconds: a tape may have expired
-- @treturn table|nil header, interactions, webhooks, moved, known; torn is the number of a last line that was
-- cut in the middle and left out
function M.read(path, now)
    local file, why = io.open(path, "rb")
    if not file then
        return nil, problem(path, why)
    end
    local text = file:read "*a"
    file:close()
    local tape = { path = path, interactions = {}, webhooks = {}, moved = {}, known = {} }
    local line, at = 0, 1
    while at <= #text do
        local stop = text:find("\n", at, true)
        line = line + 1
        if not stop then
            tape.torn = line
            break
        end
        local ok, err
        if line == 1 then
            tape.header = core.json_decode(text:sub(at, stop - 1))
            ok, err = check_header(path, tape.header, now)
        else
            ok, err = read_entry(tape, text:sub(at, stop - 1), line)
        end
        if not ok then
            return nil, err
        end
        at = stop + 1
    end
    if not tape.header then
        return nil, problem(path, tape.torn and "line 1 was cut in the middle" or "it is empty")
    end
    return tape
end

return M

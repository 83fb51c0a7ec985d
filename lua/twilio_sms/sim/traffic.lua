--- The requests that came last, for whoever wonders what a program really sent. Without their credentials.
local core = require "twilio_sms.core"

local M = {}

local ENTRIES_MOST = 1000
local BODY_MOST = 16384 -- a create request has some hundred bytes, and never more than about 20 parameters

local Traffic = {}
local class = { __index = Traffic, __name = "twilio_sms.sim.traffic" }

function M.new()
    return setmetatable({ entries = {}, first = 1, last = 0 }, class)
end

--- Keeps a request.
-- @tparam table request method, path, query, body
-- @tparam table answer status, or drop or raw
-- @tparam number at_ms Unix milliseconds
function Traffic:add(request, answer, at_ms)
    self.last = self.last + 1
    self.entries[self.last] = {
        method = request.method,
        path = request.query and request.path .. "?" .. request.query or request.path,
        body = #request.body <= BODY_MOST and request.body or nil,
        body_bytes = #request.body,
        status = answer.status,
        fault = answer.drop or answer.raw and "garbage" or answer.cut and "cut" or nil,
        at_ms = at_ms,
    }
    if self.last - self.first >= ENTRIES_MOST then
        self.entries[self.first] = nil
        self.first = self.first + 1
    end
end

-- Bytes that are no UTF-8 could not stand in JSON.
local function readable(text)
    return core.segments(text) and text or (text:gsub("[\128-\255]", "?"))
end

-- Values by name: a string, or a list of those that share the name.
local function form_of(body)
    local form = {}
    for _, pair in ipairs(core.form_decode(body)) do
        local name, value = readable(pair[1]), readable(pair[2])
        local before = form[name]
        if before == nil then
            form[name] = value
        elseif type(before) == "table" then
            before[#before + 1] = value
        else
            form[name] = { before, value }
        end
    end
    return form
end

--- What came, the oldest first, the last 1000 of it.
-- @treturn table a list of { method, path, form (values by name; lists of those that were repeated; nil when
-- the body was longer than 16 KiB), body_bytes, status or fault, at_ms }
function Traffic:list()
    local out = {}
    for i = self.first, self.last do
        local entry = self.entries[i]
        out[#out + 1] = {
            method = entry.method,
            path = readable(entry.path),
            form = entry.body and form_of(entry.body),
            body_bytes = entry.body_bytes,
            status = entry.status,
            fault = entry.fault,
            at_ms = entry.at_ms,
        }
    end
    return out
end

--- Forgets all of it.
function Traffic:clear()
    self.entries, self.first, self.last = {}, 1, 0
end

return M

--- What happens in a world, told to those who watch and written down as lines: the same run, the same bytes.
--
-- A line is the virtual millisecond, the kind, and the fields of that kind in their order; what an event does
-- not have is left out:
--
--     1042 accept sid=SM27a0 client=client1 call_id=1 to=+15558675310 from=+15005550006 segments=1
--
-- The digest goes over all lines, a chunk at a time. Lines are put together from pieces only when somebody
-- asks for them: LuaJIT interns each string by a hash of sixteen of its bytes, so that many lines of one
-- shape would collide.
local core = require "twilio_sms.core"

local M = {}

local FIELDS = {
    submit = { "client", "call_id", "operation", "to", "from", "service", "body" },
    request = { "client", "call_id", "method", "path" },
    arrive = { "client", "call_id", "operation" },
    accept = { "sid", "client", "call_id", "to", "from", "service", "segments", "direction" },
    refuse = { "code", "client", "call_id" },
    answer = { "client", "call_id", "status", "fault", "late" },
    result = { "client", "call_id", "operation", "ok", "outcome", "error", "code", "sid" },
    client_event = {
        "client", "type", "call_id", "operation", "attempt", "duration_ms", "http_status", "code", "error",
        "outcome", "sid", "text",
    },
    status = { "sid", "status", "error_code" },
    webhook = { "about", "sid", "url", "attempt", "forged", "double" },
    webhook_answer = { "about", "sid", "status", "fault", "forged", "double" },
    inbound = { "sid", "from", "to", "body" },
    optout = { "from", "to", "keyword" },
    fault = { "action", "accepted", "operation", "client", "call_id", "sid" },
    clock_jump = { "seconds" },
    crash = { "client" },
    restart = { "client" },
}

local PIECES_MOST = 8192 -- some 64 KiB of text

local Journal = {}
local class = { __index = Journal, __name = "twilio_sms.sim.world.journal" }

--- @tparam boolean|function log whether lines are kept; or what gets each line, and then none is kept
function M.new(log)
    return setmetatable({
        writes = log ~= false,
        keeps = log == true,
        write = type(log) == "function" and log or nil,
        is_on = log ~= false, -- whether anybody cares: what happens need not be told otherwise
        observers = {},
        pieces = {}, count = 0,
        chunks = {},
        sum = "",
    }, class)
end

--- Calls f(event) for every event from now on.
function Journal:observe(f)
    self.observers[#self.observers + 1] = f
    self.is_on = true
end

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

local function quote(text)
    return '"' .. text:gsub('[%c"\\]', function(c)
        return ESCAPES[c] or ("\\x%02x"):format(c:byte())
    end) .. '"'
end

-- Numbers look the same whether a Lua has integers or not.
local function text_of(value)
    if type(value) == "number" then
        return value % 1 == 0 and ("%d"):format(value) or ("%.3f"):format(value)
    elseif type(value) == "string" then
        return value:find "^[%w+._:/?&=#@,%-]+$" and value or quote(value)
    end
    return tostring(value)
end

-- Puts the pieces of a line behind the first n of a list; answers how many it has then.
local function append_line(event, out, n)
    out[n + 1] = ("%d "):format(event.at_ms)
    out[n + 2] = event.kind
    n = n + 2
    for _, name in ipairs(FIELDS[event.kind]) do
        local value = event[name]
        if value ~= nil then
            out[n + 1], out[n + 2], out[n + 3], out[n + 4] = " ", name, "=", text_of(value)
            n = n + 4
        end
    end
    return n
end

local function end_chunk(self)
    local chunk = table.concat(self.pieces, "", 1, self.count)
    self.count = 0
    self.sum = core.body_sha256(self.sum .. chunk)
    if self.keeps then
        self.chunks[#self.chunks + 1] = chunk
    end
end

--- Tells of an event: a table with at_ms, kind and the fields of that kind. Where is_on is false nobody hears
-- it.
function Journal:tell(event)
    if self.writes then
        local first = self.count
        local last = append_line(event, self.pieces, first) + 1
        self.pieces[last] = "\n"
        self.count = last
        if self.write then
            self.write(table.concat(self.pieces, "", first + 1, last - 1))
        end
        if last >= PIECES_MOST then
            end_chunk(self)
        end
    end
    for _, f in ipairs(self.observers) do
        f(event)
    end
end

--- What all lines so far come to: of each chunk the SHA-256 in hex, over the digest before it and its text.
function Journal:digest()
    return core.body_sha256(self.sum .. table.concat(self.pieces, "", 1, self.count))
end

--- The lines that were kept.
-- @treturn table a list
function Journal:lines()
    local out = {}
    local rest = self.keeps and table.concat(self.pieces, "", 1, self.count) or ""
    for i = 1, #self.chunks + 1 do
        for line in (self.chunks[i] or rest):gmatch "[^\n]+" do
            out[#out + 1] = line
        end
    end
    return out
end

return M

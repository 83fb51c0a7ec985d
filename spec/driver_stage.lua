--- What the driver checks are made of: a stage on which a client and its server meet, and words to say what
-- is expected of them.
local core = require "twilio_sms.core"
local peers = require "driver_peer"
local simulator = require "simulator"

local M = {
    TO = "+15005550010", FROM = simulator.FROM, SERVICE_SID = simulator.SERVICE_SID,
    SID = "SM" .. ("0a"):rep(16), MEDIA_SID = "ME" .. ("0b"):rep(16),
    MESSAGES = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID .. "/Messages",
}

--- The message that most checks send.
M.HELLO = { to = M.TO, body = "hello" }

-- ---- Saying what is expected ---------------------------------------------------------------------

local function show(value)
    if type(value) == "table" then
        return core.json_encode(value) or tostring(value)
    end
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b
    end
    for key, value in pairs(a) do
        if not same(value, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

--- Raises unless two values are the same, members and all.
function M.expect(wanted, got, what)
    if not same(wanted, got) then
        error(("%s: wanted %s, got %s"):format(what, show(wanted), show(got)), 2)
    end
end

--- Only these members of a table.
-- @tparam table|nil from
-- @tparam string names with spaces between them
function M.pick(from, names)
    local out = {}
    for name in names:gmatch "%S+" do
        out[name] = from and from[name]
    end
    return out
end

--- Raises unless an answer is an error with these members.
function M.expect_error(wanted, answer, what)
    if not answer.err then
        error(("%s: wanted an error, got %s"):format(what, show(answer)), 2)
    end
    local got = {}
    for name in pairs(wanted) do
        got[name] = answer.err[name]
    end
    if not same(wanted, got) then
        error(("%s: wanted %s, got %s"):format(what, show(wanted), show(answer.err)), 2)
    end
end

-- ---- Letting things happen -----------------------------------------------------------------------

local Stage = {}
Stage.__index = Stage

--- @tparam table peer see `driver_peer`
-- @tparam table host see `driver_conformance`
function M.new(peer, host)
    return setmetatable({ peer = peer, host = host }, Stage)
end

--- Performs a job. The peer answers with `serve`, which gets the number of the request and the request.
function Stage:run(serve, job)
    self.peer:reset()
    self.peer:serve_beside(job.beside)
    job.beside = nil
    self.peer:serve(serve)
    job.options = simulator.options(self.peer, job.options)
    local result = self.peer:during(self.host.perform, self.host, job)
    if result.refused then
        error("there is no client: " .. show(result.refused), 2)
    end
    return result
end

--- The same with one call. Answers its answer and the whole result.
function Stage:call(serve, options, ...)
    local result = self:run(serve, { options = options, calls = { { ... } } })
    return result.answers[1], result
end

-- ---- What servers say ----------------------------------------------------------------------------

local function escape(text)
    return (text:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end))
end

local MESSAGE = '{"sid":"%s","account_sid":"%s","to":"%s","from":"%s","body":"%s","status":"%s",'
    .. '"direction":"outbound-api","num_segments":"1","num_media":"0","price":null,"error_code":null}'

--- A message as the API shows it.
-- @tparam[opt] table fields sid, body, status
function M.message_json(fields)
    fields = fields or {}
    return MESSAGE:format(fields.sid or M.SID, simulator.ACCOUNT_SID, M.TO, M.FROM,
        escape(fields.body or "hello"), fields.status or "queued")
end

--- A page of messages.
function M.list_json(rows, next_page)
    return ('{"messages":[%s],"next_page_uri":%s}'):format(table.concat(rows, ","),
        next_page and '"' .. next_page .. '"' or "null")
end

local FEEDBACK = ('{"account_sid":"%s","message_sid":"%s","outcome":"confirmed"}'):format(
    simulator.ACCOUNT_SID, M.SID)
local MEDIUM = ('{"sid":"%s","parent_sid":"%s","content_type":"image/png"}'):format(M.MEDIA_SID, M.SID)

--- The body of a 400 to a number that is none.
M.REFUSAL = '{"code":21211,"message":"no","status":400,'
    .. '"more_info":"https://www.twilio.com/docs/errors/21211"}'

--- Accepts a message.
function M.accept()
    return peers.reply(201, M.message_json())
end

--- A good answer to any request.
function M.answer_well(_, request)
    if request.method == "DELETE" then
        return peers.reply(204)
    elseif request.target:find("/Feedback", 1, true) then
        return peers.reply(201, FEEDBACK)
    elseif request.target:find("/Media.json", 1, true) then
        return peers.reply(200, ('{"media_list":[%s],"next_page_uri":null}'):format(MEDIUM))
    elseif request.target:find("/Media/", 1, true) then
        return peers.reply(200, MEDIUM)
    elseif request.method == "GET" and not request.target:find(M.SID, 1, true) then
        return peers.reply(200, M.list_json { M.message_json() })
    end
    return peers.reply(request.target == M.MESSAGES .. ".json" and 201 or 200, M.message_json())
end

--- Answers every look-up with no message, and all else as said.
function M.unless_list(answer)
    return function(count, request)
        if request.method == "GET" then
            return peers.reply(200, M.list_json {})
        end
        return answer(count, request)
    end
end

return M

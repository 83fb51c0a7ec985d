--- Twilio's REST API over a simulated account: a request table in, an answer table out. No I/O, no clock.
--
-- An answer has `status`, `headers` (a list of pairs) and `body` (a string or a list of pieces), or `raw`
-- (bytes that are no HTTP), or `drop`: "reset" or "close" after the request was read, "hang" for never an
-- answer, and "refused", "dns" or "tls" for a request that never got through. `cut` wants half of the body
-- only, `delay_ms` some patience, and `slow_ms` that the body takes so long.
--
-- What the script did stands in `action`, and in `accepted` whether the request was carried out all the same.
-- `code` is the error code of a refusal.
local core = require "twilio_sms.core"
local date = require "twilio_sms.date"
local errors = require "twilio_sms.sim.errors"
local json = require "twilio_sms.sim.json"
local pages = require "twilio_sms.sim.pages"
local resource = require "twilio_sms.sim.resource"

local M = {}

local Api = {}
local class = { __index = Api, __name = "twilio_sms.sim.api" }

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
    local out = {}
    for i = 1, #text, 3 do
        local a, b, c = text:byte(i, i + 2)
        local bits = a * 65536 + (b or 0) * 256 + (c or 0)
        for shift = 3, 0, -1 do
            local digit = math.floor(bits / 64 ^ shift) % 64
            out[#out + 1] = ALPHABET:sub(digit + 1, digit + 1)
        end
    end
    local missing = -#text % 3
    return table.concat(out, "", 1, #out - missing) .. ("="):rep(missing)
end

--- The header that names a user.
function M.authorization(user, password)
    return "Basic " .. base64(user .. ":" .. password)
end

--- @tparam table opts carrier (`twilio_sms.sim.carrier`), random (`twilio_sms.sim.random`, for request ids),
-- credentials (passwords by user name), script (`twilio_sms.sim.script`, optional), max_concurrency
-- (optional), webhooks (`twilio_sms.sim.webhooks`, optional: for the counts), arrived (a function that gets
-- each request that can be carried out and its operation, before that; optional), brief (whether answers have
-- those headers only that our clients read)
function M.new(opts)
    local accepted = {}
    for user, password in pairs(opts.credentials) do
        accepted[M.authorization(user, password)] = true
    end
    return setmetatable({
        carrier = opts.carrier,
        account_sid = opts.carrier.account_sid,
        random = opts.random,
        script = opts.script,
        accepted = accepted,
        max_concurrency = opts.max_concurrency,
        webhooks = opts.webhooks,
        arrived = opts.arrived,
        brief = opts.brief,
        list_path = ("/2010-04-01/Accounts/%s/Messages.json"):format(opts.carrier.account_sid),
        concurrency = {}, -- headers by number
        requests = 0,
        by_operation = {},
        by_answer = {},
    }, class)
end

-- ---- Operations: each answers an HTTP status and a body, or nil and an error ---------------------

local OPERATIONS = {}

function OPERATIONS.send(self, call)
    local message, err = self.carrier:create(call.params, nil, call.tag)
    if not message then
        return nil, err
    end
    return 201, resource.message(self.account_sid, message, true)
end

function OPERATIONS.list(self, call)
    local wanted, err = pages.read(call.params, call.list)
    if not wanted then
        return nil, err
    end
    local found, more = self.carrier:list(wanted.filter, wanted.size, wanted.cursor)
    if not found then
        return nil, errors.new(21481)
    end
    return 200, pages.make(call.path, "messages", wanted, found, more, function(message)
        return resource.message(self.account_sid, message)
    end)
end

function OPERATIONS.fetch(self, call)
    return 200, resource.message(self.account_sid, call.message)
end

function OPERATIONS.cancel(self, call)
    if call.params.Status ~= "canceled" then
        return nil, errors.new(20001, "Status")
    end
    local message, err = self.carrier:cancel(call.message)
    if not message then
        return nil, err
    end
    return 200, resource.message(self.account_sid, message)
end

function OPERATIONS.redact(self, call)
    if call.params.Body ~= "" then
        return nil, errors.new(20001, "Body, which can only be emptied")
    end
    local message, err = self.carrier:redact(call.message)
    if not message then
        return nil, err
    end
    return 200, resource.message(self.account_sid, message)
end

function OPERATIONS.delete(self, call)
    local done, err = self.carrier:delete(call.message)
    if not done then
        return nil, err
    end
    return 204, ""
end

function OPERATIONS.media_list(self, call)
    local wanted, err = pages.read(call.params, call.list)
    if not wanted then
        return nil, err
    end
    local found = {} -- there are ten at most, so that there is always one page
    for i, media in ipairs(call.message.media or {}) do
        found[i] = media
    end
    return 200, pages.make(call.path, "media_list", wanted, found, false, function(media)
        return resource.media(self.account_sid, media)
    end)
end

function OPERATIONS.media_fetch(self, call)
    return 200, resource.media(self.account_sid, call.media)
end

function OPERATIONS.media_delete(_, call)
    table.remove(call.message.media, call.media_place)
    return 204, ""
end

function OPERATIONS.feedback(self, call)
    local outcome = call.params.Outcome
    if outcome ~= "confirmed" and outcome ~= "unconfirmed" then
        return nil, errors.new(20001, "Outcome")
    end
    return 200, resource.feedback(self.account_sid, self.carrier:feedback(call.message, outcome))
end

-- SDKs ask for it to see whether their credentials are good. The token is not shown, unlike at Twilio.
function OPERATIONS.account(self)
    return 200, resource.account(self.account_sid)
end

-- ---- Routes --------------------------------------------------------------------------------------

local function update(params)
    return params.Status and "cancel" or params.Body and "redact" or nil
end

-- The captures are the sids of the message and of its attachment; "()" is there for those that have none.
local ROUTES = {
    { "^Messages%.json()$", { GET = "list", POST = "send" } },
    { "^Messages/(%w+)%.json$", { GET = "fetch", POST = update, DELETE = "delete" } },
    { "^Messages/(%w+)/Media%.json$", { GET = "media_list" } },
    { "^Messages/(%w+)/Media/(%w+)%.json$", { GET = "media_fetch", DELETE = "media_delete" } },
    { "^Messages/(%w+)/Feedback%.json$", { POST = "feedback" } },
}

local ACCOUNT_ROUTE = { GET = "account" }

local LISTS = { MediaUrl = true, PersistentAction = true }

-- Parameters by name. Those that may be repeated are lists; of the others the first one counts. An empty
-- value is as good as none, except for the body, which is emptied that way.
local function by_name(list)
    local params = { To = nil, From = nil, Body = nil } -- so that most tables have their size
    for i = 1, #list, 2 do
        local name, value = list[i], list[i + 1]
        if LISTS[name] then
            params[name] = params[name] or {}
            table.insert(params[name], value)
        elseif params[name] == nil and (value ~= "" or name == "Body") then
            params[name] = value
        end
    end
    return params
end

local function find_route(rest)
    for _, route in ipairs(ROUTES) do
        local sid, media_sid = rest:match(route[1])
        if sid then
            return route[2], type(sid) == "string" and sid or nil, media_sid
        end
    end
end

-- The account in the path is looked at before the credentials: so it was recorded.
local function authenticate(self, request, account)
    if account ~= self.account_sid then
        return errors.new(20404, request.path)
    end
    local given = request.authorization or ""
    if not self.accepted[given] and not self.accepted[given:gsub("^[Bb]asic +", "Basic ")] then
        local err = errors.new(20003)
        err.detail = "Your AccountSid or AuthToken was incorrect."
        return err
    end
end

-- Finds what the path names: the message, the attachment.
local function find_objects(self, call, sid, media_sid)
    call.message = self.carrier:fetch(sid)
    if call.message and media_sid then
        call.media, call.media_place = self.carrier:media(call.message, media_sid)
    end
    return call.message ~= nil and (not media_sid or call.media ~= nil)
end

-- Turns a request into a call, or answers nil and an error.
local function route(self, request)
    local account, methods, sid, media_sid = self.account_sid, ROUTES[1][2], nil, nil
    if request.path ~= self.list_path then -- most are
        local rest
        account, rest = request.path:match "^/2010%-04%-01/Accounts/([^/]+)/(.+)$"
        if rest then
            methods, sid, media_sid = find_route(rest)
        else
            account = request.path:match "^/2010%-04%-01/Accounts/(%w+)%.json$"
            methods = account and ACCOUNT_ROUTE
        end
    end
    if not methods then
        return nil, errors.new(20404, request.path)
    end
    local err = authenticate(self, request, account)
    if err then
        return nil, err
    elseif not methods[request.method] then
        return nil, errors.new(20004)
    end
    local text = request.method == "POST" and request.body or request.query or ""
    local list = type(text) == "table" and text or core.form_decode(text, true)
    local call = {
        path = request.path, list = list, params = by_name(list), tag = request.tag,
        operation = methods[request.method], message = nil, media = nil, media_place = nil,
    }
    if type(call.operation) == "function" then
        call.operation = call.operation(call.params)
    end
    if not call.operation then
        return nil, errors.new(20001, "nothing to change")
    elseif sid and not find_objects(self, call, sid, media_sid) then
        return nil, errors.new(20404, request.path)
    end
    return call
end

-- ---- Answers -------------------------------------------------------------------------------------

local function failure(err)
    return { status = err.status, body = resource.error(err), code = err.code }
end

local function perform(self, call)
    local status, body = OPERATIONS[call.operation](self, call)
    if not status then
        return failure(body)
    end
    -- Whoever sends it adds to it.
    return { status = status, body = body, headers = nil, sent = nil }
end

local HTML_TYPE = { "Content-Type", "text/html" }
local HTML = "<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr></body></html>\n"

local FAULTS = {}

function FAULTS.status(rule)
    local code = rule.code or ({ [429] = 20429, [500] = 20500, [503] = 20503 })[rule.status]
    local message = rule.message
    if not message then
        message = rule.code == nil and code and errors.new(code).message or "Simulated failure"
    end
    local answer = failure { code = code, status = rule.status, message = message }
    answer.retry_after = rule.retry_after
    return answer
end

function FAULTS.html(rule)
    local status = rule.status or 502
    return { status = status, content_type = HTML_TYPE, body = HTML:format(status, status) }
end

function FAULTS.garbage()
    return { raw = "\0\1\2 this is no HTTP\r\n\r\n" }
end

function FAULTS.drop_before(rule)
    return { drop = rule.how or "reset" }
end

FAULTS.drop_after = FAULTS.drop_before

for _, where in ipairs { "hang", "refused", "dns", "tls" } do
    FAULTS[where] = function()
        return { drop = where }
    end
end

function FAULTS.cut_after(_, answer)
    answer.cut = true
    return answer
end

function FAULTS.delay(_, answer)
    return answer
end

function FAULTS.slow(rule, answer)
    answer.slow_ms = rule.slow_ms
    return answer
end

-- Carries the call out, unless the script says otherwise.
local function answer_call(self, call, now_ms)
    local rule, accepts
    if self.script then
        rule, accepts = self.script:decide(call.operation, call.params, now_ms)
    end
    if not rule then
        return perform(self, call)
    end
    local done = accepts and perform(self, call) or nil
    local is_accepted = done ~= nil and done.status < 300
    local answer = FAULTS[rule.action](rule, done)
    answer.delay_ms, answer.action, answer.accepted = rule.delay_ms, rule.action, is_accepted
    return answer
end

local function copy(counts)
    local out = {}
    for key, value in pairs(counts) do
        out[key] = value
    end
    return out
end

local function count(counts, key)
    counts[key] = (counts[key] or 0) + 1
end

local JSON_TYPE = { "Content-Type", "application/json;charset=utf-8" }
local AT_ONCE = { "Twilio-Request-Duration", "0.000" }

-- Headers that answers share are made once: they are never changed.
local function date_header(self, now_ms)
    local now_s = math.floor(now_ms / 1000)
    if self.dated_s ~= now_s then
        self.dated_s, self.dated = now_s, { "Date", date.http(now_s) }
    end
    return self.dated
end

local function concurrency_header(self, concurrent)
    local header = self.concurrency[concurrent]
    if not header then
        header = { "Twilio-Concurrent-Requests", ("%d"):format(concurrent) }
        self.concurrency[concurrent] = header
    end
    return header
end

local function duration_header(delay_ms)
    return delay_ms and { "Twilio-Request-Duration", ("%.3f"):format(delay_ms / 1000) } or AT_ONCE
end

-- The headers of every answer, as a list because their order is to be the same each time.
local function complete(self, request, answer, now_ms)
    if not answer.status then
        return answer
    end
    if self.brief then
        answer.headers = {
            date_header(self, now_ms),
            { "Twilio-Request-Id", self.random:sid "RQ" },
            answer.retry_after and { "Retry-After", ("%d"):format(answer.retry_after) } or nil,
        }
        return answer
    end
    answer.headers = {
        answer.content_type or JSON_TYPE,
        date_header(self, now_ms),
        concurrency_header(self, request.concurrent),
        duration_header(answer.delay_ms),
        { "Twilio-Request-Id", self.random:sid "RQ" },
        answer.status == 401 and { "WWW-Authenticate", 'Basic realm="Twilio API"' }
            or answer.retry_after and { "Retry-After", ("%d"):format(answer.retry_after) } or nil,
    }
    if answer.body == "" then
        table.remove(answer.headers, 1)
    end
    return answer
end

local function stats_json(self)
    local stats = self:stats()
    for name, value in pairs(stats) do
        if type(value) == "table" then
            stats[name] = json.map(value)
        end
    end
    return json.map(stats)
end

--- Answers a request.
-- @tparam table request method, path, query, authorization, body (a form; or a list of its names and values
-- in turn), tag (what a message is to remember of it; optional), and concurrent: how many are under way, this
-- one included
-- @tparam number now_ms Unix milliseconds
-- @treturn table the answer
function Api:handle(request, now_ms)
    if request.path == "/_sim/stats" then
        local headers = { { "Content-Type", "application/json" } }
        return { status = 200, headers = headers, body = stats_json(self) }
    end
    self.requests = self.requests + 1
    self.carrier:advance(now_ms)
    local answer
    if self.max_concurrency and request.concurrent > self.max_concurrency then
        answer = failure(errors.new(20429))
    else
        local call, err = route(self, request)
        if call then
            count(self.by_operation, call.operation)
            if self.arrived then
                self.arrived(request, call.operation)
            end
            answer = answer_call(self, call, now_ms)
        else
            answer = failure(err)
        end
    end
    count(self.by_answer, answer.drop or answer.raw and "garbage" or answer.status)
    return complete(self, request, answer, now_ms)
end

--- What really happened: `requests` (without those for this), `operations`, `answers` by HTTP status or
-- fault, `faults` by action, `webhooks` (`twilio_sms.sim.webhooks`), and the carrier's own counts.
function Api:stats()
    local stats = self.carrier:stats()
    stats.requests = self.requests
    stats.operations = copy(self.by_operation)
    stats.answers = {}
    for answer, times in pairs(self.by_answer) do
        stats.answers[type(answer) == "number" and ("%d"):format(answer) or answer] = times
    end
    stats.faults = copy(self.script and self.script.fired or {})
    if self.webhooks then
        stats.webhooks = self.webhooks:stats()
        local other = self.webhooks.script ~= self.script and self.webhooks.script
        for action, times in pairs(other and other.fired or {}) do
            stats.faults[action] = (stats.faults[action] or 0) + times
        end
    end
    return stats
end

return M

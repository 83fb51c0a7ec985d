--- Brings webhooks to handlers inside of a world, with the interface of `core.poster`.
--
-- A handler is a function, or an object with the method handle (such as a receiver of `twilio_sms.webhook`).
-- It gets { method, url, headers, body } and answers { status, headers, body }; a text is a body, nothing is
-- an empty one. It runs in a coroutine of its own, so that it may take its (virtual) time.
local core = require "twilio_sms.core"

local M = {}

local Poster = {}
local class = { __index = Poster, __name = "twilio_sms.sim.world.poster" }

--- @tparam table opts schedule (`twilio_sms.sim.world.schedule`); spawn, a function that starts a coroutine;
-- latency, a function that answers milliseconds; sent(about, url) and answered(about, status, fault) hear
-- what happens
function M.new(opts)
    return setmetatable({
        schedule = opts.schedule,
        spawn = opts.spawn,
        latency = opts.latency,
        sent = opts.sent,
        answered = opts.answered,
        routes = {}, -- in the order in which they were made
        last_id = 0,
        results = {}, first = 1, last = 0,
    }, class)
end

--- Lets a handler answer requests to URLs that begin with this, instead of the one before it.
-- @tparam string url
-- @param handler false takes it away: the connection is refused from then on
function Poster:listen(url, handler)
    for i, route in ipairs(self.routes) do
        if route.url == url then
            table.remove(self.routes, i)
            break
        end
    end
    if handler then
        self.routes[#self.routes + 1] = { url = url, handler = handler }
    end
end

-- The longest prefix counts.
local function handler_of(self, url)
    local best
    for _, route in ipairs(self.routes) do
        if url:sub(1, #route.url) == route.url and (not best or #route.url > #best.url) then
            best = route
        end
    end
    return best and best.handler
end

-- ---- Results -------------------------------------------------------------------------------------

local function finish(self, post, answer, fault)
    if post.done then
        return -- too late: the sender has hung up
    end
    post.done = true
    if post.patience then
        self.schedule:remove(post.patience)
    end
    local result = answer or fault
    result.duration_ms = self.schedule.mono_ms - post.started_ms
    self.last = self.last + 1
    self.results[self.last] = { post.id, answer, fault }
    self.answered(post.about, answer and answer.status, fault and fault.fault)
end

local function fail_at(self, post, at_ms, fault, message)
    return self.schedule:add(at_ms, {
        fire = function()
            finish(self, post, nil, { fault = fault, message = message })
        end,
    })
end

-- Headers by lower-case name, as they come from the wire.
local function headers_of(given)
    local out = {}
    for key, value in pairs(given or {}) do
        local name = key
        if type(value) == "table" then
            name, value = value[1], value[2]
        end
        out[name:lower()] = value
    end
    return out
end

local function read_answer(answer)
    if type(answer) == "string" then
        answer = { body = answer, headers = { ["Content-Type"] = "text/xml" } }
    end
    answer = answer or {}
    local body = answer.body or ""
    return { status = answer.status or (body == "" and 204 or 200), headers = headers_of(answer.headers),
        body = body }
end

-- ---- Requests ------------------------------------------------------------------------------------

local function call(handler, request)
    if type(handler) == "function" then
        return handler(request)
    end
    return (handler:handle(request))
end

local function serve(self, post, handler)
    local answer = read_answer(call(handler, post.request))
    local schedule = self.schedule
    schedule:add(schedule.mono_ms + self.latency(), {
        fire = function()
            finish(self, post, answer)
        end,
    })
end

local function arrive(self, post)
    local handler = handler_of(self, post.request.url)
    if not handler then
        local now_ms = self.schedule.mono_ms
        fail_at(self, post, now_ms + self.latency(), "connect", "the connection was refused")
        return
    end
    post.patience = fail_at(self, post, post.until_ms, "read", "no answer in time")
    self.spawn(serve, self, post, handler)
end

--- Takes a request.
-- @tparam table request method, url, headers, body, read_timeout_ms, total_timeout_ms
-- @param about is given to those who hear of it
-- @treturn number|nil its id, or nil and an error
function Poster:submit(request, about)
    if not request.url:find "^https?://." then
        return nil, core.error("InvalidRequest", "the URL has no http or https in it", "not_sent")
    end
    local schedule = self.schedule
    self.last_id = self.last_id + 1
    local patience_ms = math.min(request.read_timeout_ms, request.total_timeout_ms)
    local post = {
        id = self.last_id, request = request, about = about, done = false,
        started_ms = schedule.mono_ms, until_ms = schedule.mono_ms + patience_ms,
    }
    schedule:add(schedule.mono_ms + self.latency(), {
        fire = function()
            arrive(self, post)
        end,
    })
    self.sent(about, request.url)
    return post.id
end

--- The oldest result that was not taken yet: id, answer; or id, nil, fault; or nothing.
function Poster:result()
    local result = self.results[self.first]
    if result then
        self.results[self.first] = nil
        self.first = self.first + 1
        return result[1], result[2], result[3]
    end
end

--- Whether there is a result.
function Poster:has_result()
    return self.first <= self.last
end

return M

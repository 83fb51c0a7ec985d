--- Performs a job with a client: what to do comes in as plain data, and what came of it goes out so. The same
-- code does it in the process of a spec and in a worker of nginx.
--
-- A job is { options =, calls =, checks =, together =, close_at = }:
--
-- * options of the client
-- * calls, a list of { method, argument, ... }, made one after the other, or all at once when `together` is
--   true
-- * checks, the answers of a hook, in their order: { "allow" }, { "deny", reason } or { "defer", ms }; the
--   last one counts for all that follow
-- * close_at: as soon as so many requests are on the wire, the client is closed
--
-- What came of it is { refused = error } without a client, or { answers =, events =, stats = }. An answer is
-- { value = } or { err = }, and for send_many { many = answers in the order of the messages }.
local loop = require "twilio_sms.loop"

local M = {}

local unpack = table.unpack or unpack -- luacheck: ignore 113

local function plain(value)
    if type(value) ~= "table" then
        return value
    end
    local out = {}
    for name, member in pairs(value) do
        out[name] = plain(member)
    end
    return out
end

local function answer_of(value, err)
    if value == nil then
        return { err = plain(err) }
    end
    return { value = plain(value) }
end

local function call(client, method, ...)
    if method ~= "send_many" then
        return answer_of(client[method](client, ...))
    end
    local many = {}
    for index, message, err in client:send_many(...) do
        assert(many[index] == nil, "a result came twice")
        many[index] = answer_of(message, err)
    end
    return { many = many }
end

local function add_hook(client, checks)
    local asked = 0
    client:hook("check", function()
        asked = asked + 1
        local verdict, detail = unpack(checks[math.min(asked, #checks)])
        if verdict == "defer" then
            return "defer", detail
        end
        return verdict == "allow", detail
    end)
end

local function call_all(client, job)
    local answers, left = {}, #job.calls
    for i, one in ipairs(job.calls) do
        loop.spawn(function()
            answers[i] = call(client, unpack(one, 1, 4))
            left = left - 1
        end)
    end
    while job.close_at and client:stats().in_flight < job.close_at do
        loop.sleep(1)
    end
    if job.close_at then
        client:close()
    end
    while left > 0 do
        loop.sleep(1)
    end
    return answers
end

local function call_each(client, job)
    local answers = {}
    for i, one in ipairs(job.calls) do
        answers[i] = call(client, unpack(one, 1, 4))
    end
    return answers
end

--- Performs a job. To be called where the code may wait.
-- @tparam function new makes a client of options
-- @tparam table job
-- @treturn table
function M.perform(new, job)
    local client, err = new(job.options)
    if not client then
        return { refused = plain(err) }
    end
    if job.checks then
        add_hook(client, job.checks)
    end
    local result = { answers = (job.together and call_all or call_each)(client, job) }
    if not client.closed then
        result.stats, result.events = client:stats(), {}
        for event in client:events() do
            result.events[#result.events + 1] = event
        end
        client:close()
    end
    return result
end

return M

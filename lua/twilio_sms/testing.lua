--- For tests: a world for the test that runs, time that passes at once, and assertions about what was sent.
--
--     local testing = require "twilio_sms.testing"
--
--     it("welcomes people", function()
--         local world = testing.world()
--         app.start(world:client { from = "+15005550006" })
--         testing.advance(60)
--         assert.sent { to = "+15558675310", body = testing.matching "^Welcome" }
--         assert.not_sent { to = "+15558675311" }
--         assert.sent_times(1, { to = "+15558675310" })
--     end)
--
-- With busted the assertions are there, and worlds are closed at the end of each test. Without it the
-- functions do the same: check_sent, check_not_sent, check_sent_times, close.
local sent = require "twilio_sms.testing_sent"
local world = require "twilio_sms.sim.world"

local M = {}

local worlds = {} -- of the running test, the newest last

-- ---- Worlds --------------------------------------------------------------------------------------

--- Makes a world (`twilio_sms.sim.world`), which assertions are about from now on, and which is closed when
-- the test ends.
-- @tparam[opt] table opts those of `sms.sim.new`
function M.world(opts)
    local made = world.new(opts)
    worlds[#worlds + 1] = made
    return made
end

--- Closes the worlds of the test.
function M.close()
    while #worlds > 0 do
        table.remove(worlds):close()
    end
end

local function is_world(value)
    return type(value) == "table" and type(value.messages) == "function"
end

local function newest(level)
    return worlds[#worlds] or error("no world is there yet: testing.world() makes one", level + 1)
end

--- Lets time pass in the newest world.
function M.advance(seconds)
    if type(seconds) ~= "number" or seconds < 0 then
        error("advance takes seconds, a number from 0", 2)
    end
    newest(2):run(seconds)
end

--- Stands for every text in which a Lua pattern is found.
function M.matching(pattern)
    local made = sent.matching(pattern, 2)
    return made
end

-- ---- Checks --------------------------------------------------------------------------------------

-- The world and the description from (world, wanted) or (wanted).
local function arguments_of(first, second, level)
    local about, wanted = first, second
    if not is_world(first) then
        about, wanted = newest(level + 1), first
    end
    sent.check(wanted, level + 1)
    return about, wanted
end

local function check(about, wanted, expected, is_right)
    local good, others = sent.split(wanted, about:messages())
    if is_right(#good) then
        return true
    end
    return nil, sent.text(wanted, expected, good, others)
end

local function check_sent(level, first, second)
    local about, wanted = arguments_of(first, second, level + 1)
    return check(about, wanted, "at least one", function(count)
        return count > 0
    end)
end

local function check_not_sent(level, first, second)
    local about, wanted = arguments_of(first, second, level + 1)
    return check(about, wanted, "none", function(count)
        return count == 0
    end)
end

-- Takes (2, wanted) or (world, 2, wanted).
local function read_times(level, first, second, third)
    local times, about, wanted = first, second, nil
    if is_world(first) then
        times, about, wanted = second, first, third
    end
    if type(times) ~= "number" or times % 1 ~= 0 or times < 0 then
        error("sent_times takes a whole number and a description", level + 1)
    end
    about, wanted = arguments_of(about, wanted, level + 1)
    return times, about, wanted
end

local function check_sent_times(level, ...)
    local times, about, wanted = read_times(level + 1, ...)
    return check(about, wanted, ("%d"):format(times), function(count)
        return count == times
    end)
end

local function check_not_sent_times(level, ...)
    local times, about, wanted = read_times(level + 1, ...)
    return check(about, wanted, ("not %d"):format(times), function(count)
        return count ~= times
    end)
end

-- One value when all is well, so that it can be printed and passed on.
local function answer(ok, text)
    if ok then
        return true
    end
    return nil, text
end

--- Whether a message was sent: accepted by Twilio, whatever became of it.
-- @tparam[opt] table world default: the newest one
-- @tparam table wanted to, from, service, body, status, error_code, segments, client, sid; a text may be
-- `matching`
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what was sent instead
function M.check_sent(...)
    local ok, text = check_sent(2, ...)
    return answer(ok, text)
end

--- Whether no such message was sent.
function M.check_not_sent(...)
    local ok, text = check_not_sent(2, ...)
    return answer(ok, text)
end

--- Whether so many were: check_sent_times(2, { to = "+1..." }), or with a world before them.
function M.check_sent_times(...)
    local ok, text = check_sent_times(2, ...)
    return answer(ok, text)
end

-- ---- Busted --------------------------------------------------------------------------------------

-- `not` only turns the answer around, but the text is another one too. What follows the arguments is the
-- caller's own text for a failure, as for every assertion.
local function assertion_of(count, positive, negative)
    return function(state, arguments, level)
        local is_positive = state.mod
        local check_it = is_positive and positive or negative
        local ok, text = check_it(level + 1, arguments[1], arguments[2], arguments[3])
        local own_text = arguments[count + 1 + (is_world(arguments[1]) and 1 or 0)]
        if text and own_text ~= nil then
            text = ("%s\n%s"):format(tostring(own_text), text)
        end
        arguments[1], arguments.n, arguments.nofmt = text, 1, { true } -- what is said, as it is
        return (ok == true) == is_positive
    end
end

--- Adds the assertions sent and sent_times, with not_ before them too, to luassert; and closes worlds when a
-- test ends. Done by itself where busted or luassert is loaded before this module.
-- @tparam[opt] table busted `require "busted"`
function M.install(busted)
    local luassert, texts = require "luassert", require "say"
    for name, check_one in pairs {
        sent = assertion_of(1, check_sent, check_not_sent),
        sent_times = assertion_of(2, check_sent_times, check_not_sent_times),
    } do
        local key = "assertion." .. name
        texts:set(key, "%s")
        luassert:register("assertion", name, check_one, key, key)
    end
    if busted then
        busted.subscribe({ "test", "end" }, function()
            M.close()
            return nil, true -- others want to hear of it too
        end)
    end
end

local busted = package.loaded.busted
if type(busted) == "table" and busted.subscribe then
    M.install(busted)
elseif package.loaded.luassert then
    M.install()
end

return M

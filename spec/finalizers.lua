--- Lets a function run as a finalizer again and again while another one works.
local M = {}

local TRIES_MOST = 200 -- the collector needs longer when the whole suite has filled the heap

-- Runs a function when the collector finds what this makes.
local function on_collection(finalize)
    if rawget(_G, "newproxy") then -- Lua 5.1 and LuaJIT finalize no tables
        getmetatable(rawget(_G, "newproxy")(true)).__gc = finalize
    else
        setmetatable({}, { __gc = finalize })
    end
end

--- @tparam function use runs whenever the collector finds the last sentinel
-- @tparam function work is repeated until that has happened
function M.run(use, work)
    collectgarbage()
    local pause, step = collectgarbage("setpause", 0), collectgarbage("setstepmul", 10000)
    local runs, armed = 0, true
    local arm
    local function finalize()
        if armed then
            runs = runs + 1
            use()
            arm()
        end
    end
    function arm()
        on_collection(finalize)
    end
    arm()
    local ok, err = true, nil
    for _ = 1, TRIES_MOST do
        ok, err = pcall(work)
        if not ok or runs > 0 then
            break
        end
    end
    armed = false
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", step)
    assert(ok, err)
    assert(runs > 0, "no finalizer ran")
end

local WHOLE_CYCLE, STEP_BYTES_LOG2 = 1000000, 40 -- of the collector, in one step

--- Lets a function run as a finalizer once, in the middle of a call: at the nth place where the call lets the
-- collector work.
-- @tparam number nth
-- @tparam function use
-- @tparam function call should be one of a function in C
-- @return whether the call had so many places; then what pcall answered for it
function M.once_inside(nth, use, call, ...)
    collectgarbage()
    collectgarbage "stop"
    local pause, step = collectgarbage("setpause", 0), collectgarbage("setstepmul", WHOLE_CYCLE)
    if not rawget(_G, "newproxy") then
        collectgarbage("incremental", 0, 0, STEP_BYTES_LOG2)
    end
    local count, inside = 0, true
    local function finalize()
        if inside then
            count = count + 1
            if count == nth then
                use()
            else
                on_collection(finalize)
            end
        end
    end
    on_collection(finalize)
    collectgarbage "restart"
    local ok, answer = pcall(call, ...)
    inside = false
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", step)
    if not rawget(_G, "newproxy") then
        collectgarbage("incremental", 0, 0, 13) -- Lua's own
    end
    return count >= nth, ok, answer
end

return M

--- Lets a function run as a finalizer again and again while another one works.
local M = {}

local TRIES_MOST = 200 -- the collector needs longer when the whole suite has filled the heap

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
        if rawget(_G, "newproxy") then -- Lua 5.1 and LuaJIT finalize no tables
            getmetatable(rawget(_G, "newproxy")(true)).__gc = finalize
        else
            setmetatable({}, { __gc = finalize })
        end
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

return M

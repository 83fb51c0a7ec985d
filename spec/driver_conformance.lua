--- Checks that a driver does what every driver does, as its server and its caller see it.
--
--     local failures = require("driver_conformance").run(peer, host)
--
-- A peer is a server (see `driver_peer`). A host is where clients of the driver live: a table with a method
-- perform(job), which lets `driver_job` perform a job there and answers what came of it.
--
-- It needs no test framework: each failure is a table with the name of a check and what went wrong.
local stage = require "driver_stage"

local M = {
    --- The checks, a list of { name =, body = }.
    checks = {},
}

for _, part in ipairs { "driver_checks_wire", "driver_checks_calls" } do
    for _, check in ipairs(require(part)) do
        M.checks[#M.checks + 1] = check
    end
end

--- Runs one check; raises what went wrong.
-- @tparam table check one of `checks`
-- @tparam table peer
-- @tparam table host
function M.run_one(check, peer, host)
    check.body(stage.new(peer, host))
end

--- Runs all checks.
-- @treturn table the failures, a list of { name=, message= }
function M.run(peer, host)
    local failures = {}
    for _, check in ipairs(M.checks) do
        local ok, why = pcall(M.run_one, check, peer, host)
        if not ok then
            failures[#failures + 1] = { name = check.name, message = tostring(why) }
        end
    end
    return failures
end

return M

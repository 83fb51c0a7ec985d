-- Runs specs with the planted token instead of the usual one, and writes down what every error says that the
-- library makes meanwhile.
-- Usage: lua5.4 tests/canary/suite.lua DIRECTORY SPEC...; the errors go to DIRECTORY/out/errors. Not for
-- LuaJIT, whose tables have no finalizers.
package.path = "spec/?.lua;" .. package.path
local core = require "twilio_sms.core"

local directory = assert(table.remove(arg, 1))
local token_file = directory .. "/auth_token"
local file = assert(io.open(token_file))
local token = file:read "*l"
file:close()

-- Where the specs have their token from; the modules copy it when they are loaded.
require("twilio_sms.sim.server").AUTH_TOKEN = token
require("twilio").TOKEN = token
local simulator = require "simulator"
local start = simulator.start
function simulator.start(options)
    -- A process of its own, whose command line everybody can read.
    return start(("auth_token = io.open(%q):read \"*l\", %s"):format(token_file, options or ""))
end

-- Errors are tables, so that each of them can be looked at when it is collected, wherever it was made.
local errors = assert(io.open(directory .. "/out/errors", "wb"))
local class = getmetatable(core.error("InternalError", "an error"))
function class.__gc(err)
    errors:write(tostring(err), "\n")
    for _, value in pairs(err) do
        errors:write(tostring(value), "\n")
    end
end

-- busted forgets after each file what was loaded for it, but this one would keep its parts: a later file
-- would have two loops, and its clients would see the one that does not run.
package.loaded["twilio_sms"] = nil

dofile "tests/busted.lua"

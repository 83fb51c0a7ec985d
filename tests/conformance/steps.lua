-- Writes the steps of a run as JSON.
-- Usage: lua5.4 steps.lua START_S
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path
io.write(require("cjson").encode(require("scenarios").steps(math.tointeger(arg[1]))), "\n")

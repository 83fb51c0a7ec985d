--- Runs the command `twilio-sms` for the specs, on the Lua and with the modules that run these.
local quote = require("simulator").quote

local M = {}

M.quote = quote

local INTERPRETER = _VERSION == "Lua 5.1" and "luajit" or "lua5.4"

-- Nothing of the user's own: no credentials, no configuration file.
local CLEAN = [[
unset $(env | sed -n 's/^\(TWILIO_[A-Z_]*\)=.*/\1/p')
unset XDG_CONFIG_HOME
export HOME=/nowhere TZ=UTC LC_ALL=C no_proxy=localhost
]]

--- Runs a shell script that knows the function `command`; answers what it prints on standard output.
function M.shell(script)
    local file = os.tmpname()
    local out = assert(io.open(file, "w"))
    out:write(CLEAN, "export P=", quote(package.path), " C=", quote(package.cpath), "\n",
        "command() { exec ", INTERPRETER,
        [[ -e 'package.path, package.cpath = os.getenv "P", os.getenv "C"' ]],
        [[lua/twilio_sms/cli/twilio-sms "$@"; }]], "\n",
        script, "\n")
    out:close()
    local pipe = assert(io.popen("timeout 60 bash " .. file, "r"))
    local text = pipe:read "*a"
    pipe:close()
    os.remove(file)
    return text
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    os.remove(path)
    return text
end

--- Runs one command line.
-- @tparam string line its arguments, as a shell has them
-- @tparam[opt] table env more variables
-- @tparam[opt] string input what it reads from standard input
-- @treturn table out, err, status
function M.run(line, env, input)
    local exports, err = {}, os.tmpname()
    for name, value in pairs(env or {}) do
        exports[#exports + 1] = ("export %s=%s\n"):format(name, quote(value))
    end
    local from = input and ("printf %%s %s | "):format(quote(input)) or ""
    local redirect = input and "" or "< /dev/null "
    local script = ("%s%s(command %s) %s2> %s; echo \"status $?\""):format(table.concat(exports), from, line,
        redirect, err)
    local text = M.shell(script)
    local out, status = text:match "^(.*)status (%d+)\n$"
    return { out = out or text, err = read(err), status = tonumber(status) }
end

--- The variables that lead to a simulator.
-- @tparam table sim of `simulator`
function M.env(sim)
    local simulator = require "simulator"
    return {
        TWILIO_ACCOUNT_SID = simulator.ACCOUNT_SID, TWILIO_AUTH_TOKEN = simulator.AUTH_TOKEN,
        TWILIO_FROM = simulator.FROM, TWILIO_BASE_URL = sim.url, TWILIO_CA_FILE = sim.ca_file,
    }
end

--- Writes a file, whose name it answers.
-- @tparam string text
-- @tparam[opt] string mode as for chmod; default 600
function M.file(text, mode)
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    assert(os.execute(("chmod %s %s"):format(mode or "600", path)))
    return path
end

return M

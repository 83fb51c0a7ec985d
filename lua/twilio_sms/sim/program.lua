--- Runs a simulator server as a program of its own.
local https = require "twilio_sms.server"

local M = {}

local STEP_MOST_MS = 200 -- how long the end of the input may go unnoticed

local function say_ready(sim)
    local proxy = sim:proxy_port() and (" proxy_port=%d"):format(sim:proxy_port()) or ""
    print(("ready port=%d%s ca_file=%s"):format(sim:port(), proxy, sim:ca_file()))
end

local function serve(sim, until_eof)
    sim.server:catch_signals() -- where another server of this program has them, that one tells it to end
    while not sim.server:signalled() and not (until_eof and https.input_closed()) do
        sim:step(until_eof and STEP_MOST_MS or -1)
    end
end

--- Serves until a signal comes.
-- @tparam table opts of `twilio_sms.sim.server`; without ca_file and certificate_file the CA's certificate
-- goes into a file that is removed at the end
-- @tparam table how until_eof: or until standard input ends; ready: a function that gets the simulator and
-- says that it is ready (default: prints one line)
-- @treturn number 0; or 1 when it could not start, after it has said why in one line
function M.run(opts, how)
    local settings, own_file = {}, nil
    for name, value in pairs(opts) do
        settings[name] = value
    end
    if opts.tls ~= false and not opts.ca_file and not opts.certificate_file then
        own_file = os.tmpname()
        settings.ca_file = own_file
    end
    local sim, err = require("twilio_sms.sim.server").new(settings)
    if sim then
        (how.ready or say_ready)(sim)
        io.stdout:flush()
        serve(sim, how.until_eof)
        sim:close()
    else
        io.stderr:write("the simulator cannot start: ", tostring(err), "\n")
    end
    if own_file then
        os.remove(own_file)
    end
    return sim and 0 or 1
end

return M

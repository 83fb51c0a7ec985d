--- `twilio-sms sim`: a simulator that works until it is interrupted.
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local json = require "twilio_sms.cli.json"

local M = {
    name = "sim",
    about = "Simulate Twilio on this machine: its API over https, its webhooks, its faults.",
    options = {
        { "--port", "<port>", "Where to listen; 0 lets the system choose.", sort = definition.WHOLE },
        { "--proxy-port", "<port>", "Where its CONNECT proxy listens; 0 lets the system choose.",
            sort = definition.WHOLE },
        { "--ca-file", "<file>", "Where the certificate goes that clients must trust. "
            .. "Default: a file that is removed at the end." },
        { "--seed", "<number>", "What chance begins with.", sort = definition.WHOLE },
        { "--speed", "<number>", "How many seconds pass there in one second here; 0 stops the clock.",
            sort = definition.NUMBER },
        { "--scenario", "<name>", "What goes wrong: the name of a scenario." },
        { "--inbound-url", "<url>", "Where messages of persons are told of." },
        { "--webhook-ca-file", "<file>", "The CA certificates that webhooks trust. Default: the system's." },
        { "--realistic", false, "Delays, queues and failures as real carriers have them." },
        { "--max-concurrency", "<number>", "More requests than so many at once are answered with 429.",
            sort = definition.WHOLE },
        { "--json", false, "Say where it is in one line of JSON." },
        { "--until-eof", false, "End with standard input, too." },
    },
}

local function scenario_of(name)
    local scenarios = require "twilio_sms.sim.scenarios"
    for _, each in ipairs(scenarios.names()) do
        if each == name then
            return scenarios[name]
        end
    end
    local names = table.concat(scenarios.names(), ", ")
    return nil, ("no scenario is called '%s'; there are %s"):format(name, names)
end

local function options_of(given)
    local opts = {
        port = given.port, proxy_port = given.proxy_port or 0, ca_file = given.ca_file, seed = given.seed,
        speed = given.speed, inbound_url = given.inbound_url, webhook_ca_file = given.webhook_ca_file,
        realistic = given.realistic, max_concurrency = given.max_concurrency,
    }
    local why
    if given.scenario then
        opts.script, why = scenario_of(given.scenario)
    end
    return not why and opts or nil, why
end

-- What is wrong with the options, in one sentence; nil when nothing is.
local function why_not(opts)
    local ok, why = pcall(require("twilio_sms.sim.server.options").check, opts, 1)
    if ok and opts.script then
        ok, why = pcall(require("twilio_sms.sim.server.parts").script, opts.script, 1, 0, 1)
    end
    if ok then
        return nil
    end
    why = tostring(why):gsub("^[^:]*%.lua:%d+: ", "")
    return (why:gsub("option '([%l_]+)'", function(name)
        return ("option '--%s'"):format(name:gsub("_", "-"))
    end))
end

-- A word for the shell.
local function quote(text)
    return text:find "^[%w%./:_+@%%-]+$" and text or "'" .. text:gsub("'", "'\\''") .. "'"
end

local function say_exports(sim)
    local proxy = ("http://127.0.0.1:%d"):format(sim:proxy_port())
    local ca_file = quote(sim:ca_file())
    print(("ready port=%d proxy_port=%d ca_file=%s"):format(sim:port(), sim:proxy_port(), sim:ca_file()))
    print "\nFor every program:"
    local server = require "twilio_sms.sim.server"
    print("  export TWILIO_ACCOUNT_SID=" .. server.ACCOUNT_SID .. " TWILIO_AUTH_TOKEN=" .. server.AUTH_TOKEN)
    print "For programs that take a base URL:"
    print(("  export TWILIO_BASE_URL=%s TWILIO_CA_FILE=%s"):format(sim:url(), ca_file))
    print "For those that only know https://api.twilio.com:"
    -- Twilio's library for Node reads the second one only.
    print(("  export HTTPS_PROXY=%s HTTP_PROXY=%s NO_PROXY=localhost,127.0.0.1"):format(proxy, proxy))
    print(("  export NODE_EXTRA_CA_CERTS=%s REQUESTS_CA_BUNDLE=%s"):format(ca_file, ca_file))
    print(("\nGET %s/_sim lists what it can be asked (docs/simulator.md). Ctrl-C ends it."):format(sim:url()))
end

local function say_json(sim)
    local server = require "twilio_sms.sim.server"
    print(json.encode {
        port = sim:port(), proxy_port = sim:proxy_port(), ca_file = sim:ca_file(), base_url = sim:url(),
        proxy_url = ("http://127.0.0.1:%d"):format(sim:proxy_port()),
        account_sid = server.ACCOUNT_SID, auth_token = server.AUTH_TOKEN,
    })
end

--- Runs the simulator.
-- @treturn number the exit status
function M.run(given)
    local opts, why = options_of(given)
    why = why or why_not(opts)
    if why then
        return nil, failure.usage("%s", why)
    end
    return require("twilio_sms.sim.program").run(opts, {
        ready = given.json and say_json or say_exports, until_eof = given.until_eof,
    })
end

return definition.command(M)

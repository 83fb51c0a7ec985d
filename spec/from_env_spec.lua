local simulator = require "simulator"

describe("from_env", function()
    local sim

    setup(function()
        sim = simulator.start ""
    end)

    teardown(function()
        sim:stop()
    end)

    -- Runs a program in a process with these variables, and answers what it prints.
    local function run(variables, program)
        local command = { "env", "-u", "TWILIO_FROM" }
        for name, value in pairs(variables) do
            command[#command + 1] = simulator.quote(name .. "=" .. value)
        end
        command[#command + 1] = ("%s -e %s"):format(simulator.lua, simulator.quote(program))
        local pipe = assert(io.popen(table.concat(command, " ") .. " 2>&1"))
        local output = pipe:read "*a"
        pipe:close()
        return output
    end

    local function variables(changes)
        local set = {
            TWILIO_ACCOUNT_SID = simulator.ACCOUNT_SID,
            TWILIO_AUTH_TOKEN = simulator.AUTH_TOKEN,
            TWILIO_BASE_URL = sim.url,
            TWILIO_CA_FILE = sim.ca_file,
            TWILIO_FROM = simulator.FROM,
        }
        for name, value in pairs(changes) do
            set[name] = value
        end
        return set
    end

    local SEND = [[
        local sms = require "twilio_sms"
        local client, err = sms.from_env(%s)
        if client then
            local message
            message, err = client:send { to = "+15005550010", body = "from the environment" }
            print(message and (message.from or message.messaging_service_sid) or err)
        else
            print(err)
        end
    ]]

    it("reads the variables", function()
        assert.equal(simulator.FROM .. "\n", run(variables {}, SEND:format ""))
    end)

    it("reads the service", function()
        assert.equal(simulator.SERVICE_SID .. "\n",
            run(variables { TWILIO_FROM = "", TWILIO_MESSAGING_SERVICE_SID = simulator.SERVICE_SID },
                SEND:format ""))
    end)

    it("lets options win", function()
        assert.equal("+15005550006\n",
            run(variables { TWILIO_FROM = "+15005550001" }, SEND:format '{ from = "+15005550006" }'))
    end)

    it("reads the key and its secret, and prefers them to the token", function()
        local output = run(variables {
            TWILIO_API_KEY = "SK" .. ("4"):rep(32), TWILIO_API_SECRET = ("s"):rep(32),
        }, SEND:format "")
        assert.matches("^AuthenticationError.InvalidCredentials", output)
        assert.is_nil(output:find(("s"):rep(32), 1, true))
    end)

    it("reads region and edge", function()
        for name, key in pairs { TWILIO_REGION = "region", TWILIO_EDGE = "edge" } do
            assert.matches("^ConfigurationError.InvalidOption: option '" .. key .. "'",
                run(variables { [name] = "no host" }, SEND:format ""))
        end
    end)

    it("says which variable is missing", function()
        assert.matches("^ConfigurationError.InvalidAccountSid: .*TWILIO_ACCOUNT_SID",
            run(variables { TWILIO_ACCOUNT_SID = "" }, SEND:format ""))
        assert.matches("^ConfigurationError.InvalidAuthToken: ",
            run(variables { TWILIO_AUTH_TOKEN = "" }, SEND:format ""))
    end)
end)

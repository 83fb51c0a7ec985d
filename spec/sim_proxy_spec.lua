local cjson = require "cjson"
local simulator = require "twilio_sms.sim.server"

local ACCOUNT = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID

describe("the proxy of twilio_sms.sim.server", function()
    local ca_file, sim

    before_each(function()
        ca_file = os.tmpname()
        sim = assert(simulator.new { ca_file = ca_file, proxy = true })
    end)

    after_each(function()
        sim:close()
        os.remove(ca_file)
    end)

    -- Runs curl on a URL with nothing but the proxy and the CA file, and answers what it saw.
    local function fetch(url, ...)
        local out = os.tmpname()
        local command = { "curl --silent --max-time 20 --noproxy ''",
            ("--proxy http://127.0.0.1:%d --cacert '%s'"):format(sim:proxy_port(), ca_file),
            ("--user '%s:%s'"):format(simulator.ACCOUNT_SID, simulator.AUTH_TOKEN),
            "--suppress-connect-headers --write-out '\n%{http_connect} %{http_code} %{exitcode}.'" }
        for _, argument in ipairs { ... } do
            command[#command + 1] = "'" .. argument .. "'"
        end
        command[#command + 1] = "'" .. url .. "' > " .. out .. " 2>/dev/null &"
        os.execute(table.concat(command, " "))
        local body, connect, status, exit
        repeat
            sim:step(2)
            local file = assert(io.open(out, "rb"))
            body, connect, status, exit = file:read("*a"):match "^(.*)\n(%d+) (%d+) (%d+)%.$"
            file:close()
        until exit
        os.remove(out)
        return { connect = tonumber(connect), status = tonumber(status), exit = tonumber(exit), body = body }
    end

    it("leads programs that only know api.twilio.com here", function()
        local got = fetch("https://api.twilio.com" .. ACCOUNT .. "/Messages.json", "--data-urlencode",
            "To=+15558675310", "--data", "From=%2B15557122661&Body=Hello")
        assert.same({ 200, 201, 0 }, { got.connect, got.status, got.exit })
        assert.equal("queued", cjson.decode(got.body).status)
        assert.equal(1, sim:stats().accepted)
    end)

    it("serves several requests of one connection", function()
        local url = "https://api.twilio.com" .. ACCOUNT .. "/Messages.json"
        local got = fetch(url, url, url)
        assert.equal(0, got.exit)
        assert.equal(3, sim:stats().operations.list)
    end)

    it("leads nowhere else", function()
        local got = fetch "https://example.com/"
        assert.same({ 403, 0, 56 }, { got.connect, got.status, got.exit })
        got = fetch(("https://localhost:%d/_sim/stats"):format(sim:port()))
        assert.equal(403, got.connect)
        assert.equal(405, fetch("http://api.twilio.com/").status)
    end)

    it("keeps the control endpoints for those who ask by name", function()
        local got = fetch("https://api.twilio.com/_sim/reset", "--data", "")
        assert.same({ 200, 403 }, { got.connect, got.status })
    end)

    it("passes resets on", function()
        sim:add_fault { on = "list", action = "drop_before" }
        local got = fetch("https://api.twilio.com" .. ACCOUNT .. "/Messages.json")
        assert.same({ 200, 0, 56 }, { got.connect, got.status, got.exit })
    end)

    it("listens where it is told, or says why not", function()
        local other_ca = os.tmpname()
        local none, err = simulator.new { ca_file = other_ca, proxy_port = sim:proxy_port() }
        assert.is_nil(none)
        assert.equal("NetworkError.ConnectionFailed", err.type)
        local plain = assert(simulator.new { ca_file = other_ca })
        assert.is_nil(plain:proxy_port())
        plain:close()
        os.remove(other_ca)
    end)

    it("is a part of the server", function()
        local server = sim.server
        local port, err = server:open_proxy()
        assert.is_nil(port)
        assert.truthy(tostring(err):find("there is a proxy already", 1, true))
        for _, bad in ipairs { -1, 65536, 1.5, "x" } do
            assert.has_error(function()
                server:open_proxy(bad)
            end)
        end
    end)
end)

local conformance = require "driver_conformance"
local core = require "twilio_sms.core"
local job = require "driver_job"
local nginx = require "nginx"
local peers = require "driver_peer"
local sms = require "twilio_sms"

-- Clients in this process, with a driver that make_driver answers.
local function here(make_driver)
    return {
        perform = function(_, task)
            return job.perform(function(options)
                options.driver = make_driver()
                return sms.new(options)
            end, task)
        end,
    }
end

local PERFORM = [[
    client_max_body_size 16m;
    client_body_buffer_size 16m;
    location = /perform {
        content_by_lua_block {
            local core = require "twilio_sms.core"
            ngx.req.read_body()
            local task = core.json_decode(ngx.req.get_body_data())
            local result = require("driver_job").perform(require("resty.twilio_sms").new, task)
            ngx.print(core.json_encode(result))
        }
    }
]]

local function present_folder()
    local pipe = assert(io.popen "pwd")
    local folder = pipe:read "*l"
    pipe:close()
    return folder
end

-- Clients in a worker of nginx, which trusts the peer.
local function in_nginx(peer)
    local server = nginx.start {
        ca_file = peer.ca_file,
        http = ('init_by_lua_block { package.path = "%s/spec/?.lua;" .. package.path }')
            :format(present_folder()),
        server = PERFORM,
    }
    local poster = assert(core.poster {})
    return {
        stop = function()
            poster:close()
            server:stop "QUIT"
            return server:error_log()
        end,
        perform = function(_, task)
            task.options.ca_file = nil -- nginx.conf says whom it trusts
            assert(poster:submit {
                url = server.url .. "/perform", body = assert(core.json_encode(task)),
                read_timeout_ms = 60000, total_timeout_ms = 60000, max_body = 64 * 1024 * 1024,
            })
            local id, answer, fault
            repeat
                sms.loop.sleep(1)
                poster:step(0)
                id, answer, fault = poster:result()
            until id
            if not answer or answer.status ~= 200 then
                error(("nginx: %s\n%s"):format(fault and fault.message or answer.body, server:error_log()), 0)
            end
            return core.json_decode(answer.body)
        end,
    }
end

describe("the driver", function()
    local peer, host

    setup(function()
        peer = peers.start()
    end)

    teardown(function()
        peer:stop()
    end)

    local function conforms()
        for _, check in ipairs(conformance.checks) do
            it(check.name, function()
                conformance.run_one(check, peer, host)
            end)
        end
    end

    describe("of libcurl:", function()
        setup(function()
            host = here(sms.driver.curl)
        end)

        conforms()
    end)

    describe("of nginx's cosockets:", function()
        setup(function()
            host = in_nginx(peer)
        end)

        teardown(function()
            local log = host.stop()
            assert.is_nil(log:match "[^\n]*%[alert%][^\n]*")
            assert.is_nil(log:match "[^\n]*lua entry thread aborted[^\n]*")
        end)

        conforms()
    end)
end)

-- Drivers that are good but for one mistake: a check that must see it, and what the mistake does to the
-- methods of a core client, or to its options.
local MISTAKES = {
    ["takes doubt for failure"] = { "bad answers are errors that say whether the message may exist",
        function(client)
            return { result = function()
                local id, value, err = client:result()
                if err and err.outcome == "in_doubt" then
                    err.outcome = "not_sent"
                end
                return id, value, err
            end }
        end },
    ["never asks the hooks"] = { "a STOP while a message waits wins", function()
        return { set_checks = function() end }
    end },
    ["tells nothing"] = { "events and counts are the same", function()
        return { event = function() end }
    end },
    ["has no limit"] = { "no more are on the wire than max_concurrency", function() return {} end,
        { max_concurrency = 100 } },
}

local function with_mistake(change, other_options)
    return function()
        return { open = function(_, options, from_env)
            for name, value in pairs(other_options or {}) do
                options[name] = value
            end
            local client, err = sms.driver.curl():open(options, from_env)
            return client and setmetatable(change(client), { __index = function(_, name)
                return function(_, ...) return client[name](client, ...) end
            end }), err
        end }
    end
end

describe("the checks see it when a driver", function()
    local peer
    setup(function() peer = peers.start() end)
    teardown(function() peer:stop() end)

    for mistake, parts in pairs(MISTAKES) do
        it(mistake, function()
            local failed = {}
            for _, failure in ipairs(conformance.run(peer, here(with_mistake(parts[2], parts[3])))) do
                failed[failure.name] = failure.message
            end
            assert.truthy(failed[parts[1]])
        end)
    end
end)

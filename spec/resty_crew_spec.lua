-- A crew under chance: requests of users that are aborted, hooks that wait, requests that are slow or stuck,
-- timers that nginx refuses or drops. Whatever happens, each message ends in time, once, and nobody is left.
local core = require "twilio_sms.core"
local drive = require "twilio_sms.drive"
local loop = require "twilio_sms.loop"
local machine = require "twilio_sms.driver.machine"
local ngx_world = require "ngx_world"
local random = require "twilio_sms.sim.random"
local transports = require "virtual_transport"

local SEEDS = 60
local MESSAGES = 60
local TIMEOUT_MS = 20000
-- A message may end so much after its time: when the last look at it is due, or its hook has answered.
local LATE_MS = 8000

describe("a crew", function()
    local world, chance, crew, d, performed
    local takes_ms -- how long a request takes; nil for chance

    local function between(least, most)
        return least + math.floor(chance:fraction() * (most - least + 1))
    end

    local function perform(_, job)
        if takes_ms then
            job.sent = true
            world:sleep(takes_ms)
            return transports.accepted(1)
        end
        -- No limit of a socket reaches a look-up of a name.
        world:sleep(chance:chance(0.05) and 30000 or between(0, 300))
        if job.given_up or chance:chance(0.05) then
            return { sent = false, fault = "ConnectionFailed", message = "chance" }
        end
        job.sent = true
        performed = performed + 1
        local n = performed
        world:sleep(between(1, 2000))
        return transports.accepted(n)
    end

    local function open(seed, most, hook)
        chance, performed, takes_ms = random.new(seed), 0, nil
        world = ngx_world.new(perform)
        loop.set_host(world.scheduler)
        local wire = assert(core.machine(transports.options {
            max_concurrency = most, timeout_ms = TIMEOUT_MS, attempt_timeout_ms = 5000, in_doubt = "stop",
            breaker = { failure_threshold = 0 },
        }))
        crew = world.crew.new({ host = "test" }, most)
        local client = machine.over(wire, crew)
        client.crew = crew
        crew:serve(client)
        d = drive.new(client)
        if hook then
            d:hook(hook)
        end
    end

    local function close()
        if world then
            d:close()
            world:pass(60000)
            world:close()
            loop.set_host(nil)
            world = nil
        end
    end

    after_each(close)

    -- Sends as a request of a user does, and tells in a table what came of it.
    local function send(timeout_ms)
        local sent = { ended = 0, started_ms = world.now_ms }
        local function tell(err)
            sent.ended, sent.ended_ms, sent.err = sent.ended + 1, world.now_ms, err
        end
        sent.request = world:open(function()
            local fields = { to = "+15558671000", body = "x", timeout_ms = timeout_ms }
            local ticket, err = d:submit("send", fields, function(_, _, e) tell(e) end)
            if not ticket then
                tell(err)
                return
            end
            d:wait(ticket)
        end)
        return sent
    end

    local function check(list, seed)
        for i, sent in ipairs(list) do
            local what = ("seed %d, message %d"):format(seed, i)
            assert.equal(1, sent.ended, what)
            assert.is_true(sent.ended_ms - sent.started_ms <= TIMEOUT_MS + LATE_MS, what)
            assert.is_true(sent.request.dead or sent.request.alive == 0, what)
        end
        assert.is_nil(crew.shift, seed)
        assert.is_nil(next(d.tickets), seed)
        assert.is_nil(next(crew.flying), seed)
        for _, shift in ipairs(world.roots) do
            assert.is_true(shift.dead or shift.alive == 0, seed)
        end
    end

    -- Sends with pauses, and aborts some of the requests.
    local function run(seed, most, hook, trouble)
        open(seed, most, hook)
        local list = {}
        world.refuses_timers = function() return trouble and chance:chance(0.2) end
        world.drops_timers = function() return trouble and chance:chance(0.3) end
        for i = 1, MESSAGES do
            list[i] = send()
            if not trouble and chance:chance(0.25) then
                list[between(1, i)].request.dead = true
            end
            world:pass(chance:chance(0.15) and between(0, 4000) or between(0, 50))
        end
        world:pass(TIMEOUT_MS + LATE_MS + 60000)
        check(list, seed)
        close()
    end

    it("ends each message in time, whoever aborts a request", function()
        for seed = 1, SEEDS do
            run(seed, 1 + seed % 7)
        end
    end)

    it("does so with hooks that wait, and with hooks that send", function()
        for seed = 1, SEEDS do
            run(seed, 1 + seed % 7, function(question)
                if question.body == "x" and chance:chance(0.3) then
                    local ticket = d:submit("send", { to = "+15558672000", body = "y", timeout_ms = 2000 })
                    return ticket == nil or d:wait(ticket) ~= nil or true
                end
                world:sleep(between(0, 500))
                return true
            end)
        end
    end)

    it("does so when nginx refuses timers, or drops them without a word", function()
        for seed = 1, SEEDS do
            run(seed, 1 + seed % 7, nil, true)
            run(seed, 1 + seed % 7, function()
                world:sleep(between(0, 3000))
                return true
            end, true)
        end
    end)

    it("keeps its timer while a hook takes longer than it lingers", function()
        open(1, 1, function()
            world:sleep(1500)
            return true
        end)
        takes_ms = 4000
        local sent = send()
        world:pass(1)
        world.refuses_timers = function() return true end
        world:pass(6000)
        assert.equal(1, sent.ended)
        assert.is_nil(sent.err)
        assert.equal(0, sent.request.alive)
    end)

    it("sends nothing twice, and each message that was not refused", function()
        open(1, 3)
        local list = {}
        for i = 1, 300 do
            list[i] = send()
            world:pass(20)
        end
        world:pass(60000)
        local accepted = 0
        for _, sent in ipairs(list) do
            accepted = accepted + (sent.err and 0 or 1)
        end
        assert.equal(accepted, performed)
        assert.is_true(accepted > 0)
    end)

    it("does not look again and again at what nobody is free for", function()
        open(1, 1, function()
            world:sleep(10000)
            return true
        end)
        for _ = 1, 5 do
            send(1000)
        end
        world:pass(200)
        world.woken_by_time = 0
        world:pass(9000)
        assert.is_true(world.woken_by_time < 60, world.woken_by_time)
    end)

    it("lets a call end in time while all requests are slow", function()
        open(1, 1)
        takes_ms = 4000
        local slow = send()
        world:pass(100)
        local quick = send(200)
        world:pass(210)
        assert.same({ 0, 1 }, { slow.ended, quick.ended })
        assert.equal("not_sent", quick.err.outcome)
    end)
end)

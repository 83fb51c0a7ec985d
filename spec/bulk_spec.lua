local core = require "twilio_sms.core"
local simulator = require "simulator"
local sms = require "twilio_sms"

local TO = "+15005550010"

-- A source of `count` messages that differ in their text.
local function messages(count, text)
    local i = 0
    return function()
        i = i + 1
        return i <= count and { to = TO, body = ("%s %d"):format(text, i) } or nil
    end
end

describe("many messages", function()
    local sim, client

    setup(function()
        sim = simulator.start [[
            max_concurrency = 8,
            script = {
                { on = "send", body = "^slow", action = "delay", delay_ms = 300 },
                { on = "send", body = "^never", action = "delay", delay_ms = 60000 },
                { on = "send", body = "^held", action = "delay", delay_ms = 20 },
            },
        ]]
    end)

    teardown(function()
        sim:stop()
    end)

    before_each(function()
        client = sim:client()
    end)

    after_each(function()
        client:close()
    end)

    -- How often the server has each text that begins in this way.
    local function copies(text)
        local count, most = 0, 0
        local seen = {}
        for _, row in ipairs(sim:truth()) do
            if row.body:sub(1, #text) == text then
                count = count + 1
                seen[row.body] = (seen[row.body] or 0) + 1
                most = math.max(most, seen[row.body])
            end
        end
        return count, most
    end

    it("come out of a list, each once and with its index", function()
        local list = {}
        for i = 1, 60 do
            list[i] = { to = TO, body = "list " .. i }
        end
        local seen = {}
        for index, message, err in client:send_many(list, { concurrency = 8 }) do
            assert.is_nil(err)
            assert.is_nil(seen[index])
            seen[index] = message.body
        end
        for i = 1, 60 do
            assert.equal("list " .. i, seen[i])
        end
        assert.same({ 60, 1 }, { copies "list " })
    end)

    it("are read from a source as results are taken, and not earlier", function()
        local read, taken, most = 0, 0, 0
        local source = messages(60, "streamed")
        for _, message in client:send_many(function()
            read = read + 1
            most = math.max(most, read - taken)
            return source()
        end, { concurrency = 5 }) do
            assert.truthy(message)
            taken = taken + 1
        end
        assert.same({ 60, 61, 5 }, { taken, read, most })
    end)

    it("may be none", function()
        for _, source in ipairs { {}, function() end } do
            for _ in client:send_many(source) do
                error "there is nothing"
            end
        end
        assert.equal(0, client:stats().requests)
    end)

    it("come out as errors where they are wrong, and do not hold up the others", function()
        local list = {
            { to = TO, body = "among errors 1" },
            5, "text", false,
            { to = "5550010", body = "x" },
            { to = TO, body = "x", colour = "red" },
            { to = "+15005550001", body = "x" },
            { to = "+15005550003", body = "x" },
            { to = TO, body = "among errors 2" },
        }
        local types = {}
        for index, message, err in client:send_many(list, { concurrency = 2 }) do
            types[index] = message and "sent" or err.type .. " " .. err.outcome
        end
        assert.same({
            "sent",
            "MessageError.InvalidRequest not_sent", "MessageError.InvalidRequest not_sent",
            "MessageError.InvalidRequest not_sent",
            "MessageError.InvalidRecipient not_sent", "MessageError.InvalidRequest not_sent",
            "MessageError.InvalidRecipient rejected", "RateLimitError.AccountRateLimited rejected",
            "sent",
        }, types)
        assert.same({ 2, 1 }, { copies "among errors" })
    end)

    it("come in the order in which they end", function()
        local order = {}
        for index in client:send_many({
            { to = TO, body = "slow 1" }, { to = TO, body = "quick 2" }, { to = TO, body = "quick 3" },
        }, { concurrency = 3 }) do
            order[#order + 1] = index
        end
        assert.equal(1, order[3])
    end)

    it("are never more at once than was said", function()
        -- This server answers 429 to the ninth.
        for _ in client:send_many(messages(100, "held by eight"), { concurrency = 8 }) do
            assert.truthy(client:stats().in_flight <= 8)
        end
        assert.equal(0, client:stats().throttled)
        for _ in client:send_many(messages(20, "held by nine"), { concurrency = 9 }) do
            assert.truthy(true)
        end
        assert.truthy(client:stats().throttled > 0)
        assert.same({ 120, 1 }, { copies "held by" })
    end)

    it("report their progress before each result", function()
        local reports = {}
        local function on_progress(p)
            reports[#reports + 1] = p
        end
        local list = {}
        for i = 1, 20 do
            list[i] = { to = i % 5 == 0 and "+15005550001" or TO, body = "progress " .. i }
        end
        local taken = 0
        for _ in client:send_many(list, { concurrency = 4, on_progress = on_progress }) do
            taken = taken + 1
            assert.equal(taken, #reports)
        end
        local last = { done = 0, failed = 0 }
        for _, p in ipairs(reports) do
            assert.truthy(p.done >= last.done and p.failed >= last.failed and p.in_flight <= 4)
            assert.equal(20, p.total)
            last = p
        end
        assert.same({ done = 20, failed = 4, in_flight = 0, total = 20 }, last)
        reports = {}
        for _ in client:send_many(messages(3, "progress of a source"), { on_progress = on_progress }) do
            assert.is_nil(reports[#reports].total)
        end
        assert.equal(3, #reports)
    end)

    it("wait for the rate limit instead of being refused", function()
        local own = sim:client { rate = { per_number = 100 } }
        local before = core.now_ms()
        for _, message in own:send_many(messages(31, "limited"), { concurrency = 8 }) do
            assert.truthy(message)
        end
        assert.truthy(core.now_ms() - before >= 299)
        own:close()
    end)

    it("have a time each", function()
        local list = {
            { to = TO, body = "never 1" }, { to = TO, body = "soon enough" },
            { to = TO, body = "slow, but it has time", timeout_ms = 60000 },
        }
        assert(client:list { limit = 1 }) -- connects
        local types = {}
        for index, message, err in client:send_many(list, { timeout_ms = 250 }) do
            types[index] = message and "sent" or err.type .. " " .. err.outcome
        end
        assert.same({ "NetworkError.Timeout in_doubt", "sent", "sent" }, types)
    end)

    describe("that are left before their end", function()
        it("do no harm", function()
            for index in client:send_many(messages(100, "left"), { concurrency = 5 }) do
                if index >= 10 then
                    break
                end
            end
            local one = assert(client:send { to = TO, body = "after that" })
            assert.equal("after that", one.body)
            while client:stats().in_flight > 0 do
                client:step(-1)
            end
            local count, most = copies "left"
            assert.truthy(count >= 10 and count <= 15, count)
            assert.equal(1, most)
        end)

        it("by an error of the source or of on_progress leave a client that works", function()
            local function broken() error "out of names" end
            local ok, err = pcall(client:send_many(broken))
            assert.is_false(ok)
            assert.matches("out of names", err)
            ok, err = pcall(client:send_many({ { to = TO, body = "x" } }, { on_progress = broken }))
            assert.is_false(ok)
            assert.matches("out of names", err)
            assert(client:send { to = TO, body = "x" })
        end)

        it("by close come out as errors, none of them lost", function()
            local outcomes = {}
            local taken = 0
            local list = { { to = TO, body = "before close" } }
            for i = 2, 6 do
                list[i] = { to = TO, body = "never, for close " .. i }
            end
            for i = 7, 12 do
                list[i] = { to = TO, body = "not even read before close " .. i }
            end
            for index, message, err in client:send_many(list, { concurrency = 6 }) do
                outcomes[index] = message and "sent" or err.outcome
                taken = taken + 1
                if taken == 1 then
                    while client:stats().in_flight < 5 do
                        client:step(1)
                    end
                    client:close()
                end
            end
            assert.same({
                "sent", "in_doubt", "in_doubt", "in_doubt", "in_doubt", "in_doubt",
                "not_sent", "not_sent", "not_sent", "not_sent", "not_sent", "not_sent",
            }, outcomes)
        end)
    end)

    it("may come from a source that asks the same client", function()
        local first = assert(client:send { to = TO, body = "asked for" })
        local i = 0
        local count = 0
        for _, message in client:send_many(function()
            i = i + 1
            if i <= 20 then
                return { to = TO, body = assert(client:get(first.sid)).body .. i }
            end
        end, { concurrency = 4 }) do
            assert.truthy(message)
            count = count + 1
        end
        assert.equal(20, count)
        assert.same({ 21, 1 }, { copies "asked for" })
    end)

    describe("in a loop", function()
        it("go on side by side over one client, each with its own results", function()
            local sums, ticks = {}, 0
            sms.loop.run(function()
                local tasks = {}
                for c = 1, 3 do
                    tasks[c] = sms.loop.spawn(function()
                        local sum = 0
                        local text = "coroutine " .. c .. " message"
                        for index, message in client:send_many(messages(40, text), { concurrency = 2 }) do
                            assert(message.body == ("%s %d"):format(text, index))
                            sum = sum + index
                        end
                        sums[c] = sum
                    end)
                end
                local ticker = sms.loop.spawn(function()
                    while not (tasks[1].done and tasks[2].done and tasks[3].done) do
                        ticks = ticks + 1
                        sms.loop.sleep(1)
                    end
                end)
                assert.is_false(ticker.done)
            end)
            assert.same({ 820, 820, 820 }, sums)
            assert.truthy(ticks > 1)
            assert.same({ 120, 1 }, { copies "coroutine " })
        end)

        it("may be shared out among several coroutines", function()
            for _, concurrency in ipairs { 1, 4 } do
                local text = ("shared %d "):format(concurrency)
                local each = client:send_many(messages(20, text), { concurrency = concurrency })
                local count, idle = 0, 0
                sms.loop.run(function()
                    local workers = {}
                    for w = 1, 3 do
                        workers[w] = sms.loop.spawn(function()
                            for _, message in each do
                                assert(message)
                                count = count + 1
                            end
                        end)
                    end
                    while not (workers[1].done and workers[2].done and workers[3].done) do
                        sms.loop.sleep(5)
                        idle = idle + 1
                        assert(idle < 2000, "a worker waits for ever")
                    end
                end)
                assert.equal(20, count)
                assert.same({ 20, 1 }, { copies(text) })
            end
        end)

        it("go on over two clients at once", function()
            local other = sim:client { from = "+15005550020" }
            local counts = { 0, 0 }
            local overlap = false
            sms.loop.run(function()
                for c, one in ipairs { client, other } do
                    sms.loop.spawn(function()
                        for _, message in one:send_many(messages(40, "client " .. c), { concurrency = 3 }) do
                            assert(message)
                            counts[c] = counts[c] + 1
                            overlap = overlap or counts[3 - c] > 0 and counts[3 - c] < 40
                        end
                    end)
                end
            end)
            assert.same({ 40, 40 }, counts)
            assert.is_true(overlap)
            assert.same({ 80, 1 }, { copies "client " })
            other:close()
        end)

        it("are not held up by a coroutine that never rests", function()
            local sent, turns = 0, 0
            sms.loop.run(function()
                local task = sms.loop.spawn(function()
                    for _, message in client:send_many(messages(10, "restless"), { concurrency = 2 }) do
                        sent = sent + (message and 1 or 0)
                    end
                end)
                while not task.done and turns < 1000000 do
                    turns = turns + 1
                    sms.loop.sleep(0)
                end
            end)
            assert.equal(10, sent)
            assert.truthy(turns < 1000000)
        end)

        it("end with errors when another coroutine closes the client", function()
            local outcomes = {}
            sms.loop.run(function()
                sms.loop.spawn(function()
                    local list = {}
                    for i = 1, 4 do
                        list[i] = { to = TO, body = "never, in a loop " .. i }
                    end
                    for index, _, err in client:send_many(list, { concurrency = 2 }) do
                        outcomes[index] = err.outcome
                    end
                end)
                while client:stats().in_flight < 2 do
                    sms.loop.sleep(1)
                end
                client:close()
            end)
            assert.same({ "in_doubt", "in_doubt", "not_sent", "not_sent" }, outcomes)
        end)
    end)

    it("wait for the breaker instead of failing one after the other", function()
        local world = sms.sim.new { script = function(s)
            s.between(2, 120, function() s.on():refused() end)
        end }
        local patient = sms.assert(world:client { from = "+15005550006" })
        local list = {}
        for i = 1, 40 do
            list[i] = { to = ("+155586753%02d"):format(i), body = "Hello" }
        end
        local failed = 0
        for _, _, err in patient:send_many(list) do
            failed = failed + (err and 1 or 0)
        end
        assert.are.equal(0, patient:stats().breaker_refused)
        assert.is_true(patient:stats().breaker_opened > 0)
        assert.is_true(failed <= 1) -- the one whose attempts were the probes
        world:close()
    end)
end)

local cjson = require "cjson"
local nginx = require "nginx"
local redis_lab = require "redis_lab"

describe("resty.twilio_sms.redis", function()
    local lab

    local function start(opts)
        lab = redis_lab.start(opts)
    end

    after_each(function()
        if lab then
            lab:stop()
            lab = nil
        end
    end)

    it("is a store like the others", function()
        start()
        local out = lab:run [[
            local opened = 0
            local failures, checks = require("twilio_sms.store_conformance").run(function()
                opened = opened + 1
                return lab.open { prefix = "conformance" .. opened }
            end)
            return { failures = failures, checks = checks }
        ]]
        assert.same({}, out.failures)
        assert.is_true(out.checks > 20)
    end)

    it("loses no change of two workers that change one record", function()
        start { workers = 2 }
        local counted = 0
        local answers = lab:run_in_each [[
            local store, sum = lab.open(), 0
            for _, counted in ipairs(lab.at_once(5, function() return (lab.increment(store, 40)) end)) do
                sum = sum + counted
            end
            return sum
        ]]
        for _, sum in ipairs(answers) do
            counted = counted + sum
        end
        assert.equal(400, counted)
        assert.equal(400, lab:run "return lab.open():read('sums', 'total').n")
    end)

    it("has one list of opt-outs for two workers, and no STOP is lost", function()
        start { workers = 2 }
        local answers = lab:run_in_each [[
            local ledger = require("twilio_sms.optout").new { account_sid = "AC1", store = lab.open() }
            local word = { "STOP", "stop", "Unsubscribe" }
            return lab.at_once(30, function(i)
                local learned, err = ledger:learn {
                    type = "inbound", account_sid = "AC1", from = "+15558675310", to = "+15005550006",
                    body = word[i % 3 + 1], message_sid = "SM" .. ngx.worker.pid() .. "x" .. i,
                }
                return learned and { changed = learned.changed } or tostring(err)
            end)
        ]]
        local changed = 0
        for _, list in ipairs(answers) do
            for _, learned in ipairs(list) do
                assert.is_table(learned, learned)
                changed = changed + (learned.changed and 1 or 0)
            end
        end
        assert.equal(1, changed)
        local out = lab:run [[
            local ledger = require("twilio_sms.optout").new { account_sid = "AC1", store = lab.open() }
            return {
                status = ledger:status("+15558675310", "+15005550006"),
                allowed = { ledger:check { to = "+15558675310", from = "+15005550006" } },
                other = { ledger:check { to = "+15558675311", from = "+15005550006" } },
                history = #ledger:history "+15558675310",
            }
        ]]
        assert.same({ false, "opted_out" }, out.allowed)
        assert.same({ "opted_out", { true }, 11 }, { out.status, out.other, out.history })
    end)

    it("knows webhooks that another worker handles, or has handled", function()
        start { workers = 2 }
        local program = [[
            local twilio = require "twilio"
            local handled = 0
            local receiver = assert(require("twilio_sms.webhook").new {
                account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, urls = { twilio.URL },
                store = lab.open(),
                on_message = function(event)
                    handled = handled + 1
                    ngx.sleep(0.02)
                    return "Answer " .. event.message_sid
                end,
            })
            local answers = lab.at_once(20, function(i)
                local request = twilio.request(twilio.inbound { MessageSid = twilio.sid(i % 10) })
                local answer = receiver:handle(request)
                return { sid = twilio.sid(i % 10), status = answer.status, body = answer.body }
            end)
            return { handled = handled, answers = answers }
        ]]
        local handled = 0
        local function look_at(out)
            handled = handled + out.handled
            for _, answer in ipairs(out.answers) do
                local is_answer = answer.status == 200 and answer.body:find("Answer " .. answer.sid, 1, true)
                assert.is_true(is_answer ~= nil or answer.status == 503, answer.status .. " " .. answer.body)
            end
        end
        for _, out in ipairs(lab:run_in_each(program)) do
            look_at(out)
        end
        assert.equal(10, handled)
        local again = lab:run((program:gsub("at_once%(20", "at_once(10"))) -- each message once
        look_at(again)
        assert.equal(10, handled)
        for _, answer in ipairs(again.answers) do
            assert.equal(200, answer.status)
        end
    end)

    it("counts nothing twice, and loses nothing, when Redis is killed in the middle", function()
        start { workers = 2, redis = "--port 0 --appendonly yes --appendfsync always" }
        local answers = lab:run_in_each([[
            local store = lab.open()
            local counted, in_doubt = 0, 0
            local all = lab.at_once(4, function() return { lab.increment(store, 150) } end)
            for _, one in ipairs(all) do
                counted, in_doubt = counted + one[1], in_doubt + one[2]
            end
            return { counted = counted, in_doubt = in_doubt }
        ]], function()
            for i = 1, 3 do
                assert(nginx.await(function()
                    local value = lab.redis:cli("HGET", "{twilio_sms}:records:sums", "total")
                    return (tonumber(value:match '"n":(%d+)' or value:match "^(%d+) ") or 0) >= i * 200
                end))
                lab.redis:kill()
                lab.redis:restart()
            end
        end)
        local counted, in_doubt = 0, 0
        for _, one in ipairs(answers) do
            counted, in_doubt = counted + one.counted, in_doubt + one.in_doubt
        end
        assert.equal(1200, counted + in_doubt)
        local out = lab:run [[
            local record, version = lab.open():read("sums", "total")
            return { record.n, version }
        ]]
        assert.equal(out[1], out[2])
        assert.is_true(out[1] >= counted and out[1] <= counted + in_doubt,
            ("%d counted, %d in doubt, %d in the store"):format(counted, in_doubt, out[1]))
    end)

    it("finds out what came of a write whose answer was lost", function()
        start()
        local out = lab:run [[
            local store, answers = lab.open(), {}
            local function write(n, version)
                local change = { space = "s", key = "k", record = { n = n }, version = version, at = 1 }
                local find_again = lab.lose_answers(1)
                answers[#answers + 1] = tostring((store:write { change }))
                find_again()
            end
            store:read("s", "k")
            write(1)
            write(2, 1)
            write(3, 1)
            local record, version = store:read("s", "k")
            local find_again = lab.lose_answers(1)
            local purged = store:purge("s", 2)
            find_again()
            return { answers = answers, n = record.n, version = version, purged = purged }
        ]]
        assert.same({ answers = { "true", "true", "false" }, n = 2, version = 2, purged = 1 }, out)
    end)

    it("says so when nobody knows what came of a write", function()
        start()
        local out = lab:run [[
            local store = lab.open()
            local find_again = lab.lose_answers(2)
            local written, err = store:write { { space = "s", key = "k", record = { n = 1 } } }
            find_again()
            local record, version = store:read("s", "k")
            return { written = tostring(written), about = { err.type, err.outcome, record.n, version } }
        ]]
        assert.equal("nil", out.written)
        assert.same({ "NetworkError.ConnectionFailed", "in_doubt", 1, 1 }, out.about)
    end)

    it("goes through ten thousand records, a part at a time", function()
        start()
        local out = lab:run [[
            local store = lab.open()
            for part = 0, 9 do
                local changes = {}
                for i = 1, 1000 do
                    local n = part * 1000 + i
                    local key = ("%05d"):format(n * 7 % 10007)
                    changes[i] = { space = "s", key = key, record = { n = n }, at = n }
                end
                assert(store:write(changes))
            end
            local count, after, in_order = 0, nil, true
            repeat
                local rows = assert(store:list("s", { after = after, limit = 1000 }))
                for _, row in ipairs(rows) do
                    in_order = in_order and (not after or after < row.key)
                    count, after = count + 1, row.key
                end
            until #rows < 1000
            return { count, in_order, store:purge("s", 9001) }
        ]]
        assert.same({ 10000, true, 9000 }, out)
        assert.equal("1000", lab.redis:cli("HLEN", "{twilio_sms}:records:s"))
        assert.equal("1000", lab.redis:cli("ZCARD", "{twilio_sms}:keys:s"))
        assert.equal("1000", lab.redis:cli("ZCARD", "{twilio_sms}:times:s"))
        -- 500 at a time, and once more to see that there are no others.
        assert.truthy(lab.redis:cli("INFO", "commandstats"):find "cmdstat_zrangebyscore:calls=19,")
    end)

    it("asks for large records in parts, and lists them all the same", function()
        start()
        local out = lab:run [[
            local store, text = lab.open(), ("x"):rep(400000)
            for i = 1, 7 do
                assert(store:write { { space = "s", key = "k" .. i, record = { text = text, i = i } } })
            end
            local rows, whole = store:list("s", { limit = 6 }), true
            for i, row in ipairs(rows) do
                whole = whole and row.key == "k" .. i and row.record.i == i and row.record.text == text
            end
            return { #rows, whole, #store:list("s", { after = "k5" }) }
        ]]
        assert.same({ 6, true, 2 }, out)
        assert.truthy(lab.redis:cli("INFO", "commandstats"):find "cmdstat_zrangebylex:calls=3,")
    end)

    it("lists what begins with any bytes", function()
        start()
        local out = lab:run [[
            local store, counts = lab.open(), {}
            for _, key in ipairs {
                "\254", "\254\255", "\254\255a", "\255", "\255\255", "a\255", "b", "\0", "\0\0",
            } do
                assert(store:write { { space = "s\0\255", key = key, record = {} } })
            end
            for i, prefix in ipairs { "\254\255", "\255", "\255\255", "a", "\0", "\254" } do
                counts[i] = #store:list("s\0\255", { prefix = prefix })
            end
            return counts
        ]]
        assert.same({ 2, 2, 1, 1, 2, 3 }, out)
    end)

    it("answers an error in phases in which nginx cannot wait", function()
        start {
            http = "lua_shared_dict told 100k;",
            server = [[
                location = /phases {
                    set_by_lua_block $x { lab.tell() }
                    header_filter_by_lua_block { lab.tell() }
                    body_filter_by_lua_block { lab.tell() }
                    log_by_lua_block { lab.tell() }
                    rewrite_by_lua_block { lab.tell() }
                    access_by_lua_block { lab.tell() }
                    content_by_lua_block { lab.tell(); ngx.print "x" }
                }
                location = /told {
                    content_by_lua_block {
                        local all = {}
                        for _, phase in ipairs(ngx.shared.told:get_keys()) do
                            all[phase] = ngx.shared.told:get(phase)
                        end
                        ngx.print(require("cjson").encode(all))
                    }
                }
            ]],
        }
        assert.equal("x", (select(3, lab.server:request("GET", "/phases"))))
        local told
        assert(nginx.await(function()
            told = cjson.decode((select(3, lab.server:request("GET", "/told"))))
            return told.log and told.timer
        end))
        for _, phase in ipairs { "rewrite", "access", "content", "timer" } do
            assert.equal("true", told[phase], phase)
            told[phase] = nil
        end
        for phase, text in pairs(told) do
            assert.truthy(text:find("ServerError.InternalError: nginx cannot wait for Redis in the phase '"
                .. phase, 1, true), text)
        end
        for _, phase in ipairs { "init", "init_worker", "set", "header_filter", "body_filter", "log" } do
            assert.is_string(told[phase], phase)
        end
    end)

    it("refuses what it is made with where that is wrong, and opens nothing", function()
        start()
        local out = lab:run [[
            local redis, said = require "resty.twilio_sms.redis", {}
            for i, opts in ipairs {
                { hots = "h" }, { host = 1 }, { port = 0 }, { db = 0.5 }, { prefix = "" },
                { prefix = "a{b}" }, { unix = "/x", port = 1 }, { unix = "/x", ssl = true },
                { username = "u" }, { password = true }, { password = { env = "A", file = "B" } },
                { timeout_ms = -1 }, { pool_size = 0 / 0 },
            } do
                said[i] = select(2, pcall(function()
                    local store = redis.new(opts)
                    return tostring(store)
                end))
            end
            local store = redis.new { port = 1, password = "x" }
            said[#said + 1] = tostring(store)
            store:close()
            said[#said + 1] = tostring(store)
            return said
        ]]
        for i, text in ipairs {
            "did you mean 'host'", "'host' must be a string", "'port' must be a whole", "'db'", "'prefix'",
            "'prefix'", "'unix' stands alone", "'unix' stands alone", "needs a 'password'",
            "'password' must be", "'password' must be", "'timeout_ms'", "'pool_size'", "(open)", "(closed)",
        } do
            assert.truthy(out[i]:find(text, 1, true), out[i])
            assert.is_true(i > 13 or out[i]:find("request:", 1, true) ~= nil, out[i]) -- at the caller's line
        end
    end)

    it("cannot be used outside of nginx", function()
        local ok, why = pcall(require, "resty.twilio_sms.redis")
        assert.is_false(ok)
        assert.truthy(why:find "works inside of nginx only")
    end)

    it("is in doubt about a write that Redis hears of late", function()
        start()
        lab:run "lab.open():write { { space = 't', key = 'k', record = {} } }"
        lab.redis:signal "STOP"
        local out = lab:run [[
            local store = lab.open { timeout_ms = 50 }
            local written, err = store:write { { space = "s", key = "k", record = {} } }
            return { written = written, type = err.type, outcome = err.outcome }
        ]]
        assert.same({ type = "NetworkError.Timeout", outcome = "in_doubt" }, out)
        lab.redis:signal "CONT"
        assert(nginx.await(function() return lab.redis:cli("HLEN", "{twilio_sms}:records:s") == "1" end))
        assert.equal(1, lab:run "return (select(2, lab.open():read('s', 'k')))")
    end)
end)

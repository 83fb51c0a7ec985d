local core = require "twilio_sms.core"
local nginx = require "nginx"
local redis_lab = require "redis_lab"

local SECRET = "pass-word-5f3a"

-- What a program answers about an error.
local TELL = [[
    local function tell(value, err)
        if type(err) ~= "table" then
            return { value = value }
        end
        return { type = err.type, text = err.message, retryable = err.retryable, outcome = err.outcome }
    end
]]

describe("resty.twilio_sms.redis, when things go wrong:", function()
    local lab, seen

    local function start(opts)
        lab = redis_lab.start(opts)
    end

    before_each(function()
        seen = {}
    end)

    after_each(function()
        if lab then
            seen[#seen + 1] = lab.server:error_log()
            lab:stop()
            lab = nil
        end
        assert.is_nil(table.concat(seen):find(SECRET, 1, true)) -- in no error, and not in the log
    end)

    -- What a program answers, which may use tell.
    local function ask(program)
        local answer = lab:run(TELL .. program)
        seen[#seen + 1] = core.json_encode(answer)
        return answer
    end

    local function write(opts)
        local program = "return tell(lab.open(%s):write { { space = 's', key = 'k', record = {}, at = 1 } })"
        return ask(program:format(opts or ""))
    end

    local function read(opts)
        return ask(("return tell(lab.open(%s):read('s', 'k'))"):format(opts or ""))
    end

    local function is_fault(kind, text, answer)
        assert.truthy(tostring(answer.type):find(kind, 1, true), core.json_encode(answer))
        assert.truthy(answer.text:find(text, 1, true), answer.text)
    end

    it("Redis is not there", function()
        start()
        lab.redis:kill()
        is_fault("ConnectionFailed", "cannot connect to Redis at unix:", write())
        assert.is_nil(write().outcome)
        is_fault("ConnectionFailed", "cannot connect to Redis at unix:", read())
        is_fault("ConnectionFailed", "cannot connect to Redis at 127.0.0.1:1", ask [[
            return tell(require("resty.twilio_sms.redis").new({ port = 1 }):list "s")
        ]])
        is_fault("DnsResolutionFailed", "no resolver", ask [[
            return tell(require("resty.twilio_sms.redis").new({ host = "redis.invalid" }):purge("s", 1))
        ]])
    end)

    it("Redis was started anew, and nobody notices", function()
        start { redis = "--port 0 --appendonly yes --appendfsync always" }
        assert.same({ value = true }, write())
        for _, ask_again in ipairs { read, write } do
            lab.redis:kill()
            lab.redis:restart()
            assert.is_nil(ask_again().type)
        end
        assert.equal(2, lab:run "return (select(2, lab.open():read('s', 'k')))")
    end)

    it("Redis hangs", function()
        start()
        lab.redis:signal "STOP"
        is_fault("Timeout", "did not answer within 30 ms", read "{ timeout_ms = 30 }")
        local answer = write "{ timeout_ms = 30 }"
        is_fault("Timeout", "did not answer within 30 ms", answer)
        assert.is_nil(answer.outcome) -- it did not come to sending it
        lab.redis:signal "CONT"
        assert.same({ value = true }, write())
    end)

    it("the scripts were forgotten", function()
        start()
        assert.same({ value = true }, write())
        lab.redis:cli("SCRIPT", "FLUSH")
        assert.same({ value = true }, write())
        lab.redis:cli("SCRIPT", "FLUSH")
        assert.equal(1, lab:run "return lab.open():purge('s', 2)")
    end)

    it("a replica takes no writes", function()
        start()
        write()
        lab.redis:cli("REPLICAOF", "127.0.0.1", "1")
        is_fault("ServiceUnavailable", "is a replica", write())
        assert.is_nil(read().type)
        lab.redis:cli("REPLICAOF", "NO", "ONE")
        assert.same({ value = true }, write())
    end)

    it("its memory is full: nothing is changed, and nothing is thrown away", function()
        start()
        write()
        lab.redis:cli("CONFIG", "SET", "maxmemory", "1")
        is_fault("ServiceUnavailable", "no memory left", write())
        assert.equal(1, lab:run "return (select(2, lab.open():read('s', 'k')))")
        lab.redis:cli("CONFIG", "SET", "maxmemory", "0")
        assert.same({ value = true }, write())
    end)

    it("a Redis that throws records away is refused", function()
        start { redis = "--port 0 --maxmemory 100mb --maxmemory-policy allkeys-lru" }
        is_fault("InvalidOption", "maxmemory-policy allkeys-lru", write())
        lab.redis:cli("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        assert.same({ value = true }, write())
        lab.redis:cli("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "0")
        assert.same({ value = true }, write "{ db = 1 }")
    end)

    it("somebody's script takes for ever", function()
        start { redis = "--port 0 --lua-time-limit 5" }
        local pipe = assert(io.popen(("redis-cli -s %s EVAL 'while true do end' 0"):format(lab.redis.socket)))
        assert(nginx.await(function() return lab.redis:cli("PING"):find "BUSY" end))
        is_fault("ServiceUnavailable", "SCRIPT KILL", write())
        lab.redis:cli("SCRIPT", "KILL")
        local text = pipe:read "*a"
        pipe:close()
        local killed = core.json_encode { text }
        is_fault("ServiceUnavailable", "killed the script", ask(
            ("return tell(nil, require('resty.twilio_sms.redis.fault').of_reply(%q))"):format(killed)))
        assert.same({ value = true }, write())
    end)

    it("the password", function()
        start { redis = "--port 0 --requirepass " .. SECRET, main = "env REDIS_PASSWORD;" }
        is_fault("InvalidCredentials", "give 'password'", write())
        is_fault("InvalidCredentials", "refuses the password", write "{ password = 'another' }")
        is_fault("InvalidCredentials", "refuses the password",
            write(("{ username = 'nobody', password = %q }"):format(SECRET)))
        assert.same({ value = true }, write(("{ password = %q }"):format(SECRET)))
        -- On a connection of its own, although another one is open.
        is_fault("InvalidCredentials", "refuses the password", write "{ password = 'another' }")
        is_fault("InvalidCredentials", "give 'password'", write())
        assert.same({ value = true }, write(("{ username = 'default', password = %q }"):format(SECRET)))
    end)

    it("a password from a file or the environment", function()
        start { redis = "--port 0 --requirepass " .. SECRET, main = "env REDIS_PASSWORD=" .. SECRET .. ";" }
        local path = lab.server.dir .. "/password"
        local file = assert(io.open(path, "wb"))
        file:write(SECRET, "\n")
        file:close()
        assert.same({ value = true }, write(("{ password = { file = %q } }"):format(path)))
        assert.same({ value = true }, write "{ password = { env = 'REDIS_PASSWORD' } }")
        local function open(password)
            return ask(("return tell(lab.open { password = %s })"):format(password))
        end
        is_fault("InvalidOption", "/none", open "{ file = '/none' }")
        is_fault("InvalidOption", "is empty", open "{ file = '/dev/null' }")
        is_fault("InvalidOption", "option 'password': ", open "{ file = '/' }")
        is_fault("InvalidOption", "'REDIS_NONE' is not set", open "{ env = 'REDIS_NONE' }")
    end)

    it("a password that Redis does not want, or that it repeats in its answer", function()
        start()
        is_fault("InvalidCredentials", "leave 'password' out", write(("{ password = %q }"):format(SECRET)))
        lab:stop()
        start { redis = "--port 0 --rename-command AUTH LOGIN" }
        is_fault("InvalidOption", "lacks a command", write(("{ password = %q }"):format(SECRET)))
    end)

    it("a user who may do what docs/stores.md says, and no more", function()
        start()
        lab.redis:cli("ACL", "SETUSER", "sms", "on", ">" .. SECRET, "~{twilio_sms}*", "+eval", "+evalsha",
            "+hget", "+hset", "+hdel", "+get", "+set", "+zadd", "+zrem", "+zrangebylex", "+zrangebyscore")
        local opts = ("{ username = 'sms', password = %q }"):format(SECRET)
        assert.same({ value = true }, write(opts))
        lab.redis:cli("ACL", "SETUSER", "sms", "+info")
        lab.redis:cli("CLIENT", "KILL", "TYPE", "normal")
        assert.same({ value = true }, write(opts))
        assert.is_nil(read(opts).type)
        local program = "local store = lab.open(%s); return { #store:list 's', store:purge('s', 2) }"
        assert.same({ 1, 1 }, lab:run(program:format(opts)))
        opts = ("{ username = 'sms', password = %q, prefix = 'x' }"):format(SECRET)
        is_fault("InvalidCredentials", "may not do this", write(opts))
    end)

    it("a database that is not there", function()
        start()
        is_fault("InvalidOption", "option 'db'", write "{ db = 16 }")
        assert.same({ value = true }, write "{ db = 15 }")
        assert.same({}, read()) -- another one
    end)

    it("a cluster keeps a store on one node", function()
        start { redis = "--port ${port} --cluster-enabled yes" }
        is_fault("ServiceUnavailable", "the cluster is down", write())
        lab.redis:cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        assert(nginx.await(function() return lab.redis:cli("CLUSTER", "INFO"):find "cluster_state:ok" end))
        assert.same({ value = true }, write())
        local out = lab:run "local store = lab.open(); return { #store:list 's', store:purge('s', 2) }"
        assert.same({ 1, 1 }, out)
        is_fault("InvalidOption", "option 'db'", write "{ db = 1 }")
    end)

    -- Texts of Redis 6 and 7 that are hard to come by.
    it("says what each answer of Redis means", function()
        local fault = require "resty.twilio_sms.redis.fault"
        for text, meaning in pairs {
            ["LOADING Redis is loading the dataset in memory"] = "reading its data",
            ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."]
                = "lost its primary",
            ["NOREPLICAS Not enough good replicas to write."] = "min-replicas-to-write",
            ["MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist"]
                = "cannot write to its disk",
            ["MOVED 3999 127.0.0.1:6381"] = "another node",
            ["ASK 3999 127.0.0.1:6381"] = "moving the slot",
            ["TRYAGAIN Multiple keys request during rehashing of slot"] = "moving the slot",
            ["ERR max number of clients reached"] = "maxclients",
            ["ERR invalid password"] = "refuses the password",
            ["DENIED Redis is running in protected mode because"] = "protected mode",
            ["ERR Error running script (call to f_9e7): @user_script:9: -OOM command not allowed when used "
                .. "memory > 'maxmemory'."] = "maxmemory",
            ["ERR Error running script (call to f_9e7): @user_script:1: Script killed by user with "
                .. "SCRIPT KILL..."] = "killed the script",
            ["ERR something\n else"] = "Redis has failed: ERR something? else",
        } do
            local err = fault.of_reply(text)
            assert.truthy(err.message:find(meaning, 1, true), text .. ": " .. err.message)
            assert.is_true(#err.message < 159, err.message) -- else it may have been cut
        end
    end)

    it("TLS, and whom it trusts", function()
        local folder = os.tmpname()
        os.remove(folder)
        assert(os.execute(("mkdir -m 700 %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
            .. "-nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout %s/key.pem "
            .. "-out %s/cert.pem 2> /dev/null"):format(folder, folder, folder)))
        local options = ("--port 0 --tls-port ${port} --tls-auth-clients no --tls-cert-file %s/cert.pem "
            .. "--tls-key-file %s/key.pem --tls-ca-cert-file %s/cert.pem --requirepass %s")
            :format(folder, folder, folder, SECRET)
        local function ask_with(opts)
            local form = "{ unix = false, port = %d, ssl = true, password = %q, %s }"
            return write(form:format(lab.redis.port, SECRET, opts))
        end
        start { redis = options, ca_file = folder .. "/cert.pem" }
        assert.same({ value = true }, ask_with "server_name = 'localhost'")
        is_fault("ConnectionFailed", "certificate", ask_with "server_name = 'redis.example'")
        is_fault("ConnectionFailed", "certificate", ask_with "")
        is_fault("ConnectionFailed", "broke", ask_with "ssl = false")
        is_fault("ConnectionFailed", "TLS with Redis", ask_with(("port = %d"):format(lab.server.port)))
        lab:stop()
        start { redis = options }
        is_fault("ConnectionFailed", "lua_ssl_trusted_certificate", ask_with "server_name = 'localhost'")
        assert.same({ value = true }, ask_with "ssl_verify = false")
        os.execute("rm -r " .. folder)
    end)

    it("somebody else's keys, and a damaged store", function()
        start()
        lab.redis:cli("SET", "{twilio_sms}:records:s", "mine")
        is_fault("InvalidOption", "option 'prefix'", write())
        is_fault("InvalidOption", "option 'prefix'", read())
        lab.redis:cli("DEL", "{twilio_sms}:records:s")
        write()
        lab.redis:cli("HSET", "{twilio_sms}:records:s", "k", "1 {")
        is_fault("InternalError", "no JSON", read())
        is_fault("InternalError", "no JSON", ask "return tell(lab.open():list 's')")
        lab.redis:cli("HDEL", "{twilio_sms}:records:s", "k")
        local answer = ask "return tell(lab.open():list 's')"
        is_fault("InternalError", "damaged", answer)
        assert.is_false(answer.retryable)
    end)
end)

-- The SQLite store in nginx: it is a store, and while somebody else writes, a worker answers others.
local nginx = require "nginx"

local HTTP = [[
    init_by_lua_block {
        package.path = "%s/?.lua;" .. package.path
        function store()
            opened = opened or assert(require("resty.twilio_sms.sqlite").open("%s", { busy_timeout_ms = %d }))
            return opened
        end
    }
]]

local SERVER = [[
    location = /ping { return 200 pong; }
    location = /write {
        content_by_lua_block {
            local record, version = store():read("sums", "total")
            ngx.log(ngx.NOTICE, "writes")
            local written, err = store():write { { space = "sums", key = "total", record = { n = 1 } } }
            ngx.print(tostring(written or err))
        }
    }
    location = /add {
        content_by_lua_block {
            for _ = 1, 200 do
                local written, err
                repeat
                    local record, version = store():read("sums", "n")
                    local n = record and record.n or 0
                    written, err = store():write {
                        { space = "sums", key = "n", version = version, record = { n = n + 1 } },
                    }
                    assert(written ~= nil, tostring(err))
                until written
            end
            ngx.print "added"
        }
    }
    location = /sum { content_by_lua_block { ngx.print(store():read("sums", "n").n) } }
    location = /log {
        content_by_lua_block { ngx.print "log" }
        log_by_lua_block {
            ngx.log(ngx.NOTICE, tostring(store():write { { space = "s", key = "k", record = {} } }))
        }
    }
    location = /conformance {
        content_by_lua_block {
            local count = 0
            local failures = require("twilio_sms.store_conformance").run(function()
                count = count + 1
                return assert(require("resty.twilio_sms.sqlite").open(ngx.var.arg_at .. count))
            end)
            for _, failure in ipairs(failures) do
                ngx.say(failure.check or failure.name, ": ", failure.message)
            end
            ngx.print(count > 0 and "over" or "nothing was opened")
        }
    }
    location = /misuse {
        content_by_lua_block {
            local sqlite = require "resty.twilio_sms.sqlite"
            ngx.say(select(2, pcall(sqlite.open)))
            ngx.say(select(2, pcall(sqlite.open, "x", { busy_timeout_ms = 0 })))
            ngx.say(select(2, pcall(sqlite.open, "x", { timeout = 1 })))
            ngx.say(tostring(select(2, sqlite.open("/nonexistent/store.db"))))
        }
    }
]]

-- Holds the lock for writing until its standard input ends.
local HOLDER = [[
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", file=open(sys.argv[2], "w"))
sys.stdin.read()
connection.execute("ROLLBACK")
]]

describe("the SQLite store in nginx", function()
    local path, server

    local function start(busy_timeout_ms, workers)
        path = os.tmpname()
        os.remove(path)
        local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
        server = nginx.start {
            http = HTTP:format(here, path, busy_timeout_ms or 5000), server = SERVER, workers = workers,
        }
    end

    local function get(target)
        return (select(3, server:request("GET", target)))
    end

    local function hold()
        get "/write" -- makes the file
        local answer = path .. ".held"
        local holder = assert(io.popen(("python3 -c '%s' %s %s"):format(HOLDER, path, answer), "w"))
        assert(nginx.await(function() return io.open(answer) end)):close()
        os.remove(answer)
        return holder
    end

    after_each(function()
        if server then
            server:stop()
            server = nil
            os.execute("rm -f " .. path .. "*")
        end
    end)

    it("is a store", function()
        start()
        assert.equal("over", get("/conformance?at=" .. path .. "."))
    end)

    it("lets the worker answer others while somebody else writes", function()
        start()
        local holder = hold()
        local before = select(2, server:error_log():gsub("writes", ""))
        local writing = server:send("GET", "/write")
        assert(nginx.await(function() return select(2, server:error_log():gsub("writes", "")) > before end))
        assert.equal("pong", get "/ping")
        assert.equal("pong", get "/ping")
        holder:close()
        assert.equal("true", (select(3, writing:finish())))
    end)

    it("says after its time that the store is busy", function()
        start(50)
        local holder = hold()
        assert.truthy(get("/write"):find("the store is busy", 1, true))
        holder:close()
        assert.equal("true", get "/write")
    end)

    it("loses no update of two workers", function()
        start(5000, 2)
        local requests = {}
        for i = 1, 3 do
            requests[i] = server:send("GET", "/add")
        end
        for _, request in ipairs(requests) do
            local status, _, body = request:finish()
            assert.equal(200, status, server:error_log())
            assert.equal("added", body)
        end
        assert.equal("600", get "/sum")
    end)

    it("waits itself where nginx cannot", function()
        start()
        get "/log"
        assert(nginx.await(function() return server:error_log():find("log_by_lua%b():%d+: true") end))
    end)

    it("says what is wrong with what it is given", function()
        start()
        local said = get "/misuse"
        for _, word in ipairs { "open%(path%) takes a string", "'busy_timeout_ms' must be", "'timeout'",
            "No such file" } do
            assert.truthy(said:find(word), word .. "\n" .. said)
        end
    end)
end)

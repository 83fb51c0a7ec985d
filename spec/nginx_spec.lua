local nginx = require "nginx"

-- A location that says who answers, and what came.
local ECHO = [[
    location / {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.header["X-Worker"] = ngx.worker.pid()
            ngx.header["X-Twice"] = { "a", "b" }
            ngx.print(ngx.req.get_method(), " ", ngx.var.request_uri, " ", ngx.var.http_x_name or "-", " ",
                ngx.req.get_body_data() or "-")
        }
    }
    location = /slow {
        content_by_lua_block {
            ngx.log(ngx.NOTICE, "slow begins")
            ngx.sleep(0.3)
            ngx.print(ngx.worker.pid())
        }
    }
]]

local function is_gone(pid)
    local file = io.open(("/proc/%d/stat"):format(pid))
    local stat = file and file:read "*a"
    if file then
        file:close()
    end
    return not stat or stat:match "^.*%) (%u)" == "Z"
end

describe("nginx (for specs)", function()
    local server

    local function start(opts)
        opts.server = opts.server or ECHO
        server = nginx.start(opts)
        return server
    end

    after_each(function()
        if server then
            server:stop()
            server = nil
        end
    end)

    it("answers requests as they were sent", function()
        start {}
        assert.equal(("http://127.0.0.1:%d"):format(server.port), server.url)
        local status, headers, body = server:request("POST", "/a/../b?c=%20", {
            headers = { ["X-Name"] = "it's", ["Content-Type"] = "text/plain" }, body = "one\ntwo\0",
        })
        assert.equal(200, status)
        assert.equal("POST /a/../b?c=%20 it's one\ntwo\0", body)
        assert.equal("a, b", headers["x-TWICE"])
        assert.equal(tostring(server:workers()[1]), headers["X-Worker"])
        assert.equal("GET / - -", (select(3, server:request("GET", "/"))))
        assert.truthy(server:raw("GET /raw HTTP/1.0\r\nX-Name: x\r\n\r\n"):find("GET /raw x -", 1, true))
    end)

    it("has no answer where there is none", function()
        start { server = "location / { return 444; }" }
        local status, why = server:request("GET", "/")
        assert.is_nil(status)
        assert.truthy(why:find "mpty reply")
    end)

    it("has as many workers as it should, and any of them can be asked", function()
        start { workers = 3 }
        local pids = server:workers()
        assert.equal(3, #pids)
        for _ = 1, 2 do
            for _, pid in ipairs(pids) do
                local _, headers = server:request("GET", "/", { worker = pid })
                assert.equal(tostring(pid), headers["X-Worker"])
            end
        end
    end)

    it("answers many requests at once", function()
        start { workers = 2 }
        local requests, workers = {}, {}
        for i = 1, 20 do
            requests[i] = server:send("GET", "/slow")
        end
        for _, request in ipairs(requests) do
            local status, _, pid = request:finish()
            assert.equal(200, status)
            workers[pid] = true
        end
        for pid in pairs(workers) do
            assert.truthy(pid == tostring(server:workers()[1]) or pid == tostring(server:workers()[2]))
        end
    end)

    it("listens on several ports, with TLS and HTTP/2 too", function()
        start { listen = { "", "ssl http2", "http2" }, server = [[
            location / { return 200 "$scheme $server_protocol $server_port"; }
        ]] }
        assert.equal(("http HTTP/1.1 %d"):format(server.ports[1]), (select(3, server:request("GET", "/"))))
        local _, _, body = server:request("GET", "/", { port = 2 })
        assert.equal(("https HTTP/1.1 %d"):format(server.ports[2]), body)
        _, _, body = server:request("GET", "/", { port = 2, curl = { "--http2" } })
        assert.equal(("https HTTP/2.0 %d"):format(server.ports[2]), body)
        _, _, body = server:request("GET", "/", { port = 3, curl = { "--http2-prior-knowledge" } })
        assert.equal(("http HTTP/2.0 %d"):format(server.ports[3]), body)
    end)

    it("finds the modules that were built", function()
        start { http = "init_by_lua_block { require 'twilio_sms.core' }", server = [[
            location / { content_by_lua_block { ngx.print(require("twilio_sms")._VERSION) } }
        ]] }
        assert.equal(require("twilio_sms")._VERSION, (select(3, server:request("GET", "/"))))
    end)

    it("reloads: other workers, other directives, the same port; who is at work ends first", function()
        start { workers = 2 }
        local before = server:workers()
        local slow = server:send("GET", "/slow")
        assert.truthy(nginx.await(function() return server:error_log():find "slow begins" end))
        local after = server:reload { server = "location / { return 200 new; }" }
        assert.equal(2, #after)
        for _, pid in ipairs(after) do
            assert.truthy(pid ~= before[1] and pid ~= before[2])
        end
        assert.equal("new", (select(3, server:request("GET", "/"))))
        local _, _, old = slow:finish()
        assert.truthy(old == tostring(before[1]) or old == tostring(before[2]))
        assert.truthy(nginx.await(function() return #server:leaving() == 0 end))
    end)

    it("replaces a worker that was killed", function()
        start { workers = 2 }
        local pids = server:workers()
        server:kill(pids[1])
        local now = server:await_workers { [pids[1]] = true }
        assert.truthy(now[1] == pids[2] or now[2] == pids[2])
        assert.truthy(server:error_log():find("exited on signal 9", 1, true))
    end)

    it("says why it does not start, and leaves nothing", function()
        local ok, why = pcall(nginx.start, { server = "no_such_directive;" })
        assert.is_false(ok)
        assert.truthy(why:find("no_such_directive", 1, true))
    end)

    it("leaves no process and no file", function()
        local mine = start { workers = 2 }
        local pids = mine:workers()
        pids[3] = mine.master
        mine:stop()
        for _, pid in ipairs(pids) do
            assert.is_true(is_gone(pid))
        end
        assert.is_nil(io.open(mine.dir .. "/nginx.conf"))
        server = nil
    end)

    it("ends when its holder's input ends, whatever became of the program that had it", function()
        local mine = start { workers = 2 }
        local pids = mine:workers()
        mine:kill(mine.master, "KILL") -- its workers do not notice
        mine.holder:close()
        mine.holder = nil
        for _, pid in ipairs(pids) do
            assert.truthy(nginx.await(function() return is_gone(pid) end))
        end
        server = nil
    end)
end)

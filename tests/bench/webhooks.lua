-- Measures receiving. The check of a signature, in C and through the Lua API, is compared with a bare program
-- that parses, sorts and runs a cached EVP_MAC over the same bytes (bare_sign.c); the listener is put under
-- load.
local M = {}

local function median(values)
    table.sort(values)
    local middle = #values // 2
    return #values % 2 == 1 and values[middle + 1] or (values[middle] + values[middle + 1]) / 2
end

local function read_line(output)
    local result = {}
    for name, value in output:gmatch "([%w_]+)=(%S+)" do
        result[name] = tonumber(value) or value
    end
    return result
end

-- What is compared: the figure of a program, the one that it is divided by, and the goal, if there is one.
local RATIOS = {
    { "C API / bare, raw body to verdict", "c", "good_ns", "bare", "good_ns", 1.15 },
    { "Lua API / bare, verifier:verify on lua5.4", "lua5.4", "good_ns", "bare", "good_ns", 1.8 },
    { "Lua API / bare, verifier:verify on LuaJIT", "luajit", "good_ns", "bare", "good_ns", 1.8 },
    { "verify{} / bare on lua5.4", "lua5.4", "verify_ns", "bare", "good_ns" },
    { "verify{} / bare on LuaJIT", "luajit", "verify_ns", "bare", "good_ns" },
    { "HMAC alone / raw SHA-1 of the same bytes", "c", "hmac_ns", "bare", "sha1_ns", 1.4 },
    { "forged / good", "c", "forged_ns", "c", "good_ns", 1.6 },
    { "forged / good, URL with a port", "c", "port_forged_ns", "c", "port_good_ns", 1.6 },
    { "forged / good, URL with credentials", "c", "userinfo_forged_ns", "c", "userinfo_good_ns" },
}

--- Measures in `rounds` rounds, each of which runs the programs in turn.
-- @tparam function run takes a command and answers what it prints
-- @tparam string build where bench/bare_sign, bench/sign_bench and the Lua modules are
-- @tparam string here the directory of this file
-- @treturn table rows { what =, value =, limit = or nil }, ratios whose limit is "at most"
-- @treturn table medians of what one check costs, { bare =, c =, ["lua5.4"] =, luajit = } in ns
function M.signatures(run, build, here, rounds)
    local body = " " .. here .. "/webhook.form"
    local function lua(name, path, cpath)
        local modules = build .. "/" .. name
        return ("%s='%s/?.lua;%s/?/init.lua;;' %s='%s/?.so;;' %s %s/sign_lua.lua%s"):format(path, modules,
            modules, cpath, modules, name, here, body)
    end
    local programs = {
        { "bare", build .. "/bench/bare_sign" .. body },
        { "c", build .. "/bench/sign_bench" .. body },
        { "lua5.4", lua("lua5.4", "LUA_PATH_5_4", "LUA_CPATH_5_4") },
        { "luajit", lua("luajit", "LUA_PATH", "LUA_CPATH") },
    }
    local ratios, costs = {}, {}
    for round = 1, rounds do
        local of = {}
        for _, program in ipairs(programs) do
            local name, result = program[1], read_line(run(program[2]))
            assert(not of.bare or result.signature == of.bare.signature, name .. " signs something else")
            of[name] = result
            costs[name] = costs[name] or {}
            costs[name][round] = result.good_ns
        end
        for i, row in ipairs(RATIOS) do
            ratios[i] = ratios[i] or {}
            ratios[i][round] = of[row[2]][row[3]] / of[row[4]][row[5]]
        end
    end
    local rows = {}
    for i, row in ipairs(RATIOS) do
        rows[i] = { what = row[1], value = median(ratios[i]), limit = row[6] }
    end
    for name, values in pairs(costs) do
        costs[name] = median(values)
    end
    return rows, costs
end

--- Puts a listener under load.
-- @tparam table opts lua and load (commands), capture (runs one and answers what it prints), store (whether
-- there is a file), requests, rounds
-- @treturn table the lines of webhook_load, read
function M.listener(opts)
    local directory = os.tmpname()
    os.remove(directory)
    assert(os.execute("mkdir -m 700 " .. directory))
    local ca_file = directory .. "/ca.pem"
    local arguments = ca_file .. (opts.store and " " .. directory .. "/store.db" or "")
    local results = {}
    for round = 1, opts.rounds do
        local listener = assert(io.popen(("%s %s & echo $!; wait"):format(opts.lua, arguments)))
        local pid, port
        for line in listener:lines() do
            pid, port = line:match "^%d+$" or pid, line:match "^ready port=(%d+)$" or port
            if pid and port then
                break
            end
        end
        local base = "https://localhost:" .. assert(port, "the listener did not start")
        results[round] = read_line(opts.capture(("%s --base-url %s --ca %s --concurrency 100 --count %d")
            :format(opts.load, base, ca_file, opts.requests)))
        os.execute("kill -TERM " .. pid)
        listener:close()
        os.execute("rm -f " .. directory .. "/store.db*")
    end
    os.execute("rm -r " .. directory)
    return results
end

return M

--- A simulator for the specs: a process of its own, which ends with the process that started it.
local cjson = require "cjson"
local server = require "twilio_sms.sim.server"
local sms = require "twilio_sms"

local M = {
    --- The program that runs this file.
    lua = jit and "luajit" or "lua5.4", -- luacheck: ignore 113
    ACCOUNT_SID = server.ACCOUNT_SID,
    AUTH_TOKEN = server.AUTH_TOKEN,
    FROM = "+15005550006",
    SERVICE_SID = "MG" .. ("0"):rep(32),
}

local Sim = {}
Sim.__index = Sim

--- A word for the shell.
function M.quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Starts a simulator.
-- @tparam[opt] string options of `twilio_sms.sim.server`, as the inside of a table
-- @treturn table with url, port and ca_file
function M.start(options)
    local answer = os.tmpname()
    os.remove(answer)
    assert(os.execute("mkfifo -m 600 " .. answer))
    local program = ('require("twilio_sms.sim.server").run { %s }'):format(options or "")
    local command = ("exec %s -e %s > %s"):format(M.lua, M.quote(program), answer)
    local process = assert(io.popen(command, "w"))
    local pipe = assert(io.open(answer))
    local ready = pipe:read "*l"
    pipe:close()
    os.remove(answer)
    local port, ca_file = (ready or ""):match "^ready port=(%d+) ca_file=(%S+)$"
    assert(port, "the simulator did not start")
    local url = "https://localhost:" .. port
    return setmetatable({ process = process, port = port, ca_file = ca_file, url = url }, Sim)
end

--- Ends it and waits for its end.
function Sim:stop()
    if self.process then
        self.process:close()
        self.process = nil
    end
end

-- What a spec can wait for: no rate limits, no breaker, pauses of a few milliseconds.
local FAST = {
    account_sid = M.ACCOUNT_SID,
    auth_token = M.AUTH_TOKEN,
    from = M.FROM,
    seed = 1,
    rate = { per_second = 0, per_number = 0 },
    breaker = { failure_threshold = 0 },
    retry = {
        rate_limit = { base_ms = 5 }, unavailable = { base_ms = 5 }, internal = { base_ms = 5 },
        timeout = { base_ms = 5 }, connection = { base_ms = 5 }, settle_ms = 0,
    },
}

local function merged(base, changes)
    local out = {}
    for name, value in pairs(base) do
        out[name] = value
    end
    for name, value in pairs(changes or {}) do
        local nested = type(value) == "table" and type(out[name]) == "table"
        out[name] = nested and merged(out[name], value) or value
    end
    return out
end

--- The options of a fast client.
-- @tparam table peer url and ca_file
-- @tparam[opt] table changes more options, which win; false takes one away
function M.options(peer, changes)
    local options = merged(merged(FAST, { base_url = peer.url, ca_file = peer.ca_file }), changes)
    for name, value in pairs(options) do
        options[name] = value or nil
    end
    return options
end

--- A fast client.
function M.client(peer, changes)
    return sms.assert(sms.new(M.options(peer, changes)))
end

Sim.client = M.client

local ASKS_MOST = 20 -- a script may have faults for lists too

-- Asks without the client that is under test.
local function ask(self, path)
    local command = ("curl --silent --fail --max-time 60 --cacert %s --user %s %s"):format(
        self.ca_file, M.ACCOUNT_SID .. ":" .. M.AUTH_TOKEN, M.quote(self.url .. path))
    for _ = 1, ASKS_MOST do
        local pipe = assert(io.popen(command))
        local ok, answer = pcall(cjson.decode, pipe:read "*a")
        pipe:close()
        if ok then
            return answer
        end
    end
    error("the simulator does not answer " .. path)
end

--- The server's own counts (`twilio_sms.sim.api`, stats).
function Sim:stats()
    return ask(self, "/_sim/stats")
end

--- What the server really has.
-- @treturn table every message, the newest first, as the API shows it
function Sim:truth()
    local rows = {}
    local path = ("/2010-04-01/Accounts/%s/Messages.json?PageSize=1000"):format(M.ACCOUNT_SID)
    while path ~= cjson.null do
        local page = ask(self, path)
        for _, row in ipairs(page.messages) do
            rows[#rows + 1] = row
        end
        path = page.next_page_uri
    end
    return rows
end

return M

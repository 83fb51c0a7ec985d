--- Answers from a tape, without network and without waiting (docs/cassettes.md).
--
--     local client = sms.assert(sms.new { driver = sms.driver.replay "tape.jsonl", ... })
local core = require "twilio_sms.core"
local machine = require "twilio_sms.driver.machine"
local options = require "twilio_sms.options"
local player = require "twilio_sms.cassette.player"
local reader = require "twilio_sms.cassette.reader"
local writer = require "twilio_sms.cassette.writer"

local M = {}

local Driver = {}
local class = { __index = Driver, __name = "twilio_sms.driver.replay" }

local OPTIONS = {
    ordered = "boolean", ignore = "table", speed = "number", key = "string", clock = "function",
}

--- Makes a driver that replays.
-- @tparam string path of a tape
-- @tparam[opt] table opts ordered (the order of all requests must be that of the tape); ignore, a list of
--   names of parameters; speed (0: waiting costs nothing, 1: as long as it took); key, when it was recorded
--   with one; clock, a function that answers Unix seconds, for tapes that expire
-- @treturn table a driver
function M.new(path, opts)
    if type(path) ~= "string" then
        error("replay(path): the path must be a string, not " .. options.kind_of(path), 2)
    end
    opts = options.check(opts, OPTIONS, 2)
    if opts.speed and opts.speed < 0 then
        error("option 'speed' must be 0 or more", 2)
    end
    return setmetatable({ path = path, opts = opts }, class)
end

--- The tape of a driver and its pseudonyms.
-- @tparam string path
-- @tparam table opts key, clock
-- @tparam string|nil account_sid of the client
-- @treturn table|nil the tape
-- @treturn table the pseudonyms
function M.load(path, opts, account_sid)
    local tape, err = reader.read(path, opts.clock and opts.clock() or os.time())
    if not tape then
        return nil, err
    end
    local kept = tape.header.redaction
    if kept.keyed and not opts.key then
        return nil, writer.problem(path, "it was recorded with a key; give the same one")
    end
    local names = writer.names(tape.header.seed, {
        key = kept.keyed and opts.key or nil, account_sid = account_sid, keep_hosts = kept.keep_hosts,
        keep_texts = kept.keep_texts, keep_sids = kept.keep_sids,
    })
    names:follow(tape.moved, tape.known)
    return tape, names
end

-- An error says what was wrong with the request, when that was not on the tape.
local function told(client, transport, id, value, err)
    local miss = id and transport.misses[id]
    if not miss then
        return id, value, err
    end
    transport.misses[id] = nil
    local first = miss:match "^[^\n]*"
    err = core.error("InvalidRequest", first, "not_sent")
    err.message = miss -- longer than messages of the core may be
    return id, nil, err
end

-- What is only for the network, and may not even be there where a tape is replayed.
local function without_network(core_options)
    local out = {}
    for name, value in pairs(core_options) do
        out[name] = value
    end
    out.ca_file, out.proxy = nil, nil
    return out
end

--- Opens the tape.
function Driver:open(core_options, from_env)
    local account_sid = core_options.account_sid or from_env and os.getenv "TWILIO_ACCOUNT_SID" or nil
    local tape, names = M.load(self.path, self.opts, account_sid)
    if not tape then
        return nil, names
    end
    local transport = player.new(tape, names, self.opts)
    local client, err = machine.open(without_network(core_options), from_env, transport)
    if not client then
        return nil, err
    end
    local outer, closed = {}, false
    function outer.result()
        return told(client, transport, client:result())
    end
    function outer.close()
        client:close()
        local complaint = not closed and transport:complaint()
        closed = true
        if complaint then
            local problem = writer.problem(self.path, "it was not replayed as it was recorded")
            problem.message = ("cassette %s: %s"):format(self.path, complaint)
            return nil, problem
        end
        return true
    end
    return setmetatable(outer, {
        __index = function(_, name)
            local method = client[name]
            return type(method) == "function" and function(_, ...) return method(client, ...) end or method
        end,
    })
end

return M

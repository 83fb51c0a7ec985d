--- Does the work with another driver, and says in what the answers differ from a tape (docs/cassettes.md).
--
-- Values are not compared, because they are others each time: only statuses, members and types are.
local core = require "twilio_sms.core"
local matching = require "twilio_sms.cassette.matching"
local options = require "twilio_sms.options"
local redaction = require "twilio_sms.cassette.redaction"
local replay = require "twilio_sms.driver.replay"
local shape = require "twilio_sms.cassette.shape"
local tapped = require "twilio_sms.cassette.tapped"

local M = {}

local Driver = {}
local class = { __index = Driver, __name = "twilio_sms.driver.diff" }

local OPTIONS = {
    ordered = "boolean", ignore = "table", key = "string", clock = "function", on_difference = "function",
}

--- Makes a driver that compares.
-- @tparam string path of a tape
-- @tparam table inner the driver that does the work
-- @tparam[opt] table opts ordered, ignore, key, clock as for replay; on_difference(text)
-- @treturn table a driver
function M.new(path, inner, opts)
    if type(path) ~= "string" then
        error("diff(path, driver): the path must be a string, not " .. options.kind_of(path), 2)
    elseif type(inner) ~= "table" or type(inner.open) ~= "function" then
        error("the second argument must be a driver, as in diff(path, sms.driver.curl())", 2)
    end
    return setmetatable({ path = path, inner = inner, opts = options.check(opts, OPTIONS, 2) }, class)
end

-- Sids of another run have other pseudonyms: one for all of a kind stands for each of them.
local function without_sids(request)
    local function plain(text)
        return (text:gsub("%u%u" .. ("%x"):rep(32), function(sid) return sid:sub(1, 2) end))
    end
    local out = { method = request.method, host = request.host, path = plain(request.path) }
    for _, name in ipairs { "query", "form" } do
        out[name] = {}
        for i, pair in ipairs(request[name]) do
            out[name][i] = { pair[1], plain(pair[2]) }
        end
    end
    return out
end

local function plain_interactions(tape)
    local list = {}
    for i, interaction in ipairs(tape.interactions) do
        list[i] = setmetatable({ request = without_sids(interaction.request) }, { __index = interaction })
    end
    return list
end

--- Opens the inner driver and the tape.
function Driver:open(core_options, from_env)
    local account_sid = core_options.account_sid or from_env and os.getenv "TWILIO_ACCOUNT_SID" or nil
    local tape, names = replay.load(self.path, self.opts, account_sid)
    if not tape then
        return nil, names
    end
    local inner, err = self.inner:open(core_options, from_env)
    if not inner then
        return nil, err
    end
    local redact, found = redaction.new(names), {}
    local wanted = matching.new(plain_interactions(tape), self.opts)
    local function report(text)
        found[#found + 1] = text
        if self.opts.on_difference then
            self.opts.on_difference(text)
        end
    end
    return tapped.new(inner, function(transfer)
        if transfer.lost then
            report(transfer.lost .. " transfers were lost, because memory ran out")
            return
        end
        local live = redact:transfer(transfer)
        local interaction, text = wanted:take(without_sids(live.request))
        if not interaction then
            report(text)
            return
        end
        shape.compare(interaction, live, function(difference)
            report(("line %d: %s"):format(interaction.line, difference))
        end)
    end, function()
        found[#found + 1] = wanted:unused()
        if not found[1] then
            return true
        end
        err = core.error("InvalidRequest", "the answers differ from the tape")
        err.message = ("cassette %s: %s"):format(self.path, table.concat(found, "\n"))
        return nil, err
    end)
end

return M

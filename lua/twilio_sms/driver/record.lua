--- Records what another driver exchanges with the server (docs/cassettes.md).
--
--     local tape = sms.driver.record("tape.jsonl", sms.driver.curl())
--     local client = sms.assert(sms.new { driver = tape, ... })
local contract = require "twilio_sms.cassette.contract"
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local redaction = require "twilio_sms.cassette.redaction"
local tapped = require "twilio_sms.cassette.tapped"
local writer = require "twilio_sms.cassette.writer"

local M = {}

local Driver = {}
local class = { __index = Driver, __name = "twilio_sms.driver.record" }

local OPTIONS = {
    secrets = "table", seed = "string", key = "string", expires_after_s = "number", keep_hosts = "table",
    keep_texts = "table", keep_sids = "boolean", strict_contract = "boolean", on_violation = "function",
}

local function check_driver(driver, level)
    if type(driver) ~= "table" or type(driver.open) ~= "function" then
        error("the second argument must be a driver, as in record(path, sms.driver.curl())", level + 1)
    end
end

--- Makes a driver that records.
-- @tparam string path of a file that does not exist
-- @tparam table inner the driver that does the work
-- @tparam[opt] table opts secrets (more of what must not be on the tape); seed, key; expires_after_s;
--   keep_hosts, keep_texts, keep_sids; strict_contract; on_violation(text)
-- @treturn table a driver
function M.new(path, inner, opts)
    if type(path) ~= "string" then
        error("record(path, driver): the path must be a string, not " .. options.kind_of(path), 2)
    end
    check_driver(inner, 2)
    opts = options.check(opts, OPTIONS, 2)
    writer.check_secrets(opts.secrets, 2)
    return setmetatable({ path = path, inner = inner, opts = opts }, class)
end

local function account_sid(core_options, from_env)
    return core_options.account_sid or from_env and os.getenv "TWILIO_ACCOUNT_SID" or nil
end

local function new_writer(self, core_options, from_env)
    local opts = self.opts
    local wall_ms = core.time_ms()
    local secrets, err = writer.secrets(self.path, core_options, from_env, opts.secrets)
    if not secrets then
        return nil, err
    end
    return writer.new(self.path, {
        names = function(seed)
            return writer.names(seed, {
                key = opts.key, account_sid = account_sid(core_options, from_env),
                keep_hosts = opts.keep_hosts, keep_texts = opts.keep_texts, keep_sids = opts.keep_sids,
            })
        end,
        secrets = secrets,
        seed = opts.seed,
        wall0_ms = wall_ms,
        expires_after = opts.expires_after_s and math.floor(wall_ms / 1000 + opts.expires_after_s) or nil,
        redaction = {
            { "keyed", opts.key ~= nil }, { "keep_hosts", opts.keep_hosts or {} },
            { "keep_texts", opts.keep_texts or {} }, { "keep_sids", opts.keep_sids or false },
        },
    })
end

local LISTED_MOST = 10

-- What is not as documented: told when the tape is closed.
local function new_violations(self)
    local list, seen = {}, {}
    return list, function(index, text)
        if not seen[text] then
            seen[text] = true
            list[#list + 1] = ("line %d: %s"):format(index + 1, text)
            if self.opts.on_violation then
                self.opts.on_violation(list[#list])
            end
        end
    end
end

local function close_tape(self, tape, violations)
    local ok, err = tape:close()
    if not ok then
        return nil, err
    elseif #violations > 0 then
        local shown = table.concat(violations, "\n  ", 1, math.min(#violations, LISTED_MOST))
        local text = ("not as documented, %d times:\n  %s"):format(#violations, shown)
        if self.opts.strict_contract then
            return nil, writer.problem(self.path, text)
        elseif not self.opts.on_violation then
            io.stderr:write("twilio_sms.cassette: ", self.path, ": ", text, "\n")
        end
    end
    return true
end

--- Opens the inner driver and begins the tape.
function Driver:open(core_options, from_env)
    local tape, err = new_writer(self, core_options, from_env)
    if not tape then
        return nil, err
    end
    local inner
    inner, err = self.inner:open(core_options, from_env)
    if not inner then
        tape:close()
        os.remove(self.path) -- it holds nothing but its header
        return nil, err
    end
    local redact = redaction.new(tape.names)
    local violations, report = new_violations(self)
    local begun_ms
    return tapped.new(inner, function(transfer)
        if transfer.lost then
            tape:fail(transfer.lost .. " transfers were lost, because memory ran out")
            return
        end
        begun_ms = begun_ms or transfer.started_ms
        local interaction = redact:transfer(transfer)
        interaction.at_ms = transfer.started_ms - begun_ms
        interaction.elapsed_ms = transfer.ended_ms - transfer.started_ms
        tape:add(interaction)
        contract.check(interaction, function(text) report(tape.count, text) end)
    end, function()
        return close_tape(self, tape, violations)
    end)
end

return M

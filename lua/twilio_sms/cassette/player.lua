--- A transport that answers from a tape, on a clock that only moves when somebody waits.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cassette.json"
local matching = require "twilio_sms.cassette.matching"
local redaction = require "twilio_sms.cassette.redaction"
local timeline = require "twilio_sms.timeline"

local M = {}

local Player = {}
local class = { __index = Player, __name = "twilio_sms.cassette.player" }

--- @tparam table tape as `reader` has read it
-- @tparam table names its pseudonyms
-- @tparam table opts ordered, ignore, speed
function M.new(tape, names, opts)
    return setmetatable({
        tape = tape,
        redaction = redaction.new(names),
        matching = matching.new(tape.interactions, opts),
        speed = opts.speed or 0,
        now_ms = 0,
        answers = timeline.new(),
        misses = {},     -- what was wrong with the request of a call, by its id
        problems = {},   -- the same, in order
        real = {},       -- what the program has sent, by what stands for it on the tape
    }, class)
end

function Player:now()
    return self.now_ms, self.tape.header.wall0 + self.now_ms
end

local function fault_of(interaction)
    local outcome = interaction.outcome
    return outcome ~= "ok" and outcome ~= "partial" and outcome or nil
end

-- Remembers what a request says, and answers what it says on the tape.
local function redact(self, request)
    local redacted = self.redaction:request(request)
    for i, pair in ipairs(core.form_decode(request.form or "")) do
        self.real[redacted.form[i][2]] = pair[2]
    end
    return redacted
end

-- A message in doubt is looked for by what was sent, so that a list must show that.
local function found_again(self, body)
    return json.rewrite(body, function(_, kind, value)
        local real = kind == "string" and self.real[value]
        return real and core.json_encode(real)
    end) or body
end

local function transfer_of(self, interaction)
    local response = interaction.response or {}
    local body = response.body
    if interaction.lookup == true and body then
        body = found_again(self, body)
    end
    return {
        sent = interaction.sent,
        fault = fault_of(interaction),
        message = interaction.message,
        status = response.status,
        complete = response.complete,
        headers = response.headers,
        body = body,
    }
end

-- An answer that ends a call without another attempt; its message gives way to the text of the miss.
local MISS = { sent = true, status = 400, complete = true, body = '{"message":"not on the tape"}' }

function Player:start(id, request)
    local interaction, text = self.matching:take(redact(self, request))
    if not interaction then
        if self.tape.torn then
            local torn = "\nline %d of the tape was cut in the middle, and is left out"
            text = text .. torn:format(self.tape.torn)
        end
        self.misses[id] = text
        self.problems[#self.problems + 1] = text
        self.answers:add(self.now_ms, { id, MISS })
    elseif interaction.elapsed_ms > request.timeout_ms then
        local why = ("the tape has an answer after %d ms"):format(interaction.elapsed_ms)
        local late = { sent = interaction.sent, fault = "Timeout", message = why }
        self.answers:add(self.now_ms + request.timeout_ms, { id, late })
    else
        self.answers:add(self.now_ms + interaction.elapsed_ms, { id, transfer_of(self, interaction) })
    end
end

function Player:finished()
    local answer = self.answers:take(self.now_ms)
    if answer then
        return answer[1], answer[2]
    end
end

function Player:due_ms()
    return self.answers:due_ms()
end

function Player:wait(until_ms)
    local due_ms = self.answers:due_ms()
    local next_ms = due_ms and until_ms and math.min(due_ms, until_ms) or due_ms or until_ms
    if not next_ms then
        return false
    end
    local ms = next_ms - self.now_ms
    if ms > 0 and self.speed > 0 then
        core.poll({}, math.ceil(ms / self.speed))
    end
    self.now_ms = math.max(self.now_ms, next_ms)
end

function Player:close() -- luacheck: ignore 212
end

--- What went wrong: requests that are not on the tape, and what was never asked for.
-- @treturn string|nil
function Player:complaint()
    local list = {}
    for _, text in ipairs(self.problems) do
        list[#list + 1] = text
    end
    list[#list + 1] = self.matching:unused()
    return list[1] and table.concat(list, "\n") or nil
end

return M

--- Who does not want to be texted by whom, learned from keywords as Twilio's default filter does.
--
-- A keyword is the whole message, in any case (Twilio help "Twilio support for opt-out keywords"; REVOKE and
-- OPTOUT since 2025-05-14). A block holds between a person and a sender, which is a number, or the messaging
-- service that the number belongs to. A stand-alone short code has no filter. With a toll-free number the
-- network itself blocks on STOP and unblocks on START and UNSTOP, so that YES does not help (Twilio help
-- "Opt-out keyword handling for Toll-Free SMS").
local M = {}

local KEYWORDS = {
    STOP = "STOP", STOPALL = "STOP", UNSUBSCRIBE = "STOP", CANCEL = "STOP", END = "STOP", QUIT = "STOP",
    REVOKE = "STOP", OPTOUT = "STOP",
    START = "START", YES = "START", UNSTOP = "START",
    HELP = "HELP", INFO = "HELP",
}

local Blocks = {}
local class = { __index = Blocks, __name = "twilio_sms.sim.blocks" }

function M.new()
    return setmetatable({
        by_filter = {}, -- Twilio's: senders by person
        by_network = {}, -- toll-free numbers by person
        services = {}, -- by number
    }, class)
end

-- Opt-outs hold for SMS, MMS and RCS alike (Twilio help, since 2026-03-16).
local function person_of(address)
    return address:sub(1, 4) == "rcs:" and address:sub(5) or address
end

local function is_short_code(number)
    return number:find "^%d%d%d%d?%d?%d?%d?%d?$" ~= nil
end

local function is_toll_free(number)
    return number:find "^%+18([03-8])%1%d%d%d%d%d%d%d$" ~= nil
end

--- Says that a number belongs to a messaging service.
function Blocks:join(number, service)
    self.services[number] = service
end

--- The messaging service that a number belongs to; nil for none.
function Blocks:service_of(number)
    return self.services[number]
end

local function mark(set, person, sender, value)
    set[person] = set[person] or {}
    set[person][sender] = value
end

--- Learns from a message of a person.
-- @tparam string person
-- @tparam string number that was written to
-- @tparam string body
-- @tparam[opt] string opt_out_type "STOP", "START" or "HELP", when the service has keywords of its own
-- @treturn string|nil "STOP", "START" or "HELP"
function Blocks:learn(person, number, body, opt_out_type)
    local word = body:gsub("^%s+", ""):gsub("%s+$", ""):upper()
    local service = self.services[number]
    local kind = opt_out_type or KEYWORDS[word]
    if not kind or is_short_code(number) and not service then
        return nil
    end
    person = person_of(person)
    local by_network = is_toll_free(number) and not opt_out_type
    local sender = service or number
    if kind == "STOP" then
        mark(by_network and word == "STOP" and self.by_network or self.by_filter, person, sender, true)
    elseif kind == "START" then
        mark(self.by_filter, person, sender, nil)
        if by_network and word ~= "YES" then
            mark(self.by_network, person, sender, nil)
        end
    end
    return kind
end

--- Whether a person is blocked for a sender.
-- @tparam string person
-- @tparam string|nil number
-- @tparam[opt] string service wins over the number's own
function Blocks:has(person, number, service)
    person = person_of(person)
    local sender = service or self.services[number] or number
    local filtered, network = self.by_filter[person], self.by_network[person]
    return filtered ~= nil and filtered[sender] == true or network ~= nil and network[sender] == true
end

return M

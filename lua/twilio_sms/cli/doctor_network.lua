--- What `twilio-sms doctor` asks the network: name, connection, certificate, clock, credentials.
local core = require "twilio_sms.core"
local date = require "twilio_sms.date"

local M = {}

local TIMEOUT_MS = 10000
-- A clock that is further off makes certificates look expired, and references and schedules wrong.
local SKEW_MOST_S = 60

-- Asks for something without credentials: any answer will do.
local function ask(url, ca_file)
    local poster, err = core.poster { ca_file = ca_file }
    local id
    if poster then
        id, err = poster:submit {
            url = url .. "/2010-04-01/Accounts.json", method = "GET",
            connect_timeout_ms = TIMEOUT_MS, total_timeout_ms = TIMEOUT_MS,
        }
    end
    if not id then
        return nil, { fault = "other", message = err.message }
    end
    local _, answer, fault
    repeat
        poster:step(-1)
        _, answer, fault = poster:result()
    until answer or fault
    poster:close()
    return answer, fault
end

local function is_name_fault(message)
    return message:lower():find("resolv", 1, true) ~= nil
end

local function tell_fault(fault, url, settings, say)
    local host = url:match "^https?://([^/]*)" or url
    if fault.fault == "tls" then
        local advice = settings.ca_file and "is " .. settings.ca_file .. " the CA of this server?"
            or "are the system's CA certificates there? does a proxy look into the traffic (--ca-file)?"
        say("tls", "fails", fault.message, advice)
    elseif is_name_fault(fault.message) then
        say("dns", "fails", fault.message, "does this machine reach a name server? is the name right?")
    elseif fault.fault == "connect" then
        say("connection", "fails", fault.message,
            ("may this machine connect to %s? must it use a proxy (--proxy)?"):format(host))
    else
        say("connection", "fails", fault.message, "is it the right address, and is there a proxy between?")
    end
end

local function check_clock(answer, say)
    local there = date.read(((answer.headers.date or ""):gsub("GMT$", "+0000")))
    if not there then
        say("clock", "skipped", "the server does not tell its time")
        return
    end
    local skew_s = os.time() - there
    local text = ("%d s %s the server's"):format(math.abs(skew_s), skew_s < 0 and "behind" or "before")
    local wrong = math.abs(skew_s) > SKEW_MOST_S
    say("clock", wrong and "fails" or "ok", text, wrong and "set the clock (timedatectl set-ntp true)" or nil)
end

-- Answers whether it makes sense to go on.
local function check_way(settings, url, say)
    if settings.proxy then
        say("connection", "skipped", "through a proxy; what is behind it is seen below")
        return true
    end
    local answer, fault = ask(url, settings.ca_file)
    if not answer then
        tell_fault(fault, url, settings, say)
        return false
    end
    say("connection", "ok", ("%s answers over a secure connection, in %d ms"):format(url, answer.duration_ms))
    check_clock(answer, say)
    return true
end

local function check_credentials(client, say)
    local page, err = client:page { page_size = 1 }
    if page then
        say("credentials", "ok", "Twilio accepts them")
    elseif err.category == "AuthenticationError" then
        say("credentials", "fails", tostring(err), "are SID and token of the same account? was it changed?")
    else
        say("credentials", "fails", tostring(err), "try again; if it stays so, ask Twilio's support")
    end
end

--- Looks at all of it.
-- @tparam table settings
-- @tparam string url where the API is
-- @tparam table client
-- @tparam function say
function M.check(settings, url, client, say)
    if check_way(settings, url, say) then
        check_credentials(client, say)
    else
        say("credentials", "skipped", "nobody can be asked")
    end
end

return M

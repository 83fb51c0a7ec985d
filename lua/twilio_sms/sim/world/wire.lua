--- The network between the clients of a world and the simulated API: requests arrive after a while, answers
-- come back after another, and what the script does to them happens on the way.
--
-- A client that has given up on a request does not call it back: it arrives all the same, and may be
-- accepted.
local M = {}

local Wire = {}
local class = { __index = Wire, __name = "twilio_sms.sim.world.wire" }

--- @tparam table opts schedule (`twilio_sms.sim.world.schedule`), api (`twilio_sms.sim.api`), authorization
-- (the header of every request), latency (a function that answers milliseconds), journal
-- (`twilio_sms.sim.world.journal`), touched (a function that gets the owner of a line that got an answer)
function M.new(opts)
    return setmetatable({
        schedule = opts.schedule,
        api = opts.api,
        authorization = opts.authorization,
        latency = opts.latency,
        journal = opts.journal,
        touched = opts.touched,
        under_way = 0, -- requests at the server, as it counts them
    }, class)
end

-- ---- What comes back -----------------------------------------------------------------------------

-- Kinds are those of the real driver for the same (csrc/drive/fault.c).
local BROKEN = {
    reset = { sent = true, fault = "ConnectionFailed", message = "the connection was reset" },
    close = { sent = true, fault = "ConnectionFailed", message = "the connection ended without an answer" },
    garbage = { sent = true, fault = "ConnectionFailed", message = "the answer is no HTTP" },
    refused = { sent = false, fault = "ConnectionFailed", message = "the connection was refused" },
    dns = { sent = false, fault = "DnsResolutionFailed", message = "the host name has no address" },
    tls = { sent = false, fault = "ConnectionFailed", message = "the TLS handshake failed" },
    hang = { sent = true, fault = "Timeout", message = "no answer in time" },
}
local GIVEN_UP = BROKEN.hang
local CUT = {
    ConnectionFailed = "the connection ended within the answer",
    Timeout = "the answer was not whole in time",
}

local function cut(answer, fault)
    local body = type(answer.body) == "table" and table.concat(answer.body) or answer.body
    return {
        sent = true, fault = fault, message = CUT[fault], complete = false,
        status = answer.status, headers = answer.headers, body = body:sub(1, math.floor(#body / 2)),
    }
end

local function transfer_of(answer)
    if answer.drop or answer.raw then
        return BROKEN[answer.drop or "garbage"]
    elseif answer.cut then
        return cut(answer, "ConnectionFailed")
    end
    answer.sent = true
    return answer
end

-- ---- On the way ----------------------------------------------------------------------------------

local function deliver(flight)
    local line = flight.line
    local wire = line.wire
    if flight.is_counted then
        wire.under_way = wire.under_way - 1
        flight.is_counted = false
    end
    if flight.over or line.closed then
        return
    end
    flight.over = true
    local transfer = flight.transfer
    local last = line.last + 1
    line.last = last
    line.ids[last], line.transfers[last] = flight.call_id, transfer
    if wire.journal.is_on then
        wire.journal:tell {
            at_ms = wire.schedule.mono_ms, kind = "answer", client = line.client, call_id = flight.call_id,
            status = transfer.status, fault = transfer.fault,
        }
    end
    wire.touched(line.owner)
end

local function give_up(item)
    local flight = item.flight
    flight.transfer = GIVEN_UP
    deliver(flight)
end

-- When the answer is there, and what of it.
local function travel(flight, answer, now_ms)
    local wire, until_ms = flight.line.wire, flight.until_ms
    local begins_ms = now_ms + (answer.delay_ms or 0) + wire.latency()
    local ends_ms = begins_ms + (answer.slow_ms or 0)
    if answer.drop == "hang" or begins_ms > until_ms then
        return math.max(until_ms, now_ms), GIVEN_UP
    elseif ends_ms > until_ms then
        return until_ms, cut(answer, "Timeout")
    end
    return ends_ms, transfer_of(answer)
end

local function tell_verdict(wire, flight, answer)
    local journal, now_ms = wire.journal, wire.schedule.mono_ms
    if answer.action then
        journal:tell {
            at_ms = now_ms, kind = "fault", action = answer.action, accepted = answer.accepted,
            client = flight.line.client, call_id = flight.call_id,
        }
    elseif answer.code then
        journal:tell {
            at_ms = now_ms, kind = "refuse", code = answer.code,
            client = flight.line.client, call_id = flight.call_id,
        }
    end
end

local function arrive(flight)
    local wire = flight.line.wire
    local schedule = wire.schedule
    wire.under_way = wire.under_way + 1
    flight.is_counted = true
    flight.concurrent, flight.authorization = wire.under_way, wire.authorization
    local answer = wire.api:handle(flight, schedule:true_ms())
    if wire.journal.is_on then
        tell_verdict(wire, flight, answer)
    end
    local at_ms
    at_ms, flight.transfer = travel(flight, answer, schedule.mono_ms)
    flight.fire = deliver
    schedule:push(at_ms, flight)
end

-- ---- Lines ---------------------------------------------------------------------------------------

--- What one client is connected with: a transport as `twilio_sms.driver.machine` wants it.
local Line = {}
local line_class = { __index = Line, __name = "twilio_sms.sim.world.wire.line" }

--- @param owner whom touched is told of, and who lets time pass: nobody waits on a line
-- @tparam string client its name
function Wire:line(owner, client)
    return setmetatable({
        wire = self, owner = owner, client = client, closed = false, takes_forms_apart = true,
        ids = {}, transfers = {}, first = 1, last = 0, -- what has come back
    }, line_class)
end

function Line:now()
    local schedule = self.wire.schedule
    return schedule.mono_ms, schedule:wall_ms()
end

--- Lets a request leave.
function Line:start(id, request)
    local wire = self.wire
    local schedule = wire.schedule
    local path, query = request.path, nil
    local mark = path:find("?", 1, true)
    if mark then
        path, query = path:sub(1, mark - 1), path:sub(mark + 1)
    end
    local now_ms = schedule.mono_ms
    local flight = {
        fire = arrive, line = self, call_id = id, until_ms = now_ms + request.timeout_ms,
        method = request.method, path = path, query = query, body = request.form,
        tag = request.method == "POST" and { client = self.client, call_id = id } or nil,
        concurrent = 0, authorization = false, transfer = false, is_counted = false, over = false,
    }
    if wire.journal.is_on then
        wire.journal:tell {
            at_ms = now_ms, kind = "request", client = self.client, call_id = id, method = request.method,
            path = path,
        }
    end
    local arrives_ms = now_ms + wire.latency()
    if arrives_ms > flight.until_ms then
        schedule:push(flight.until_ms, { fire = give_up, flight = flight })
    end
    schedule:push(arrives_ms, flight)
end

--- What came back and was not taken yet, the oldest first.
-- @treturn number|nil the id
-- @treturn table the transfer
function Line:finished()
    local first = self.first
    local id, transfer = self.ids[first], self.transfers[first]
    if id then
        self.ids[first], self.transfers[first] = nil, nil
        self.first = first + 1
    end
    return id, transfer
end

--- Nobody waits here: the owner lets time pass for the whole world.
function Line.wait()
    return false
end

--- Nothing more arrives here. What is on its way to the server goes on.
function Line:close()
    self.closed = true
end

return M

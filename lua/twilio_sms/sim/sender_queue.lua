--- The queue of a sender: first in, first out, so many message segments a second.
--
-- Twilio help "Understanding Twilio Rate Limits and Message Queues": each sender has a queue of ten hours of
-- its traffic, and a message takes as many turns as it has segments.
local M = {}

local Queue = {}
local class = { __index = Queue, __name = "twilio_sms.sim.sender_queue" }

--- @tparam number per_second segments
-- @tparam number hold_s how long it takes to empty a full queue
function M.new(per_second, hold_s)
    return setmetatable({
        segment_ms = 1000 / per_second,
        most = math.floor(per_second * hold_s), -- segments; 36000 for a US long code (error 21611)
        waiting = 0, -- segments
        free_ms = 0, -- when the last one that left has taken its turns
        messages = {}, first = 1, last = 0,
        -- As of all that is due at a time (`twilio_sms.sim.carrier`).
        due_ms = nil,
        step = nil,
    }, class)
end

--- Whether a message still fits in.
function Queue:has_room(segments)
    return self.waiting + segments <= self.most
end

--- When a message that came now would leave.
function Queue:leave_ms(now_ms)
    return math.max(self.free_ms, now_ms) + self.waiting * self.segment_ms
end

--- The whole millisecond at which the last message that left has taken its turns.
function Queue:next_ms()
    return math.floor(self.free_ms + 0.5)
end

--- Whether it still takes them.
function Queue:is_busy(now_ms)
    return self:next_ms() > now_ms
end

--- A message leaves at a time, and the next one can when this one's segments have. The parts of milliseconds
-- are not lost: three segments a second are three.
function Queue:take_turns(segments, at_ms)
    local begun_ms = at_ms - self.free_ms < 1 and self.free_ms or at_ms
    self.free_ms = begun_ms + segments * self.segment_ms
end

--- A message joins the end.
-- @tparam table message with segments; its `queue` tells that it waits here
function Queue:push(message)
    local last = self.last + 1
    self.last = last
    self.messages[last] = message
    message.queue = self
    self.waiting = self.waiting + message.segments
end

--- A message gives up its place.
function Queue:leave(message)
    message.queue = nil
    self.waiting = self.waiting - message.segments
end

--- Takes the message that is first; nil when none waits.
function Queue:pop()
    local messages = self.messages
    local message
    repeat -- those that gave up are still in their places
        local first = self.first
        if first > self.last then
            self.first, self.last = 1, 0
            return nil
        end
        message = messages[first]
        messages[first] = nil
        self.first = first + 1
    until message.queue == self
    self:leave(message)
    return message
end

return M

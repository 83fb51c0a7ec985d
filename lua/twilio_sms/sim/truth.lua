--- Counts what was accepted more than once, whatever the answers said.
--
-- What identifies a message is the mark in its body, when there is a pattern for marks; otherwise sender,
-- recipient and text. A tree, not a joined key: LuaJIT's hash looks at a few bytes of a string only, so that
-- such keys would collide.
local M = {}

local Truth = {}
local class = { __index = Truth, __name = "twilio_sms.sim.truth" }

--- @tparam[opt] string marker a Lua pattern: what it captures in a body identifies the message
function M.new(marker)
    return setmetatable({
        marker = marker,
        accepted = 0,
        duplicates = 0,
        marked = {}, -- how many messages there are, by mark
        only = {}, -- the one message to a recipient, by recipient
        crowds = {}, -- where there are several: the newest by text; [1] is how many
    }, class)
end

-- A message knows the text that it was counted with (the body may be emptied later) and the next older one
-- with the same text.
local function join(crowd, message)
    local text = message.counted_text
    message.same_text = crowd[text]
    crowd[text] = message
    crowd[1] = (crowd[1] or 0) + 1
end

-- What a messaging service sends comes from the service, whatever number it chooses.
local function is_copy(message, other)
    return other.counted_text == message.counted_text
        and (other.service or other.from) == (message.service or message.from)
end

local function find_copy(crowd, message)
    local other = crowd[message.counted_text]
    while other do
        if is_copy(message, other) then
            return true
        end
        other = other.same_text
    end
    return false
end

-- Whether one like it is there already; adds it.
local function add(self, message)
    local to = message.to
    local crowd = self.crowds[to]
    if crowd then
        local found = find_copy(crowd, message)
        join(crowd, message)
        return found
    end
    local only = self.only[to]
    if not only then
        self.only[to] = message
        return false
    end
    crowd = {}
    join(crowd, only)
    join(crowd, message)
    self.only[to], self.crowds[to] = nil, crowd
    return is_copy(message, only)
end

--- Counts an accepted message.
-- @tparam table message to, body, from or service; counted_mark, counted_text and same_text are kept in it
function Truth:accept(message)
    self.accepted = self.accepted + 1
    local mark = self.marker and message.body:match(self.marker)
    local found
    if mark then
        message.counted_mark = mark
        local times = self.marked[mark]
        self.marked[mark] = (times or 0) + 1
        found = times ~= nil
    else
        message.counted_text = message.body
        found = add(self, message)
    end
    if found then
        self.duplicates = self.duplicates + 1
    end
end

local function leave(crowd, message)
    local text = message.counted_text
    local other = crowd[text]
    if other == message then
        crowd[text] = message.same_text
    else
        while other.same_text ~= message do
            other = other.same_text
        end
        other.same_text = message.same_text
    end
    message.same_text = nil
    crowd[1] = crowd[1] - 1
end

--- Forgets a message: a copy that comes later counts as the first one.
function Truth:forget(message)
    local mark, to = message.counted_mark, message.to
    if mark then
        local times = self.marked[mark] - 1
        self.marked[mark] = times > 0 and times or nil
    elseif self.only[to] == message then
        self.only[to] = nil
    elseif message.counted_text then
        local crowd = self.crowds[to]
        leave(crowd, message)
        if crowd[1] == 0 then
            self.crowds[to] = nil
        end
    end
end

return M

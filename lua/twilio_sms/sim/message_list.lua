--- The messages of an account, to be found by sid and listed from the newest to the oldest.
--
-- They are chained, once all of them and once those to the same recipient, so that one can be taken out
-- anywhere without work for the others. `seq` numbers them in the order in which they came.
local M = {}

local List = {}
local class = { __index = List, __name = "twilio_sms.sim.message_list" }

function M.new()
    return setmetatable({
        by_sid = {},
        newest = nil, oldest = nil,
        newest_to = {}, -- by recipient
        last_seq = 0,
        count = 0,
    }, class)
end

--- Adds the newest message.
-- @tparam table message with sid, to, and listed_ms when lists are to show it later than it came; the list
-- keeps seq, older, newer, older_to and newer_to in it
function List:add(message)
    local seq = self.last_seq + 1
    self.last_seq, self.count = seq, self.count + 1
    message.seq = seq
    self.by_sid[message.sid] = message
    local older = self.newest
    message.older = older
    if older then
        older.newer = message
    else
        self.oldest = message
    end
    self.newest = message
    local to = message.to
    older = self.newest_to[to]
    message.older_to = older
    if older then
        older.newer_to = message
    end
    self.newest_to[to] = message
end

--- Forgets a message.
function List:remove(message)
    self.by_sid[message.sid] = nil
    self.count = self.count - 1
    local older, newer = message.older, message.newer
    if older then
        older.newer = newer
    else
        self.oldest = newer
    end
    if newer then
        newer.older = older
    else
        self.newest = older
    end
    older, newer = message.older_to, message.newer_to
    if older then
        older.newer_to = newer
    end
    if newer then
        newer.older_to = older
    else
        self.newest_to[message.to] = older
    end
    -- So that a forgotten message that is still held does not hold all that came after it.
    message.older, message.newer, message.older_to, message.newer_to = nil, nil, nil, nil
end

--- The message with this sid; nil when there is none.
function List:find(sid)
    return self.by_sid[sid]
end

--- How many messages there are.
function List:size()
    return self.count
end

local function next_newer(list, message)
    if message then
        return message.newer
    end
    return list.oldest
end

--- For loops: all messages, the oldest first.
function List:each()
    return next_newer, self, nil
end

local function fits(message, filter, now_ms)
    return not message.deleted
        and (not message.listed_ms or message.listed_ms <= now_ms)
        and (not filter.to or message.to == filter.to)
        and (not filter.from or message.from == filter.from)
        and (not filter.sent_from_s or message.sent_s and message.sent_s >= filter.sent_from_s)
        and (not filter.sent_until_s or message.sent_s and message.sent_s <= filter.sent_until_s)
end

-- Collects up to `size` messages from one on, and says whether there are more.
local function collect(message, way, filter, size, now_ms)
    local found = {}
    while message do
        if fits(message, filter, now_ms) then
            if #found == size then
                return found, true
            end
            found[#found + 1] = message
        end
        message = message[way]
    end
    return found, false
end

local function reverse(list)
    for i = 1, math.floor(#list / 2) do
        local j = #list + 1 - i
        list[i], list[j] = list[j], list[i]
    end
    return list
end

-- The next message behind a cursor's one: in its own chain, or in the chain of another recipient.
local function behind(self, message, to)
    if not to then
        return message.older
    elseif message.to == to then
        return message.older_to
    end
    local older = self.newest_to[to]
    while older and older.seq > message.seq do
        older = older.older_to
    end
    return older
end

local function before(self, message, to)
    if not to then
        return message.newer
    elseif message.to == to then
        return message.newer_to
    end
    local newer = behind(self, message, to)
    if newer then
        return newer.newer_to
    end
    newer = self.newest_to[to]
    while newer and newer.older_to do
        newer = newer.older_to
    end
    return newer
end

--- Messages that fit, the newest first.
-- @tparam table filter to, from, sent_from_s, sent_until_s
-- @tparam number size the most that a page holds
-- @tparam table|nil cursor sid, and newer: the page begins behind that message, or ends before it
-- @tparam number now_ms
-- @treturn[1] table a list
-- @treturn[1] boolean whether older ones follow
-- @treturn[2] nil when the cursor's message is not known
function List:page(filter, size, cursor, now_ms)
    local to = filter.to
    local older = to and "older_to" or "older"
    if not cursor then
        local newest = self.newest
        if to then
            newest = self.newest_to[to]
        end
        return collect(newest, older, filter, size, now_ms)
    end
    local message = self.by_sid[cursor.sid]
    if not message then
        return nil
    elseif not cursor.newer then
        return collect(behind(self, message, to), older, filter, size, now_ms)
    end
    local newer = to and "newer_to" or "newer"
    return reverse(collect(before(self, message, to), newer, filter, size, now_ms)), true
end

return M

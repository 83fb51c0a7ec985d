--- What is due when: a heap ordered by time, and by age among equals.
local M = {}

local Timeline = {}
local class = { __index = Timeline, __name = "twilio_sms.sim.timeline" }

function M.new()
    return setmetatable({ heap = {}, count = 0 }, class)
end

local function before(a, b)
    return a.due_ms < b.due_ms or a.due_ms == b.due_ms and a.age < b.age
end

--- Adds an item that is due at a moment.
function Timeline:add(due_ms, item)
    local heap = self.heap
    self.count = self.count + 1
    local node = { due_ms = due_ms, age = self.count, item = item }
    local i = #heap + 1
    heap[i] = node
    while i > 1 do
        local parent = (i - i % 2) / 2
        if before(heap[parent], node) then
            break
        end
        heap[i], heap[parent] = heap[parent], node
        i = parent
    end
end

--- When the next item is due; nil when there is none.
function Timeline:due_ms()
    local first = self.heap[1]
    return first and first.due_ms
end

local function sink(heap, node)
    local count = #heap
    local i = 1
    while 2 * i <= count do
        local child = 2 * i
        if child < count and before(heap[child + 1], heap[child]) then
            child = child + 1
        end
        if before(node, heap[child]) then
            break
        end
        heap[i] = heap[child]
        i = child
    end
    heap[i] = node
end

--- Takes the next item that is due by now.
-- @treturn[1] the item
-- @treturn[1] number when it was due
-- @treturn[2] nil when none is
function Timeline:take(now_ms)
    local heap = self.heap
    local first = heap[1]
    if not first or first.due_ms > now_ms then
        return nil
    end
    local last = table.remove(heap)
    if last ~= first then
        sink(heap, last)
    end
    return first.item, first.due_ms
end

return M

--- What is due when: a heap ordered by time, and by age among equals.
local M = {}

local Timeline = {}
local class = { __index = Timeline, __name = "twilio_sms.timeline" }

function M.new()
    return setmetatable({ heap = {}, count = 0, spares = {} }, class)
end

local function before(a, b)
    return a.due_ms < b.due_ms or a.due_ms == b.due_ms and a.age < b.age
end

-- Puts a node where it belongs, at a place or above it. Each node knows its place, `at`.
local function rise(heap, node, at)
    while at > 1 do
        local above = (at - at % 2) / 2
        local parent = heap[above]
        if before(parent, node) then
            break
        end
        heap[at] = parent
        parent.at = at
        at = above
    end
    heap[at] = node
    node.at = at
end

-- The same, at a place or below it.
local function sink(heap, node, at)
    local count = #heap
    while 2 * at <= count do
        local below = 2 * at
        if below < count and before(heap[below + 1], heap[below]) then
            below = below + 1
        end
        local child = heap[below]
        if before(node, child) then
            break
        end
        heap[at] = child
        child.at = at
        at = below
    end
    heap[at] = node
    node.at = at
end

--- Adds an item that is due at a moment.
-- @treturn table a handle, for remove
function Timeline:add(due_ms, item)
    local heap = self.heap
    self.count = self.count + 1
    local node = { due_ms = due_ms, age = self.count, item = item, at = 0 }
    rise(heap, node, #heap + 1)
    return node
end

--- Adds an item that nobody takes out before it is due. Nodes that nobody has a handle of are used again.
function Timeline:push(due_ms, item)
    local heap, spares = self.heap, self.spares
    local node = spares[#spares]
    self.count = self.count + 1
    if node then
        spares[#spares] = nil
        node.due_ms, node.age, node.item = due_ms, self.count, item
    else
        node = { due_ms = due_ms, age = self.count, item = item, at = 0, is_own = true }
    end
    rise(heap, node, #heap + 1)
end

local function remove(heap, node)
    local last = table.remove(heap)
    local at = node.at
    node.at = 0
    if last ~= node then
        if at > 1 and before(last, heap[(at - at % 2) / 2]) then
            rise(heap, last, at)
        else
            sink(heap, last, at)
        end
    end
end

--- Takes an item out before it is due; one that is out already is ignored.
-- @tparam table node what add has answered
function Timeline:remove(node)
    if node.at > 0 then
        remove(self.heap, node)
    end
end

--- When the next item is due; nil when there is none.
function Timeline:due_ms()
    local first = self.heap[1]
    return first and first.due_ms
end

--- Takes the next item that is due by now.
-- @treturn[1] the item
-- @treturn[1] number when it was due
-- @treturn[2] nil when none is
function Timeline:take(now_ms)
    local first = self.heap[1]
    if not first or first.due_ms > now_ms then
        return nil
    end
    remove(self.heap, first)
    local item, due_ms = first.item, first.due_ms
    if first.is_own then
        first.item = nil
        self.spares[#self.spares + 1] = first
    end
    return item, due_ms
end

return M

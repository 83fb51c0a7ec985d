--- Many calls at once, streamed: at most `concurrency` are under way, whatever the length of the input.
local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local options = require "twilio_sms.options"

local M = {}

local CONCURRENCY = 50

-- A function that answers the next item of a list or of an iterator, and nil at the end.
local function reader(source)
    if type(source) == "function" then
        return source
    end
    local i = 0
    return function()
        i = i + 1
        return source[i]
    end
end

local Job = {}
Job.__index = Job

function Job:report()
    if self.on_progress then
        self.on_progress {
            done = self.done, failed = self.failed, in_flight = self.in_flight, total = self.total,
        }
    end
end

-- Puts a finished item into the ring of those that the caller has not seen.
-- @tparam table ticket index, value, err
function Job:finish(ticket)
    self.done = self.done + 1
    if ticket.value == nil then
        self.failed = self.failed + 1
    end
    self.last = self.last + 1
    self.ready[self.last] = ticket
    loop.wake(self)
end

function Job:start(index, item)
    local fields, err = self.fields(item)
    local ticket
    if fields then
        ticket, err = self.drive:submit(self.operation, fields, self.deliver, self.batch)
    end
    if ticket then
        ticket.index = index
        self.in_flight = self.in_flight + 1
    else
        self:finish { index = index, value = nil, err = err }
    end
end

function Job:fill()
    while not self.ended and self.in_flight + (self.last - self.first + 1) < self.concurrency do
        local item = self.read()
        if item == nil then
            self.ended = true
            return
        end
        self.count = self.count + 1
        self:start(self.count, item)
    end
end

function Job:next()
    self:fill()
    while self.first > self.last do
        if self.in_flight == 0 then
            return nil
        end
        if loop.inside() then
            loop.wait(self, self.drive)
        else
            self.drive:step(-1)
        end
        self:fill() -- another coroutine may have taken the result
    end
    local ticket = self.ready[self.first]
    self.ready[self.first] = nil
    self.first = self.first + 1
    self:report()
    return ticket.index, ticket.value, ticket.err
end

--- Runs an operation for each item of a source.
-- @param drive the client's drive
-- @tparam string operation
-- @param source a list, or a function that answers the next item
-- @tparam function fields makes the fields of a request from an item; nil and an error when it cannot
-- @tparam table opts concurrency, on_progress, batch
-- @treturn function an iterator: index of the item, value, error; in the order in which they end
function M.run(drive, operation, source, fields, opts)
    local job = setmetatable({
        drive = drive, operation = operation, fields = fields, read = reader(source),
        concurrency = opts.concurrency or CONCURRENCY, on_progress = opts.on_progress,
        batch = opts.batch,
        total = type(source) == "table" and #source or nil,
        ready = {}, first = 1, last = 0, count = 0, done = 0, failed = 0, in_flight = 0,
    }, Job)
    job.deliver = function(ticket)
        job.in_flight = job.in_flight - 1
        job:finish(ticket)
    end
    return function()
        return job:next()
    end
end

--- An error for an item that is no table of fields.
function M.bad_item(item)
    return core.error("InvalidRequest", "each item must be a table, not " .. options.kind_of(item),
        "not_sent")
end

return M

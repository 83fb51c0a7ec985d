--- Shows how far a run is: one line that changes on a terminal, a line now and then elsewhere.
local M = {}

local Progress = {}
Progress.__index = Progress

local TERMINAL_MS, LINES_MS = 200, 10000
local RATE_SPAN_MS = 10000 -- the rate is that of so long a time
local BAR_WIDTH = 20

local floor = math.floor

--- A whole number with commas, as in 50,000.
function M.number(n)
    local text = ("%d"):format(n)
    local head, tail = text:match "^(%d%d?%d?)(%d*)$"
    return head and #tail % 3 == 0 and head .. tail:gsub("%d%d%d", ",%0")
        or M.number(floor(n / 1000)) .. (",%03d"):format(n % 1000)
end

--- A time as people read it: "45 s", "2:05 min", "3:07 h", "4.2 days".
function M.duration(seconds)
    if seconds < 60 then
        return ("%d s"):format(math.ceil(seconds))
    elseif seconds < 3600 then
        return ("%d:%02d min"):format(floor(seconds / 60), floor(seconds % 60))
    elseif seconds < 2 * 86400 then
        return ("%d:%02d h"):format(floor(seconds / 3600), floor(seconds % 3600 / 60))
    end
    return ("%.1f days"):format(seconds / 86400)
end

-- Messages a second in the last seconds, from two moments that move on.
local function measure(self, now_ms, done)
    if now_ms - self.newer.at_ms >= RATE_SPAN_MS / 2 then
        self.older, self.newer = self.newer, { at_ms = now_ms, done = done }
    end
    local span_ms = now_ms - self.older.at_ms
    return span_ms > 0 and (done - self.older.done) * 1000 / span_ms or 0
end

local function describe(self, now_ms, done, failed)
    local rate = measure(self, now_ms, done)
    local parts = {
        ("%s/%s"):format(M.number(done), M.number(self.total)),
        ("%d%%"):format(self.total > 0 and floor(done * 100 / self.total) or 100),
        rate < 10 and ("%.1f/s"):format(rate) or ("%s/s"):format(M.number(rate + 0.5 - (rate + 0.5) % 1)),
    }
    if rate > 0 and done < self.total then
        parts[#parts + 1] = M.duration((self.total - done) / rate) .. " left"
    end
    parts[#parts + 1] = ("%s failed"):format(M.number(failed))
    return table.concat(parts, "  ")
end

local function bar(self, done)
    local full = self.total > 0 and floor(BAR_WIDTH * math.min(done / self.total, 1)) or BAR_WIDTH
    return "[" .. ("#"):rep(full) .. ("-"):rep(BAR_WIDTH - full) .. "]"
end

-- How much of the terminal's line may be used; its last column stays empty, because some terminals begin a
-- new line behind it.
local function room(self)
    local columns = self.columns()
    return columns and math.max(0, columns - 1) or math.huge
end

-- Where a line does not fit, the bar is left out before a number is.
local function fitting_line(self, now_ms, done, failed)
    local text, most = describe(self, now_ms, done, failed), room(self)
    local line = bar(self, done) .. " " .. text
    return #line <= most and line or text:sub(1, most)
end

-- Writes over what stands there.
local function put_over(self, text)
    local rest = math.max(0, math.min(self.width, room(self)) - #text)
    self.out:write("\r", text, (" "):rep(rest), ("\b"):rep(rest))
    self.out:flush()
    self.width = #text
end

--- Shows the present state, if it is time to.
-- @tparam number now_ms monotonic milliseconds
-- @tparam number done rows that are at their end
-- @tparam number failed those of them that failed
function Progress:show(now_ms, done, failed)
    if self.how == "none" or now_ms < self.next_ms then
        return
    end
    if self.how == "terminal" then
        self.next_ms = now_ms + TERMINAL_MS
        put_over(self, fitting_line(self, now_ms, done, failed))
    else
        self.next_ms = now_ms + LINES_MS
        self.out:write(describe(self, now_ms, done, failed), "\n")
        self.out:flush()
    end
end

--- Takes the line that changes away.
function Progress:finish()
    if self.width > 0 then
        put_over(self, "")
        self.out:write "\r"
        self.out:flush()
    end
end

local function unknown()
    return nil
end

--- @tparam file out
-- @tparam string how "terminal", "lines" or "none"
-- @tparam number total rows to do
-- @tparam number now_ms monotonic milliseconds
-- @tparam[opt] function columns answers how wide the terminal is now, or nil when it does not say
function M.new(out, how, total, now_ms, columns)
    return setmetatable({
        out = out, how = how, total = total, width = 0, columns = columns or unknown,
        next_ms = how == "lines" and now_ms + LINES_MS or now_ms,
        older = { at_ms = now_ms, done = 0 }, newer = { at_ms = now_ms, done = 0 },
    }, Progress)
end

return M

--- The lines of a file, counted, and none of them longer than a record may be.
local M = {}

local Lines = {}
Lines.__index = Lines

--- What a record may have in all: a body of 1600 characters is short against it.
M.LONGEST_BYTES = 65536

local CHUNK_BYTES = 65536
local BOM = "\239\187\191"

-- What the file goes on with is put behind what is left.
local function read_more(self)
    local chunk, why = self.file:read(CHUNK_BYTES)
    if not chunk then
        self.ended = true
        return why == nil, why
    end
    local first = self.bytes == 0
    self.bytes = self.bytes + #chunk
    self.text, self.at = self.text:sub(self.at) .. chunk, 1
    if first and self.text:sub(1, #BOM) == BOM then
        self.at = #BOM + 1
    elseif first and self.text:find "^\255\254" or self.text:find "^\254\255" then
        return false, "the file is UTF-16; save it as UTF-8"
    end
    return true
end

local function take(self, to, after)
    local line = self.text:sub(self.at, to)
    self.at = after
    self.number = self.number + 1
    return line
end

--- The next line, without its line feed.
-- @treturn string|nil nil at the end
-- @treturn string|nil why there is none, when that is not the end
function Lines:next()
    local from = self.at
    while true do
        local feed = self.text:find("\n", from, true)
        if feed and feed - self.at <= M.LONGEST_BYTES then
            return take(self, feed - 1, feed + 1)
        elseif feed or #self.text - self.at >= M.LONGEST_BYTES then
            self.number = self.number + 1
            return nil, ("the line is longer than %d bytes"):format(M.LONGEST_BYTES)
        elseif self.ended then
            if self.at > #self.text then
                return nil
            end
            return take(self, #self.text, #self.text + 1)
        end
        local seen = #self.text - self.at + 1
        local ok, why = read_more(self)
        if not ok then
            return nil, why
        end
        from = self.at + (self.at == 1 and seen or 0)
    end
end

--- @param file an open file
-- @treturn table lines, whose `number` is that of the last one
function M.new(file)
    return setmetatable({ file = file, text = "", at = 1, bytes = 0, number = 0, ended = false }, Lines)
end

return M

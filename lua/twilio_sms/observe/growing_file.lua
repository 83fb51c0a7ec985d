--- A file to whose end lines are written, and that may be rotated: what is moved away gets no more of them.
local core = require "twilio_sms.core"

local M = {}

local File = {}
local class = { __index = File, __name = "twilio_sms.observe.growing_file" }

-- When nginx reads its configuration it is its master, often root, whose files its workers could not write.
local function is_too_early()
    local ngx = rawget(_G, "ngx")
    return ngx and ngx.get_phase and ngx.get_phase() == "init"
end

--- Makes one; the file is opened at once, to see that it can be.
-- @tparam string path
-- @treturn table|nil nil and a sentence
function M.new(path)
    local self = setmetatable({ path = path, file = nil }, class)
    if is_too_early() then
        return self
    end
    local file, why = self:open()
    return file and self, why
end

--- The file that the path names now. When it cannot be opened, that is the one before; and why is answered.
-- @return nil when there is none
function File:open()
    if self.file and self.file:is_at(self.path) then
        return self.file
    end
    local file, why = core.append_file(self.path)
    if file then
        self:close()
        self.file = file
    end
    return self.file, not file and ("%s: %s"):format(self.path, why) or nil
end

function File:close()
    if self.file then
        self.file:close()
        self.file = nil
    end
end

return M

--- The text formats that metrics come in.
local M = {}

local FORMATS = { prometheus = true, openmetrics = true }

--- Raises, at a level as for error, for what is no format.
-- @treturn string|nil the format
function M.check(format, level)
    if format ~= nil and not FORMATS[format] then
        error("the format must be 'prometheus' or 'openmetrics'", level + 1)
    end
    return format
end

return M

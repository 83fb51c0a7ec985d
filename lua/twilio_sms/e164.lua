--- Tells phone numbers in E.164 from everything else.
local M = {}

local byte = string.byte

--- Whether a text is a number as it is dialled from anywhere: "+", then 7 to 15 digits, the first of which is
-- not 0 (ITU-T E.164; seven are the shortest that people have: Niue, +683 and four). Byte by byte, because
-- each message comes by here several times and LuaJIT compiles no patterns.
-- @tparam string text
function M.is(text)
    local length = #text
    if length < 8 or length > 16 or byte(text, 1) ~= 43 or byte(text, 2) == 48 then
        return false
    end
    for i = 2, length do
        local c = byte(text, i)
        if c < 48 or c > 57 then
            return false
        end
    end
    return true
end

return M

--- Tells phone numbers in E.164 from everything else.
local M = {}

local find = string.find

--- Whether a text is a number as it is dialled from anywhere: "+", then 7 to 15 digits, the first of which is
-- not 0 (ITU-T E.164; seven are the shortest that people have: Niue, +683 and four).
-- @tparam string text
function M.is(text)
    return #text >= 8 and #text <= 16 and find(text, "^%+[1-9]%d+$") ~= nil
end

return M

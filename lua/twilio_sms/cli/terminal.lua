--- Texts of others as a terminal may show them: they can hold what it obeys.
local core = require "twilio_sms.core"

local M = {}

local function hex(text)
    return (text:gsub(".", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

--- Replaces the characters beyond ASCII that a terminal obeys, each by what f answers for its bytes.
function M.each_obeyed(text, f)
    text = text:gsub("\194[\128-\159]", f):gsub("\216\156", f) -- C1; Arabic letter mark
    text = text:gsub("\226\128[\142\143\168-\174]", f)
    return (text:gsub("\226\129[\166-\169]", f))
end

--- A text for one line of a terminal: control characters, those of the C1 set and those that turn the
-- direction of writing are escaped, and so is what is no UTF-8.
function M.escape(text)
    if not core.segments(text) then
        text = text:gsub("[\128-\255]", hex)
    end
    text = text:gsub("\r?\n", "\\n"):gsub("[%z\1-\31\127]", hex)
    return M.each_obeyed(text, hex)
end

--- How many characters a text has.
function M.length(text)
    local _, count = text:gsub("[^\128-\191]", "")
    return count
end

--- A text of at most so many characters, the last of which are dots when it was longer.
function M.cut(text, most)
    if M.length(text) <= most then
        return text
    end
    local characters, count = {}, 0
    for character in text:gmatch "[^\128-\191][\128-\191]*" do
        count = count + 1
        if count > most - 3 then
            break
        end
        characters[count] = character
    end
    return table.concat(characters) .. "..."
end

return M

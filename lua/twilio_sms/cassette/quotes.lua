--- Finds in a text what is known from elsewhere: values that it quotes.
local M = {}

local function is_word(text, at)
    return at > 0 and text:sub(at, at):find "^[%w\128-\255]$" ~= nil
end

-- Where a value stands in a text, not as a part of a longer word: "Yo" is not in "You".
local function find(text, value, at)
    local from, to = text:find(value, at, true)
    while from do
        local is_inside = is_word(text, from - 1) and is_word(text, from)
            or is_word(text, to) and is_word(text, to + 1)
        if not is_inside then
            return from, to
        end
        from, to = text:find(value, from + 1, true)
    end
end

-- The parts between the places where a value stands, and { what is there instead }.
local function split(parts, value)
    local out = {}
    for _, part in ipairs(parts) do
        if type(part) == "string" then
            local at = 1
            local from, to = find(part, value[1], at)
            while from do
                out[#out + 1] = part:sub(at, from - 1)
                out[#out + 1] = { value[2] }
                at = to + 1
                from, to = find(part, value[1], at)
            end
            part = part:sub(at)
        end
        out[#out + 1] = part
    end
    return out
end

local function by_length(values)
    local list = {}
    for _, value in ipairs(values) do
        if #value[1] > 1 then
            list[#list + 1] = value
        end
    end
    table.sort(list, function(a, b)
        return #a[1] > #b[1] or #a[1] == #b[1] and a[1] < b[1]
    end)
    return list
end

--- Replaces the values in a text, the longest first, and lets `other` make the rest.
-- @tparam table values a list of { value, what stands for it }
-- @tparam string text
-- @tparam function other gets a part and answers what stands for it
-- @treturn string
function M.around(values, text, other)
    local parts = { text }
    for _, value in ipairs(by_length(values)) do
        parts = split(parts, value)
    end
    for i, part in ipairs(parts) do
        parts[i] = type(part) == "table" and part[1] or other(part)
    end
    return table.concat(parts)
end

return M

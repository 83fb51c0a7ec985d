--- Checks what a function was called with: misuse raises at the caller.
local M = {}

-- How many characters have to be put in, taken out or replaced to make b of a.
local function distance(a, b)
    local row = {}
    for j = 0, #b do
        row[j] = j
    end
    for i = 1, #a do
        local diagonal = row[0]
        row[0] = i
        for j = 1, #b do
            local replaced = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
            diagonal = row[j]
            row[j] = math.min(replaced, row[j] + 1, row[j - 1] + 1)
        end
    end
    return row[#b]
end

local NAME_MOST = 32 -- characters of a name that may be meant for another one

--- The name that was probably meant.
-- @param name what was given
-- @tparam table known a table with the names as its keys
-- @treturn string|nil nil when none is near
function M.nearest(name, known)
    if type(name) ~= "string" or #name > NAME_MOST then
        return nil
    end
    local best, least = nil, math.floor((#name + 2) / 3) + 1
    for other in pairs(known) do
        local lacks_unit = other:sub(1, #name + 1) == name .. "_" -- "timeout" for "timeout_ms"
        local d = lacks_unit and 1 or distance(name:lower(), other)
        if d < least or d == least and best and other < best then -- the same one each time
            best, least = other, d
        end
    end
    return best
end

--- The end of a message about a name that is not known: what was probably meant, or nothing.
function M.hint(name, known)
    local meant = M.nearest(name, known)
    return meant and ("; did you mean '%s'?"):format(meant) or ""
end

--- The kind of a value as it stands in a message: "nil", "a string".
function M.kind_of(value)
    return value == nil and "nil" or "a " .. type(value)
end

--- Raises for a name that is no option.
-- @param name what was given
-- @tparam table known a table with the names as its keys
-- @tparam number level as for error
function M.refuse_unknown(name, known, level)
    error(("unknown option '%s'%s"):format(tostring(name), M.hint(name, known)), level + 1)
end

--- @tparam table|nil given
-- @tparam table known names with the type that each must have, or "any"
-- @tparam number level as for error
function M.check(given, known, level)
    if given == nil then
        return {}
    elseif type(given) ~= "table" then
        error("options must be a table, not " .. M.kind_of(given), level + 1)
    end
    for name, value in pairs(given) do
        local wanted = known[name]
        if not wanted then
            M.refuse_unknown(name, known, level + 1)
        elseif wanted ~= "any" and type(value) ~= wanted then
            error(("option '%s' must be a %s, not %s"):format(name, wanted, M.kind_of(value)), level + 1)
        end
    end
    return given
end

--- Raises when a method was called with a dot.
-- @param self what the method got
-- @tparam table class the metatable that it must have
-- @tparam string example "template:render{...}"
-- @tparam number level as for error
function M.check_self(self, class, example, level)
    if getmetatable(self) ~= class then
        error("call this with a colon, as in " .. example, level + 1)
    end
end

return M

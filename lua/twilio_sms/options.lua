--- Checks the options of a function: misuse raises at the caller.
local M = {}

--- @tparam table|nil given
-- @tparam table known names with the type that each must have, or "any"
-- @tparam number level as for error
function M.check(given, known, level)
    if given == nil then
        return {}
    elseif type(given) ~= "table" then
        error("options must be a table, not a " .. type(given), level + 1)
    end
    for name, value in pairs(given) do
        local wanted = known[name]
        if not wanted then
            error("unknown option '" .. tostring(name) .. "'", level + 1)
        elseif wanted ~= "any" and type(value) ~= wanted then
            error(("option '%s' must be a %s, not a %s"):format(name, wanted, type(value)), level + 1)
        end
    end
    return given
end

return M

--- Auth tokens as options: one, or a list of them; each a string, { env = "NAME" } or { file = "path" }.
local M = {}

local function is_source(value)
    return type(value) == "table" and (type(value.env) == "string" or type(value.file) == "string")
end

--- @return a list of tokens, none of them read yet
function M.list(given)
    if type(given) == "string" or is_source(given) then
        return { given }
    elseif type(given) ~= "table" then
        error("a token is a string, { env = \"NAME\" }, { file = \"path\" } or a list of these", 0)
    end
    return given
end

return M

--- Files and the shell, for specs.
local M = {}

--- A word for the shell.
function M.quote(text)
    return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- What a file holds; nil when there is none.
function M.read(path)
    local file = io.open(path, "rb")
    local text = file and file:read "*a"
    if file then
        file:close()
    end
    return text
end

function M.write(path, text)
    local file = assert(io.open(path, "wb"))
    assert(file:write(text))
    assert(file:close())
end

return M

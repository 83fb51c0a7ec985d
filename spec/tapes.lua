--- Files of tapes for the specs.
local M = {}

--- A name of a file that does not exist.
function M.path()
    local path = os.tmpname()
    os.remove(path)
    return path
end

function M.read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

function M.write(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
end

function M.exists(path)
    local file = io.open(path, "rb")
    if file then
        file:close()
    end
    return file ~= nil
end

--- Calls f with standard error led to a file; answers what was written there.
function M.quietly(f)
    local path, stderr = os.tmpname(), io.stderr
    local file = assert(io.open(path, "w+"))
    io.stderr = file -- luacheck: ignore 122
    local ok, err = pcall(f)
    io.stderr = stderr -- luacheck: ignore 122
    file:seek "set"
    local text = file:read "*a"
    file:close()
    os.remove(path)
    assert(ok, err)
    return text
end

return M

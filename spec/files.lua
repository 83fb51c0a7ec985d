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

--- What tells the shell that no file may grow beyond so many blocks of 512 bytes, as on a disk
-- that is full. What gcov writes when a program ends would be cut as well: it goes where nobody reads it.
function M.limit(blocks)
    return ([[
        export GCOV_PREFIX=$(mktemp -d) GCOV_ERROR_FILE=/dev/null
        trap 'rm -r "$GCOV_PREFIX"' EXIT
        trap '' XFSZ
        ulimit -f %d
    ]]):format(blocks)
end

return M

--- What the checks of the pages share: their verdicts, and files.
local M = { failed = 0 } -- how many checks

function M.report(ok, what, text)
    print((ok and "ok: " or "FAILED: ") .. what)
    if not ok then
        M.failed = M.failed + 1
        print(text)
    end
end

function M.read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

return M

--- A peer for the specs: the curl program, run beside the server under test.
local M = {}

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Starts curl on a path of the server.
-- @tparam userdata server
-- @tparam string path
-- @tparam[opt] string ... more arguments for curl
-- @treturn file
function M.start(server, path, ...)
    local command = { "curl", "--silent", "--include", "--http1.1", "--noproxy", "*", "--max-time", "20",
        "--write-out", "\n%{http_code} %{exitcode}" }
    local scheme = "http"
    if server:ca_file() ~= "" then
        scheme = "https"
        command[#command + 1] = "--cacert"
        command[#command + 1] = server:ca_file()
    end
    for _, argument in ipairs { ... } do
        command[#command + 1] = argument
    end
    command[#command + 1] = ("%s://localhost:%d%s"):format(scheme, server:port(), path)
    for i, argument in ipairs(command) do
        command[i] = quote(argument)
    end
    return assert(io.popen(table.concat(command, " ") .. " 2>/dev/null", "r"))
end

--- Steps until there is a request.
function M.request(server)
    for _ = 1, 200 do
        server:step(100)
        local request = server:next()
        if request then
            return request
        end
    end
    error "no request came"
end

--- Steps until curl has gone, then tells what it saw.
-- @treturn table `status` (0 for none), `exit` code of curl, `head` and `body`
function M.finish(server, curl)
    for _ = 1, 2000 do
        if server:connections() == 0 then
            break
        end
        server:step(10)
    end
    local text = curl:read "*a"
    curl:close()
    local answer, status, exit = text:match "^(.*)\n(%d+) (%d+)$"
    local head, body = answer:match "^(HTTP.-\r\n)\r\n(.*)$"
    return { status = tonumber(status), exit = tonumber(exit), head = head, body = body }
end

return M

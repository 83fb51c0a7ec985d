--- An HTTP client for the specs: the curl program, so that it is nobody's who is under test.
local file = require "files"

local quote, read, write = file.quote, file.read, file.write

local M = {}

local Request = {}
Request.__index = Request

local function lines_of(head)
    local headers = setmetatable({}, { __index = function(t, name)
        return type(name) == "string" and rawget(t, name:lower()) or nil
    end })
    for name, value in head:gmatch "\n([^:\r\n]+): *([^\r\n]*)" do
        name = name:lower()
        headers[name] = rawget(headers, name) and headers[name] .. ", " .. value or value
    end
    return headers
end

--- Waits for the answer.
-- @treturn number|nil the status; nil when there was no answer
-- @treturn table|string its headers, whose names are found in any case; or why there was no answer
-- @treturn string|nil its body
function Request:finish()
    local code, exit, why = self.pipe:read("*a"):match "^(%d+) (%d+) (.*)$"
    self.pipe:close()
    local head, body = read(self.path .. ".head") or "", read(self.path .. ".answer") or ""
    for _, name in ipairs { ".head", ".answer", ".body" } do
        os.remove(self.path .. name)
    end
    if exit ~= "0" then
        return nil, why or "curl has said nothing"
    end
    -- What came last, behind a "100 Continue".
    return tonumber(code), lines_of(head:match ".*\n(HTTP/.-)$" or head), body
end

local function add_headers(command, headers)
    for name, value in pairs(headers or {}) do
        if type(name) == "number" then
            name, value = value[1], value[2]
        end
        command[#command + 1] = "--header"
        command[#command + 1] = value == "" and name .. ";" or name .. ": " .. value
    end
end

--- Sends a request and does not wait.
-- @tparam string method
-- @tparam string url whose path stands in the request line as it is
-- @tparam table opts headers (a map or a list of pairs), body (a string), curl (a list of more arguments),
-- timeout_ms (20000), ca_file; files: how the names of files begin in which curl puts what comes
-- @treturn table with `finish`
function M.send(method, url, opts)
    local files = opts.files
    local command = {
        "--silent", "--globoff", "--path-as-is", "--noproxy", "*", "--http1.1", "--request", method,
        "--max-time", ("%.3f"):format((opts.timeout_ms or 20000) / 1000),
        "--dump-header", files .. ".head", "--output", files .. ".answer",
        "--write-out", "%{http_code} %{exitcode} %{errormsg}",
        "--header", "Expect:", "--header", "Accept:", "--header", "User-Agent:",
    }
    if method == "HEAD" then
        command[#command + 1] = "--head"
    end
    if opts.body then
        write(files .. ".body", opts.body)
        command[#command + 1] = "--data-binary"
        command[#command + 1] = "@" .. files .. ".body"
    end
    if opts.ca_file then
        command[#command + 1] = "--cacert"
        command[#command + 1] = opts.ca_file
    end
    add_headers(command, opts.headers)
    for _, word in ipairs(opts.curl or {}) do
        command[#command + 1] = word
    end
    command[#command + 1] = url
    for i, word in ipairs(command) do
        command[i] = quote(word)
    end
    local pipe = assert(io.popen("curl " .. table.concat(command, " "), "r"))
    return setmetatable({ pipe = pipe, path = files }, Request)
end

--- Sends bytes as they are to a port of this machine, and reads until the server closes the connection, for 5
-- seconds at most.
-- @treturn string what came
function M.raw(port, bytes)
    local path = os.tmpname()
    write(path, bytes)
    local script = ("exec 3<>/dev/tcp/127.0.0.1/%d; cat %s >&3; timeout 5 cat <&3"):format(port, path)
    local pipe = assert(io.popen("bash -c " .. quote(script) .. " 2>/dev/null", "r"))
    local text = pipe:read "*a"
    pipe:close()
    os.remove(path)
    return text
end

return M

-- The yardstick in nginx: what a competent author writes over a cosocket to send one message, with nothing
-- around it. Connections are kept and verified; each form is encoded anew; the head of the answer is read by
-- lines, its body by length, and decoded once.
-- luacheck: std max+ngx_lua
local cjson = require "cjson"

local M = {}

local REQUEST = "POST /2010-04-01/Accounts/%s/Messages.json HTTP/1.1\r\nHost: %s:%d\r\n"
    .. "Authorization: Basic %s\r\nUser-Agent: %s\r\nAccept: application/json\r\n"
    .. "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
local POOL = { pool = "bare", pool_size = 512 }

-- @tparam table opts account_sid, auth_token, from, address, host, port, user_agent
function M.new(opts)
    local escape, head = ngx.escape_uri, REQUEST:format(opts.account_sid, opts.host, opts.port,
        ngx.encode_base64(opts.account_sid .. ":" .. opts.auth_token), opts.user_agent)
    local from = escape(opts.from)

    local function read_answer(sock)
        local line = assert(sock:receive "*l")
        local status, len = tonumber(line:match "^HTTP/1%.1 (%d%d%d)"), nil
        repeat
            line = assert(sock:receive "*l")
            local name, value = line:match "^([^:]+):%s*(.-)%s*$"
            if name and name:lower() == "content-length" then
                len = tonumber(value)
            end
        until line == ""
        return status, assert(sock:receive(len))
    end

    return function(to, body)
        local sock = ngx.socket.tcp()
        sock:settimeouts(10000, 30000, 30000)
        assert(sock:connect(opts.address, opts.port, POOL))
        if sock:getreusedtimes() == 0 then
            assert(sock:sslhandshake(nil, opts.host, true))
        end
        local form = "To=" .. escape(to) .. "&From=" .. from .. "&Body=" .. escape(body)
        assert(sock:send { head, #form, "\r\n\r\n", form })
        local status, json = read_answer(sock)
        sock:setkeepalive(60000)
        assert(status == 201, json)
        return cjson.decode(json)
    end
end

return M

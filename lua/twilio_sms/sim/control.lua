--- Who may ask a simulator for what is below /_sim, which is no part of Twilio's API.
--
-- Programs on the same machine may; a page in a browser on that machine may not, although its requests come
-- from there.
local control_routes = require "twilio_sms.sim.control.routes"
local json = require "twilio_sms.sim.json"
local options = require "twilio_sms.options"

local M = {}

local function refuse(status, why, headers)
    headers = headers or {}
    headers[#headers + 1] = { "Content-Type", "application/json" }
    return { status = status, headers = headers, body = json.map { message = why } }
end

local function is_loopback(peer)
    return peer:find "^127%." ~= nil or peer:find "^%[::1%]" ~= nil or peer:find "^%[::ffff:127%." ~= nil
end

-- A name of somebody else's may lead here: DNS rebinding, by which a page reads what its origin seems to say.
local function is_own_name(host)
    local name = host:lower():gsub(":%d*$", "")
    return name == "localhost" or name == "[::1]" or name:find "^127%.%d+%.%d+%.%d+$" ~= nil
end

-- Browsers tell with Origin whose page sends a form (Fetch standard), newer ones with Sec-Fetch-Site that a
-- page asks at all; "none" is what somebody has typed.
local function is_of_a_page(request)
    return request.origin ~= nil or request.fetch_site ~= nil and request.fetch_site ~= "none"
end

local function why_not(request)
    if not is_loopback(request.peer) then
        return "only for programs on the same machine"
    elseif is_of_a_page(request) then
        return "not for pages in a browser: the request has the header Origin or Sec-Fetch-Site"
    elseif request.host and not is_own_name(request.host) then
        return "only by the name localhost or a loopback address: the header Host has another one"
    end
end

local function find_route(path)
    local methods = control_routes.ROUTES[path]
    if methods then
        return methods
    end
    local parent, id = path:match "^(.*)/([^/]+)$"
    return control_routes.ITEMS[parent], id
end

local function names_of(methods)
    local names = {}
    for name in pairs(methods) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

-- Everything that can be asked, as "GET /_sim/stats".
local function list()
    local lines = {}
    for suffix, routes in pairs { [""] = control_routes.ROUTES, ["/<id>"] = control_routes.ITEMS } do
        for path, methods in pairs(routes) do
            for _, method in ipairs(names_of(methods)) do
                lines[#lines + 1] = { path .. suffix, method }
            end
        end
    end
    table.sort(lines, function(a, b)
        return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
    end)
    for i, line in ipairs(lines) do
        lines[i] = line[2] .. " " .. line[1]
    end
    return { status = 200, headers = { { "Content-Type", "application/json" } }, body = json.list(lines) }
end

-- What a body is that is no form; nil when it is one, or empty.
local function other_than_form(request)
    local kind = (request.content_type or ""):lower():match "^[^;%s]*"
    if request.body == "" then
        return nil
    elseif kind ~= "" and kind ~= "application/x-www-form-urlencoded" then
        return kind
    end
    return request.body:find "^%s*[{%[]" and "JSON" or nil
end

--- Answers a request below /_sim, or nil when it is another one.
-- @tparam table sim `twilio_sms.sim.server`
-- @tparam table request method, path, query, body, peer, host, origin, fetch_site, content_type
-- @treturn table|nil an answer; `when_quiet` wants it to wait until no webhook is under way
function M.handle(sim, request)
    if request.path ~= "/_sim" and request.path:sub(1, 6) ~= "/_sim/" then
        return nil
    end
    local why = why_not(request)
    if why then
        return refuse(403, why)
    end
    if request.path:find "^/_sim/?$" and request.method == "GET" then
        return list()
    end
    local methods, id = find_route(request.path)
    if not methods then
        local hint = options.hint(request.path, control_routes.ROUTES)
        return refuse(404, "nothing is here" .. (hint ~= "" and hint or "; GET /_sim lists what there is"))
    end
    local route = methods[request.method]
    if not route then
        local allowed = table.concat(names_of(methods), ", ")
        return refuse(405, "only " .. allowed, { { "Allow", allowed } })
    end
    local kind = other_than_form(request)
    if kind then
        return refuse(400, "takes a form, not " .. kind)
    end
    local answer, problem, status = route(sim, request, id)
    return answer or refuse(status or 400, problem)
end

return M

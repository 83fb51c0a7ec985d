-- Runs a code block of nginx directives: starts an nginx with them, and makes the requests that its comments
-- say.
-- Usage: lua5.4 tests/examples/docs_nginx.lua FILE PLACE, where PLACE is where the directives belong: main,
-- http or server, with the environment that docs.sh makes
--
-- In a block the comment "# GET /path --> text" or "# POST /path a=b --> text" is a request, whose answer
-- must hold the text. Accounts are those of the simulator, and the region is one that nobody else has.
package.path = "spec/?.lua;" .. package.path

local core = require "twilio_sms.core"
local nginx = require "nginx"

local DEFAULTS = [[
    local facade = require "resty.twilio_sms"
    local setup = facade.setup
    local file = "messages.db"
    local open = require("twilio_sms.store").open
    require("twilio_sms.store").open = function() return open(ngx.config.prefix() .. file) end
    function facade.setup(opts)
        opts.account_sid, opts.auth_token = "%s", "%s"
        opts.from = opts.from or "%s"
        opts.base_url = "%s"
        opts.shared = "%s"
        setup(opts)
    end
]]

-- For blocks that do not set up anything.
local SETUP = [[
    init_by_lua_block {
        require("resty.twilio_sms").setup {
            store = function() return require("twilio_sms.store").open "messages.db" end,
            track = true,
            webhook = { on_message = function(event) return "You wrote: " .. event.body end },
        }
    }
]]

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

local function squeeze(text)
    return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

local CA_FILE = os.getenv "TWILIO_CA_FILE"

-- The options of an nginx with the directives in their place, and what every one of them needs around them.
local function around(text, place)
    local parts = { main = "", http = "", server = "" }
    text = text:gsub("load_module [^\n]*", "") -- the harness has loaded them
    text = text:gsub("listen [^;]*;", ""):gsub("server_name [^;]*;", "")
    text = text:gsub("(lua_ssl_trusted_certificate )[^;]*;", "%1" .. CA_FILE .. ";")
    local inner = place == "http" and text:match "\nserver (%b{})"
    if inner then -- the server of the block is that of the harness
        parts.server = inner:sub(2, -2)
        text = text:gsub("\nserver %b{}", "")
    end
    parts[place] = parts[place] .. text
    if not text:find("init_by_lua_block", 1, true) then
        parts.http = parts.http .. SETUP
    end
    local lead = DEFAULTS:format(os.getenv "TWILIO_ACCOUNT_SID", os.getenv "TWILIO_AUTH_TOKEN",
        os.getenv "TWILIO_FROM", os.getenv "TWILIO_BASE_URL", os.getenv "DOCS_SHARED")
    parts.http = parts.http:gsub("init_by_lua_block {", function(start) return start .. lead end, 1)
    if not text:find("lua_ssl_trusted_certificate", 1, true) then
        parts.ca_file = CA_FILE
    end
    parts.workers = 2
    return parts
end

-- Makes the requests of a block. Answers nil, or what is wrong.
local function ask(server, text)
    for method, path, body, wanted in text:gmatch "# (%u+) (/%S*) ?(.-) ?%-%-> ([^\n]*)" do
        local opts = { headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } }
        opts.body = body ~= "" and body or nil
        local _, _, answer = server:request(method, path, opts)
        if not answer or not squeeze(answer):find(squeeze(wanted), 1, true) then
            return ("%s %s did not answer '%s', but:\n  %s\n%s"):format(method, path, squeeze(wanted),
                tostring(answer), server:error_log())
        end
    end
end

local text = read(arg[1])
local started, server = pcall(nginx.start, around("\n" .. text, arg[2]))
local why = not started and tostring(server) or nil
if started then
    why = ask(server, text)
    server:stop()
end
core.forget_shared(os.getenv "DOCS_SHARED", os.getenv "TWILIO_ACCOUNT_SID")
if why then
    io.stderr:write(why, "\n")
end
os.exit(why and 1 or 0)

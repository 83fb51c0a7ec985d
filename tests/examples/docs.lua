-- Runs the code blocks of README.md and docs/*.md.
-- Usage: lua5.4 tests/examples/docs.lua DIRECTORY [PAGE...], with the environment that docs.sh makes
--
-- What may stand behind the language of a block:
--     no-run (reason)    it is only compiled
--     needs=module       as no-run where that Lua module is not installed
--     file=name          it is also kept under this name for the shell blocks of its page
--     in=place           where directives of nginx belong: main, http (where nothing is said) or server
--     terminal           a shell block that goes on while the blocks below it run. Of a page with such a one
--                        each "export TWILIO_..." counts; its ports 8444 and 8080 become free ones
-- A shell block finds the folder examples/, too, as in the folder of the project.
-- In a Lua block the comment "--> text" behind a print is what it must print; docs_nginx.lua says what it is
-- in a block for nginx.

local BLOCK_SECONDS = 60
local LUAS = { "lua5.4", "luajit" }

-- ---- Running one Lua block, in a process of its own ----------------------------------------------

-- Names that a block may use without saying where they come from.
local PRELUDE = {}

function PRELUDE.sms()
    return require "twilio_sms"
end

function PRELUDE.client()
    return PRELUDE.sms().assert(PRELUDE.sms().from_env())
end

-- The SID of a message.
function PRELUDE.sid()
    local sms = PRELUDE.sms()
    return sms.assert(PRELUDE.client():send { to = "+15558675319", body = "A message" }).sid
end

-- Leads clients to the simulator, and to a shared region that nobody else has.
local function lead_clients()
    local sms = require "twilio_sms"
    for _, name in ipairs { "new", "from_env" } do
        local make = sms[name]
        sms[name] = function(opts)
            if type(opts) == "table" then
                opts.base_url = opts.base_url or os.getenv "TWILIO_BASE_URL"
                opts.ca_file = opts.ca_file or os.getenv "TWILIO_CA_FILE"
                opts.shared = opts.shared and os.getenv "DOCS_SHARED"
            end
            return make(opts)
        end
    end
end

local function squeeze(text)
    return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

-- Every "-->" must be a line of the output, in this order; other lines may come between.
local function check_output(text, lines)
    local at = 0
    for wanted in text:gmatch "%-%->([^\n]*)" do
        repeat
            at = at + 1
            if not lines[at] then
                local printed = table.concat(lines, "\n  ")
                error(("did not print '%s', but:\n  %s"):format(squeeze(wanted), printed), 0)
            end
        until lines[at] == squeeze(wanted)
    end
end

local function run_lua_block(path, name)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    local lines = {}
    local env = setmetatable({}, {
        __index = function(self, key)
            local value = _G[key]
            if value == nil and PRELUDE[key] then
                value = PRELUDE[key]()
            end
            rawset(self, key, value)
            return value
        end,
    })
    function env.print(...)
        local words = {}
        for i = 1, select("#", ...) do
            words[i] = tostring((select(i, ...)))
        end
        lines[#lines + 1] = squeeze(table.concat(words, " "))
        print(...)
    end
    lead_clients()
    assert(load(text, "@" .. name, "t", env))()
    check_output(text, lines)
end

if arg[1] == "--block" then
    local ok, err = xpcall(run_lua_block, function(err)
        return type(err) == "string" and debug.traceback(err, 2) or tostring(err)
    end, arg[2], arg[3])
    if not ok then
        io.stderr:write(err, "\n")
    end
    os.exit(ok and 0 or 1, true)
end

-- ---- Reading pages -------------------------------------------------------------------------------

local failed = 0

local function report(ok, what, text)
    print((ok and "ok: " or "FAILED: ") .. what)
    if not ok then
        failed = failed + 1
        if text then
            print(text)
        end
    end
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

local function write(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
end

local function read_info(block, info)
    block.language = info:match "^%S*"
    block.no_run = info:match "no%-run %((.-)%)"
    block.needs = info:match "needs=(%S+)"
    block.file = info:match "file=(%S+)"
    block.place = info:match "in=(%S+)"
    block.terminal = info:find("%f[%w]terminal%f[%W]") ~= nil
    local rest = info:sub(#block.language + 1):gsub("no%-run %(.-%)", ""):gsub("needs=%S+", "")
        :gsub("file=%S+", ""):gsub("in=%S+", ""):gsub("terminal", "")
    return rest:find "%S" == nil
end

-- The fenced blocks of a page.
local function blocks_of(path, text)
    local blocks, block, number = {}, nil, 0
    for line in text:gmatch "([^\n]*)\n" do
        number = number + 1
        local info = line:match "^```(.*)$"
        if info and block then
            block.text = table.concat(block, "\n") .. "\n"
            block = nil
        elseif info then
            block = { page = path, line = number + 1 }
            blocks[#blocks + 1] = block
            if not read_info(block, info) then
                report(false, ("%s:%d: unknown words behind the fence: %s"):format(path, number, info))
            end
        elseif block then
            block[#block + 1] = line
        end
    end
    if block then
        report(false, path .. ": a fence is open at the end")
        blocks[#blocks] = nil
    end
    return blocks
end

-- ---- Running blocks ------------------------------------------------------------------------------

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Whether a command ends well, and what it printed.
local function run(command, ...)
    local pipe = assert(io.popen(("{ %s; } 2>&1"):format(command:format(...)), "r"))
    local text = pipe:read "*a"
    return (pipe:close()) == true, text
end

local RUNNERS = {}

-- Line numbers of errors are those of the page.
function RUNNERS.lua(block, path)
    write(path, ("\n"):rep(block.line - 1) .. block.text)
    local page = ("%s:%d"):format(block.page, block.line)
    for _, lua in ipairs(LUAS) do
        local may_run = not block.no_run
            and (not block.needs or run("%s -e %s", lua, quote(("require %q"):format(block.needs))))
        local ok, text
        if may_run then
            ok, text = run("timeout %d %s tests/examples/docs.lua --block %s %s",
                BLOCK_SECONDS, lua, quote(path), quote(block.page))
        else
            ok, text = run("%s -e %s", lua, quote(("assert(loadfile(%q))"):format(path)))
        end
        report(ok, ("%s %s%s"):format(page, lua, may_run and "" or ", only compiled"), text)
    end
end

-- A part of a program stands in a function, with what it may use.
local C_PART = [[
#include <stdio.h>
#include <string.h>
#include <twilio_sms.h>

tsms_client *client;
tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
tsms_result *result;
tsms_error err;
tsms_str sid;

int main(void)
{
    tsms_config *options;
    tsms_result *first;
    tsms_message sent;
    message.to = tsms_str_from("+15558675310");
    message.body = tsms_str_from("Hello");
    if (tsms_config_new(NULL, &options) != TSMS_OK || tsms_config_from_env(options, &err) != TSMS_OK ||
        tsms_client_new(options, &client, &err) != TSMS_OK ||
        tsms_client_send(client, &message, &first, &err) != TSMS_OK ||
        !tsms_result_message(first, 0, &sent)) {
        return 1;
    }
    sid = sent.sid;
    {
#line %d "%s"
%s
    }
    tsms_result_free(first);
    tsms_client_free(client);
    tsms_config_free(options);
    return 0;
}
]]

function RUNNERS.c(block, path)
    local whole = block.text:find("int main(", 1, true)
    local line = ('#line %d "%s"\n'):format(block.line, block.page)
    write(path, whole and line .. block.text or C_PART:format(block.line, block.page, block.text))
    local libraries = "$(pkg-config --cflags --libs twilio_sms)"
    if block.text:find("twilio_sms_lua.h", 1, true) then
        libraries = "-ltwilio_sms_lua5.4 $(pkg-config --cflags --libs lua5.4 libcurl libcjson libcrypto) "
            .. "-lpthread -lm"
    end
    if block.text:find("twilio_sms_testing.h", 1, true) then
        libraries = libraries .. " -lcmocka $(pkg-config --libs libcurl)"
    end
    local program = path .. ".out"
    local ok, text = run("cc -Wall -Wextra -Werror %s -o %s %s", quote(path), quote(program), libraries)
    if ok and not block.no_run then
        ok, text = run("timeout %d %s", BLOCK_SECONDS, quote(program))
    end
    report(ok, ("%s:%d C%s"):format(block.page, block.line, block.no_run and ", only compiled" or ""), text)
end

local function makefile_targets()
    local targets = {}
    for line in read("Makefile"):gmatch "[^\n]+" do
        local names = line:match "^%.PHONY:(.*)" or line:match "^([%w%-]+):" or ""
        for name in names:gmatch "[%w%-]+" do
            targets[name] = true
        end
    end
    return targets
end

-- The targets that a line asks make for.
local function check_make(line, targets)
    for words in line:gsub("#.*", ""):gmatch "%f[%w]make%f[^%w]([^;|)]*)" do
        for word in words:gmatch "%S+" do
            if not word:find "[-=]" and not targets[word] then
                return nil, "there is no target '" .. word .. "'"
            end
        end
    end
    return true
end

-- ---- Terminals of a page -------------------------------------------------------------------------

-- Starts a script that goes on, and waits until it says something. Answers its process.
local START = [[
cd "$1"
timeout "$2" bash -eu "$3" > "$3.log" 2>&1 & process=$!
for _ in $(seq 400); do
    [ ! -s "$3.log" ] || { echo $process; exit 0; }
    kill -0 $process 2> /dev/null || break
    read -rt 0.05 <> <(:) || true
done
cat "$3.log"
exit 1
]]

local function start_terminal(path)
    local folder = path:match "^(.*)/"
    local seconds = 2 * BLOCK_SECONDS
    local ok, text = run("bash -c %s start %s %d %s", quote(START), quote(folder), seconds, quote(path))
    return ok and text:match "%d+", text
end

local function free_port()
    local pipe = assert(io.popen("python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 0)); "
        .. "print(s.getsockname()[1])'"))
    local port = pipe:read "n"
    pipe:close()
    return ("%d"):format(port)
end

-- What the blocks of a page share, or nil if it has no terminals.
local function terminals_of(blocks)
    for _, block in ipairs(blocks) do
        if block.terminal then
            local ports = { ["8444"] = free_port(), ["8080"] = free_port() }
            return { processes = {}, exports = {}, ports = ports }
        end
    end
end

local function end_terminals(terminals)
    for _, process in ipairs(terminals and terminals.processes or {}) do
        run("kill %s", process)
    end
end

-- What make does was done before, accounts are those of the simulator, modules are found; the rest is run.
function RUNNERS.sh(block, path)
    local targets, rest, ok, text = makefile_targets(), {}, true, nil
    local terminals = block.terminals
    for line in block.text:gmatch "[^\n]*\n" do
        if line:find "%f[%w]make%f[^%w]" then
            local good, why = check_make(line, targets)
            ok, text = ok and good, why or text
        elseif terminals and line:find "^export TWILIO_" then
            terminals.exports[#terminals.exports + 1] = line
        elseif not line:find "^export TWILIO_" and not line:find "^cd twilio%-sms" then
            rest[#rest + 1] = line
        end
    end
    write(path, (terminals and table.concat(terminals.exports) or "") .. table.concat(rest))
    if ok and block.terminal then
        ok, text = start_terminal(path)
        terminals.processes[#terminals.processes + 1] = ok or nil
    elseif ok then
        ok, text = run("cd %s && timeout %d bash %s %s",
            quote(path:match "^(.*)/"), BLOCK_SECONDS, block.no_run and "-n" or "-eu", quote(path))
    end
    local how = block.no_run and ", only checked" or ""
    report(ok, ("%s:%d shell%s"):format(block.page, block.line, how), text)
end

function RUNNERS.nginx(block, path)
    write(path, block.text)
    local ok, text = true, nil
    if not block.no_run then
        ok, text = run("timeout %d lua5.4 tests/examples/docs_nginx.lua %s %s", BLOCK_SECONDS, quote(path),
            quote(block.place or "http"))
    end
    report(ok, ("%s:%d nginx%s"):format(block.page, block.line, block.no_run and ", not run" or ""), text)
end

-- ---- All of it -----------------------------------------------------------------------------------

local directory = arg[1]
local pages = { table.unpack(arg, 2) }
if #pages == 0 then
    for path in io.popen("ls README.md docs/*.md"):lines() do
        pages[#pages + 1] = path
    end
end

for number, path in ipairs(pages) do
    local text = read(path)
    local folder = ("%s/%d"):format(directory, number)
    assert(os.execute(("mkdir %s && ln -s \"$PWD/examples\" %s"):format(quote(folder), quote(folder))))
    local blocks = blocks_of(path, text)
    local terminals = terminals_of(blocks)
    for i, block in ipairs(blocks) do
        local runner = RUNNERS[block.language]
        block.terminals = terminals
        if terminals then
            block.text = block.text:gsub("%f[%d]%d%d%d%d%f[%D]", terminals.ports)
        end
        if not runner then
            report(false, ("%s:%d: no language that is known here"):format(path, block.line))
        else
            if block.file then
                write(folder .. "/" .. block.file, block.text)
            end
            runner(block, ("%s/block%d.%s"):format(folder, i, block.language))
        end
    end
    end_terminals(terminals)
end
os.exit(failed == 0 and 0 or 1)

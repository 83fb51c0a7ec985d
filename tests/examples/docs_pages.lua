-- Holds README.md and docs/*.md against the code: links lead somewhere, and no name is left unmentioned.
-- Usage: lua5.4 tests/examples/docs_pages.lua

local failed = 0

local function report(ok, what, text)
    print((ok and "ok: " or "FAILED: ") .. what)
    if not ok then
        failed = failed + 1
        print(text)
    end
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

-- ---- Links ---------------------------------------------------------------------------------------

-- Heading "What it does" is linked to as "#what-it-does".
local function anchors_of(text)
    local anchors = {}
    for heading in ("\n" .. text):gmatch "\n#+ ([^\n]+)" do
        anchors[heading:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-")] = true
    end
    return anchors
end

local function exists(path)
    local file = io.open(path, "rb")
    if file then
        file:close()
    end
    return file ~= nil
end

local function check_links(path)
    local text, wrong = read(path), {}
    local folder = path:match "^(.*/)" or ""
    for link in text:gmatch "%]%(([^)]+)%)" do
        local file, anchor = link:match "^([^#]*)#?(.*)$"
        if not link:find "^https?://" then
            local target = file == "" and path or folder .. file
            if not exists(target) then
                wrong[#wrong + 1] = link .. " is not there"
            elseif anchor ~= "" and not anchors_of(read(target))[anchor] then
                wrong[#wrong + 1] = link .. " has no such heading"
            end
        end
    end
    report(#wrong == 0, path .. " has good links", "  " .. table.concat(wrong, "\n  "))
end

-- ---- Names ---------------------------------------------------------------------------------------

-- Whether a text holds a name, and not only as a part of a longer one.
local function holds(text, name)
    local from, to = text:find(name, 1, true)
    while from and (text:sub(from - 1, from - 1) .. text:sub(to + 1, to + 1)):find "[%w_]" do
        from, to = text:find(name, to + 1, true)
    end
    return from ~= nil
end

-- Each name that the pattern finds in the source must stand on the page, as code where `form` says so.
local function check_mentions(page, where, source, pattern, form)
    local text, count, missing = read(page), 0, {}
    for name in source:gmatch(pattern) do
        count = count + 1
        local wanted = (form or "`%s`"):format(name)
        if not holds(text, wanted) then
            missing[#missing + 1] = wanted
        end
    end
    report(count > 0 and #missing == 0, ("%s mentions all %d %s"):format(page, count, where),
        "  missing: " .. table.concat(missing, ", "))
end

-- The rows of a macro that is a list of X(...).
local function rows(header, name)
    local list, going = {}, false
    for line in header:gmatch "[^\n]*\n" do
        going = going or line:find("#define " .. name .. "(X)", 1, true) ~= nil
        if going then
            list[#list + 1] = line
            if not line:find "\\\n$" then
                return table.concat(list)
            end
        end
    end
    error("no list " .. name)
end

local function check_names()
    local header = read "csrc/twilio_sms.h"
    check_mentions("docs/errors.md", "kinds", rows(header, "TSMS_KINDS"), 'X%([%u_]+, [%u_]+, "(%w+)"', "%s")
    check_mentions("docs/errors.md", "outcomes", rows(header, "TSMS_OUTCOMES"), '"([%l_]+)"')
    check_mentions("docs/limits.md", "events", rows(header, "TSMS_EVENTS"), '"([%l_]+)"')
    check_mentions("docs/limits.md", "counters", rows(header, "TSMS_COUNTERS"), "X%(([%l_]+),")
    local statuses = rows(header, "TSMS_MESSAGE_STATUSES"):gsub('"unknown"', "")
    check_mentions("docs/reading.md", "statuses", statuses, '"([%l_]+)"')
    check_mentions("docs/sending.md", "parameters", read "csrc/wire/params.def",
        "\nPARAM[%u_]*%([%u, ]*([%l_]+),")
    check_mentions("docs/c.md", "functions", header .. read "csrc/twilio_sms_lua.h",
        "\nTSMS_API [^\n(]-([%l%d_]+)%(")
    local server = read "lua/twilio_sms/sim/server/options.lua"
    check_mentions("docs/simulator.md", "options", server:match "local OPTIONS = (%b{})", "([%l_]+) = ")
    local webhook = read "lua/twilio_sms/webhook_options.lua"
    check_mentions("docs/receiving.md", "options", webhook:match "local OPTIONS = (%b{})", "([%l_]+) = ")
    local listener = read "lua/twilio_sms/listener.lua"
    check_mentions("docs/receiving.md", "server's options", listener:match "local SERVER_OPTIONS = (%b{})",
        "([%l_]+) = ")
    check_mentions("docs/receiving.md", "listener's options", listener:match "local OWN_OPTIONS = (%b{})",
        "([%l_]+) = ")
    local rule = read "lua/twilio_sms/sim/script/rule.lua"
    check_mentions("docs/simulator.md", "keys", rule:match "local KEYS = (%b{})", "([%l_]+) = ")
    for _, actions in ipairs { "ACTIONS", "WEBHOOK_ACTIONS", "DELIVERY_ACTIONS" } do
        check_mentions("docs/simulator.md", "actions", rule:match("local " .. actions .. " = (%b{})"),
            "([%l_]+) = ")
    end
    local words = read "lua/twilio_sms/sim/script/words.lua"
    check_mentions("docs/rehearsing.md", "words", words, "\n    function s%.(%l+)", "s.%s")
    check_mentions("docs/rehearsing.md", "words of rules", words, "\nfunction Rule:(%l+)", ":%s")
    check_mentions("docs/rehearsing.md", "scenarios", read "lua/twilio_sms/sim/scenarios.lua",
        '\ndefine%("([%l_]+)"')
    local world = read "lua/twilio_sms/sim/world/options.lua"
    check_mentions("docs/rehearsing.md", "options", world:match "local OPTIONS = (%b{})", "([%l_]+) = ")
    check_mentions("docs/openresty.md", "functions", read "lua/resty/twilio_sms.lua",
        "\nfunction M%.([%l_]+)%(", "sms.%s")
    check_mentions("docs/openresty.md", "options", read("lua/resty/twilio_sms/settings.lua"):match
        "local OWN = (%b{})", "([%l_]+) = ")
    check_mentions("docs/command-line.md", "commands", read("lua/twilio_sms/cli.lua"):match
        "local NAMES = (%b{})", '"(%l+)"', "%s")
    check_mentions("docs/command-line.md", "exit statuses", read "lua/twilio_sms/cli/failure.lua",
        "\n    [%u_]+ = (%d+),", "| %s |")
    check_mentions("docs/testing.md", "functions in C", read "csrc/twilio_sms_testing.h",
        "\n#define (tsms_testing_[%l_]+)%(", "%s")
end

-- A function of Lua may be explained on any page.
local function check_lua_functions(pages)
    local text = {}
    for i, path in ipairs(pages) do
        text[i] = read(path)
    end
    text = table.concat(text)
    local names = {
        client = "client:", init = "sms.", error = "sms.error.", loop = "loop.",
        listener = "listener:", optout = "ledger:", reply = "reply:", signature = "signature.",
        template = "template:", track = "tracker:", twiml = "twiml:", webhook = "receiver:",
        memory = "store:", quiet_hours = "quiet:", testing = "testing.", ["sim/world"] = "world:",
    }
    -- For other modules: what the receiver asks of its parts, and what serve is called by.
    local inner = { ["reply:confirm"] = true, ["reply:answer"] = true, ["ledger:now"] = true,
        ["listener:serve"] = true, ["loop.set_host"] = true }
    local missing, count = {}, 0
    for file, prefix in pairs(names) do
        local source = read(("lua/twilio_sms/%s.lua"):format(file))
        for class, name in source:gmatch "\nfunction (%u%l*)[.:](%l[%l_]*)%(" do
            count = count + 1
            -- What a client is made by is sms.new, assert is sms.assert, and so are modules' own functions.
            local own = ("%s.%s"):format(file, name)
            local known = inner[prefix .. name] or class == "Drive" or class == "Handle" or holds(text, own)
                or class == "Loop" and holds(text, "loop:" .. name)
            if not (known or holds(text, prefix .. name) or holds(text, "sms." .. name)) then
                missing[#missing + 1] = prefix .. name
            end
        end
    end
    report(count > 0 and #missing == 0, ("the pages mention all %d functions in Lua"):format(count),
        "  missing: " .. table.concat(missing, ", "))
end

local pages = { "README.md" }
for path in io.popen("ls docs/*.md"):lines() do
    pages[#pages + 1] = path
end
for _, path in ipairs(pages) do
    check_links(path)
end
check_names()
check_lua_functions(pages)
os.exit(failed == 0 and 0 or 1)

-- Holds README.md and docs/*.md against the code: no name that a user may write or read is left unmentioned.
-- Usage: lua5.4 tests/examples/docs_names.lua, where lua5.4 finds the built tree
--
-- Each check proves itself: a name is planted where it takes its names from, and must be missed.

local verdicts = dofile "tests/examples/verdicts.lua"
local read, report = verdicts.read, verdicts.report

local function files(pattern)
    local pipe = assert(io.popen("ls -d " .. pattern))
    local list = {}
    for path in pipe:lines() do
        list[#list + 1] = path
    end
    pipe:close()
    return list
end

local PAGES = files "README.md docs/*.md"

-- ---- Names and texts -----------------------------------------------------------------------------

-- A name that nobody has, of the same kind as another.
local function planted_like(name)
    if name:find "^%d+$" then
        return "997"
    elseif name:find "^tsms_" then
        return "tsms_zzplanted"
    elseif name:find "^TSMS_" then
        return "TSMS_ZZPLANTED" .. (name:match "_$" or "")
    end
    return name:find "^%-%-" and "--zzplanted" or "zzplanted"
end

-- Whether a text holds a name, and not only as a part of a longer one.
local function holds(text, name)
    local from, to = text:find(name, 1, true)
    while from and (text:sub(from - 1, from - 1):find "[%w_]" and name:find "^[%w_]"
        or text:sub(to + 1, to + 1):find "[%w_]" and name:find "[%w_]$") do
        from, to = text:find(name, to + 1, true)
    end
    return from ~= nil
end

-- The text of one page, or of several.
local function text_of(pages)
    local texts = {}
    for i, path in ipairs(type(pages) == "table" and pages or { pages }) do
        texts[i] = io.open(path) and read(path) or "" -- docs_pages.lua says which page is not there
    end
    return table.concat(texts, "\n")
end

-- Whether a text holds a name in one of its forms.
local function mentions(text, name, forms)
    for _, form in ipairs(forms) do
        if holds(text, (form:gsub("%%s", (name:gsub("%%", "%%%%"))))) then
            return true
        end
    end
    return false
end

-- Looks for names, of which one was planted, on a page or on any of several.
local function compare(pages, what, names, planted, forms)
    local text, missing, proven = text_of(pages), {}, false
    for _, name in ipairs(names) do
        local held = mentions(text, name, type(forms) == "table" and forms or { forms })
        if not held and name == planted then
            proven = true
        elseif not held then
            missing[#missing + 1] = name
        end
    end
    local several = type(pages) == "table"
    local where = several and (#pages == #PAGES and "the pages" or pages[1] .. " and others") or pages
    report(proven and #names > 1 and #missing == 0,
        ("%s mention%s all %d %s"):format(where, several and "" or "s", #names - 1, what),
        proven and "  missing: " .. table.concat(missing, ", ") or "  a planted name was not missed")
end

-- Each name that the pattern finds in a source must stand on the page, as code where no form says otherwise.
local function check(pages, what, source, pattern, form)
    local from, to, last, behind = nil, nil, nil, 1
    repeat
        local first, stop, name = source:find(pattern, behind)
        from, to, last, behind = first or from, stop or to, name or last, stop and stop + 1
    until not first
    local planted = planted_like(assert(last, what .. ": no names"))
    local row = source:sub(from, to)
    local at, stop = row:find(last, 1, true)
    local rows = source:sub(1, to) .. row:sub(1, at - 1) .. planted .. row:sub(stop + 1) .. source:sub(to + 1)
    local names, seen = {}, {}
    for name in rows:gmatch(pattern) do
        if not seen[name] then
            seen[name] = true
            names[#names + 1] = name
        end
    end
    compare(pages, what, names, planted, form or "`%s`")
end

-- The keys of a table that stands in a file.
local function check_keys(page, what, path, name, form)
    local fields = assert(read(path):match(name .. " = (%b{})"), path .. " has no " .. name)
    check(page, what, fields:gsub("%-%-[^\n]*", ""), "%f[%w_]([%l_]+) = ", form)
end

-- The same for names that are at hand.
local function check_list(pages, what, names, forms)
    table.sort(names)
    local planted = planted_like(assert(names[1], what .. ": no names"))
    names[#names + 1] = planted
    compare(pages, what, names, planted, forms)
end

-- ---- C -------------------------------------------------------------------------------------------

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

-- A page, and those that it links to.
local function with_links(page)
    local text, list = read(page), {}
    for _, path in ipairs(PAGES) do
        local name = path:match "^docs/(.*)"
        if path == page or name and text:find("](" .. name, 1, true) then
            list[#list + 1] = path
        end
    end
    return list
end

local function check_c()
    local pages = with_links "docs/c.md"
    local headers = text_of(files "csrc/twilio_sms*.h")
    check(pages, "functions of the headers", headers, "\nTSMS_API [^\n(]-([%l%d_]+)%(", "%s")
    check(pages, "types of the headers", headers, "\ntypedef %l+ (tsms_[%l%d_]+)", "%s")
    check(pages, "macros of functions", headers, "\n#define (tsms_[%l_]+)%(", "%s")
    local macros = headers:gsub("#define TSMS_API[^\n]*", "")
    check(pages, "macros of the headers", macros, "\n#define (TSMS_[%u%d_]+)", "%s")
    check(pages, "constants of the headers", headers, "\n    (TSMS_[%u%d_]+)[ ,]", "%s")
    check(pages, "families of constants", headers, "\n#define X%([^\n]-%) (TSMS_%u+_)##", "%s...")

    local header = read "csrc/twilio_sms.h"
    check("docs/errors.md", "kinds of errors", rows(header, "TSMS_KINDS"), 'X%([%u_]+, [%u_]+, "(%w+)"', "%s")
    check("docs/errors.md", "categories of errors", rows(header, "TSMS_CATEGORIES"), '"(%w+)"', "%s")
    check("docs/errors.md", "outcomes", rows(header, "TSMS_OUTCOMES"), '"([%l_]+)"')
    check("docs/limits.md", "events", rows(header, "TSMS_EVENTS"), '"([%l_]+)"')
    check("docs/limits.md", "counters", rows(header, "TSMS_COUNTERS"), "X%(([%l_]+),")
    check("docs/metrics.md", "verdicts", rows(header, "TSMS_WEBHOOK_VERDICTS"), '"([%l_]+)"')
    local statuses = rows(header, "TSMS_MESSAGE_STATUSES"):gsub('"unknown"', "")
    check("docs/reading.md", "statuses", statuses, '"([%l_]+)"')
    check("docs/sending.md", "parameters", read "csrc/wire/params.def", "\nPARAM[%u_]*%([%u, ]*([%l_]+),")
    check("docs/configuration.md", "options", read "csrc/config/props.def", '\nP%("([%l_.]+)"')
end

local function check_observed()
    local events = read "csrc/call/log_events.h"
    check("docs/logs.md", "events", rows(events, "TSMS__LOG_EVENTS"), 'X%([%u_]+, "([%l_]+)"')
    check("docs/logs.md", "fields", rows(events, "TSMS__LOG_KEYS"), 'X%([%u_]+, "([%l_]+)"')
    check("docs/logs.md", "levels", rows(read "csrc/twilio_sms.h", "TSMS_LOG_LEVELS"), '"([%l_]+)"')
    local spans = text_of(files "csrc/call/trace*.c")
    check("docs/traces.md", "spans", spans, 'NAMES%("([%l_]+)"', "twilio.%s")
    check("docs/traces.md", "attributes", spans, 'tsms__span_%l+%(out, "([%l_.]+)"')
end

-- ---- Options -------------------------------------------------------------------------------------

local function check_options()
    local lua = "lua/twilio_sms/"
    check_keys("docs/simulator.md", "options of the server", lua .. "sim/server/options.lua", "OPTIONS")
    check_keys("docs/receiving.md", "options", lua .. "webhook_options.lua", "OPTIONS")
    check_keys("docs/receiving.md", "options of the server", lua .. "listener.lua", "SERVER_OPTIONS")
    check_keys("docs/receiving.md", "options of the listener", lua .. "listener.lua", "OWN_OPTIONS")
    check_keys("docs/rehearsing.md", "options of worlds", lua .. "sim/world/options.lua", "OPTIONS")
    check_keys("docs/rehearsing.md", "options of campaigns", lua .. "sim/scenario_run.lua", "OPTIONS")
    check_keys("docs/opt-out.md", "options of words", lua .. "keywords.lua", "OPTIONS")
    check_keys("docs/opt-out.md", "options of ledgers", lua .. "optout.lua", "\nlocal OPTIONS")
    check_keys("docs/opt-out.md", "options of changes", lua .. "optout.lua", "CHANGE_OPTIONS")
    check_keys("docs/opt-out.md", "options of quiet hours", lua .. "quiet_hours.lua", "OPTIONS")
    check_keys("docs/tracking.md", "options of trackers", lua .. "track.lua", "\nlocal OPTIONS")
    check_keys("docs/tracking.md", "options of sent", lua .. "track.lua", "SENT_OPTIONS")
    check_keys("docs/sending.md", "options of calls", lua .. "client.lua", "CALL_OPTIONS")
    check_keys("docs/loops.md", "options of send_many", lua .. "client.lua", "BULK_OPTIONS")
    check_keys("docs/cassettes.md", "options of record", lua .. "driver/record.lua", "OPTIONS")
    check_keys("docs/cassettes.md", "options of replay", lua .. "driver/replay.lua", "OPTIONS")
    check_keys("docs/cassettes.md", "options of webhooks", lua .. "cassette/webhooks.lua", "\nlocal OPTIONS")
    check_keys("docs/logs.md", "options", lua .. "observe/log.lua", "OPTIONS")
    check_keys("docs/traces.md", "options", lua .. "observe/trace.lua", "OPTIONS")
    check_keys("docs/stores.md", "options of Redis", "lua/resty/twilio_sms/redis.lua", "OPTIONS")
    check_keys("docs/openresty.md", "options", "lua/resty/twilio_sms/settings.lua", "OWN")

    local rule = lua .. "sim/script/rule.lua"
    check_keys("docs/simulator.md", "keys of rules", rule, "KEYS")
    for _, actions in ipairs { "ACTIONS", "WEBHOOK_ACTIONS", "DELIVERY_ACTIONS" } do
        check_keys("docs/simulator.md", actions:lower():gsub("_", " "), rule, "local " .. actions)
    end
    local words = read(lua .. "sim/script/words.lua")
    check("docs/rehearsing.md", "words", words, "\n    function s%.(%l+)", "s.%s")
    check("docs/rehearsing.md", "words of rules", words, "\nfunction Rule:(%l+)", ":%s")
    check("docs/rehearsing.md", "scenarios", read(lua .. "sim/scenarios.lua"), '\ndefine%("([%l_]+)"')
end

-- ---- Functions of Lua ----------------------------------------------------------------------------

local sms = require "twilio_sms"

-- What others of our modules ask of these, and what Lua itself does.
local INNER = {
    ["reply:confirm"] = true, ["reply:answer"] = true, ["ledger:now"] = true, ["loop.set_host"] = true,
    ["loop.attend"] = true, ["loop:dismiss"] = true, ["loop.block"] = true,
    ["observe.watch"] = true, ["trace:exported"] = true, ["trace:retried"] = true, ["trace:gave_up"] = true,
    ["trace:take"] = true, ["trace:under_way"] = true,
    ["watcher:know"] = true, ["watcher:seen"] = true, ["watcher:tell"] = true,
}

local function methods_of(object)
    local index = assert(getmetatable(object), "no object").__index
    return type(index) == "table" and index or error "no methods"
end

-- A function of Lua may be explained on any page.
local function check_functions(functions, ...)
    local prefixes, names = { ... }, {}
    for name, value in pairs(functions) do
        if type(name) == "string" and name:find "^%l" and type(value) == "function"
            and not INNER[prefixes[1] .. name] then
            names[#names + 1] = name
        end
    end
    local forms = {}
    for i, prefix in ipairs(prefixes) do
        forms[i] = prefix .. "%s"
    end
    check_list(PAGES, "functions " .. prefixes[1], names, forms)
end

-- Classes of which no object can be had without a server.
local function class_of(path, class)
    local methods = {}
    for name in read(path):gmatch("\nfunction " .. class .. ":([%l_]+)%(") do
        methods[name] = print
    end
    return methods
end

local function check_lua()
    local account, token = "AC00000000000000000000000000000001", { tokens = "token" }
    local world = sms.sim.new()
    local tracker = sms.track.new { account_sid = account }
    local receiver = sms.assert(world:receiver { optout = false })
    check_functions(sms, "sms.")
    check_functions(methods_of(world), "world:")
    check_functions(methods_of(sms.assert(world:client {})), "client:")
    check_functions(methods_of(world:optout()), "ledger:")
    check_functions(methods_of(tracker), "tracker:")
    check_functions(methods_of(receiver), "receiver:")
    check_functions(methods_of(sms.assert(sms.template.new "Hello")), "template:")
    check_functions(methods_of(sms.twiml.new()), "reply:")
    check_functions(methods_of(sms.assert(sms.signature.new(token))), "verifier:")
    check_functions(methods_of(require("twilio_sms.memory").new()), "store:")
    check_functions(methods_of(require("twilio_sms.quiet_hours").new { from = "21:00", to = "08:00",
        default = "UTC" }), "quiet:")
    check_functions(methods_of(sms.loop.new {}), "loop:")
    check_functions(class_of("lua/twilio_sms/listener.lua", "Listener"), "listener:")
    check_functions(class_of("lua/twilio_sms/reply.lua", "Reply"), "reply:")
    check_functions(class_of("lua/twilio_sms/observe/log.lua", "Log"), "log:")
    check_functions(class_of("lua/twilio_sms/observe/trace.lua", "Trace"), "trace:")
    check_functions(class_of("lua/twilio_sms/sim/server.lua", "Sim"), "sim:")
    check_functions(class_of("lua/twilio_sms/sim/properties.lua", "Watcher"), "watcher:")
    world:close()

    -- Every module that a page loads, by the name that pages give it.
    local pages, modules = text_of(PAGES), {}
    for name in pages:gmatch "require[ (]*\"(twilio_sms%.[%w_.]+)\"" do
        modules[name] = name ~= "twilio_sms.core" and name:match "[^.]+$" or nil
    end
    modules["twilio_sms.sim.server"] = "simulator"
    local parts = read("lua/twilio_sms/init.lua"):match "local PARTS = (%b{})"
    for name in parts:gmatch "\n    ([%l_]+) = " do
        modules["twilio_sms." .. name] = name ~= "driver" and name or nil
    end
    local order = {}
    for module in pairs(modules) do
        order[#order + 1] = module
    end
    table.sort(order)
    for _, module in ipairs(order) do
        check_functions(require(module), modules[module] .. ".", "`", module .. "\").")
    end
    local resty = read "lua/resty/twilio_sms.lua"
    check("docs/openresty.md", "functions", resty, "\nfunction M%.([%l_]+)%(", "sms.%s")

    local drivers = read("lua/twilio_sms/driver/init.lua"):match "local DRIVERS = (%b{})"
    check(PAGES, "drivers", drivers, "\n    ([%l_]+) = ", "driver.%s")
    check(PAGES, "parts of sms", parts, "\n    ([%l_]+) = ", "sms.%s")
end

-- ---- What is printed -----------------------------------------------------------------------------

local function check_metrics()
    local world = sms.sim.new()
    local text = sms.assert(world:client {}):metrics()
    world:close()
    local golden = read "tests/data/metrics.prometheus.txt"
    check("docs/metrics.md", "families", text .. golden, "\n# TYPE ([%w_]+)")
    check("docs/metrics.md", "labels", golden, "[{,]([%l_]+)=\"", "%s")
end

local function each_option(command, f)
    for _, row in ipairs(command.options or {}) do
        f(row[1])
    end
    for _, sub in ipairs(command.commands or {}) do
        each_option(sub, f)
    end
end

local function check_commands()
    local pages = { "docs/command-line.md", "docs/bulk.md", "docs/simulator.md" }
    local names, flags, subcommands = {}, {}, {}
    for _, command in ipairs(require("twilio_sms.cli").commands()) do
        names[#names + 1] = command.name
        each_option(command, function(flag) flags[flag] = true end)
        for _, sub in ipairs(command.commands or {}) do
            subcommands[#subcommands + 1] = command.name .. " " .. sub.name
        end
    end
    local list = {}
    for flag in pairs(flags) do
        list[#list + 1] = flag
    end
    local man = os.tmpname()
    assert(os.execute("twilio-sms man | sed 's/\\\\-/-/g' > " .. man))
    for _, where in ipairs { pages, man } do
        check_list(where, "commands", { table.unpack(names) }, "%s")
        check_list(where, "options of commands", { table.unpack(list) }, "%s")
        check_list(where, "commands of commands", { table.unpack(subcommands) }, "%s")
    end
    os.remove(man)
    local failure = read "lua/twilio_sms/cli/failure.lua"
    check("docs/command-line.md", "exit statuses", failure, "\n    [%u_]+ = (%d+),", "| %s |")
end

check_c()
check_observed()
check_options()
check_lua()
check_metrics()
check_commands()
os.exit(verdicts.failed == 0 and 0 or 1)

-- What specs of metrics share: reading their text, and asking Prometheus' own tools about it.
local files = require "files"

local M = {}

--- Of each family in a text of metrics: its type, and the names of its labels with a space between.
function M.families(text)
    local types, labels = {}, {}
    for name, kind in text:gmatch "# TYPE (%S+) (%S+)\n" do
        types[name], labels[name] = kind, labels[name] or ""
    end
    for name, inside in ("\n" .. text):gmatch "\n([%l_]+)(%b{}) " do
        name = types[name] and name or name:gsub("_%l+$", "")
        local names = {}
        for label in inside:gmatch '([%l_]+)="' do
            if label ~= "le" then
                names[#names + 1] = label
            end
        end
        labels[name] = table.concat(names, " ")
    end
    return types, labels
end

-- Runs a command with the path of a file that holds the text; answers what it prints, and whether it ended
-- well. Nothing where the program is not installed.
local function ask(present, command, text)
    local path = os.tmpname()
    files.write(path, text)
    local pipe = io.popen(("%s > /dev/null 2>&1 && { { %s; } 2>&1; echo $?; }"):format(present,
        (command:gsub("%%s", path))))
    local said = pipe:read "*a"
    pipe:close()
    os.remove(path)
    if said == "" then
        return nil
    end
    return said, said:find "^0\n$" ~= nil or said:find "\n0\n$" ~= nil
end

--- What promtool says when it is asked with these words, in which %s is the path of a file with the text;
-- and whether it is content. Nothing where it is not installed.
function M.promtool(words, text)
    return ask("command -v promtool", "promtool " .. words, text)
end

-- The parser of a format counts the samples.
local PARSE = [[python3 -c "from prometheus_client.%s import text_string_to_metric_families as parse
print(sum(len(family.samples) for family in parse(open('%%s').read())))"]]

--- The number of samples that the parser of Prometheus' Python client finds, as text, or what it says is
-- wrong. Nothing where it is not installed.
-- @tparam string format "prometheus" or "openmetrics"
function M.samples(format, text)
    local parser = format == "openmetrics" and "openmetrics.parser" or "parser"
    local said, ok = ask("python3 -c 'import prometheus_client'", PARSE:format(parser), text)
    return ok and said:match "^%d+" or said
end

return M

local core = require "twilio_sms.core"
local files = require "files"
local prometheus = require "prometheus"
local sms = require "twilio_sms"
local worlds = require "worlds"

local HERE = "examples/observability/"

-- In this text every family has a sample; tests/test_metrics_text.c holds it against the product.
local PRODUCT = files.read "tests/data/metrics.prometheus.txt"
local types, labels = prometheus.families(PRODUCT)

-- What Prometheus adds to every series.
local ADDED = { job = true, instance = true }

local function family_of(name)
    local family = types[name] and name or name:gsub("_%l+$", "")
    return types[family] and family
end

local function is_label(family, label)
    return ADDED[label] or label == "le" and types[family] == "histogram"
        or (" " .. labels[family] .. " "):find(" " .. label .. " ", 1, true) ~= nil
end

-- Where the values of labels are that are not on the page of metrics.
local PAGES = { status = "docs/reading.md", outcome = "docs/errors.md" }

local function is_value(label, value)
    if label == "error_type" then
        local category, kind = value:match "^(%a+)%.?(%a*)$"
        local errors = files.read "docs/errors.md"
        return errors:find(category, 1, true) ~= nil and errors:find(kind, 1, true) ~= nil
    end
    local page = files.read(PAGES[label] or "docs/metrics.md")
    return page:find("`" .. value .. "`", 1, true) ~= nil
        or PRODUCT:find(('%s="%s"'):format(label, value), 1, true) ~= nil
end

-- Whether a line of a text of metrics is a sample that a selector like 'a_total{b="c",d=~"e|f"}' takes.
local function takes(name, matchers, line)
    if line:match "^[%l_]+" ~= name then
        return false
    end
    for label, operator, value in matchers:gmatch '([%l_]+)([=~]+)"([^"]*)"' do
        local has = line:match(label .. '="([^"]*)"')
        local found = false
        for one in value:gmatch(operator == "=~" and "[^|]+" or ".+") do
            local begin = one:match "^(.*)\\\\%.%.%*$"
            found = found or has == one or begin ~= nil and has:sub(1, #begin + 1) == begin .. "."
        end
        if not found then
            return false
        end
    end
    return true
end

-- Raises unless an expression speaks of what the product has: families, their labels, and values of those.
-- The families that it names are added to `used`.
local function check_names(expr, used)
    local grouped = {}
    for name, at in expr:gmatch "(twilio_[%l_]+)()" do
        local family = family_of(name)
        assert(family, name .. " is no metric, in " .. expr)
        assert(types[family] ~= "histogram" or name ~= family, name .. " has no samples")
        used[family] = true
        for label, operator, value in (expr:match("^%b{}", at) or ""):gmatch '([%l_]+)([=~!]+)"([^"]*)"' do
            assert(is_label(family, label), name .. " has no label " .. label .. ", in " .. expr)
            if not ADDED[label] then
                for one in value:gmatch(operator:find "~" and "[^|]+" or ".+") do
                    local plain = one:gsub("\\\\%.%.%*$", "")
                    assert(is_value(label, plain), ("%s is no value of %s, in %s"):format(one, label, expr))
                end
            end
        end
        grouped[#grouped + 1] = family
    end
    assert(#grouped > 0, "no metric in " .. expr)
    for list in expr:gmatch "by %(([^)]*)%)" do
        for label in list:gmatch "[%l_]+" do
            for _, family in ipairs(grouped) do
                assert(is_label(family, label), family .. " has no label " .. label .. ", in " .. expr)
            end
        end
    end
end

describe("the dashboard", function()
    local dashboard = assert(core.json_decode(files.read(HERE .. "grafana-dashboard.json")))

    -- Calls fn with each expression, the text of its legend, and the panel.
    local function each_target(fn)
        for _, panel in ipairs(dashboard.panels) do
            for _, target in ipairs(panel.targets or {}) do
                fn(target.expr, target.legendFormat, panel)
            end
        end
    end

    it("takes its data source and its jobs from variables", function()
        assert.equal("datasource", dashboard.templating.list[1].name)
        assert.equal("job", dashboard.templating.list[2].name)
        each_target(function(expr, _, panel)
            assert.equal("${datasource}", panel.datasource.uid)
            local _, families = expr:gsub("twilio_", "")
            local _, filtered = expr:gsub('{job=~"$job"', "")
            assert.equal(families, filtered, expr)
        end)
    end)

    it("names only what there is, and shows every metric", function()
        local used = {}
        each_target(function(expr, legend)
            check_names(expr, used)
            for label in legend:gmatch "{{([%l_]+)}}" do
                assert.truthy(expr:find("by %([^)]*" .. label), legend .. " of " .. expr)
            end
        end)
        for family in pairs(types) do
            assert.is_true(used[family] == true, family .. " is on no panel")
        end
    end)

    it("has panels that do not lie on each other", function()
        local taken, ids = {}, {}
        for _, panel in ipairs(dashboard.panels) do
            assert.is_nil(ids[panel.id])
            ids[panel.id] = true
            local at = panel.gridPos
            assert.is_true(at.x + at.w <= 24)
            for x = at.x, at.x + at.w - 1 do
                for y = at.y, at.y + at.h - 1 do
                    assert.is_nil(taken[x * 1000 + y], panel.title)
                    taken[x * 1000 + y] = true
                end
            end
        end
    end)

    it("asks in PromQL", function()
        local rules = { "groups:\n  - name: dashboard\n    rules:\n" }
        each_target(function(expr)
            rules[#rules + 1] = ("      - record: panel:%d\n        expr: '%s'\n"):format(#rules,
                (expr:gsub("%$__rate_interval", "5m"):gsub("%$job", ".*")))
        end)
        assert.is_true(#rules > 30)
        local said, ok = prometheus.promtool("check rules %s", table.concat(rules))
        assert.is_true(said == nil or ok, said)
        said, ok = prometheus.promtool("check rules %s", (table.concat(rules):gsub("sum", "some")))
        assert.is_true(said == nil or not ok, "what is no PromQL was taken")
    end)
end)

describe("the alerts", function()
    local rules = files.read(HERE .. "alerts.yml")
    local tests = files.read(HERE .. "alerts_test.yml")

    it("name only what there is", function()
        local used, count = {}, 0
        for alert, body in rules:gmatch "%- alert: (%w+)\n(.-)labels:" do
            count = count + 1
            check_names(assert(body:match "expr: (.+)"), used)
            assert.truthy(tests:find("alertname: " .. alert .. "\n", 1, true), alert .. " is not tested")
        end
        assert.is_true(count >= 10)
        local series = 0
        for sample in tests:gmatch "%- series: '([^']+)'" do
            series = series + 1
            check_names(sample, {})
        end
        assert.is_true(series >= 2 * count)
    end)

    -- A counter that appears with its first event has not grown, says increase().
    it("ask for growth of what is there at 0 before anything happened", function()
        local world = sms.sim.new { seed = 1 }
        local text = worlds.client(world):metrics()
        world:close()
        local count = 0
        for name, matchers in rules:gmatch "increase%((twilio_[%l_]+)({?[^%[]*)%[" do
            count = count + 1
            local found = false
            for line in text:gmatch "[^\n]+" do
                if takes(name, matchers, line) then
                    found = true
                    assert.equal("0", line:match " (%d+)$", line)
                end
            end
            assert.is_true(found, name .. matchers .. " is not there")
        end
        assert.is_true(count >= 10)
    end)

    it("are rules, and fire when they should", function()
        for _, words in ipairs { "check rules %salerts.yml", "test rules %salerts_test.yml" } do
            local said, ok = prometheus.promtool(words:format(HERE), "")
            assert.is_true(said == nil or ok, said)
        end
    end)
end)

-- Holds the pages against each other: links lead somewhere, and each page to the next one of the index.
-- Usage: lua5.4 tests/examples/docs_pages.lua

local verdicts = dofile "tests/examples/verdicts.lua"
local read, report = verdicts.read, verdicts.report

-- ---- Links ---------------------------------------------------------------------------------------

-- Heading "What it does" is linked to as "#what-it-does". A comment in a code block is none.
local function anchors_of(text)
    local anchors = {}
    local prose = ("\n" .. text):gsub("\n```.-\n```%f[\n]", "")
    for heading in prose:gmatch "\n#+ ([^\n]+)" do
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

-- The links of a page that lead nowhere.
local function dead_links(path, text)
    local wrong = {}
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
    return wrong
end

local function check_links(path)
    local wrong = dead_links(path, read(path))
    report(#wrong == 0, path .. " has good links", "  " .. table.concat(wrong, "\n  "))
end

local function prove_links()
    local links = "[a](none.md) [b](#none) [c](limits.md#none) [d](limits.md#defaults)"
    local wrong = dead_links("docs/errors.md", links)
    report(#wrong == 3, "dead links and anchors are found", "  " .. table.concat(wrong, "\n  "))
end

-- ---- Order ---------------------------------------------------------------------------------------

local INDEX = "docs/README.md"

-- The pages that the index links to, in its order.
local function indexed()
    local list = {}
    for name in read(INDEX):gmatch "\n%- %[[^%]]+%]%(([%w%-]+%.md)%)" do
        list[#list + 1] = name
        list[name] = #list
    end
    return list
end

-- Pages to look things up in are the last ones; nobody reads them one after the other.
local function is_reference(name)
    local text = read(INDEX)
    return text:find("(" .. name .. ")", 1, true) > text:find("\n## Look up", 1, true)
end

-- Whether the last line of a text leads to a page.
local function leads_to(text, name)
    local last = text:match "([^\n]*)\n$" or ""
    return last:match "^Next: %[[^%]]+%]%(([^)]+)%)%.$" == name
end

local function check_order(list, pages)
    for _, path in ipairs(pages) do
        local name = path:match "^docs/(.*)"
        local at = list[name]
        if name and path ~= INDEX then
            report(at ~= nil, path .. " is in the index", "  it has no line in " .. INDEX)
        end
        if at and not is_reference(name) then
            report(leads_to(read(path), list[at + 1]), path .. " ends with the next page",
                ("  its last line must be 'Next: [...](%s).'"):format(list[at + 1]))
        end
    end
end

local pages = {}
for path in io.popen("ls *.md docs/*.md"):lines() do
    pages[#pages + 1] = path
end
prove_links()
for _, path in ipairs(pages) do
    check_links(path)
end
check_order(indexed(), pages)
os.exit(verdicts.failed == 0 and 0 or 1)

--- Finds the interaction of a tape that a request stands for, or says what it differs in.
local M = {}

local Matching = {}
local class = { __index = Matching, __name = "twilio_sms.cassette.matching" }

local function sorted(list, ignored)
    local out = {}
    for _, pair in ipairs(list) do
        if not ignored[pair[1]] then
            out[#out + 1] = pair[1] .. "\1" .. pair[2]
        end
    end
    table.sort(out)
    return table.concat(out, "\2")
end

local function key_of(request, ignored)
    return table.concat({ request.method, request.host, request.path, sorted(request.query, ignored),
        sorted(request.form, ignored) }, "\3")
end

--- @tparam table interactions of a tape
-- @tparam table opts ordered; ignore, a list of names of parameters
function M.new(interactions, opts)
    local self = setmetatable({
        interactions = interactions, used = {}, first = 1, by_key = {}, ignored = {}, ordered = opts.ordered,
    }, class)
    for _, name in ipairs(opts.ignore or {}) do
        self.ignored[name] = true
    end
    for i, interaction in ipairs(interactions) do
        local key = key_of(interaction.request, self.ignored)
        local queue = self.by_key[key] or { next = 1 }
        queue[#queue + 1] = i
        self.by_key[key] = queue
    end
    return self
end

-- ---- Differences ---------------------------------------------------------------------------------

local SHOWN_MOST = 120

local function shown(text)
    if text and #text > SHOWN_MOST then
        -- A character is not cut in two.
        text = text:sub(1, SHOWN_MOST):gsub("[\192-\255][\128-\191]*$", "") .. "..."
    end
    return text and ('"%s"'):format(text:gsub("[%c]", " ")) or "nothing"
end

local function values_of(list, ignored)
    local names, values = {}, {}
    for _, pair in ipairs(list) do
        if not ignored[pair[1]] then
            if not values[pair[1]] then
                names[#names + 1] = pair[1]
                values[pair[1]] = {}
            end
            table.insert(values[pair[1]], pair[2])
        end
    end
    for _, name in ipairs(names) do
        table.sort(values[name])
        values[name] = table.concat(values[name], ", ")
    end
    return names, values
end

local function add(out, what, tape, live)
    if tape ~= live then
        out[#out + 1] = ("  %s: the tape has %s, the request has %s"):format(what, shown(tape), shown(live))
    end
end

local function compare_pairs(out, what, tape, live, ignored)
    local names, on_tape = values_of(tape, ignored)
    local live_names, in_request = values_of(live, ignored)
    for _, name in ipairs(live_names) do
        if not on_tape[name] then
            names[#names + 1] = name
        end
    end
    for _, name in ipairs(names) do
        add(out, what .. " " .. name, on_tape[name], in_request[name])
    end
end

-- The lines that say in what two requests differ.
local function differences(tape, live, ignored)
    local out = {}
    add(out, "method", tape.method, live.method)
    add(out, "host", tape.host, live.host)
    add(out, "path", tape.path, live.path)
    compare_pairs(out, "query", tape.query, live.query, ignored)
    compare_pairs(out, "form", tape.form, live.form, ignored)
    return out
end

-- Another method or path weighs more than any parameter.
local function distance(lines)
    local sum = 0
    for _, line in ipairs(lines) do
        sum = sum + (line:find "^  method" and 100 or line:find "^  path" and 20 or 1)
    end
    return sum
end

local function nearest(self, request)
    local best, lines, least
    for i, interaction in ipairs(self.interactions) do
        if not self.used[i] then
            local found = differences(interaction.request, request, self.ignored)
            local far = distance(found)
            if not least or far < least then
                best, lines, least = interaction, found, far
            end
        end
    end
    return best, lines
end

local function name_of(request)
    return ("%s %s%s"):format(request.method, request.host, request.path)
end

local function unexpected(self, request)
    local text = "unexpected request: " .. name_of(request)
    local interaction, lines = nearest(self, request)
    if not interaction then
        return text .. "\nevery interaction of the tape is used"
    end
    return ("%s\nthe nearest unused interaction is in line %d: %s\n%s"):format(text, interaction.line,
        name_of(interaction.request), table.concat(lines, "\n"))
end

-- ---- Matching ------------------------------------------------------------------------------------

local OUT_OF_ORDER = "out of order: %s is in line %d of the tape, but line %d comes before it: %s\n%s"

--- Takes the interaction that a request stands for.
-- @tparam table request as on a tape
-- @treturn table|nil the interaction; nil and a text when there is none, or it is not its turn
function Matching:take(request)
    local queue = self.by_key[key_of(request, self.ignored)]
    local place = queue and queue[queue.next]
    if not place then
        return nil, unexpected(self, request)
    elseif self.ordered and place ~= self.first then
        local due = self.interactions[self.first]
        return nil, OUT_OF_ORDER:format(name_of(request), self.interactions[place].line, due.line,
            name_of(due.request), table.concat(differences(due.request, request, self.ignored), "\n"))
    end
    queue.next = queue.next + 1
    self.used[place] = true
    while self.used[self.first] do
        self.first = self.first + 1
    end
    return self.interactions[place]
end

local LISTED_MOST = 5

--- What was never asked for.
-- @treturn string|nil a text, nil when all of the tape was used
function Matching:unused()
    local lines, count = {}, 0
    for i, interaction in ipairs(self.interactions) do
        if not self.used[i] then
            count = count + 1
            if count <= LISTED_MOST then
                lines[count] = ("  line %d: %s"):format(interaction.line, name_of(interaction.request))
            end
        end
    end
    if count == 0 then
        return nil
    elseif count > LISTED_MOST then
        lines[#lines + 1] = ("  and %d more"):format(count - LISTED_MOST)
    end
    local what = count == 1 and "interaction of the tape was" or "interactions of the tape were"
    return ("%d %s never asked for:\n%s"):format(count, what, table.concat(lines, "\n"))
end

return M

--- Keeps the results file: what is about to be sent, before it can leave, and what became of it.
--
-- It is JSON Lines. The first line tells to which input it belongs; then there is for each attempt at a row a
-- line of type "intent", which is on the disk before the row can be sent, and one of type "outcome". A row
-- whose intent has no outcome may have been sent or not.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cli.json"
local lines_of = require "twilio_sms.cli.bulk.lines"
local seen = require "twilio_sms.cli.bulk.seen"

local M = {}

local Results = {}
Results.__index = Results

local VERSION = 1
local DONE = { accepted = true, rejected = true }
local DOUBTFUL = { in_doubt = true, accepted_no_sid = true }

-- ---- What earlier runs have left -------------------------------------------------------------------

local function note_done(self, line)
    if self.keyed_by == "id" then
        self.done_ids:add(line.key)
    else
        -- A row that was refused may be corrected: then it is another one, and nobody was texted.
        local sign = line.outcome == "accepted" and 1 or -1
        self.done_rows[line.row] = sign * seen.number(line.key)
    end
end

local READ = {}

function READ.intent(self, line)
    self.doubtful[line.key] = {
        key = line.key, row = line.row, to = line.to, at_ms = line.at_ms, mark = line.mark,
    }
end

function READ.outcome(self, line)
    local row = self.doubtful[line.key]
    if DOUBTFUL[line.outcome] and row then
        row.outcome = line.outcome
        return
    end
    self.doubtful[line.key] = nil
    if DONE[line.outcome] then
        note_done(self, line)
    end
    if type(line.created_s) == "number" and type(line.at_ms) == "number" and not line.verified then
        self.clock_ahead_s = line.at_ms / 1000 - line.created_s
    end
end

local function is_whole(line)
    return type(line) == "table" and READ[line.type] and type(line.key) == "string"
        and type(line.row) == "number" and (line.type == "outcome" or type(line.at_ms) == "number")
end

-- Calls f with each line behind the head.
-- @treturn number|nil the bytes up to the last good line; nil and a sentence when a good line comes behind
--   one that is not: that is not how a file ends that nobody could end
local function each_line(file, f)
    local lines, good, bad_line = lines_of.new(file), 0, nil
    local text, why = lines:next()
    while text do
        local line = core.json_decode(text)
        if lines.number > 1 and not is_whole(line) then
            bad_line = bad_line or lines.number
        elseif bad_line then
            return nil, ("line %d is damaged"):format(bad_line)
        else
            good = good + #text + 1
            if lines.number > 1 then
                f(line)
            end
        end
        text, why = lines:next()
    end
    if why then
        return nil, why
    end
    return good
end

-- ---- Whose results these are -----------------------------------------------------------------------

local function head_of(identity)
    return {
        type = "head", version = VERSION, account_sid = identity.account_sid, columns = identity.columns,
        keyed_by = identity.keyed_by, template = identity.template,
    }
end

-- Why the head is not ours, and whether it is that of another input; nil when it is ours.
local function differs(head, own)
    if type(head) ~= "table" or head.type ~= "head" then
        return "it is no results file"
    elseif head.version ~= own.version then
        return "another version of twilio-sms has written it"
    elseif head.account_sid ~= own.account_sid then
        return ("it is of the account %s"):format(tostring(head.account_sid)), true
    elseif head.template ~= own.template then
        return "it was written with another template", true
    elseif head.keyed_by ~= own.keyed_by or json.encode(head.columns) ~= json.encode(own.columns) then
        return ("it is of another input, with the columns %s"):format(json.encode(head.columns)), true
    end
end

local function bad(self, why)
    return nil, ("%s: %s"):format(self.path, why)
end

local function begin(self, own)
    local head = json.encode(own) .. "\n"
    if #head > lines_of.LONGEST_BYTES then -- nobody could read it again
        return bad(self, "the names of the columns are too long")
    end
    local ok, why = self.journal:append(head)
    if ok then
        ok, why = self.journal:sync()
    end
    if not ok then
        return bad(self, why)
    end
    return self
end

local function begin_again(self, own)
    local ok, why = self.journal:cut(0)
    if not ok then
        return bad(self, why)
    end
    return begin(self, own)
end

local function take_over(self, own)
    local file, why = io.open(self.path, "rb")
    if not file then
        return nil, why
    end
    local first = file:read(lines_of.LONGEST_BYTES)
    local text = first and first:match "^([^\n]*)\n"
    if not text then -- nothing, or a head that nobody could end
        local is_all = not first or file:seek "end" == #first
        file:close()
        if first and not (is_all and json.encode(own):sub(1, #first) == first) then
            return bad(self, "it is no results file")
        end
        return begin_again(self, own)
    end
    local size, good = file:seek "end", nil
    local problem, is_of_other = differs(core.json_decode(text), own)
    if is_of_other and size == #text + 1 then
        file:close()
        return begin_again(self, own) -- nothing of the other input was ever sent
    elseif is_of_other then
        problem = problem .. "; a new campaign takes another file: --results"
    elseif not problem then
        file:seek "set"
        good, problem = each_line(file, function(line) READ[line.type](self, line) end)
    end
    file:close()
    if good and good > size then -- the last line is whole but for its line feed
        local ok
        ok, problem = self.journal:append "\n"
        good = ok and size + 1
    elseif good and good < size then
        local ok
        ok, problem = self.journal:cut(good)
        good = ok and good
    end
    if not good then
        return bad(self, problem)
    end
    for key, row in pairs(self.doubtful) do
        self.doubtful_rows[row.row] = key
    end
    return self
end

--- Opens a results file, or makes one. Nobody else can use it until it is closed.
-- @tparam string path
-- @tparam table identity columns, keyed_by, template and account_sid
-- @treturn table|nil with `doubtful`, rows by their keys, and `clock_ahead_s`, how much later the clock of
--   this machine was than Twilio's when a message was sent; nil and a sentence
function M.open(path, identity)
    local journal, why, is_in_use = core.open_journal(path)
    if not journal then
        return nil, is_in_use and path .. ": another run is using it" or ("%s: %s"):format(path, why)
    end
    local self = setmetatable({
        path = path, journal = journal, keyed_by = identity.keyed_by, pending = {},
        done_rows = {}, done_ids = seen.new(), doubtful = {}, doubtful_rows = {},
        clock_ahead_s = 0,
    }, Results)
    local ok
    ok, why = take_over(self, head_of(identity))
    if not ok then
        journal:close()
        return nil, why
    end
    return self
end

-- ---- Asking ----------------------------------------------------------------------------------------

--- What is known of a row.
-- @treturn string "done"; "doubtful"; "new"; or "changed": the row in this place was another one when it was
--   sent
function Results:state(row)
    if self.doubtful[row.key] then
        return "doubtful"
    elseif self.keyed_by == "id" then
        return self.done_ids:has(row.key) and "done" or "new"
    end
    local known = self.done_rows[row.number]
    if self.doubtful_rows[row.number] then
        return "changed"
    elseif not known then
        return "new"
    elseif math.abs(known) == seen.number(row.key) then
        return "done"
    end
    return known > 0 and "changed" or "new"
end

--- The SIDs of messages that rows are known to have become, of those that went to certain recipients.
-- @tparam table recipients a set
-- @treturn table|nil a set; nil and a sentence
function Results:sids_of(recipients)
    local file, why = io.open(self.path, "rb")
    if not file then
        return nil, why
    end
    local keys, sids = {}, {}
    local good, problem = each_line(file, function(line)
        if line.type == "intent" and recipients[line.to] then
            keys[line.key] = true
        elseif line.type == "outcome" and line.sid and keys[line.key] then
            sids[line.sid] = true
        end
    end)
    file:close()
    return good and sids or nil, problem
end

-- ---- Writing ---------------------------------------------------------------------------------------

local function append(self)
    if #self.pending == 0 then
        return true
    end
    local ok, why = self.journal:append(table.concat(self.pending))
    if not ok then
        return bad(self, why)
    end
    self.pending = {}
    return true
end

local function add(self, line)
    self.pending[#self.pending + 1] = json.encode(line) .. "\n"
end

--- Writes that rows are about to be sent. When this returns true they may be.
-- @tparam table rows of `twilio_sms.cli.bulk.rows`, each with its `mark` of `twilio_sms.cli.bulk.doubt`
-- @treturn boolean|nil nil and a sentence
function Results:intend(rows)
    local now_ms, before = core.time_ms(), #self.pending
    for _, row in ipairs(rows) do
        add(self, {
            type = "intent", key = row.key, row = row.number, to = row.fields.to, at_ms = now_ms,
            mark = row.mark,
        })
    end
    local ok, why = append(self)
    if not ok then
        for i = before + 1, before + #rows do
            self.pending[i] = nil
        end
        return nil, why
    end
    ok, why = self.journal:sync()
    if not ok then
        return bad(self, why)
    end
    return true
end

--- Notes what became of a row; `write` writes it.
-- @tparam table row with key and number
-- @tparam table outcome with `outcome`: "accepted", "rejected", "in_doubt", "accepted_no_sid", or another
--   word when it was not sent; and what else there is to tell
function Results:conclude(row, outcome)
    local line = { type = "outcome", key = row.key, row = row.number, at_ms = core.time_ms() }
    for name, value in pairs(outcome) do
        line[name] = value
    end
    add(self, line)
    if self.doubtful[row.key] then
        READ.outcome(self, line)
        self.doubtful_rows[row.number] = self.doubtful[row.key]
    end
end

--- Writes what was noted.
-- @treturn boolean|nil nil and a sentence
function Results:write()
    return append(self)
end

--- Writes what was noted, to the disk, and lets others use the file.
-- @treturn boolean|nil nil and a sentence
function Results:close()
    local ok, why = append(self)
    if ok then
        ok, why = self.journal:sync()
    end
    self.journal:close()
    return ok, why
end

return M

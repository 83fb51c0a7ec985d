--- Changes states of the opt-out list together with their history, whoever else writes meanwhile.
local core = require "twilio_sms.core"
local key = require "twilio_sms.optout.key"

local M = {}

-- M.BLOCKS has for each person all scopes of all accounts in which the state is opted_out, so that a check
-- reads one record.
M.STATES, M.BLOCKS, M.LOG, M.STARTS = "optout", "optout_block", "optout_log", "optout_start"

local TRIES = 100 -- each one fails only because somebody else has changed the same person's list
local SEEN_MOST = 8 -- opt-outs of a person that are known again when they come once more
local REPEATS_LOGGED = 10 -- so that nobody fills the store by saying STOP all day

local function holds(list, value)
    for _, item in ipairs(list) do
        if item == value then
            return true
        end
    end
    return false
end

local function seen_after(old, change)
    local seen = {}
    for i, sid in ipairs(old and old.seen or {}) do
        seen[i] = sid
    end
    seen[#seen + 1] = change.state == "opted_out" and change.message_sid or nil
    if #seen > SEEN_MOST then
        table.remove(seen, 1)
    end
    return seen[1] and seen or nil
end

-- Whether a change says nothing new about a state.
local function why_not(old, change)
    if change.message_sid and holds(old.seen or {}, change.message_sid) then
        return "same" -- a webhook that is repeated, maybe after another one
    elseif old.state == change.state
        and (change.source == "21610" or not change.dated and not change.message_sid) then
        return "same" -- it would only make the history longer
    elseif (change.dated or change.state == "opted_in") and old.at > change.at then
        return "older" -- also a START that was overtaken by a STOP while it was being written
    elseif change.dated and old.at == change.at then
        -- In the same second the safe one wins.
        return (old.state == change.state or change.state == "opted_in") and "same" or nil
    end
end

-- The state after a change.
-- @treturn[1] table record
-- @treturn[1] boolean whether the state is another one
-- @treturn[2] nil and "same" or "older"
local function after(old, change)
    local reason = old and why_not(old, change)
    if reason then
        return nil, reason
    end
    local same = old ~= nil and old.state == change.state
    return {
        state = change.state,
        source = change.source,
        keyword = change.keyword,
        class = change.class,
        message_sid = change.message_sid,
        note = change.note,
        at = old and math.max(old.at, change.at) or change.at,
        seen = seen_after(old, change),
        repeats = same and (old.repeats or 0) + 1 or nil,
    }, not same
end

-- A toll-free number is blocked by the network itself, which knows only STOP, START and UNSTOP: "Opt-out
-- keyword handling (SMS STOP Filtering) for Toll-Free SMS", https://help.twilio.com/articles/360058144374.
-- Only an opt-out by another word of Twilio's is known not to be the network's.
local TWILIOS_ALONE = {
    STOPALL = true, UNSUBSCRIBE = true, CANCEL = true, END = true, QUIT = true, REVOKE = true, OPTOUT = true,
}

local function is_network_block(record)
    return record ~= nil and record.state == "opted_out"
        and not (record.class == "strict" and TWILIOS_ALONE[record.keyword])
end

-- ---- One try ------------------------------------------------------------------------------------

local Draft = {}
Draft.__index = Draft

local function new_draft(store, crowded)
    return setmetatable({
        store = store, crowded = crowded, rows = {}, changed = {}, log = {}, counts = {},
    }, Draft)
end

function Draft:read(space, row_key)
    local name = space .. "/" .. row_key
    local row = self.rows[name]
    if not row then
        local record, version = self.store:read(space, row_key)
        if record == nil and type(version) == "table" then
            return nil, version
        end
        row = { space = space, key = row_key, record = record, version = version }
        self.rows[name] = row
    end
    return row
end

function Draft:put(row, record, at)
    row.record, row.at = record, at
    if not row.changed then
        row.changed = true
        self.changed[#self.changed + 1] = row
    end
end

-- A message opts in once in each scope. Whoever sends the webhook of an old START again must not undo what
-- was said since, however much that is: so this is kept for good.
-- @treturn table|nil the scopes in which it has not been used yet
function Draft:take_start(change)
    local row_key = change.state == "opted_in"
        and key.start(change.account, change.message_sid, change.number)
    if not row_key then
        return change.scopes
    end
    local row, err = self:read(M.STARTS, row_key)
    if not row then
        return nil, err
    end
    local used, new = {}, {}
    for i, scope in ipairs(row.record and row.record.scopes or {}) do
        used[i] = scope
    end
    for _, scope in ipairs(change.scopes) do
        if not holds(used, scope) then
            used[#used + 1], new[#new + 1] = scope, scope
        end
    end
    if new[1] then
        self:put(row, { scopes = used }, change.at)
    end
    return new
end

-- Notes that a state is another one now.
function Draft:mark(change, scope)
    local row, err = self:read(M.BLOCKS, key.blocks(change.number))
    if not row then
        return nil, err
    end
    local name, scopes = key.block(change.account, scope), {}
    local is_out, was_out = change.state == "opted_out", row.record ~= nil and row.record.scopes[name] == true
    if is_out == was_out then
        return true
    end
    for other in pairs(row.record and row.record.scopes or {}) do
        scopes[other] = other ~= name or nil
    end
    scopes[name] = is_out or nil
    self:put(row, next(scopes) and { scopes = scopes } or nil, change.at)
    return true
end

-- Brings one scope into another state.
-- @treturn string|nil "changed", "same" or "older"
-- @treturn boolean whether that belongs into the history; or the error
function Draft:set(change, scope)
    local row, err = self:read(M.STATES, key.state(change.account, scope, change.number))
    if not row then
        return nil, err
    end
    local record, other = after(row.record, change)
    if not record then
        return other, false
    end
    self:put(row, record, record.at)
    if other then
        local ok
        ok, err = self:mark(change, scope)
        if not ok then
            return nil, err
        end
    end
    return other and "changed" or "same", (record.repeats or 0) <= REPEATS_LOGGED
end

-- The next free place in a person's history. Whether it is really free the write finds out.
function Draft:log_key(change)
    local prefix = key.history(change.account, change.number) .. ("%012d-"):format(change.at)
    local count = self.counts[prefix]
    if not count and self.crowded then
        local rows, err = self.store:list(M.LOG, { prefix = prefix, limit = 1000 })
        if not rows then
            return nil, err
        end
        count = #rows
    end
    self.counts[prefix] = (count or 0) + 1
    return ("%s%04d"):format(prefix, self.counts[prefix])
end

local function log_entry(change, scopes)
    return {
        state = change.state, scopes = scopes, at = change.at, source = change.source,
        keyword = change.keyword, class = change.class, message_sid = change.message_sid, note = change.note,
        written_at = change.written_at ~= change.at and change.written_at or nil,
    }
end

-- Takes a change into the draft.
-- @treturn string|nil "changed", "same", "older" or "blocked"
function Draft:add(change)
    local asked, err = self:take_start(change)
    if not asked then
        return nil, err
    end
    if change.network_number then
        local state
        state, err = self:read(M.STATES, key.state(change.account, change.network_number, change.number))
        if not state then
            return nil, err
        elseif is_network_block(state.record) then
            return "blocked"
        end
    end
    local outcome, scopes = not asked[1] and "same" or nil, {}
    for _, scope in ipairs(asked) do
        local one, logged = self:set(change, scope)
        if not one then
            return nil, logged
        end
        scopes[#scopes + 1] = logged and scope or nil
        outcome = one == "changed" and one or outcome or one
    end
    if not scopes[1] then
        return outcome
    end
    local log_key
    log_key, err = self:log_key(change)
    if not log_key then
        return nil, err
    end
    self.log[#self.log + 1] = {
        space = M.LOG, key = log_key, version = 0, at = change.at, record = log_entry(change, scopes),
    }
    return outcome
end

function Draft:write()
    local changes = {}
    for _, row in ipairs(self.changed) do
        changes[#changes + 1] = {
            space = row.space, key = row.key, version = row.version, record = row.record, at = row.at,
        }
    end
    for _, entry in ipairs(self.log) do
        changes[#changes + 1] = entry
    end
    if not changes[1] then
        return true
    end
    return self.store:write(changes)
end

--- Applies changes in their order: all or none.
-- A change has account, number, scopes, state, source, at, and maybe keyword, class, message_sid, note;
-- dated, when it happened at that time and must not overwrite what is newer; network_number, a toll-free
-- number whose block it cannot lift; written_at.
-- @treturn table|nil for each change "changed", "same" (nothing new), "older" or "blocked"
function M.apply(store, changes)
    for try = 1, TRIES do
        local draft = new_draft(store, try > 1)
        local outcomes = {}
        for i, change in ipairs(changes) do
            local outcome, err = draft:add(change)
            if not outcome then
                return nil, err
            end
            outcomes[i] = outcome
        end
        local done, err = draft:write()
        if done then
            return outcomes
        elseif done == nil then
            return nil, err
        end
    end
    return nil, core.error("ServiceUnavailable", "others change the opt-out list too fast")
end

return M

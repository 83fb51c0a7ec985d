--- Changes states of the opt-out list together with their history, whoever else writes meanwhile.
local core = require "twilio_sms.core"
local key = require "twilio_sms.optout_key"

local M = {}

M.STATES, M.LOG = "optout", "optout_log"

local TRIES = 16 -- each one fails only because another process succeeded
local SEEN_MOST = 8 -- messages of a person that are known again when they come once more
local REPEATS_LOGGED = 10 -- so that nobody fills the store by saying STOP all day

local function holds(list, value)
    for _, item in ipairs(list) do
        if item == value then
            return true
        end
    end
    return false
end

local function seen_after(old, message_sid)
    local seen = {}
    for i, sid in ipairs(old and old.seen or {}) do
        seen[i] = sid
    end
    seen[#seen + 1] = message_sid
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
        seen = seen_after(old, change.message_sid),
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
        store = store, crowded = crowded, states = {}, changed = {}, log = {}, counts = {},
    }, Draft)
end

function Draft:read(state_key)
    local state = self.states[state_key]
    if not state then
        local record, version = self.store:read(M.STATES, state_key)
        if record == nil and type(version) == "table" then
            return nil, version
        end
        state = { key = state_key, record = record, version = version }
        self.states[state_key] = state
    end
    return state
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
    if change.network_number then
        local state, err = self:read(key.state(change.account, change.network_number, change.number))
        if not state then
            return nil, err
        elseif is_network_block(state.record) then
            return "blocked"
        end
    end
    local outcome, scopes = nil, {}
    for _, scope in ipairs(change.scopes) do
        local state, err = self:read(key.state(change.account, scope, change.number))
        if not state then
            return nil, err
        end
        local record, other = after(state.record, change)
        if record then
            state.record = record
            if not state.changed then
                state.changed = true
                self.changed[#self.changed + 1] = state
            end
            if (record.repeats or 0) <= REPEATS_LOGGED then
                scopes[#scopes + 1] = scope
            end
            outcome = other and "changed" or outcome or "same"
        else
            outcome = outcome or other
        end
    end
    if not scopes[1] then
        return outcome
    end
    local log_key, err = self:log_key(change)
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
    for _, state in ipairs(self.changed) do
        changes[#changes + 1] = {
            space = M.STATES, key = state.key, version = state.version,
            record = state.record, at = state.record.at,
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

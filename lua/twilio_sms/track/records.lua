--- Keeps the records of messages in a store, with their rows in three indexes: what is due for a look, what
-- is scheduled for whom, and what belongs to a batch.
--
--     space            key                                          holds
--     message          <sid>                                        the record
--     message_due      <account>/<Unix seconds, 12 digits>/<sid>    unfinished ones
--     message_to       <account>/<address>/<sid>                    scheduled ones
--     batch            <account>/<batch>/<sid>                      what the batch counts
local core = require "twilio_sms.core"
local state = require "twilio_sms.track.state"

local M = {}

local BATCH_MOST = 128

--- Whether a name can be that of a batch, and so a part of a key: misuse raises.
-- @tparam number level as for error
function M.check_batch(name, level)
    if type(name) ~= "string" or not name:find "^[\32-\46\48-\126]+$" or #name > BATCH_MOST then
        local what = "the name of a batch is 1 to %d ASCII characters without '/'"
        error(what:format(BATCH_MOST), level + 1)
    end
end

local SPACES = { "message", "message_due", "message_to", "batch" }

--- An address as the opt-out list has it: one person is the same for SMS, MMS and RCS.
function M.plain_address(address)
    return (address:gsub("^rcs:", ""):gsub("^sms:", ""))
end

-- The index rows of a record, by space and key.
local function index_rows(record)
    local rows = {}
    local function add(space, middle, row)
        local key = ("%s/%s/%s"):format(record.account_sid, middle, record.sid)
        rows[space .. " " .. key] = { space = space, key = key, record = row }
    end
    if record.next_look_at then
        local at = record.next_look_at
        add("message_due", ("%012d"):format(at), { sid = record.sid, at = at })
    end
    if record.status == "scheduled" and record.to then
        add("message_to", M.plain_address(record.to), { sid = record.sid })
    end
    if record.batch then
        add("batch", record.batch, {
            sid = record.sid, status = record.status, error_code = record.error_code,
            terminal = record.terminal, silent = record.silent, missing = record.missing,
        })
    end
    return rows
end

-- What has to be written to come from one record to the next.
local function changes_of(old, new, version, now_s)
    -- What is not finished counts as written when its look is due, so that a purge leaves it.
    local at = math.max(now_s, new.next_look_at or 0)
    local changes = { { space = "message", key = new.sid, record = new, version = version, at = at } }
    local new_rows = index_rows(new)
    for name, row in pairs(old and index_rows(old) or {}) do
        if not new_rows[name] then
            changes[#changes + 1] = { space = row.space, key = row.key, at = at }
        end
    end
    for _, row in pairs(new_rows) do
        row.at = at
        changes[#changes + 1] = row
    end
    return changes
end

local TRIES_MOST = 100 -- each failed one means that somebody else has changed the same message

--- Reads a record.
-- @treturn table|nil the record; nil alone when there is none
-- @treturn table the error, when it cannot be read
function M.get(store, sid)
    local record, version = store:read("message", sid)
    if type(version) == "table" then
        return nil, version
    end
    return record
end

--- Changes a record, and the indexes with it.
-- @tparam function next_of gets the record or nil, and leaves it as it is; answers a new one, or nil and an
-- error
-- @treturn table|nil the new record, or nil and the error
-- @treturn table|nil the record before
function M.change(store, sid, now_s, next_of)
    for _ = 1, TRIES_MOST do
        local old, version = store:read("message", sid)
        if type(version) == "table" then
            return nil, version
        end
        local new, problem = next_of(old)
        if not new then
            return nil, problem
        elseif old and state.equal(old, new) then
            return new, old
        end
        local done, err = store:write(changes_of(old, new, version, now_s))
        if done then
            return new, old
        elseif done == nil then
            return nil, err
        end
    end
    return nil, core.error("TemporarilyUnavailable", "too many others change the state of the message")
end

local PAGE = 500

-- Calls f(record, key) for each row whose key begins with the prefix, and holds one page at a time.
local function each(store, space, prefix, f)
    local after
    repeat
        local rows, err = store:list(space, { prefix = prefix, after = after, limit = PAGE })
        if not rows then
            return nil, err
        end
        for _, row in ipairs(rows) do
            f(row.record, row.key)
            after = row.key
        end
    until #rows < PAGE
    return true
end

--- The sids of messages whose look is due by now, those that wait longest first.
-- @treturn table|nil a list
function M.due(store, account_sid, now_s, limit)
    local rows, err = store:list("message_due", { prefix = account_sid .. "/", limit = limit })
    if not rows then
        return nil, err
    end
    local sids = {}
    for _, row in ipairs(rows) do
        if row.record.at <= now_s then
            sids[#sids + 1] = row.record.sid
        end
    end
    return sids
end

--- The sids of messages that are scheduled for an address.
-- @treturn table|nil a list
function M.scheduled_to(store, account_sid, address)
    local sids = {}
    local prefix = ("%s/%s/"):format(account_sid, M.plain_address(address))
    local ok, err = each(store, "message_to", prefix, function(record, key)
        if key == prefix .. record.sid then -- else the address has a "/" in it, and is a longer one
            sids[#sids + 1] = record.sid
        end
    end)
    return ok and sids, err
end

--- Calls f with what the batch counts of each of its messages.
-- @treturn boolean|nil true
function M.each_in_batch(store, account_sid, batch, f)
    return each(store, "batch", ("%s/%s/"):format(account_sid, batch), function(record)
        f(record)
    end)
end

--- Removes records, and their rows, that were finished before a time.
-- @treturn number|nil how many messages
function M.purge(store, before_s)
    local forgotten
    for _, space in ipairs(SPACES) do
        local count, err = store:purge(space, before_s)
        if not count then
            return nil, err
        end
        forgotten = forgotten or count
    end
    return forgotten
end

return M

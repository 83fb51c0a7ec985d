--- Goes through the states and the history of the opt-out list, a page at a time.
local key = require "twilio_sms.optout.key"
local write = require "twilio_sms.optout.write"

local M = {}

local PAGE_SIZE = 200

-- All rows of a space whose keys begin with a prefix: a function that answers the next one, nil at the end,
-- or nil and an error.
local function rows_of(store, space, prefix)
    local page, at, after = {}, 0, nil
    return function()
        at = at + 1
        if at > #page and (not after or #page == PAGE_SIZE) then
            local rows, err = store:list(space, { prefix = prefix, after = after, limit = PAGE_SIZE })
            if not rows then
                return nil, err
            end
            page, at = rows, 1
            after = rows[1] and rows[#rows].key or ""
        end
        return page[at]
    end
end

local function entry_of(account, row)
    local scope, number = key.read_state(row.key)
    local record = row.record
    return {
        account = account, scope = scope, number = number, state = record.state, source = record.source,
        at = record.at, keyword = record.keyword, class = record.class, message_sid = record.message_sid,
        note = record.note,
    }
end

--- All states that fit.
-- @tparam table filter number, scope, state
-- @treturn function an iterator: index, entry, error
function M.states(store, account, filter)
    -- What cannot be a name fits nothing.
    local number = filter.number and (key.name(filter.number) or "")
    local scope = filter.scope and (key.scope(filter.scope) or "")
    local state = filter.state
    local next_row = rows_of(store, write.STATES, key.states(account, scope))
    local index, failed = 0, false
    return function()
        while not failed do
            local row, err = next_row()
            if err then
                failed = true
                return index + 1, nil, err
            elseif not row then
                return nil
            end
            local entry = entry_of(account, row)
            if (not number or entry.number == number) and (not state or entry.state == state) then
                index = index + 1
                return index, entry
            end
        end
    end
end

--- What happened to a person, the oldest first.
-- @treturn table|nil
function M.history(store, account, number)
    local entries = {}
    local next_row = rows_of(store, write.LOG, key.history(account, number))
    local row, err = next_row()
    while row do
        entries[#entries + 1] = row.record
        row, err = next_row()
    end
    if err then
        return nil, err
    end
    return entries
end

return M

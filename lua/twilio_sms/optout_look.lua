--- Looks up what the opt-out list says about a person.
local key = require "twilio_sms.optout_key"
local list = require "twilio_sms.optout_list"

local M = {}

--- The accounts whose states count: the ledger's own, that of the message, and those without an account.
-- @tparam string own
-- @tparam[opt] string other
function M.accounts(own, other)
    local accounts = { own }
    if type(other) == "string" and other ~= "" and other ~= own then
        accounts[2] = other
    end
    if own ~= key.ALL and other ~= key.ALL then
        accounts[#accounts + 1] = key.ALL
    end
    return accounts
end

--- What is known about a person in some scopes. A person is read with one call of the store an account.
-- @tparam table scopes a list of names; "*" is always looked at
-- @treturn table|boolean|nil the record that forbids a message, or false; nil when the store cannot be read
-- @treturn table|nil without such a record the one that allows it; or the error
function M.find(store, accounts, number, scopes)
    local wanted, allows = { [key.ALL] = true }, nil
    for _, scope in ipairs(scopes) do
        wanted[scope] = true
    end
    for _, account in ipairs(accounts) do
        local next_row = list.rows_of_person(store, account, number)
        local row, err = next_row()
        while row do
            local _, scope = key.read_state(row.key)
            if wanted[scope] and row.record.state ~= "opted_in" then
                return row.record
            elseif wanted[scope] and (not allows or scope ~= key.ALL) then
                allows = row.record
            end
            row, err = next_row()
        end
        if err then
            return nil, err
        end
    end
    return false, allows
end

return M

--- Looks up what the opt-out list says about a person.
local core = require "twilio_sms.core"
local key = require "twilio_sms.optout.key"
local write = require "twilio_sms.optout.write"

local M = {}

-- A record, or false when there is none.
local function read(store, space, row_key)
    local record, version = store:read(space, row_key)
    if record == nil and type(version) == "table" then
        return nil, version
    end
    return record or false
end

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

--- What forbids to write to a person.
-- @treturn table|boolean|nil the record; false when there is none; nil and an error when the store cannot be
-- read
function M.blocks(store, number)
    local record, err = read(store, write.BLOCKS, key.blocks(number))
    if record and type(record.scopes) ~= "table" then
        return nil, core.error("ServiceUnavailable", "the record is not understood")
    end
    return record, err
end

--- Whether such a record forbids a scope, or all of them.
-- @tparam string|boolean scope false for none
function M.forbids(record, accounts, scope)
    for _, account in ipairs(accounts) do
        if record.scopes[key.block(account, key.ALL)]
            or scope and record.scopes[key.block(account, scope)] then
            return true
        end
    end
    return false
end

--- Whether a person has opted out in one of these scopes, or in "*".
-- @treturn boolean|nil nil and an error when the store cannot be read
function M.is_opted_out(store, accounts, number, scopes)
    local record, err = M.blocks(store, number)
    if not record then
        return record, err
    end
    for _, scope in ipairs(scopes) do
        if M.forbids(record, accounts, scope) then
            return true
        end
    end
    return M.forbids(record, accounts, false)
end

--- The record that decides about a scope: an opt-out wherever it is found, then what was said about the
-- scope, then what was said about all.
-- @treturn table|boolean|nil false when nothing is known; nil and an error when the store cannot be read
function M.deciding(store, accounts, number, scope)
    local found = false
    for _, name in ipairs(scope == key.ALL and { scope } or { scope, key.ALL }) do
        for _, account in ipairs(accounts) do
            local record, err = read(store, write.STATES, key.state(account, name, number))
            if record == nil then
                return nil, err
            elseif record and record.state == "opted_out" then
                return record
            end
            found = found or record
        end
    end
    return found
end

return M

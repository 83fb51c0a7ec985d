--- Finds out what became of rows of which an earlier run does not know whether they were sent: looks for them
-- in Twilio's list of messages.
--
-- A message that fits is taken for the row's, each for one row. One that is not there was not sent. Where
-- neither can be said, the row stays in doubt.
local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local smart_encoding = require "twilio_sms.smart_encoding"

local M = {}

local AT_ONCE = 8 -- lists that are asked for beside each other
local LIST_MOST = 1000 -- messages of one person
local CLOCKS_DIFFER_S = 300 -- Twilio's and ours, beyond what is known
local TRIAL = "Sent from your Twilio trial account - " -- stands before the texts of trial accounts

-- ---- Does it fit? ----------------------------------------------------------------------------------

local function plain(text)
    if text:sub(1, #TRIAL) == TRIAL then
        text = text:sub(#TRIAL + 1)
    end
    return text:match "^%s*(.-)%s*$"
end

-- Services may replace typographic characters.
local function same_text(own, listed)
    own, listed = plain(own), plain(listed)
    return own == listed or smart_encoding.apply(own) == smart_encoding.apply(listed)
end

-- When its message can have been made at the earliest, in Unix seconds.
local function since_s(row)
    return row.begun_s - CLOCKS_DIFFER_S
end

-- @treturn boolean|nil nil when it cannot be said: the list does not show the text any more
local function fits(row, message)
    local fields = row.fields
    local created_s = message.date_created_unix
    if message.direction ~= "outbound-api" or created_s and created_s < since_s(row) then
        return false
    elseif row.from and message.from and row.from ~= message.from then
        return false
    elseif fields.messaging_service_sid
        and fields.messaging_service_sid ~= message.messaging_service_sid then
        return false
    end
    local own, listed = fields.body or "", message.body or ""
    if listed ~= "" or own == "" then
        return same_text(own, listed)
    elseif (message.num_media or 0) > 0 and not fields.media then
        return false -- it never had a text
    end
end

-- ---- One person ------------------------------------------------------------------------------------

-- Whether the list may go on with messages of the time in question.
local function is_whole(rows, list)
    local last = list[#list]
    if #list < LIST_MOST then
        return true
    end
    local first_s = math.huge
    for _, row in ipairs(rows) do
        first_s = math.min(first_s, since_s(row))
    end
    return last.date_created_unix and last.date_created_unix < first_s
end

-- Gives each of one person's rows its verdict: "found" with the message, "absent", or "unclear" with a
-- reason.
local function judge(rows, list, claimed)
    local whole = is_whole(rows, list)
    for _, row in ipairs(rows) do
        local verdict, detail = "absent", nil
        for _, message in ipairs(list) do
            local fit = not claimed[message.sid] and fits(row, message)
            if fit then
                claimed[message.sid] = true
                verdict, detail = "found", message
                break
            elseif fit == nil then
                verdict, detail = "unclear", "a message of that time does not show its text any more"
            end
        end
        if verdict == "absent" and not whole then
            verdict, detail = "unclear", ("this person has more than %d messages"):format(LIST_MOST)
        elseif verdict == "absent" and row.outcome == "accepted_no_sid" then
            verdict, detail = "unclear", "Twilio has taken it, but does not list it"
        end
        row.verdict, row.detail = verdict, detail
    end
end

local function look(client, to, rows, claimed)
    local list, err = client:list { to = to, limit = LIST_MOST }
    if list then
        judge(rows, list, claimed)
        return
    end
    for _, row in ipairs(rows) do
        row.verdict, row.detail = "unclear", "the list cannot be read: " .. tostring(err)
    end
end

-- ---- All of them -----------------------------------------------------------------------------------

-- Who must be the sender of a row; nil when a service picks it.
local function sender_of(connection, fields)
    local service = fields.messaging_service_sid or connection.messaging_service_sid
    return fields.from or not service and connection.from or nil
end

-- What a message is looked for by, in short: its text and its sender. The intent of a row has it, because a
-- row that is another one meanwhile would not be found, and its person would get both.
function M.mark(connection, fields)
    local service = fields.messaging_service_sid or ""
    local text = ("%s\0%s\0%s"):format(sender_of(connection, fields) or "", service, fields.body or "")
    return core.body_sha256(text):sub(1, 16)
end

-- Why a row of the input cannot be compared with the one that was to be sent; nil when it can.
local function why_lost(connection, row, known)
    if not row then
        return "it is not in the input any more"
    elseif row.fields.to ~= known.to then
        return "its recipient has changed"
    elseif known.mark and known.mark ~= M.mark(connection, row.fields) then
        return "its text or its sender has changed"
    end
end

-- The rows by their recipients. Those that cannot be compared are lost.
local function by_recipient(connection, results, rows)
    local people, order, lost = {}, {}, {}
    for key, known in pairs(results.doubtful) do
        local row = rows[key]
        local why = why_lost(connection, row, known)
        if not why then
            local one = { key = key, number = row.number, fields = row.fields, outcome = known.outcome,
                begun_s = known.at_ms / 1000 - results.clock_ahead_s,
                from = sender_of(connection, row.fields) }
            if not people[known.to] then
                people[known.to] = {}
                order[#order + 1] = known.to
            end
            table.insert(people[known.to], one)
        else
            lost[#lost + 1] = { key = key, number = known.row, verdict = "unclear", detail = why }
        end
    end
    table.sort(order)
    for _, rows_of_one in pairs(people) do
        table.sort(rows_of_one, function(a, b) return a.number < b.number end)
    end
    return people, order, lost
end

--- Looks for all rows in doubt.
-- @tparam table connection of `twilio_sms.cli.bulk.connection`
-- @tparam table results of `twilio_sms.cli.bulk.results`
-- @tparam table rows the rows of the input that are in doubt, by key
-- @tparam function is_stopped
-- @treturn table|nil rows { key =, number =, verdict =, detail = }; nil and a sentence
function M.look_up(connection, results, rows, is_stopped)
    local people, order, judged = by_recipient(connection, results, rows)
    local recipients = {}
    for to in pairs(people) do
        recipients[to] = true
    end
    local claimed, why = results:sids_of(recipients)
    if not claimed then
        return nil, why
    end
    local at = 0
    local function work()
        while at < #order and not is_stopped() do
            at = at + 1
            local to = order[at]
            look(connection.client, to, people[to], claimed)
        end
    end
    loop.run(function()
        for _ = 1, math.min(AT_ONCE, #order) do
            loop.spawn(work)
        end
    end)
    for _, to in ipairs(order) do
        for _, row in ipairs(people[to]) do
            if not row.verdict then
                row.verdict, row.detail = "unclear", "interrupted before it was looked for"
            end
            judged[#judged + 1] = row
        end
    end
    return judged
end

return M

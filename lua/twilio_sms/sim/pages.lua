--- Lists: filters and cursors out of a query, and the page with the URIs of its neighbours.
local date = require "twilio_sms.date"
local errors = require "twilio_sms.sim.errors"
local json = require "twilio_sms.sim.json"

local M = {}

local SIZE_DEFAULT, SIZE_MOST = 50, 1000
local PAGE_MOST = 2147483647 -- times the size it is still a whole number
local OF_PAGING = { Page = true, PageSize = true, PageToken = true }

local function escape(text)
    return (text:gsub("[^%w*._-]", function(c)
        return ("%%%02X"):format(c:byte())
    end))
end

local function count_of(text, default, least, most)
    local value = text == nil and default or text:find "^%d+$" and tonumber(text)
    return value and value >= least and value <= most and value or nil
end

local DAY_S = 86400

-- The operator is part of the name: DateSent, DateSent<, DateSent>; both ends belong to the range. DateSent
-- is a day, whatever time comes with it: samples and libraries of Twilio pass the midnight of that day
-- (Messages resource, "List messages matching filter criteria").
local function read_dates(params)
    local from_s, until_s
    for _, name in ipairs { "DateSent", "DateSent>", "DateSent<" } do
        local text = params[name]
        if text then
            local first_s, last_s = date.read(text)
            if not first_s then
                return nil, errors.new(20001, name)
            end
            if name == "DateSent" then
                first_s = first_s - first_s % DAY_S
                last_s = first_s + DAY_S - 1
            end
            if name ~= "DateSent<" then
                from_s = math.max(from_s or first_s, first_s)
            end
            if name ~= "DateSent>" then
                until_s = math.min(until_s or last_s, last_s)
            end
        end
    end
    return { sent_from_s = from_s, sent_until_s = until_s }
end

local function read_cursor(token)
    if not token then
        return nil
    end
    local way, sid = token:match "^P([AB])([SM]M%x+)$"
    return way and { sid = sid, newer = way == "B" }
end

--- Reads what a list request asks for.
-- @tparam table params the query by name
-- @tparam table list the query in order, names and values in turn, for the URIs; unknown filters are kept
-- and ignored
-- @treturn[1] table filter, size, page, cursor
-- @treturn[2] nil
-- @treturn[2] table an error
function M.read(params, list)
    local size = count_of(params.PageSize, SIZE_DEFAULT, 1, SIZE_MOST)
    local page = count_of(params.Page, 0, 0, PAGE_MOST)
    if not size then
        return nil, errors.new(20007)
    elseif not page then
        return nil, errors.new(20001, "Page")
    end
    local cursor = read_cursor(params.PageToken)
    if params.PageToken and not cursor then
        return nil, errors.new(21481)
    end
    local filter, err = read_dates(params)
    if not filter then
        return nil, err
    end
    filter.to, filter.from = params.To, params.From
    local kept = {}
    for i = 1, #list, 2 do
        if not OF_PAGING[list[i]] then
            kept[#kept + 1] = escape(list[i]) .. "=" .. escape(list[i + 1]) .. "&"
        end
    end
    return { filter = filter, size = size, page = page, cursor = cursor, token = params.PageToken,
        kept = table.concat(kept) }
end

local function uri_of(path, wanted, page, token)
    return ("%s?%sPageSize=%d&Page=%d%s"):format(path, wanted.kept, wanted.size, page,
        token and "&PageToken=" .. escape(token) or "")
end

--- Makes the page.
-- @tparam string path of the list
-- @tparam string name "messages" or "media_list"
-- @tparam table wanted as `read` answered it
-- @tparam table found the records of the page, each with its sid
-- @tparam boolean more whether others follow
-- @tparam function render makes a record JSON
function M.make(path, name, wanted, found, more, render)
    local page, count = wanted.page, #found
    local records = {}
    for i, record in ipairs(found) do
        records[i] = render(record)
    end
    local start = page * wanted.size
    local last, first = found[count], found[1]
    return json.map {
        [name] = json.list(records),
        page = page,
        page_size = wanted.size,
        start = start,
        ["end"] = count > 0 and start + count - 1 or 0,
        uri = uri_of(path, wanted, page, wanted.token),
        first_page_uri = uri_of(path, wanted, 0),
        next_page_uri = more and last and uri_of(path, wanted, page + 1, "PA" .. last.sid) or json.null,
        previous_page_uri = page > 0 and first and uri_of(path, wanted, page - 1, "PB" .. first.sid)
            or json.null,
    }
end

return M

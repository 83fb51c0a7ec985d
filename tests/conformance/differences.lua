-- Where a client shows something else than what must come, and why that is right. Each of these is a row of
-- docs/conformance.md, and one that explains nothing any more is a failure.
--
-- `explains` gets { client, step, path, expected, actual, result }: a field of the step's result, its path
-- being a list of names; what is not there is nil.
local M = {}

local LOCAL = {
    ["magic from before body"] = true, ["no to"] = true, ["no sender"] = true, ["no content"] = true,
    ["empty body"] = true, ["too long"] = true, ["eleven media"] = true, ["media no url"] = true,
    ["callback no host"] = true, ["validity too long"] = true, ["validity zero"] = true,
    ["unknown service"] = true, ["page too large"] = true, ["date no date"] = true,
    ["schedule without service"] = true, ["schedule too late"] = true, ["schedule no date"] = true,
}

local NUMBERS = { num_segments = true, num_media = true }

local function name_of(field)
    return field.path[#field.path]
end

local function is_error(field, name)
    return field.result.error ~= nil and (not name or name_of(field) == name)
end

local function is_not_offered(field)
    return is_error(field) and field.result.error.raised == "cannot be asked for"
end

-- "+15005550007" becomes "+1********07".
local function masked(text)
    return (text:gsub("%+(%d)(%d+)(%d%d)", function(first, middle, last)
        return "+" .. first .. ("*"):rep(#middle) .. last
    end))
end

M.list = {
    {
        client = "own",
        what = "`num_segments` and `num_media` are integers",
        why = "Twilio sends decimal text; both are counts",
        explains = function(field)
            return NUMBERS[name_of(field)] and type(field.actual) == "number"
                and ("%d"):format(field.actual) == field.expected
        end,
    },
    {
        client = "own",
        what = "an error has a `type` and an `outcome` besides",
        why = "what went wrong, and whether the message may have been sent ([Errors](errors.md#outcomes))",
        explains = function(field)
            local name = name_of(field)
            return field.expected == nil and (name == "type" or name == "outcome")
                and type(field.actual) == "string"
        end,
    },
    {
        client = "own",
        what = "phone numbers in the text of an error are masked",
        why = "errors end up in logs",
        explains = function(field)
            return name_of(field) == "message" and type(field.expected) == "string"
                and field.actual == masked(field.expected)
        end,
    },
    {
        client = "own",
        what = "the text of a 401 has Twilio's `detail` behind it",
        why = "`message` alone says no more than \"Authenticate\"; the other libraries drop `detail`",
        explains = function(field)
            return is_error(field, "message") and field.expected == "Authenticate"
                and field.actual == "Authenticate: Your AccountSid or AuthToken was incorrect."
        end,
    },
    {
        client = "own",
        what = "refused before it leaves: `outcome` is `not_sent`, and there is no HTTP status and no code",
        why = "Twilio would refuse it too; this costs no request",
        steps = LOCAL,
        explains = function(field)
            return is_error(field) and field.result.error.outcome == "not_sent"
                and (name_of(field) == "message" or field.actual == nil)
        end,
    },
    {
        client = "own",
        what = "an outcome of feedback that does not exist raises",
        why = "misuse of a function raises at its caller",
        steps = { ["feedback.wrong"] = true },
        explains = function(field)
            return is_error(field) and (field.actual == nil or name_of(field) == "raised")
        end,
    },
    {
        client = "own",
        what = "a text of an error beyond 159 bytes is cut",
        why = "errors take no memory of their own",
        steps = { ["mms.media.deleted"] = true },
        explains = function(field)
            return is_error(field, "message")
                and field.actual:find "^The requested resource /2010%-04%-01/" ~= nil
        end,
    },
    {
        client = "own",
        what = "cannot be asked for: another text, a status but `canceled`, `schedule_type` alone",
        why = "an update empties the text or cancels, nothing else; `schedule_type` comes with `send_at`",
        steps = {
            ["queued.other text"] = true, ["queued.other status"] = true, ["schedule without time"] = true,
        },
        explains = is_not_offered,
    },
    {
        client = "own",
        what = "cannot be asked for: the page before",
        why = "lists are walked from the newest message on",
        steps = { ["list page by page and back"] = true },
        explains = is_not_offered,
    },
    {
        client = "python",
        what = "errors have no `more_info`",
        why = "the library drops it; its address follows from the code",
        explains = function(field)
            return name_of(field) == "more_info" and field.actual == nil
        end,
    },
}

--- The difference that a field belongs to; nil for none that is known.
function M.of(field)
    for _, difference in ipairs(M.list) do
        if difference.client == field.client and (not difference.steps or difference.steps[field.step])
            and difference.explains(field) then
            return difference
        end
    end
end

return M

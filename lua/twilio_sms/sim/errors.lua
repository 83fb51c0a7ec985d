--- Twilio's error codes as far as the simulator answers with them: HTTP status and text.
--
-- Statuses and texts are those of Twilio's error dictionary and of recorded answers; where no recording was
-- found (20009, 30409) the status is the usual one of its kind.
local M = {}

local CATALOG = {
    [20001] = { 400, "Invalid parameter: %s" },
    [20003] = { 401, "Authenticate" },
    [20004] = { 405, "Method not allowed" },
    [20007] = { 400, "Page size must be between 1 and 1000" },
    [20009] = { 409, "Cannot change or delete this resource before it is complete" },
    [20404] = { 404, "The requested resource %s was not found" },
    [20429] = { 429, "Too Many Requests" },
    [20500] = { 500, "An internal server error has occurred" },
    [20503] = { 503, "Service unavailable" },
    [21211] = { 400, "Invalid 'To' Phone Number: %s" },
    [21212] = { 400, "Invalid From Number (caller ID): %s" },
    [21408] = { 400, "Permission to send an SMS has not been enabled for the region of the 'To' number %s" },
    [21481] = { 400, "Invalid PageToken" },
    [21602] = { 400, "Message body is required." },
    [21603] = { 400, "A 'From' or 'MessagingServiceSid' parameter is required to send a message" },
    [21604] = { 400, "A 'To' phone number is required." },
    [21606] = { 400, "The 'From' phone number %s is not a valid, message-capable Twilio phone number" },
    [21609] = { 400, "The 'StatusCallback' URL %s is not a valid URL." },
    [21610] = { 400, "Attempt to send to unsubscribed recipient" },
    [21611] = { 429, "This 'From' number %s has an SMS message queue that is full." },
    [21612] = { 400, "The 'To' phone number %s is not currently reachable via SMS" },
    [21614] = { 400, "'To' number %s is not a valid mobile number" },
    [21617] = { 400, "The concatenated message body exceeds the 1600 character limit" },
    [21619] = { 400, "Unable to create record: %s" },
    [21620] = { 400, "Invalid media URL(s)" },
    [21623] = { 400, "Number of media files exceeds allowed limit" },
    [21624] = { 400, "Invalid validity period value" },
    [21654] = { 400, "ContentSid Required" },
    [21701] = { 404, "The Messaging Service %s does not exist" },
    -- What becomes of accepted messages has no HTTP status; the texts are the names in the dictionary.
    [14107] = { 429, "SMS send rate limit exceeded" },
    [30001] = { 429, "Queue overflow" },
    [30002] = { 403, "Account suspended" },
    [30003] = { 400, "Unreachable destination handset" },
    [30004] = { 400, "Message blocked" },
    [30005] = { 400, "Unknown destination handset" },
    [30006] = { 400, "Landline or unreachable carrier" },
    [30007] = { 400, "Message filtered" },
    [30008] = { 400, "Unknown error" },
    [30022] = { 429, "US A2P 10DLC - Rate Limits Exceeded" },
    [30023] = { 429, "US A2P 10DLC - Daily Message Cap Reached" },
    [30034] = { 400, "US A2P 10DLC - Message from an Unregistered Number" },
    [30036] = { 400, "Validity Period Expired" },
    [30410] = { 504, "Provider Timeout Error" },
    [30450] = { 400, "Message delivery blocked" },
    [30409] = { 409, "This message cannot be canceled" },
    [35111] = { 400, "SendAt timestamp is missing" },
    [35114] = { 400, "Scheduling does not support this timestamp: %s" },
    [35118] = { 400, "MessagingServiceSid is required to schedule a message" },
    [35126] = { 400, "The ScheduleType value provided is not supported for this channel" },
}

local OTHER = { 400, "Simulated failure" }

--- An error as the other modules pass it on.
-- @tparam number code one of the catalog; others have a text without meaning
-- @tparam[opt] string detail for texts that name something
-- @treturn table code, status, message
function M.new(code, detail)
    local row = CATALOG[code] or OTHER
    local message = row[2]:find("%s", 1, true) and row[2]:format(detail) or row[2]
    return { code = code, status = row[1], message = message }
end

return M

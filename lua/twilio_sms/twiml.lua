--- TwiML documents: what a webhook answers when it wants to write back.
--
--     local reply = twiml.new()
--     sms.assert(reply:message "See you at eight.")
--     print(reply:text())
local core = require "twilio_sms.core"

local M = {}

--- An empty document, which answers nothing.
--
-- `message(body)` or `message { body=, media=, to=, from=, action=, method=, status_callback= }`, and
-- `redirect(url, method)`, add to it and return it, or nil and an error, and then it is as it was. `text()`
-- and tostring() give the whole document, `count()` and # how many elements it holds.
function M.new()
    return core.twiml()
end

return M

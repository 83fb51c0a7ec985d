--- Errors: what every function of this library returns behind nil.
--
-- A table with `category`, `kind`, `type` ("MessageError.OptedOut"), `message`, `code`, `http_status`,
-- `retryable`, `retry_after_ms`, `outcome`, `attempts`, `more_info` and `request_id`; absent fields are nil.
-- tostring() gives one readable line.
local core = require "twilio_sms.core"

local M = {}

--- Whether v is an error of this library.
M.is = core.is_error

--- A new error of a kind ("OptedOut"), for code that extends the library.
-- @tparam string kind
-- @tparam string message
-- @tparam[opt] string outcome "not_sent", "in_doubt", ...
M.new = core.error

--- Like assert, for Lua versions whose own refuses errors that are tables (PUC 5.1).
M.assert = core.assert

return M

--- Tapes of webhooks (docs/cassettes.md); those of requests are made by sms.driver.record.
local webhooks = require "twilio_sms.cassette.webhooks"

return {
    --- The account and the token of every tape; nobody's.
    ACCOUNT_SID = webhooks.ACCOUNT_SID,
    TOKEN = webhooks.TOKEN,
    webhooks = webhooks.record,
    replay_webhooks = webhooks.replay,
}

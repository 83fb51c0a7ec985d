--- Words that say nothing about anybody: those of error messages, and those that the API defines itself.
local M = {}

local function set_of(text)
    local set = {}
    for word in text:gmatch "%S+" do
        set[word] = true
    end
    return set
end

--- Words of the sentences in Twilio's error dictionary (https://www.twilio.com/docs/api/errors), and of what
-- libcurl and gateways say; in lower case.
M.SENTENCE = set_of [[
    a access account after again all allowed already an and another answer any are arrived as at
    attempt attempts authenticate authentication authorization bad be because been before between
    billed blocked body bytes but by callback caller can canceled cancelled cannot capable carrier
    certificate change channel character clear close closed code combination complete concatenated
    concurrent connect connected connection contain content could country create credentials
    currently daily data date day days delete deleted delivery denied destination did dns does down
    empty enabled entitled error errors exceed exceeded exceeds exist exists expired fail failed
    failure false feature fetch field files filtered final finished following for forbidden format
    found from full gateway geo given got handshake has have header host http https id if in
    internal invalid is iso it its json key landline larger later least length limit limits list
    lists long longer looked lost maintenance make many may media message messages messaging method
    mms mobile more must name network new no not nobody note number numbers occurred of off on once
    one only opened operation option or out outbound outside page parameter parameters peer period
    permission permissions phone please port present provided provider proxy queue range rate
    reachable reached read received recipient record refused region reply request requested requests
    required requirement reset resolve resource response retry revoked route schedule scheduled
    segments send sender sending sent server service session short should size sms socket ssl status
    stopped string such support supported suspended than that the then there these this those time
    timed timeout timestamp tls to token too traffic trial try twice twilio type unable unauthorized
    unavailable unexpected unknown unreachable unregistered unsubscribed until up upgrade url us use
    used user valid validity value values was way webhook were when which while window with without
    wrong yes yet you your]]

--- Values of parameters and members.
M.VALUE = set_of [[
    true false retain discard obfuscate free fixed enable disable canceled confirmed unconfirmed
    inbound outbound-api outbound-call outbound-reply
    queued sending sent failed delivered undelivered receiving received accepted scheduled read
    partially_delivered STOP START HELP]]

return M

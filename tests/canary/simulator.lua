-- The simulator that the programs under search send to; it has its credentials from files.
-- Usage: simulator.lua DIRECTORY of canaries.lua; ends with standard input
local directory = assert(arg[1])

local function secret(name)
    return (assert(io.open(directory .. "/" .. name)):read "*l")
end

require("twilio_sms.sim.server").run {
    auth_token = secret "auth_token",
    api_keys = { ["SK" .. ("0"):rep(31) .. "5"] = secret "api_secret" },
    proxy = true,
    script = {
        { on = "send", body = "case unavailable", times = 2, action = "status", status = 503 },
        { on = "send", body = "case limited", times = 2, action = "status", status = 429, code = 20429 },
        { on = "send", body = "case lost", times = 1, action = "drop_after" },
        { on = "send", body = "case late", times = 1, action = "hang" },
        { on = "send", body = "case page", times = 3, action = "html" },
    },
}

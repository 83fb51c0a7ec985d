--- `twilio-sms doctor`: looks for what would keep messages from leaving, and says what to do about it.
local account = require "twilio_sms.cli.account"
local definition = require "twilio_sms.cli.definition"
local core = require "twilio_sms.core"
local failure = require "twilio_sms.cli.failure"
local network = require "twilio_sms.cli.doctor_network"
local output = require "twilio_sms.cli.output"
local terminal = require "twilio_sms.cli.terminal"
local versions = require "twilio_sms.cli.doctor_versions"

local M = {
    name = "doctor",
    about = "Look for what would keep messages from leaving; exit status 1 if something is wrong.",
    options = definition.options({
        { "--offline", false, "Look at this machine only." },
    }, account.SENDER_OPTIONS, account.OPTIONS, account.TIMEOUT_OPTIONS, output.OPTIONS),
}

-- Each check gets the settings; `say`, which takes its name, "ok", "fails" or "skipped", what was found, and
-- what to do about it; from where each setting is; and the path of the configuration file.

local function check_versions(_, say)
    local lua = jit and jit.version or _VERSION -- luacheck: ignore 113
    local verdict, text, advice = versions.judge(core.versions())
    say("versions", verdict, ("twilio-sms %s on %s: %s"):format(core.version, lua, text), advice)
end

local function check_file(_, say, _, path)
    if not path then
        say("configuration", "skipped", "there is no home folder")
    elseif not core.read_file(path) then
        say("configuration", "skipped", path .. " is not there")
    else
        say("configuration", "ok", path)
    end
end

local function check_sid(settings, say, sources)
    local sid = settings.account_sid
    if not sid then
        say("account", "fails", "no SID is known",
            "set TWILIO_ACCOUNT_SID; it stands on the first page of the console")
    elseif not (sid:find "^AC%x+$" and #sid == 34) then
        say("account", "fails", "the SID is not AC and 32 hex digits", "copy it again from the console")
    else
        say("account", "ok", ("%s, from %s"):format(sid, sources.account_sid))
    end
end

-- Who gives a secret where a path belongs must not see it again.
local function shown_path(path)
    local file = path:match "[^/]*$"
    local may_be_secret = #file >= 30 and not file:find "[^%w+=_%-]"
    return may_be_secret and "its file (not shown: it may be the secret)" or path
end

-- What a secret is, without showing it. Twilio's have 32 hex digits or letters.
local function look_at_secret(settings, name, say, sources)
    local value = settings[name]
    local path = type(value) == "table" and value.file
    local text, is_private = type(value) == "table" and os.getenv(value.env or "") or value, true
    if path then
        text, is_private = core.read_file(path)
    end
    if not text then
        local why = ("%s: %s"):format(shown_path(path), is_private)
        say(name, "fails", why, "is the path right, and may you read it?")
        return
    end
    text = text:gsub("\r?\n$", "")
    if text:find "%s" then
        say(name, "fails", "there is white space in it", "copy it again, without quotes and blanks")
    elseif #text ~= 32 then
        say(name, "fails", ("it has %d characters, not 32"):format(#text), "copy it again from the console")
    elseif not is_private then
        say(name, "fails", "others may read " .. path, ("chmod 600 '%s'"):format(path))
    else
        say(name, "ok", "looks right, from " .. sources[name])
    end
end

local function check_secrets(settings, say, sources)
    if settings.api_key and not settings.api_secret then
        say("api_key", "fails", "its secret is not known", "set TWILIO_API_SECRET, or api_secret_file")
    end
    for _, name in ipairs { "api_secret", "auth_token" } do
        if settings[name] then
            look_at_secret(settings, name, say, sources)
        end
    end
    if not settings.auth_token then
        local needed = not settings.api_key
        say("auth_token", needed and "fails" or "skipped",
            needed and "it is not known" or "it is not known; only webhooks need it",
            needed and "set TWILIO_AUTH_TOKEN, or auth_token_file in the configuration file" or nil)
    end
end

local function check_sender(settings, say)
    local sender = settings.messaging_service_sid or settings.from
    say("sender", sender and "ok" or "skipped", sender or "none is set: each message has to name one")
end

local function check_store(settings, say)
    if not settings.store then
        say("store", "skipped", "none is named: no opt-out list is asked")
        return
    end
    local store, err = account.store(settings)
    if store then
        store:close()
        say("store", "ok", settings.store)
    else
        say("store", "fails", tostring(err))
    end
end

local LOCAL = { check_versions, check_file, check_sid, check_secrets, check_sender, check_store }

-- A client that cannot be made says in one sentence why.
local function check_options(given, say)
    local client, err = account.client(given)
    if not client then
        say("options", "fails", tostring(err), "correct it, then run this again")
        return nil
    end
    say("options", "ok", "a client can be made of them")
    return client
end

local MARKS = { ok = "ok", fails = "FAILS", skipped = "-" }

function M.run(given)
    local settings, sources, config_path = account.settings(given)
    if not settings then
        return nil, sources
    end
    local out, failed = output.new(given), 0
    local function say(name, verdict, text, advice)
        failed = failed + (verdict == "fails" and 1 or 0)
        if out.as_json then
            out:object { check = name, verdict = verdict, text = text, advice = advice }
        else
            local line = advice and text .. "; " .. advice or text
            out:line(("%-5s  %-13s  %s"):format(MARKS[verdict], name, terminal.escape(line)))
        end
        return verdict == "ok"
    end
    for _, check in ipairs(LOCAL) do
        check(settings, say, sources, config_path)
    end
    local client = check_options(given, say)
    if client and not given.offline then
        network.check(settings, account.origin(settings), client, say)
    end
    if client then
        client:close()
    end
    return failed == 0 and 0 or failure.NO
end

return definition.command(M)

local core = require "twilio_sms.core"
local optout = require "twilio_sms.optout"
local stores = require "optout_stores"

local ACCOUNT = "AC" .. ("0"):rep(31) .. "1"
local OTHER_ACCOUNT = "AC" .. ("0"):rep(31) .. "2"
local SERVICE = "MG" .. ("0"):rep(31) .. "1"
local OTHER_SERVICE = "MG" .. ("0"):rep(31) .. "2"
local PERSON, OTHER = "+15558675310", "+15558675311"
local LONG_CODE, OTHER_CODE, TOLL_FREE = "+15005550006", "+15005550007", "+18885550001"

local now = 1700000000

local function ledger_on(store, changes)
    local opts = { account_sid = ACCOUNT, store = store, clock = function() return now end }
    for name, value in pairs(changes or {}) do
        opts[name] = value or nil
    end
    return optout.new(opts)
end

local sids = 0

-- A message from PERSON.
local function message(body, changes)
    sids = sids + 1
    local event = {
        type = "inbound", account_sid = ACCOUNT, from = PERSON, to = LONG_CODE, body = body,
        message_sid = ("SM%032d"):format(sids),
    }
    for name, value in pairs(changes or {}) do
        event[name] = value
    end
    return event
end

local function status_event(changes)
    sids = sids + 1
    local event = {
        type = "status", account_sid = ACCOUNT, to = PERSON, from = LONG_CODE, status = "failed",
        error_code = 21610, message_sid = ("SM%032d"):format(sids),
    }
    for name, value in pairs(changes or {}) do
        event[name] = value
    end
    return event
end

-- A store whose methods can be replaced for a while.
local function wrapped(store)
    local outer = {}
    for _, method in ipairs { "read", "write", "list", "purge", "close" } do
        outer[method] = function(_, ...) return store[method](store, ...) end
    end
    return outer
end

local function failure()
    return nil, core.error("ServiceUnavailable", "the disk is on fire")
end

for kind, open in pairs(stores) do
    describe("a ledger on " .. kind, function()
        local store, remove, ledger

        before_each(function()
            now = 1700000000
            store, remove = open()
            ledger = ledger_on(store)
        end)

        after_each(function()
            remove()
        end)

        local function status(number, scope)
            return (assert(ledger:status(number or PERSON, scope)))
        end

        -- ---- States and scopes

        it("knows nobody at first", function()
            local state, record = ledger:status(PERSON)
            assert.equal("unknown", state)
            assert.is_nil(record)
            assert.is_true(ledger:check { to = PERSON, from = LONG_CODE })
        end)

        it("keeps opt-outs and opt-ins by the program", function()
            local ok, changed = ledger:opt_out(PERSON, { source = "web", note = "called us" })
            assert.same({ true, true }, { ok, changed })
            local state, record = ledger:status(PERSON)
            assert.equal("opted_out", state)
            assert.same({ "web", "called us", now }, { record.source, record.note, record.at })
            assert.same({ true, false }, { ledger:opt_out(PERSON) })
            assert.same({ true, true }, { ledger:opt_in(PERSON) })
            assert.equal("opted_in", status())
            assert.equal("unknown", status(OTHER))
        end)

        it("counts an opt-out from all in each scope, and one from a sender only there", function()
            ledger:opt_out(PERSON)
            for _, scope in ipairs { LONG_CODE, SERVICE, "12345", "*" } do
                assert.equal("opted_out", status(PERSON, scope))
            end
            ledger:opt_out(OTHER, { scope = LONG_CODE })
            assert.equal("opted_out", status(OTHER, LONG_CODE))
            assert.equal("unknown", status(OTHER, OTHER_CODE))
            assert.equal("unknown", status(OTHER))
            ledger:opt_in(PERSON, { scope = LONG_CODE })
            assert.equal("opted_out", status(PERSON, LONG_CODE))
            ledger:opt_in(PERSON)
            assert.equal("opted_in", status(PERSON, LONG_CODE))
            assert.equal("opted_in", status(PERSON, SERVICE))
        end)

        it("knows a number however it is written", function()
            ledger:opt_out("+1 (555) 867-5310")
            local forms = { PERSON, "sms:" .. PERSON, "rcs:" .. PERSON, "RCS:" .. PERSON, "+1-555.867.5310" }
            for _, form in ipairs(forms) do
                assert.equal("opted_out", status(form))
                assert.same({ false, "opted_out" }, { ledger:check { to = form } })
            end
            assert.equal("unknown", status("whatsapp:" .. PERSON))
            ledger:opt_out("whatsapp:" .. OTHER)
            assert.equal("unknown", status(OTHER))
            assert.equal("opted_out", status("whatsapp:" .. OTHER))
        end)

        it("refuses what would be kept under a name that nobody asks for", function()
            for _, number in ipairs {
                "", "15558675310", "555 8675310", "+", "+0123456789", "+1555867531012345", "+1555", "\0",
                ("+1"):rep(100), "+1555867531O",
            } do
                for _, method in ipairs { "opt_out", "opt_in", "status" } do
                    local ok, err = ledger[method](ledger, number)
                    assert.is_nil(ok)
                    assert.equal("InvalidRecipient", err.kind)
                end
            end
            local ok, err = ledger:opt_out(PERSON, { scope = "" })
            assert.is_nil(ok)
            assert.equal("InvalidSender", err.kind)
        end)

        it("keeps names apart that hold what separates keys", function()
            ledger:opt_out("line:a/b%2F", { scope = "page:x/y" })
            assert.equal("opted_out", status("line:a/b%2F", "page:x/y"))
            assert.equal("unknown", status("line:b%2F", "page:x/y/line.a"))
            for _, entry in ledger:list() do
                assert.same({ "page:x/y", "line:a/b%2F" }, { entry.scope, entry.number })
            end
            assert.equal(1, #ledger:history "line:a/b%2F")
        end)

        it("keeps accounts apart, and without an account counts for all", function()
            ledger:learn(message("STOP", { account_sid = OTHER_ACCOUNT }))
            assert.equal("unknown", status(PERSON, LONG_CODE))
            local theirs = ledger_on(store, { account_sid = OTHER_ACCOUNT })
            assert.equal("opted_out", (theirs:status(PERSON, LONG_CODE)))
            local all = ledger_on(store, { account_sid = false })
            all:learn(message("STOP", { account_sid = OTHER_ACCOUNT }))
            assert.equal("opted_out", (all:status(PERSON, LONG_CODE)))
        end)

        -- ---- Learning from messages

        it("learns STOP and START for the sender and the service", function()
            local learned = ledger:learn(message("Stop", { messaging_service_sid = SERVICE }))
            assert.same({
                action = "stop", class = "strict", keyword = "STOP", changed = true, still_opted_out = false,
                scopes = { SERVICE, LONG_CODE }, provider_replied = false,
            }, learned)
            assert.equal("opted_out", status(PERSON, SERVICE))
            assert.equal("opted_out", status(PERSON, LONG_CODE))
            assert.equal("unknown", status(PERSON, OTHER_CODE))
            learned = ledger:learn(message("start", { messaging_service_sid = SERVICE }))
            assert.same({ "start", true, false },
                { learned.action, learned.changed, learned.still_opted_out })
            assert.equal("opted_in", status(PERSON, SERVICE))
            assert.equal("opted_in", status(PERSON, LONG_CODE))
        end)

        it("learns wide words as opt-out, never as opt-in", function()
            assert.equal("wide", ledger:learn(message "please stop!").class)
            assert.equal("opted_out", status(PERSON, LONG_CODE))
            assert.is_nil(ledger:learn(message "yes please").action)
            assert.is_nil(ledger:learn(message "START!").action)
            assert.equal("opted_out", status(PERSON, LONG_CODE))
            ledger:learn(message "yes")
            assert.equal("opted_in", status(PERSON, LONG_CODE))
        end)

        it("learns the words that it was made with", function()
            local french = ledger_on(store, { languages = { "en", "fr" }, words = { stop = { "ciao" } } })
            assert.equal("stop", french:learn(message "Arrêt").action)
            assert.equal("stop", french:learn(message "Ciao!").action)
            assert.is_nil(ledger_on(store, { ignore = { "END" } }):learn(message "End").action)
        end)

        it("records the consent of somebody unknown who says START", function()
            assert.is_true(ledger:learn(message "START").changed)
            local state, record = ledger:status(PERSON, LONG_CODE)
            assert.equal("opted_in", state)
            assert.same({ "inbound", "START", "strict" }, { record.source, record.keyword, record.class })
        end)

        it("has nothing to learn from whom nothing can be sent to", function()
            local learned = ledger:learn(message("STOP", { from = "15558675310" }))
            assert.same({ "stop", false, false },
                { learned.action, learned.changed, learned.still_opted_out })
            assert.is_false((ledger:check { to = "15558675310" }))
            learned = ledger:learn(message("STOP", { to = "a sender without a name" }))
            assert.is_false(learned.changed)
            assert.is_false((ledger:check { to = PERSON, from = "a sender without a name" }))
            learned = ledger:learn(message("STOP", { to = "?", messaging_service_sid = SERVICE }))
            assert.is_true(learned.changed)
        end)

        it("changes nothing for HELP and for ordinary messages", function()
            local bodies = { HELP = "help", ["info!"] = "help", ["see you at eight"] = false, [""] = false }
            for body, action in pairs(bodies) do
                local learned = ledger:learn(message(body))
                assert.equal(action or nil, learned.action)
                assert.is_false(learned.changed)
            end
            assert.same({}, ledger:history(PERSON))
            assert.is_nil(ledger:learn(message(nil)).action)
            assert.is_nil(ledger:learn({ type = "unknown" }).action)
        end)

        it("follows Twilio's verdict, which knows words of one's own", function()
            local learned = ledger:learn(message("Adios", { opt_out_type = "STOP" }))
            assert.same({ "stop", "provider", "ADIOS", true, true },
                { learned.action, learned.class, learned.keyword, learned.changed, learned.provider_replied })
            learned = ledger:learn(message("we are back", { opt_out_type = "START" }))
            assert.same({ "start", "provider" }, { learned.action, learned.class })
            assert.is_nil(learned.keyword)
            assert.equal("opted_in", status(PERSON, LONG_CODE))
            learned = ledger:learn(message("QUE?", { opt_out_type = "HELP" }))
            assert.same({ "help", "provider", false }, { learned.action, learned.class, learned.changed })
            assert.equal("strict", ledger:learn(message("stop", { opt_out_type = "STOP" })).class)
        end)

        it("does not let a verdict hide a STOP", function()
            for _, verdict in ipairs { "HELP", "START", "SOMETHING NEW" } do
                assert.equal("stop", ledger:learn(message("STOP", { opt_out_type = verdict })).action)
            end
            assert.equal("stop", ledger:learn(message("please stop", { opt_out_type = "HELP" })).action)
            assert.equal("start", ledger:learn(message("stop all", { opt_out_type = "START" })).action)
        end)

        it("does not let YES undo a STOP to a toll-free number", function()
            for _, body in ipairs { "STOP", "stop!", "opt out" } do
                ledger:learn(message(body, { to = TOLL_FREE, messaging_service_sid = SERVICE }))
                local yes = ledger:learn(message("YES", { to = TOLL_FREE, messaging_service_sid = SERVICE }))
                assert.same({ "start", false, true }, { yes.action, yes.changed, yes.still_opted_out })
                yes = ledger:learn(message("YES", { to = TOLL_FREE, opt_out_type = "START" }))
                assert.is_true(yes.still_opted_out)
                assert.equal("opted_out", status(PERSON, TOLL_FREE))
                assert.equal("opted_out", status(PERSON, SERVICE))
                local start = ledger:learn(message(body == "STOP" and "UNSTOP" or "START",
                    { to = TOLL_FREE, messaging_service_sid = SERVICE }))
                assert.same({ true, false }, { start.changed, start.still_opted_out })
                assert.equal("opted_in", status(PERSON, TOLL_FREE))
                assert.equal("opted_in", status(PERSON, SERVICE))
            end
        end)

        it("lets YES undo what Twilio alone has blocked", function()
            ledger:learn(message("QUIT", { to = TOLL_FREE }))
            assert.is_true(ledger:learn(message("YES", { to = TOLL_FREE })).changed)
            assert.equal("opted_in", status(PERSON, TOLL_FREE))
            ledger:learn(message "STOP")
            assert.is_true(ledger:learn(message "YES").changed)
            for _, area in ipairs { "800", "833", "844", "855", "866", "877" } do
                local sender = "+1" .. area .. "5550001"
                ledger:learn(message("STOP", { to = sender }))
                assert.is_true(ledger:learn(message("YES", { to = sender })).still_opted_out)
            end
            for _, sender in ipairs { "+18225550001", "+448005550001", "+1800555000" } do
                ledger:learn(message("STOP", { to = sender }))
                assert.is_false(ledger:learn(message("YES", { to = sender })).still_opted_out)
            end
        end)

        it("says when START does not lift an opt-out from all", function()
            ledger:opt_out(PERSON)
            local learned = ledger:learn(message "START")
            assert.same({ true, true }, { learned.changed, learned.still_opted_out })
            assert.same({ false, "opted_out" }, { ledger:check { to = PERSON, from = LONG_CODE } })
        end)

        it("keeps short codes and names that write to us", function()
            assert.is_true(ledger:learn(message("STOP", { from = "72727" })).changed)
            assert.equal(1, #ledger:history "72727")
        end)

        it("refuses a STOP that does not say by whom", function()
            for _, field in ipairs { "from", "to" } do
                local learned, err = ledger:learn(message("STOP", { [field] = "" }))
                assert.is_nil(learned)
                assert.equal("MissingFields", err.kind)
            end
        end)

        -- ---- Learning from refusals

        it("learns error 21610 from a status", function()
            local refused = status_event { messaging_service_sid = SERVICE, error_code = "21610" }
            local learned = ledger:learn(refused)
            assert.same({ "stop", "provider", true, true },
                { learned.action, learned.class, learned.changed, learned.provider_replied })
            assert.equal("opted_out", status(PERSON, SERVICE))
            local _, record = ledger:status(PERSON, LONG_CODE)
            assert.equal("21610", record.source)
            assert.is_nil(ledger:learn(status_event { error_code = 30003, to = OTHER }).action)
            assert.is_nil(ledger:learn({ type = "status", to = OTHER, from = LONG_CODE }).action)
            assert.equal("unknown", status(OTHER, LONG_CODE))
        end)

        it("learns error 21610 from the answer to a send, and START undoes it", function()
            ledger:learn_refusal { to = PERSON, from = LONG_CODE }
            ledger:learn_refusal { to = "rcs:" .. PERSON, messaging_service_sid = SERVICE }
            local no = { false, "opted_out" }
            assert.same(no, { ledger:check { to = PERSON, from = LONG_CODE } })
            assert.same(no, { ledger:check { to = PERSON, messaging_service_sid = SERVICE } })
            ledger:learn(message("START", { messaging_service_sid = SERVICE }))
            assert.is_true(ledger:check { to = PERSON, from = LONG_CODE, messaging_service_sid = SERVICE })
            local learned, err = ledger:learn_refusal { to = PERSON }
            assert.is_nil(learned)
            assert.equal("MissingFields", err.kind)
        end)

        it("learns from a message that failed, unless the person has opted in since", function()
            local failed = {
                sid = "SM1", to = PERSON, messaging_service_sid = SERVICE, error_code = 21610,
                date_created_unix = now - 3600,
            }
            assert.is_true(ledger:learn_refusal(failed).changed)
            local _, record = ledger:status(PERSON, SERVICE)
            assert.same({ now - 3600, "SM1" }, { record.at, record.message_sid })
            ledger:learn(message("START", { messaging_service_sid = SERVICE }))
            assert.is_false(ledger:learn_refusal(failed).changed)
            failed.sid, failed.date_created_unix = "SM2", now - 1
            assert.is_false(ledger:learn_refusal(failed).changed)
            assert.equal("opted_in", status(PERSON, SERVICE))
            failed.sid, failed.date_created_unix = "SM3", now + 1
            assert.is_true(ledger:learn_refusal(failed).changed)
        end)

        it("keeps one entry for many refusals", function()
            for _ = 1, 20 do
                ledger:learn(status_event())
            end
            assert.equal(1, #ledger:history(PERSON))
        end)

        -- ---- Repeats and history

        it("takes a webhook that is repeated once, even after another one", function()
            local start, stop = message "START", message "STOP"
            ledger:learn(start)
            ledger:learn(stop)
            assert.is_false(ledger:learn(stop).changed)
            assert.is_false(ledger:learn(start).changed)
            assert.equal("opted_out", status(PERSON, LONG_CODE))
            assert.equal(2, #ledger:history(PERSON))
        end)

        it("takes a START once, whatever came between", function()
            local start = message("START", { messaging_service_sid = SERVICE })
            assert.is_true(ledger:learn(start).changed)
            for i = 1, 30 do
                ledger:learn(message(i % 3 == 0 and "START" or "STOP", { messaging_service_sid = SERVICE }))
            end
            ledger:learn(message("STOP", { messaging_service_sid = SERVICE }))
            local learned = ledger_on(store):learn(start)
            assert.same({ "start", false, true },
                { learned.action, learned.changed, learned.still_opted_out })
            assert.equal("opted_out", status(PERSON, LONG_CODE))
            assert.equal("opted_out", status(PERSON, SERVICE))
            assert.is_true(ledger:learn(message "START").changed)
        end)

        it("takes a START once although it did nothing the first time", function()
            local toll_free, known = message("YES", { to = TOLL_FREE }), message "START"
            ledger:learn(message("STOP", { to = TOLL_FREE }))
            assert.is_true(ledger:learn(toll_free).still_opted_out)
            ledger:learn(message "START")
            assert.is_false(ledger:learn(known).changed)
            for _, body in ipairs { "START", "QUIT" } do
                ledger:learn(message(body, { to = TOLL_FREE }))
            end
            ledger:learn(message "STOP")
            assert.is_false(ledger:learn(toll_free).changed)
            assert.is_false(ledger:learn(known).changed)
            assert.equal("opted_out", status(PERSON, TOLL_FREE))
            assert.equal("opted_out", status(PERSON, LONG_CODE))
        end)

        it("takes a START once that two processes learn of at the same time", function()
            local start, once, between = message "START", true, wrapped(store)
            ledger:learn(message "STOP")
            function between:write(changes)
                if once then
                    once = false
                    ledger:learn(start)
                    ledger:learn(message "STOP")
                end
                return store:write(changes)
            end
            assert.is_false(ledger_on(between):learn(start).changed)
            assert.equal("opted_out", status(PERSON, LONG_CODE))
        end)

        it("lets the program opt in by one message in several scopes, once in each", function()
            for _, scope in ipairs { LONG_CODE, OTHER_CODE } do
                ledger:opt_out(PERSON, { scope = scope })
                local opts = { scope = scope, message_sid = "SM1" }
                assert.same({ true, true }, { ledger:opt_in(PERSON, opts) })
                ledger:opt_out(PERSON, { scope = scope })
                assert.same({ true, false }, { ledger:opt_in(PERSON, opts) })
                assert.equal("opted_out", status(PERSON, scope))
            end
            for _, no_sid in ipairs { "", ("x"):rep(2000) } do
                for _, method in ipairs { "opt_in", "opt_out", "opt_in", "opt_out" } do
                    assert(ledger[method](ledger, PERSON, { message_sid = no_sid }))
                end
            end
        end)

        it("logs more STOPs, but not for ever", function()
            for _ = 1, 30 do
                now = now + 1
                local learned = ledger:learn(message "STOP")
                assert.equal(now == 1700000001, learned.changed)
            end
            assert.equal(11, #ledger:history(PERSON))
            local _, record = ledger:status(PERSON, LONG_CODE)
            assert.equal(now, record.at)
        end)

        it("tells what happened, the oldest first", function()
            ledger:learn(message("STOP", { messaging_service_sid = SERVICE }))
            now = now + 60
            ledger:learn(message "START")
            now = now + 60
            ledger:opt_out(PERSON, { source = "phone", note = "angry" })
            ledger:opt_out(OTHER)
            local history = ledger:history "+1 555 867-5310"
            assert.equal(3, #history)
            assert.same({ "opted_out", "STOP", now - 120 },
                { history[1].state, history[1].keyword, history[1].at })
            assert.same({ SERVICE, LONG_CODE }, history[1].scopes)
            assert.same({ "opted_in", "inbound" }, { history[2].state, history[2].source })
            assert.same({ LONG_CODE }, history[2].scopes)
            assert.same({ "phone", "angry", { "*" } },
                { history[3].source, history[3].note, history[3].scopes })
        end)

        it("overwrites nothing in the history, in whatever second it happens", function()
            for i = 1, 120 do
                ledger[i % 2 == 0 and "opt_in" or "opt_out"](ledger, PERSON, { note = tostring(i) })
            end
            local history = ledger:history(PERSON)
            assert.equal(120, #history)
            for i, entry in ipairs(history) do
                assert.equal(tostring(i), entry.note)
            end
        end)

        it("is right after any number of messages, through two ledgers at once", function()
            local second, expected, seed = ledger_on(store), {}, 42
            local function random(n)
                seed = (seed * 16807) % 2147483647
                return seed % n + 1
            end
            local senders = { LONG_CODE, OTHER_CODE, TOLL_FREE }
            local words = { "STOP", "START", "HELP", "hm", "stop it" }
            local entries = 0
            for _ = 1, 150 do
                now = now + random(2) - 1
                local sender, word = senders[random(3)], words[random(5)]
                local which = random(2) == 1 and ledger or second
                assert(which:learn(message(word, { to = sender })))
                local state = ({ STOP = "opted_out", ["stop it"] = "opted_out", START = "opted_in" })[word]
                expected[sender] = state or expected[sender]
                for _, other in ipairs(senders) do
                    assert.equal(expected[other] or "unknown", status(PERSON, other))
                end
                local count = #second:history(PERSON)
                assert.is_true(count >= entries)
                entries = count
            end
        end)

        -- ---- Two who write at once

        it("does not lose a change to another one that comes between", function()
            local between = wrapped(store)
            local other, once = ledger_on(store), true
            function between:write(changes)
                if once then
                    once = false
                    other:learn(message "STOP")
                end
                return store:write(changes)
            end
            local slow = ledger_on(between)
            assert.is_true(slow:opt_out(PERSON, { scope = LONG_CODE, message_sid = "SM1", note = "mine" }))
            assert.equal(2, #ledger:history(PERSON))
            assert.equal("opted_out", status(PERSON, LONG_CODE))
        end)

        it("does not let a START overtake a STOP that comes while it is being written", function()
            ledger:learn(message "STOP")
            now = now + 1
            local between, once, stop = wrapped(store), true, message "STOP"
            function between:write(changes)
                if once then
                    once = false
                    now = now + 1
                    ledger:learn(stop)
                end
                return store:write(changes)
            end
            assert.is_false(ledger_on(between):learn(message "START").changed)
            assert.equal("opted_out", status(PERSON, LONG_CODE))
            assert.equal(2, #ledger:history(PERSON))
            ledger:learn(message "START")
            assert.is_false(ledger:learn(stop).changed)
            assert.equal("opted_in", status(PERSON, LONG_CODE))
        end)

        it("keeps the newest time of a state when the clock is set back", function()
            ledger:learn(message "STOP")
            now = now - 10
            ledger:learn(message "STOP")
            local _, record = ledger:status(PERSON, LONG_CODE)
            assert.equal(now + 10, record.at)
        end)

        it("gives up when others never stop", function()
            local busy, tries = wrapped(store), 0
            function busy:write()
                tries = tries + 1
                return false
            end
            local ok, err = ledger_on(busy):opt_out(PERSON)
            assert.is_nil(ok)
            assert.equal("ServiceUnavailable", err.kind)
            assert.is_true(tries > 1 and tries <= 100)
        end)

        -- ---- The check

        it("denies for each of the scopes, and for those only", function()
            ledger:opt_out(PERSON, { scope = SERVICE })
            ledger:opt_out(OTHER, { scope = LONG_CODE })
            local no = { false, "opted_out" }
            assert.same(no, { ledger:check { to = PERSON, messaging_service_sid = SERVICE } })
            local both = { to = PERSON, messaging_service_sid = SERVICE, from = OTHER_CODE }
            assert.same(no, { ledger:check(both) })
            assert.same({ true }, { ledger:check { to = PERSON, from = LONG_CODE } })
            assert.same(no, { ledger:check { to = OTHER, from = LONG_CODE } })
            assert.same(no, { ledger:check { to = OTHER, from = "rcs:" .. LONG_CODE } })
            assert.same(no, { ledger:hook() { to = OTHER, from = LONG_CODE } })
            assert.is_true(ledger:hook() { to = OTHER, from = OTHER_CODE })
        end)

        it("reads one record, however many scopes and accounts there are", function()
            local counted, reads = wrapped(store), 0
            function counted:read(...)
                reads = reads + 1
                return store:read(...)
            end
            function counted:list() error "no" end
            local question = {
                to = PERSON, from = LONG_CODE, messaging_service_sid = SERVICE, account_sid = OTHER_ACCOUNT,
            }
            ledger:opt_out(PERSON, { scope = OTHER_CODE })
            assert.is_true(ledger_on(counted):check(question))
            assert.equal(1, reads)
            reads = 0
            ledger_on(counted):learn(message "hello")
            assert.equal(0, reads)
        end)

        it("denies what it cannot read, and what it does not understand", function()
            local broken = wrapped(store)
            broken.read = failure
            local ok, why = ledger_on(broken):check { to = PERSON, from = LONG_CODE }
            assert.is_nil(ok)
            assert.equal("the opt-out list cannot be read: the disk is on fire", why)
            function broken:read()
                return { state = "perhaps" }, 1
            end
            assert.is_nil((ledger_on(broken):check { to = PERSON }))
            assert.same({ false, "the sender is not one that can be looked up" },
                { ledger:check { to = PERSON, from = "15005550006" } })
            assert.is_false((ledger:check { to = PERSON, messaging_service_sid = "MG1/2" }))
            assert.is_false((ledger:check { to = "" }))
            assert.is_false((ledger:check {}))
        end)

        it("hands on errors of the store", function()
            local broken = wrapped(store)
            broken.read, broken.write, broken.list = failure, failure, failure
            local sick = ledger_on(broken)
            local calls = {
                function() return sick:status(PERSON) end,
                function() return sick:opt_out(PERSON) end,
                function() return sick:opt_in(PERSON) end,
                function() return sick:learn(message "STOP") end,
                function() return sick:learn(status_event()) end,
                function() return sick:learn_refusal { to = PERSON, from = LONG_CODE } end,
                function() return sick:history(PERSON) end,
                function() return sick:import("number\n" .. PERSON, "csv") end,
                function() return sick:export("csv", function() end) end,
            }
            local function all_fail(from)
                for i = from, #calls do
                    local value, err = calls[i]()
                    assert.is_nil(value)
                    assert.equal("the disk is on fire", err.message)
                end
            end
            all_fail(1)
            function broken:read(...)
                return store:read(...)
            end
            all_fail(2)
            assert.equal("unknown", status())
            local steps = {}
            for index, entry, err in sick:list() do
                steps[#steps + 1] = { index, entry or false, err.message }
            end
            assert.same({ { 1, false, "the disk is on fire" } }, steps)
        end)

        -- ---- Lists

        it("lists states by scope, number and state, over many pages", function()
            local numbers = {}
            for i = 1, 240 do
                numbers[i] = ("+1555%07d"):format(i)
                local method = i % 3 == 0 and "opt_in" or "opt_out"
                ledger[method](ledger, numbers[i], { scope = i % 2 == 0 and SERVICE or nil })
            end
            ledger_on(store, { account_sid = OTHER_ACCOUNT }):opt_out(PERSON)
            local function count(filter)
                local seen, last = {}, 0
                for index, entry, err in ledger:list(filter) do
                    assert.is_nil(err)
                    assert.equal(last + 1, index)
                    assert.is_nil(seen[entry.scope .. entry.number])
                    last, seen[entry.scope .. entry.number] = index, true
                end
                return last
            end
            assert.equal(240, count())
            assert.equal(120, count { scope = SERVICE })
            assert.equal(80, count { state = "opted_in" })
            assert.equal(40, count { scope = "*", state = "opted_in" })
            assert.equal(1, count { number = "+1 555 0000007" })
            assert.equal(0, count { number = PERSON })
            assert.equal(0, count { number = "" })
            assert.equal(0, count { scope = "MG" })
            for _, entry in ledger:list { number = numbers[2] } do
                assert.same({ account = ACCOUNT, scope = SERVICE, number = numbers[2], state = "opted_out",
                    source = "api", at = now }, entry)
            end
        end)
    end)
end

-- ---- Scheduled messages ---------------------------------------------------------------------------

describe("cancel_scheduled", function()
    local function client_with(rows)
        local client = { asked = {}, cancelled = {} }
        function client:list(filter)
            self.asked[#self.asked + 1] = filter.to
            if rows[filter.to] == false then
                return nil, "no list"
            end
            return rows[filter.to] or {}
        end
        function client:cancel(sid)
            if sid == "SM-late" then
                return nil, "too late"
            end
            self.cancelled[#self.cancelled + 1] = sid
            return { sid = sid }
        end
        return client
    end

    local ROWS = {
        { sid = "SM1", status = "scheduled", messaging_service_sid = SERVICE },
        { sid = "SM2", status = "delivered", messaging_service_sid = SERVICE },
        { sid = "SM3", status = "scheduled", messaging_service_sid = OTHER_SERVICE },
        { sid = "SM4", status = "scheduled", messaging_service_sid = OTHER_SERVICE, from = LONG_CODE },
        { sid = "SM-late", status = "scheduled", messaging_service_sid = SERVICE },
    }

    it("cancels what is in scope, whatever channel it goes by", function()
        local client = client_with { [PERSON] = ROWS, ["rcs:" .. PERSON] = {
            { sid = "SM5", status = "scheduled", messaging_service_sid = SERVICE },
        } }
        local count, errors = ledger_on():cancel_scheduled(client, "sms:" .. PERSON, { SERVICE, LONG_CODE })
        assert.equal(3, count)
        assert.same({ "SM1", "SM4", "SM5" }, client.cancelled)
        assert.same({ "too late" }, errors)
        assert.same({ PERSON, "rcs:" .. PERSON }, client.asked)
    end)

    it("cancels all without scopes", function()
        local client = client_with { [PERSON] = ROWS }
        assert.equal(3, (ledger_on():cancel_scheduled(client, PERSON)))
        assert.equal(3, (ledger_on():cancel_scheduled(client, PERSON, { "*" })))
        assert.equal(0, (ledger_on():cancel_scheduled(client, PERSON, {})))
    end)

    it("understands what a scope is, and cancels nothing in what is none", function()
        local client = client_with { [PERSON] = ROWS }
        local scopes = { SERVICE:lower(), "+1 500 555-0006" }
        assert.equal(2, (ledger_on():cancel_scheduled(client, PERSON, scopes)))
        for _, bad in ipairs { { PERSON, { "15005550006" } }, { "15558675310", { SERVICE } } } do
            local count, errors = ledger_on():cancel_scheduled(client, bad[1], bad[2])
            assert.equal(0, count)
            assert.matches("^Invalid", errors[1].kind)
        end
    end)

    it("tells that the list could not be read", function()
        local count, errors = ledger_on():cancel_scheduled(client_with { [PERSON] = false }, PERSON)
        assert.equal(0, count)
        assert.same({ "no list" }, errors)
    end)
end)

-- ---- Making one -----------------------------------------------------------------------------------

describe("optout", function()
    it("is in memory with nothing else said", function()
        local ledger = optout.new()
        assert.is_true(ledger:opt_out(PERSON))
        assert.equal("opted_out", (ledger:status(PERSON)))
        local _, record = ledger:status(PERSON)
        assert.is_true(math.abs(record.at - os.time()) < 60)
    end)

    it("classifies", function()
        assert.same({ "stop", "wide", "STOP" }, { optout.classify "Stop." })
    end)

    it("raises misuse at the caller", function()
        local ledger = optout.new()
        for text, f in pairs {
            ["unknown option 'stores'"] = function() optout.new { stores = 1 } end,
            ["option 'store' must be a store"] = function() optout.new { store = {} } end,
            ["option 'account_sid' must be a string"] = function() optout.new { account_sid = 1 } end,
            ["unknown language 'xx'"] = function() optout.new { languages = { "xx" } } end,
            ["number must be a string, not nil"] = function() ledger:status() end,
            ["number must be a string, not a number"] = function() ledger:opt_out(15558675310) end,
            ["unknown option 'why'"] = function() ledger:opt_in(PERSON, { why = "" }) end,
            ["option 'note' must be a string"] = function() ledger:opt_out(PERSON, { note = 1 }) end,
            ["learn takes a table, not a string"] = function() ledger:learn "STOP" end,
            ["learn_refusal takes a table, not nil"] = function() ledger:learn_refusal() end,
            ["unknown option 'numbers'"] = function() ledger:list { numbers = {} } end,
            ["number must be a string, not a boolean"] = function() ledger:history(true) end,
            ["the format is 'csv' or 'json'"] = function() ledger:export("xml", print) end,
            ["export takes a function"] = function() ledger:export "csv" end,
            ["import takes a text or a function, not a table"] = function() ledger:import({}, "csv") end,
            ["unknown option 'all'"] = function() ledger:import("", "csv", { all = true }) end,
            ["cancel_scheduled takes a table, not a string"] = function() ledger:cancel_scheduled(PERSON) end,
        } do
            local ok, err = pcall(f)
            assert.is_false(ok)
            assert.matches("^spec/optout_spec.lua:%d+: ", err)
            assert.is_truthy(err:find(text, 1, true), err)
        end
    end)
end)

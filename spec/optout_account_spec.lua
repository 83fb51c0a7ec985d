local optout = require "twilio_sms.optout"
local stores = require "optout_stores"

local MAIN = "AC" .. ("0"):rep(31) .. "1"
local SUB, THIRD = "AC" .. ("0"):rep(31) .. "2", "AC" .. ("0"):rep(31) .. "3"
local SERVICE = "MG" .. ("0"):rep(31) .. "1"
local PERSON, NUMBER, OTHER_NUMBER = "+15558675310", "+15005550006", "+15005550007"

local sids = 0

local function message(body, account_sid)
    sids = sids + 1
    return {
        type = "inbound", account_sid = account_sid, from = PERSON, to = NUMBER, body = body,
        messaging_service_sid = SERVICE, message_sid = ("SM%032d"):format(sids),
    }
end

for kind, open in pairs(stores) do
    describe("accounts in one store, " .. kind .. ",", function()
        local store, remove, main, sub, all

        local function ledger_of(account_sid)
            return optout.new { account_sid = account_sid, store = store }
        end

        before_each(function()
            store, remove = open()
            main, sub, all = ledger_of(MAIN), ledger_of(SUB), ledger_of(nil)
        end)

        after_each(function()
            remove()
        end)

        local function question(account_sid, changes)
            local asked = { to = PERSON, from = NUMBER, account_sid = account_sid }
            for name, value in pairs(changes or {}) do
                asked[name] = value
            end
            return asked
        end

        local OUT = { false, "opted_out" }

        it("know a STOP to a number of a sub-account when a message of that account is to go", function()
            main:learn(message("STOP", SUB))
            assert.same(OUT, { main:check(question(SUB)) })
            assert.same(OUT, { main:check(question(SUB, { from = false, messaging_service_sid = SERVICE })) })
            assert.same(OUT, { sub:check(question()) })
            assert.is_true(main:check(question(SUB, { from = OTHER_NUMBER })))
            assert.is_true(main:check(question(THIRD)))
            assert.is_true(main:check(question()))
            local learned = main:learn(message("START", SUB))
            assert.same({ true, false }, { learned.changed, learned.still_opted_out })
            assert.is_true(main:check(question(SUB)))
        end)

        it("know a refusal of a sub-account's message", function()
            main:learn_refusal { to = PERSON, from = NUMBER, account_sid = SUB, message_sid = "SM1" }
            assert.same(OUT, { main:check(question(SUB)) })
            assert.is_true(main:check(question()))
            main:learn_refusal { to = PERSON, from = NUMBER }
            assert.same(OUT, { main:check(question()) })
        end)

        it("know what the program has written for all", function()
            main:opt_out(PERSON)
            assert.same(OUT, { main:check(question(SUB)) })
            assert.is_true(main:learn(message("START", SUB)).still_opted_out)
            main:opt_in(PERSON)
            assert.is_true(main:check(question(SUB)))
            sub:opt_out(PERSON)
            assert.same(OUT, { main:check(question(SUB)) })
            assert.is_true(main:check(question()))
        end)

        it("see an opt-out without an account", function()
            all:opt_out(PERSON, { note = "letter" })
            assert.same(OUT, { main:check(question()) })
            assert.same(OUT, { main:check(question(SUB)) })
            local state, record = main:status(PERSON, NUMBER)
            assert.same({ "opted_out", "letter" }, { state, record.note })
            assert.equal("opted_out", (main:status(PERSON)))
            main:opt_in(PERSON)
            assert.same(OUT, { main:check(question()) })
            assert.equal("opted_out", (main:status(PERSON)))
            all:opt_in(PERSON)
            assert.is_true(main:check(question()))
            assert.equal("opted_in", (main:status(PERSON, NUMBER)))
        end)

        it("see a STOP that a ledger without an account has learned", function()
            all:learn(message("STOP", SUB))
            for _, ledger in ipairs { main, sub, all } do
                assert.same(OUT, { ledger:check(question(SUB)) })
                assert.equal("opted_out", (ledger:status(PERSON, NUMBER)))
                assert.is_true(ledger:check(question(SUB, { from = OTHER_NUMBER })))
            end
            assert.is_true(sub:learn(message("START", SUB)).still_opted_out)
            assert.is_false(all:learn(message("START", SUB)).still_opted_out)
            assert.is_true(main:check(question(SUB)))
        end)

        it("are not all seen by a ledger without an account, but the one that is asked for is", function()
            sub:learn(message("STOP", SUB))
            assert.equal("unknown", (all:status(PERSON, NUMBER)))
            assert.is_true(all:check(question()))
            assert.same(OUT, { all:check(question(SUB)) })
            assert.is_true(all:check(question(MAIN)))
        end)

        it("keep their lists and histories apart", function()
            main:learn(message("STOP", SUB))
            for ledger, count in pairs { [main] = 0, [sub] = 2, [all] = 0 } do
                local found = 0
                for _ in ledger:list() do
                    found = found + 1
                end
                assert.equal(count, found)
                assert.equal(count / 2, #ledger:history(PERSON))
            end
        end)
    end)
end

-- Whatever happens, a check says what the states say.
describe("checks and states", function()
    it("agree after any changes in any order, by any ledger", function()
        local store, seed = (stores.memory()), 5
        local function random(n)
            seed = (seed * 16807) % 2147483647
            return seed % n + 1
        end
        local accounts, scopes = { MAIN, SUB, "*" }, { "*", NUMBER, SERVICE }
        local expected = {}
        for i = 1, 400 do
            local account, scope, person = accounts[random(3)], scopes[random(3)], PERSON .. random(2)
            local ledger = optout.new { account_sid = account, store = store }
            local is_out, opts = random(2) == 1, { scope = scope, message_sid = "SM" .. i }
            assert(ledger[is_out and "opt_out" or "opt_in"](ledger, person, opts))
            expected[account .. scope .. person] = is_out
            local wanted = false
            for _, one in ipairs { MAIN, SUB, "*" } do
                wanted = wanted or expected[one .. "*" .. person] or expected[one .. NUMBER .. person]
            end
            local main = optout.new { account_sid = MAIN, store = store }
            assert.equal(not wanted, (main:check { to = person, from = NUMBER, account_sid = SUB }))
        end
    end)
end)

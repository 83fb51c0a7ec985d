local core = require "twilio_sms.core"
local finalizers = require "finalizers"
local virtual_transport = require "virtual_transport"

local TO = "+15005550010"
local START_MS = 1700000000000
local BODY = "%s" .. (", and more, so that it fits in no small block"):rep(8)

local function open()
    local unlimited = { per_second = 0, per_number = 0, per_recipient = 0 }
    local machine = assert(core.machine(virtual_transport.options { rate = unlimited }))
    machine:at(1000, START_MS)
    return machine
end

local function submit(machine, text)
    return assert(machine:submit("send", { to = TO, body = BODY:format(text) }))
end

local function joined(pieces)
    return type(pieces) == "table" and table.concat(pieces) or pieces
end

-- Calls `use` with one machine after the other, which a finalizer closes: the first at the first place where
-- the collector may work, and so on. The answer is the one without a finalizer, unless it says that the
-- client is closed. `prepare` runs before.
local function close_inside(use, prepare)
    local machine = open()
    local expected = use(machine, prepare and prepare(machine))
    assert.is_truthy(expected)
    machine:close()
    local nth, was_closed = 0
    repeat
        nth = nth + 1
        machine = open()
        local given = prepare and prepare(machine)
        local ok, answer
        was_closed, ok, answer = finalizers.once_inside(nth, function()
            machine:close()
        end, use, machine, given)
        machine:close()
        if ok then
            assert.equal(expected, answer)
        else
            assert.truthy(tostring(answer):find("the client is closed", 1, true), answer)
        end
    until not was_closed
    assert.is_true(nth > 1, "no finalizer ran")
end

describe("a machine that a finalizer closes in the middle of a call", function()
    local function one(machine)
        submit(machine, "One")
    end

    it("hands a request out whole, or says that it is closed", function()
        for _, apart in ipairs { false, true } do
            close_inside(function(machine)
                local _, method, path, form, timeout_ms = machine:next(apart)
                return ("%s %s %s %d"):format(method, path, joined(form), timeout_ms)
            end, one)
        end
    end)

    it("hands out bytes", function()
        for _, apart in ipairs { false, true } do
            close_inside(function(machine)
                local _, bytes, method, timeout_ms = machine:next_bytes(apart)
                return ("%s %s %d"):format(joined(bytes), method, timeout_ms)
            end, one)
        end
    end)

    it("takes a body in pieces", function()
        close_inside(function(machine, id)
            local headers = { { "Date", "x" } }
            return tostring(machine:finish(id, { status = 500, headers = headers, body = { "a", "b" } }))
        end, function(machine)
            submit(machine, "One")
            return (machine:next())
        end)
    end)

    it("tells where requests go", function()
        close_inside(function(machine)
            local to, origin = machine:transport_options(), machine:origin()
            return ("%s %d %s %s"):format(to.host, to.port, to.http_version, origin)
        end)
    end)

    it("shows its metrics", function()
        close_inside(function(machine)
            return machine:metrics "openmetrics"
        end)
    end)

    it("asks, answers and tells", function()
        close_inside(function(machine)
            local check = select(2, machine:check())
            return check.to .. check.from .. check.body
        end, function(machine)
            machine:set_checks(true)
            submit(machine, "One")
        end)
        close_inside(function(machine)
            local _, message = machine:result()
            return message.sid .. message.status .. message.outcome
        end, function(machine)
            submit(machine, "One")
            local transfer = virtual_transport.accepted(1)
            machine:finish(machine:next(), transfer)
        end)
        close_inside(function(machine)
            local transfer = machine:tap()
            return transfer.path .. transfer.form .. transfer.body
        end, function(machine)
            machine:set_tap(true)
            submit(machine, "One")
            machine:finish(machine:next(), virtual_transport.accepted(1))
        end)
    end)
end)

describe("a finalizer that uses a machine in the middle of a call", function()
    it("does not change what is handed out", function()
        local machine, texts = open(), {}
        local function add(text)
            texts[submit(machine, text)] = text
        end
        -- Takes a request, which must have the text of its id, and ends it.
        local function take(name, apart)
            local id, bytes, _, form = machine[name](machine, apart)
            assert.truthy(joined(name == "next" and form or bytes):find("Body=?" .. texts[id]))
            machine:finish(id, virtual_transport.accepted(1))
            machine:result()
        end
        for _, name in ipairs { "next", "next_bytes" } do
            for _, apart in ipairs { false, true } do
                local nth, was_used = 0
                repeat
                    nth = nth + 1
                    add "One"
                    local ok, why
                    was_used, ok, why = finalizers.once_inside(nth, function()
                        for i = 1, 4 do
                            add "Two"
                            take(i % 2 == 0 and "next" or "next_bytes", i > 2)
                        end
                        machine:metrics()
                    end, take, name, apart)
                    assert.is_true(ok, why)
                until not was_used
                assert.is_true(nth > 1, "no finalizer ran")
            end
        end
        machine:close()
    end)
end)

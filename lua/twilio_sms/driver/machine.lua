--- Drives a core without network: requests go out, and answers come in, through a transport written in Lua.
--
-- A transport is a table with these methods:
--
-- * now() answers its time: monotonic milliseconds, which never go back, and Unix time in milliseconds.
-- * start(id, request) begins a request { method =, origin =, path =, form =, timeout_ms = }. The transport
--   ends it after timeout_ms with the fault "Timeout". Where `takes_forms_apart` is true, the form of a POST
--   is a list of its names and values in turn. Where `takes_bytes` is true, the request is { method =,
--   bytes =, timeout_ms = }: a list of strings, all that has to be written to a connection.
-- * finished() answers, without waiting, the id of a request that has ended and its transfer { sent =,
--   fault =, message =, status =, complete =, headers =, body = }, or an answer of core.http1 and, if there
--   is one, a fault and its message; nothing when there is none.
-- * wait(until_ms) returns when a request may have ended, at the latest at a monotonic moment (nil: no
--   limit). It answers false when nothing will ever happen.
-- * close()
-- * pollfd(), if it has a descriptor that becomes readable when there is something to do.
-- * due_ms(), if it knows when it will have something to do: a monotonic moment, or nil.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"

local M = {}

local Client = {}
local class = { __index = Client, __name = "twilio_sms.driver.machine.client" }

-- The core at the present moment.
local function present(self)
    local machine = self.machine
    local mono_ms, wall_ms = self.transport:now()
    if mono_ms ~= self.mono_ms or wall_ms ~= self.wall_ms then
        self.mono_ms, self.wall_ms = mono_ms, wall_ms
        machine:at(mono_ms, wall_ms)
    end
    return machine
end

function Client:submit(operation, fields)
    return present(self):submit(operation, fields)
end

function Client:check()
    return self.machine:check()
end

function Client:answer(id, verdict, reason, defer_ms)
    return present(self):answer(id, verdict, reason, defer_ms)
end

function Client:cancel(id)
    return present(self):cancel(id)
end

function Client:result()
    return self.machine:result()
end

function Client:set_checks(on)
    self.machine:set_checks(on)
end

function Client:event()
    return self.machine:event()
end

function Client:stats()
    return self.machine:stats()
end

function Client:metrics(format)
    return self.machine:metrics(format)
end

function Client:set_tap(on)
    self.machine:set_tap(on)
end

function Client:tap()
    return self.machine:tap()
end

function Client:set_log(log)
    self.machine:set_log(log)
end

function Client:set_trace(trace)
    self.machine:set_trace(trace)
end

--- How many results and unasked questions wait.
function Client:news()
    return self.machine:news()
end

--- Monotonic milliseconds of the transport.
function Client:now_ms()
    return (self.transport:now())
end

-- Hands in what has ended. Answers whether there was any.
local function finish_all(self, machine)
    local transport = self.transport
    local id, transfer, fault, message = transport:finished()
    local any = id ~= nil
    while id do
        if machine:finish(id, transfer, fault, message) then
            self.on_wire = self.on_wire - 1
        end
        id, transfer, fault, message = transport:finished()
    end
    return any
end

-- As start_all, for a transport that writes the bytes itself.
local function start_all_bytes(self, machine)
    local before = self.on_wire
    local id, bytes, method, timeout_ms = machine:next_bytes(true)
    while id do
        self.on_wire = self.on_wire + 1
        self.transport:start(id, { method = method, bytes = bytes, timeout_ms = timeout_ms })
        id, bytes, method, timeout_ms = machine:next_bytes(true)
    end
    return self.on_wire > before
end

-- Hands out what is to leave now. Answers whether there was any.
local function start_all(self, machine)
    if self.transport.takes_bytes then
        return start_all_bytes(self, machine)
    end
    local before, apart = self.on_wire, self.transport.takes_forms_apart
    local id, method, path, form, timeout_ms = machine:next(apart)
    while id do
        self.on_wire = self.on_wire + 1
        self.transport:start(id, {
            method = method, origin = self.origin, path = path, form = form, timeout_ms = timeout_ms,
        })
        id, method, path, form, timeout_ms = machine:next(apart)
    end
    return self.on_wire > before
end

--- Does everything that needs no waiting.
function Client:turn()
    local machine = present(self)
    finish_all(self, machine)
    local go_on
    repeat -- a transport may answer at once
        go_on = start_all(self, machine) and finish_all(self, machine)
    until not go_on
end

--- Lets what may leave now leave. What the transport has in hand needs no network either.
Client.start = Client.turn

local function sooner(a, b)
    return a and (not b or a < b) and a or b
end

--- When turn wants to be called next, in monotonic milliseconds; nil for not before something else happens.
function Client:due_ms()
    local transport = self.transport
    return sooner(self.machine:due_ms(), transport.due_ms and transport:due_ms())
end

--- Works, waiting at most timeout_ms (-1: as long as something is under way), until there is news.
function Client:step(timeout_ms)
    local transport, machine = self.transport, self.machine
    local until_ms = timeout_ms > 0 and transport:now() + timeout_ms or nil
    self:turn()
    local go_on = timeout_ms ~= 0
    while go_on and machine:news() == 0 do
        local wake_ms = sooner(machine:due_ms(), until_ms)
        if not wake_ms and self.on_wire == 0 then
            return -- nothing could ever end this
        end
        go_on = transport:wait(wake_ms) ~= false
        self:turn()
        go_on = go_on and not (until_ms and transport:now() >= until_ms)
    end
end

--- Milliseconds until step wants to be called; -1 for never.
function Client:timeout_ms()
    if self.machine:news() > 0 then
        return 0
    end
    local due_ms = self:due_ms()
    return due_ms and math.max(0, due_ms - self.transport:now()) or -1
end

--- The transport's descriptor; nil when it has none.
function Client:pollfd()
    local transport = self.transport
    return transport.pollfd and transport:pollfd() or nil
end

function Client:close()
    if not self.closed then
        self.closed = true
        self.machine:close()
        self.transport:close()
    end
end

local function check_transport(transport, level)
    for _, method in ipairs { "now", "start", "finished", "wait", "close" } do
        if type(transport) ~= "table" or type(transport[method]) ~= "function" then
            error(("a transport must have the method '%s'"):format(method), level + 1)
        end
    end
end

--- Makes a core client of a machine and a transport.
-- @tparam userdata machine of core.machine; it is closed with the client
-- @tparam table transport
-- @treturn table
function M.over(machine, transport)
    local self = setmetatable({
        machine = machine, transport = transport, origin = machine:origin(), on_wire = 0, closed = false,
        mono_ms = nil, wall_ms = nil, -- the moment that the core was told last
    }, class)
    present(self)
    return self
end

--- Opens a core over a transport.
-- @tparam table opts see docs/configuration.md
-- @tparam boolean from_env whether the TWILIO_ variables are read first
-- @tparam table transport
-- @treturn table|nil
function M.open(opts, from_env, transport)
    check_transport(transport, 2)
    local machine, err = core.machine(opts, from_env)
    if not machine then
        return nil, err
    end
    return M.over(machine, transport)
end

local Driver = {}
local driver_class = { __index = Driver, __name = "twilio_sms.driver.machine" }

function Driver:open(opts, from_env)
    return M.open(opts, from_env, self.make_transport())
end

--- Makes a driver.
-- @tparam function make_transport answers the transport of one client
function M.new(make_transport)
    if type(make_transport) ~= "function" then
        error("machine takes a function that answers a transport, not " .. options.kind_of(make_transport), 2)
    end
    return setmetatable({ make_transport = make_transport }, driver_class)
end

return M

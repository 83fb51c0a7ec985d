--- What each worker makes for itself of what `setup` was given, when it is first needed.
--
-- Nothing that was opened before nginx has made its workers may be used in one: a file, a socket, a region.
local client = require "twilio_sms.client"
local copy = require "twilio_sms.copy"
local core = require "twilio_sms.core"
local driver = require "resty.twilio_sms.driver"
local observe = require "twilio_sms.observe"
local optout = require "twilio_sms.optout"
local receiver = require "resty.twilio_sms.receiver"
local track = require "twilio_sms.track"
local webhook = require "twilio_sms.webhook"

local M = {}

-- What setup was given, checked (see `settings`); and what this process has made of it.
local given, made

local function invalid(why)
    return nil, core.error("InvalidOption", why)
end

--- Takes settings, unless something was made of others already. Answers whether it has.
function M.take(settings)
    if made then
        return false
    end
    given = settings
    return true
end

-- What this process has made. A process that was made by another one has nothing yet.
local function present()
    if not given then
        return invalid "nothing is set up: call require(\"resty.twilio_sms\").setup{...} in init_by_lua_block"
    elseif ngx.get_phase() == "init" then
        return invalid("what is made in init_by_lua would be shared by all workers; make it in a request, "
            .. "in a timer or in init_worker_by_lua")
    end
    local pid = ngx.worker.pid()
    if not made or made.pid ~= pid then
        made = { pid = pid, store = nil, client = nil, receivers = {}, watched = nil }
    end
    return made
end

-- A variable that was there for setup is not there for a worker, unless nginx.conf names it. And an error of
-- a path does not say that it is that of the store.
local function advise(name, err)
    local why, count = err.message:gsub("the environment variable '(%S+)' is not set",
        "%1 is not set; put `env %1;` at the top of nginx.conf, or workers do not get it")
    if name == "store" and err.kind == "InvalidOption" then
        return core.error(err.kind, "store: " .. why)
    end
    return count > 0 and core.error(err.kind, why) or err
end

-- Calls a function that makes something: of the program, or one of ours that raises for what it was given.
local function make(name, f, ...)
    local ok, value, err = pcall(f, ...)
    if ok and value then
        return value
    elseif ok and core.is_error(err) then
        return nil, advise(name, err)
    end
    local why = not ok and value or err or "its function has answered nothing"
    return invalid(("%s: %s"):format(name, tostring(why)))
end

-- Answers what is in `list` under a key, or makes it. The function that makes it may wait, and another
-- request be faster meanwhile: then that one's is kept.
local function once(list, key, maker, ...)
    if list[key] then
        return list[key]
    end
    local one, err = maker(...)
    if list[key] then
        if one then
            one:close()
        end
        return list[key]
    end
    list[key] = one
    return one, err
end

-- The store of this worker, false for none, or nil and an error.
local function store_of(mine)
    if not given.makers.store then
        return false
    end
    return once(mine, "store", make, "store", given.makers.store)
end

-- Sets an option to what its function makes of the store, or as it is. Answers whether that went well.
local function set_made(opts, name, maker, store)
    if type(maker) ~= "function" then
        opts[name] = maker
        return true
    end
    local err
    opts[name], err = make(name, maker, store or nil)
    return opts[name] ~= nil, err
end

-- The log and the trace of this worker, which its client and its receivers share: a table with what there is
-- of them, or nil and an error.
local function watched_by(mine)
    if mine.watched then
        return mine.watched
    end
    local watched = {}
    for _, name in ipairs { "log", "trace" } do
        if given.watched[name] then
            local err
            watched[name], err = make(name, observe[name], given.watched[name])
            if not watched[name] then
                return nil, err
            end
        end
    end
    mine.watched = watched
    return watched
end

-- Sets the options log and trace, unless there are others already.
local function set_watched(mine, opts)
    local watched, err = watched_by(mine)
    if not watched then
        return nil, err
    end
    for name, one in pairs(watched) do
        opts[name] = opts[name] or one
    end
    return true
end

local function warn_alone(shared)
    local count = ngx.worker.count()
    if not shared and count > 1 then
        ngx.log(ngx.WARN, "twilio_sms: option 'shared' is not given, so each of the ", count,
            " workers sends at the full rate")
    end
end

local function make_client(mine)
    local store, err = store_of(mine)
    if store == nil then
        return nil, err
    end
    local opts = copy(given.client)
    local ok, problem = set_made(opts, "optout", given.makers.optout, store)
    if ok then
        ok, problem = set_made(opts, "track", given.makers.track, store)
    end
    if ok then
        ok, problem = set_watched(mine, opts)
    end
    if not ok then
        return nil, problem
    end
    opts.driver = driver.new()
    if store and opts.optout == nil then
        opts.optout = optout.new { account_sid = opts.account_sid, store = store }
    end
    if opts.track == true then
        opts.track = track.new { account_sid = opts.account_sid, store = store }
    end
    warn_alone(opts.shared)
    return make("client", client.new, opts)
end

--- The client of this worker.
-- @treturn table|nil nil and an error when it cannot be made
function M.client()
    local mine, err = present()
    if not mine then
        return nil, err
    end
    return once(mine, "client", make_client, mine)
end

-- The list that a receiver is to use: its own, or none where the client has none. Nil is that of the client.
local function list_of(hook)
    if hook.makers.optout == nil and not hook.own_account and given.makers.optout == false then
        return false
    end
    return hook.makers.optout
end

local function make_receiver(mine, hook)
    local opts, makers = copy(hook.options), hook.makers
    local store, err
    if makers.store then
        store, err = make("store", makers.store)
    else
        store, err = store_of(mine)
    end
    if store == nil then
        return nil, err
    end
    if makers.client or not hook.own_account then
        opts.client, err = make("client", makers.client or M.client)
        if not opts.client then
            return nil, err
        end
    end
    local ok, problem = set_made(opts, "optout", list_of(hook), store)
    if ok then
        ok, problem = set_made(opts, "track", makers.track, store)
    end
    if ok then
        ok, problem = set_watched(mine, opts)
    end
    if not ok then
        return nil, problem
    end
    opts.store = store or nil
    opts.on_error = opts.on_error or not opts.log and receiver.log or nil
    return make("webhook", webhook.new, opts)
end

--- A receiver of this worker.
-- @tparam[opt] string name
-- @treturn table|nil nil and an error when it cannot be made
-- @treturn[1] number|nil its option max_body
function M.receiver(name)
    local mine, problem = present()
    if not mine then
        return nil, problem
    end
    local key = name or 1
    local hook = given.webhooks[key]
    if not hook then
        return invalid(name and ("setup has no webhook '%s' in its option 'webhooks'"):format(tostring(name))
            or "setup has no option 'webhook'")
    end
    local one, err = once(mine.receivers, key, make_receiver, mine, hook)
    if not one then
        return nil, err
    end
    return one, hook.options.max_body
end

--- The name of the region that workers share, or nil.
function M.shared()
    return given and given.client.shared
end

--- Closes what this process has made.
function M.close()
    local mine = made
    if not mine or mine.pid ~= ngx.worker.pid() then
        return
    end
    made = nil
    for _, one in pairs(mine.receivers) do
        one:close()
    end
    if mine.client then
        mine.client:close()
    end
    for _, name in ipairs { "trace", "log" } do -- the log tells of spans that are lost at the end
        local one = mine.watched and mine.watched[name]
        if one then
            one:close()
        end
    end
    if mine.store then
        pcall(mine.store.close, mine.store)
    end
end

return M

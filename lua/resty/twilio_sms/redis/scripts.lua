--- What Redis itself runs: each script is one step, which nobody else gets into, and is made wholly or not.
--
-- A store lies in these keys, whose names begin with its prefix in braces, so that a cluster keeps all of
-- them in one slot (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, hash tags):
--
--     {prefix}:records:<space>    a hash: by key the version, a blank and the record as JSON
--     {prefix}:keys:<space>       a sorted set of the keys, all with score 0, which sorts them by their bytes
--     {prefix}:times:<space>      a sorted set of the keys by when they were last written
--     {prefix}:verdict:<id>       what came of a write, for a minute
--
-- Who got no answer asks the same again, under the same id, and hears what came of it the first time. KEYS
-- are the prefix in braces and, for what writes, the key of the verdict; the other names follow from it.
local M = {}

M.VERDICT_S = 60

local REMEMBER = [[
local known = redis.call("GET", KEYS[2])
if known then
    return tonumber(known)
end
local function remember(verdict)
    redis.call("SET", KEYS[2], verdict, "EX", ]] .. M.VERDICT_S .. [[)
    return verdict
end
]]

-- ARGV: the changes, one behind the other, each with a line of sizes in front. Nothing is written before all
-- versions were compared: Redis does not take back what a script has done.
local WRITE = REMEMBER .. [[
local changes = ARGV[1]
local rows, touched = {}, {}

local function row_of(space, key)
    rows[space] = rows[space] or {}
    local row = rows[space][key]
    if not row then
        local value = redis.call("HGET", KEYS[1] .. ":records:" .. space, key)
        row = { space = space, key = key, version = value and tonumber(string.match(value, "^%d+")) or 0 }
        rows[space][key] = row
        touched[#touched + 1] = row
    end
    return row
end

local place = 1
local function take(size)
    local bytes = string.sub(changes, place, place + size - 1)
    place = place + size
    return bytes
end

while place <= #changes do
    local _, last, space_size, key_size, text_size, at, version =
        string.find(changes, "^(%d+) (%d+) (%S+) (%S+) (%S+)\n", place)
    place = last + 1
    local row = row_of(take(tonumber(space_size)), take(tonumber(key_size)))
    if version ~= "any" and tonumber(version) ~= row.version then
        return remember(0)
    end
    row.text = text_size ~= "none" and take(tonumber(text_size)) or nil
    row.version, row.at = row.text and row.version + 1 or 0, at
end

for _, row in ipairs(touched) do
    local records, keys = KEYS[1] .. ":records:" .. row.space, KEYS[1] .. ":keys:" .. row.space
    local times = KEYS[1] .. ":times:" .. row.space
    if row.text then
        redis.call("HSET", records, row.key, string.format("%.0f ", row.version) .. row.text)
        redis.call("ZADD", keys, 0, row.key)
        redis.call("ZADD", times, row.at, row.key)
    else
        redis.call("HDEL", records, row.key)
        redis.call("ZREM", keys, row.key)
        redis.call("ZREM", times, row.key)
    end
end
return remember(1)
]]

-- ARGV: space, from and to as ZRANGEBYLEX has them, how many rows at most, and after how many bytes it is
-- enough for one answer. The answer: 1 when there are more of these rows, else 0; then keys and records in
-- turn.
local LIST = [[
local records = KEYS[1] .. ":records:" .. ARGV[1]
local keys = redis.call("ZRANGEBYLEX", KEYS[1] .. ":keys:" .. ARGV[1], ARGV[2], ARGV[3], "LIMIT", 0, ARGV[4])
local answer, bytes = { 0 }, 0
for i, key in ipairs(keys) do
    local record = redis.call("HGET", records, key)
    if not record then
        return redis.error_reply("DAMAGED a key without its record")
    end
    answer[i * 2], answer[i * 2 + 1] = key, record
    bytes = bytes + #record
    if bytes >= tonumber(ARGV[5]) and i < #keys then
        answer[1] = 1
        break
    end
end
return answer
]]

-- ARGV: space, before, how many rows at most.
local PURGE = REMEMBER .. [[
local times = KEYS[1] .. ":times:" .. ARGV[1]
local old = redis.call("ZRANGEBYSCORE", times, "-inf", "(" .. ARGV[2], "LIMIT", 0, ARGV[3])
if #old > 0 then
    redis.call("HDEL", KEYS[1] .. ":records:" .. ARGV[1], unpack(old))
    redis.call("ZREM", KEYS[1] .. ":keys:" .. ARGV[1], unpack(old))
    redis.call("ZREM", times, unpack(old))
end
return remember(#old)
]]

-- A script with the name by which Redis knows it.
local function script(text)
    local sha = ngx.sha1_bin(text):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    return { text = text, sha = sha }
end

M.write, M.list, M.purge = script(WRITE), script(LIST), script(PURGE)

--- The changes as the script takes them.
-- @tparam table changes as `twilio_sms.store_arguments` answers them
function M.pack(changes)
    local parts = {}
    for _, change in ipairs(changes) do
        local text, version = change.text, change.version
        parts[#parts + 1] = ("%d %d %s %.0f %s\n"):format(#change.space, #change.key,
            text and #text or "none", change.at, version and ("%.0f"):format(version) or "any")
        parts[#parts + 1] = change.space
        parts[#parts + 1] = change.key
        parts[#parts + 1] = text
    end
    return table.concat(parts)
end

--- Reads what a hash has for a key.
-- @treturn string the record as JSON
-- @treturn number its version
function M.unpack(value)
    local version, text = value:match "^(%d+) (.*)$"
    return text, tonumber(version)
end

return M

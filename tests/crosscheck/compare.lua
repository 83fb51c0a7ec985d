-- Compares our signatures with those of Twilio's libraries, on made-up requests and in both directions. A
-- disagreement whose reason is not known here is a failure.
-- Usage: lua5.4 compare.lua [--seed N] [--count N] NAME=COMMAND ..., where COMMAND takes the file of requests
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path
local json = require "cjson"
local requests = require "requests"
local signature = require "twilio_sms.signature"

-- ---- Why they disagree. Each reason holds for the library, the request, and the verdicts that it explains.

local function has_repeats(params)
    local seen = {}
    for _, param in ipairs(params or {}) do
        if seen[param[1]] then
            return true
        end
        seen[param[1]] = true
    end
    return false
end

-- UTF-16 puts what lies beyond U+FFFF, as two surrogates, before U+E000 to U+FFFF.
local function orders_differ(params)
    local beyond, before = false, false
    for _, param in ipairs(params or {}) do
        local text = param[1] .. param[2]
        beyond = beyond or text:find "[\xF0-\xF4]" ~= nil
        before = before or text:find "[\xEE\xEF]" ~= nil
    end
    return beyond and before
end

local function has_colon_before_port(parts)
    return parts.port ~= "" and (parts.userinfo:find ":" or parts.host:find ":") ~= nil
end

local REASONS = {
    {
        name = "the SDK keeps the fragment of the URL",
        explains = function(_, request, ours, theirs)
            return ours and theirs == false and request.parts.fragment ~= ""
        end,
    },
    {
        name = "the SDK keeps the credentials of the URL",
        explains = function(_, request, ours, theirs)
            return ours and theirs == false and request.parts.userinfo ~= ""
                and not request.signed_url:find(request.parts.userinfo, 1, true)
        end,
    },
    {
        name = "the SDK also tries the query escaped in another way",
        explains = function(sdk, request, ours, theirs)
            return sdk == "node" and not ours and theirs == true and request.spelling == "escaped"
        end,
    },
    {
        name = "the SDK sorts by UTF-16 code units",
        explains = function(sdk, request, ours, theirs, whose, made)
            return sdk == "node" and orders_differ(request.params) and made ~= request.signature
                and ours == (whose == "of_ours") and theirs == (not ours)
        end,
    },
    {
        name = "the SDK takes one value for each name, and raises for a list",
        explains = function(sdk, request, _, theirs)
            return sdk == "python" and theirs == "TypeError" and has_repeats(request.params)
        end,
    },
    {
        name = "the SDK raises for JSON without bodySHA256",
        explains = function(sdk, request, ours, theirs)
            return sdk == "python" and not ours and theirs == "AttributeError"
                and request.kind == "JSON without hash"
        end,
    },
    {
        name = "the SDK cuts credentials and IPv6 addresses at their first colon, to leave the port out",
        explains = function(sdk, request, ours, theirs)
            return sdk == "python" and ours and theirs == false and has_colon_before_port(request.parts)
        end,
    },
    {
        name = "the SDK writes the scheme in lower case",
        explains = function(sdk, request, ours, theirs)
            return sdk == "python" and ours and theirs == false and request.parts.scheme:find "%u" ~= nil
        end,
    },
    {
        name = "the SDK leaves out the '?' of an empty query",
        explains = function(sdk, request, ours, theirs)
            return sdk == "python" and ours and theirs == false and request.parts.query == "?"
        end,
    },
}

local function reason_for(...)
    for _, reason in ipairs(REASONS) do
        if reason.explains(...) then
            return reason.name
        end
    end
end

-- ---- Comparing

local function verify(request, content, made)
    return (signature.verify {
        tokens = request.token, url = content.url, body = content.form or content.body, signature = made,
    })
end

local WORDS = {
    of_ours = "we sign, they check", of_theirs = "they sign, we check", of_forged = "forged",
}

-- Adds one comparison to the counts.
local function compare(counts, sdk, request, answer, whose, ours)
    local theirs = answer[whose]
    counts.total = counts.total + 1
    if ours == theirs then
        local verdict = whose == "of_forged" and "refused by both"
            or WORDS[whose] .. (ours and ": both accept" or ": both refuse")
        counts.agreed[verdict] = (counts.agreed[verdict] or 0) + 1
        counts.passed = counts.passed + 1
        return
    end
    local reason = reason_for(sdk, request, ours, theirs, whose, answer.signature)
    if reason then
        counts.reasons[reason] = (counts.reasons[reason] or 0) + 1
        counts.passed = counts.passed + 1
        return
    end
    counts.failed = counts.failed + 1
    if counts.failed <= 5 then
        print(("FAILED: %s, %s: we say %s, they say %s: %s"):format(sdk, WORDS[whose], tostring(ours),
            tostring(theirs), json.encode(request)))
    end
end

-- A forged request must be refused by everybody, by an error if need be; and ours is false, never an error.
local function compare_forged(counts, sdk, request, answer)
    local ours = verify(request, request.forged, request.forged.signature)
    if ours or answer.of_forged == true then
        counts.total, counts.failed = counts.total + 1, counts.failed + 1
        local who = ours and "this library" or sdk
        print(("FAILED: %s accepts a forged request: %s"):format(who, json.encode(request)))
    else
        compare(counts, sdk, request, answer, "of_forged", false)
    end
end

local function print_counts(sdk, counts)
    local agreed = 0
    for _, count in pairs(counts.agreed) do
        agreed = agreed + count
    end
    print(("%s: %d comparisons, %d agree, %d disagree for a known reason, %d for an unknown one"):format(sdk,
        counts.total, agreed, counts.passed - agreed, counts.failed))
    for _, group in ipairs { "agreed", "reasons" } do
        local names = {}
        for name in pairs(counts[group]) do
            names[#names + 1] = name
        end
        table.sort(names)
        for _, name in ipairs(names) do
            print(("  %6d  %s"):format(counts[group][name], name))
        end
    end
end

local function run(sdk, command, path, list)
    local counts = { total = 0, passed = 0, failed = 0, agreed = {}, reasons = {} }
    local pipe = assert(io.popen(command .. " '" .. path .. "'"))
    local answered = 0
    for line in pipe:lines() do
        local answer = json.decode(line)
        local request = list[answer.id]
        answered = answered + 1
        compare(counts, sdk, request, answer, "of_ours", verify(request, request, request.signature))
        compare(counts, sdk, request, answer, "of_theirs", verify(request, request, answer.signature))
        compare_forged(counts, sdk, request, answer)
    end
    if not pipe:close() or answered ~= #list then
        print(("FAILED: %s answered %d of %d requests"):format(sdk, answered, #list))
        counts.failed = counts.failed + 1
    end
    print_counts(sdk, counts)
    return counts.passed, counts.failed
end

-- ---- The whole

-- No parameters are left out, because an empty list would become an object.
local function content_of(request)
    local params = request.params
    return {
        url = request.url, body = request.body, signature = request.signature,
        params = params and #params > 0 and params or nil,
    }
end

local function write_requests(list)
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    for _, request in ipairs(list) do
        local row = content_of(request)
        row.id, row.token, row.signed_url = request.id, request.token, request.signed_url
        row.forged = content_of(request.forged)
        file:write(json.encode(row), "\n")
    end
    assert(file:close())
    return path
end

local seed, count, peers = 1, 6000, {}
do
    local i = 1
    while arg[i] do
        if arg[i] == "--seed" or arg[i] == "--count" then
            local value = assert(math.tointeger(arg[i + 1]), arg[i] .. " wants a number")
            seed, count = arg[i] == "--seed" and value or seed, arg[i] == "--count" and value or count
            i = i + 1
        else
            local name, command = arg[i]:match "^(%w+)=(.+)$"
            peers[#peers + 1] = { name = assert(name, "NAME=COMMAND, not " .. arg[i]), command = command }
        end
        i = i + 1
    end
end

local list = requests.make(seed, count)
local path = write_requests(list)
local passed, failed = 0, 0
for _, peer in ipairs(peers) do
    local good, bad = run(peer.name, peer.command, path, list)
    passed, failed = passed + good, failed + bad
end
os.remove(path)
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0, true)

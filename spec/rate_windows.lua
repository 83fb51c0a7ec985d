--- Judges moments of arrival by a limit: in any window of T seconds at most burst + T · per_second.
--
-- A limiter decides when a message leaves, and a meter sees when it arrives. A window of arrivals can hold
-- what left in a longer time: longer by the difference between the slowest and the fastest way. So the answer
-- is that difference: how many milliseconds of it are needed to explain what was seen.
local M = {}

--- How many milliseconds arrivals came closer together than the limit lets messages leave, in the window
-- where that is most. At most 0 when no window holds too many.
-- @tparam table times_ms the moments of arrival, in any order
-- @tparam number burst
-- @tparam number per_second
-- @treturn number
-- @treturn table the window: from_ms, to_ms, count
function M.crowding_ms(times_ms, burst, per_second)
    local times = {}
    for i, at_ms in ipairs(times_ms) do
        times[i] = at_ms
    end
    table.sort(times)
    -- The worst window begins and ends with an arrival. One from i to j is as crowded as
    -- (j - i + 1 - burst) · period - (times[j] - times[i]): the worst i for each j is that with the least
    -- i · period - times[i].
    local period_ms = 1000 / per_second
    local worst_ms, window, least, first = -math.huge, { count = 0 }, math.huge, nil
    for j, at_ms in ipairs(times) do
        local ahead_ms = j * period_ms - at_ms
        if ahead_ms < least then
            least, first = ahead_ms, j
        end
        local crowding_ms = ahead_ms - least - (burst - 1) * period_ms
        if crowding_ms > worst_ms then
            worst_ms = crowding_ms
            window = { from_ms = times[first], to_ms = at_ms, count = j - first + 1 }
        end
    end
    return worst_ms, window
end

--- How much of what the limit permits has arrived, from the first arrival on.
-- @tparam table times_ms the moments of arrival
-- @tparam number burst
-- @tparam number per_second
-- @tparam number until_ms when messages stopped being sent. The permitted count is that of whole messages, so
-- that up to one period before this moment may lack its arrival.
-- @treturn number 1 for all of it
-- @treturn number how many there were
-- @treturn number how many were permitted
function M.used(times_ms, burst, per_second, until_ms)
    local first_ms, last_ms = math.huge, -math.huge
    for _, at_ms in ipairs(times_ms) do
        first_ms, last_ms = math.min(first_ms, at_ms), math.max(last_ms, at_ms)
    end
    last_ms = math.max(last_ms, until_ms - 1000 / per_second)
    local permitted = burst + math.max(0, last_ms - first_ms) / 1000 * per_second
    if not times_ms[1] then
        return 0, 0, permitted
    end
    return #times_ms / permitted, #times_ms, permitted
end

return M

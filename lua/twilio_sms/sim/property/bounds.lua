--- P11: what has a bound stays within it.
local M = {}

function M.new(book, report)
    local on = {}
    local under_way = {} -- requests by client

    function on.request(event)
        local count = (under_way[event.client] or 0) + 1
        under_way[event.client] = count
        local most = book:client(event.client).max_concurrency
        if count > most then
            report("P11", ("%s has %d requests under way; %d are allowed"):format(event.client, count, most))
        end
    end

    function on.answer(event)
        if under_way[event.client] and not event.late then
            under_way[event.client] = under_way[event.client] - 1
        end
    end

    function on.crash(event)
        under_way[event.client] = nil
    end

    -- What a client says of itself. Calls that come back from the wire to wait are not refused for the length
    -- of the queue.
    function on.stats(event)
        local client = book:client(event.client)
        local most = client.rate.max_queue + client.max_concurrency
        if event.queued > most then
            local text = "%s has %d calls waiting; %d are allowed"
            report("P11", text:format(event.client, event.queued, most))
        end
        if event.in_flight > client.max_concurrency then
            report("P11", ("%s counts %d requests under way"):format(event.client, event.in_flight))
        end
    end

    -- The size of a table that must not grow: `name`, `count`, `most`.
    function on.size(event)
        if event.count > event.most then
            report("P11", ("%s holds %d; %d are allowed"):format(event.name, event.count, event.most))
        end
    end

    return on
end

return M

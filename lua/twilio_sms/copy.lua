--- A copy of a table, whose values are the same.
return function(t)
    -- What most messages have stands here, so that their tables have their size from the beginning.
    local out = { to = nil, from = nil, body = nil, timeout_ms = nil }
    for name, value in pairs(t) do
        out[name] = value
    end
    return out
end

local date = require "twilio_sms.date"
local timezone = require "twilio_sms.timezone"

-- ---- Making TZif files (RFC 8536) ------------------------------------------------------------------

local function big(value, bytes)
    local out = {}
    for i = bytes, 1, -1 do
        out[i] = string.char(value % 256)
        value = math.floor(value / 256)
    end
    return table.concat(out)
end

-- One block with its header. Changes are { moment, type }, from 0.
local function block(version, changes, offsets, time_bytes)
    local moments, types, infos = {}, {}, {}
    for i, change in ipairs(changes) do
        moments[i], types[i] = big(change[1], time_bytes), string.char(change[2])
    end
    for i, offset in ipairs(offsets) do
        infos[i] = big(offset, 4) .. "\0\0"
    end
    return "TZif" .. version .. ("\0"):rep(15)
        .. big(0, 4) .. big(0, 4) .. big(0, 4) .. big(#changes, 4) .. big(#offsets, 4) .. big(4, 4)
        .. table.concat(moments) .. table.concat(types) .. table.concat(infos) .. "XYZ\0"
end

-- A file of version 2, as slim as zic makes them.
local function slim(footer, changes, offsets)
    local wide = block("2", changes or {}, offsets or { 0 }, 8)
    return block("2", {}, { 0 }, 4) .. wide .. "\n" .. footer .. "\n"
end

local folder

local function load(bytes)
    local file = assert(io.open(folder .. "/Test", "wb"))
    file:write(bytes)
    file:close()
    return timezone.load("Test", folder)
end

local function utc(year, month, day, hour, minute)
    return (date.read(("%04d-%02d-%02dT%02d:%02d:00Z"):format(year, month, day, hour, minute or 0)))
end

-- The offset in hours just before a moment and at it.
local function around(zone, moment)
    return { zone:offset_at(moment - 1) / 3600, zone:offset_at(moment) / 3600 }
end

describe("a time zone", function()
    setup(function()
        folder = os.tmpname()
        os.remove(folder)
        assert(os.execute("mkdir " .. folder))
    end)

    teardown(function()
        os.remove(folder .. "/Test")
        os.remove(folder)
    end)

    it("is read from a table of version 1", function()
        local zone = assert(load(block("\0", { { 1000, 1 }, { 2000, 0 } }, { -18000, -14400 }, 4)))
        assert.same({ -5, -4 }, around(zone, 1000))
        assert.same({ -4, -5 }, around(zone, 2000))
        assert.equal(-18000, zone:offset_at(-2 ^ 40))
        assert.equal(-18000, zone:offset_at(2 ^ 40))
    end)

    it("is read from the wide table of version 2, and from its footer behind that", function()
        local zone = assert(load(slim("EST5EDT,M3.2.0,M11.1.0",
            { { -2717650800, 1 }, { utc(2007, 3, 11, 7), 2 } }, { -17762, -18000, -14400 })))
        assert.equal(-17762, zone:offset_at(-2717650801))
        assert.equal(-18000, zone:offset_at(-2717650800))
        assert.same({ -5, -4 }, around(zone, utc(2007, 3, 11, 7)))
        assert.same({ -4, -5 }, around(zone, utc(2026, 11, 1, 6)))
        assert.same({ -5, -4 }, around(zone, utc(2027, 3, 14, 7)))
        assert.same({ -4, -5 }, around(zone, utc(2099, 11, 1, 6)))
    end)

    -- Rules as the database has them, with moments that `zdump -v` shows.
    it("follows the rule of its footer", function()
        for footer, moments in pairs {
            ["CET-1CEST,M3.5.0,M10.5.0/3"] = {
                [utc(2026, 3, 29, 1)] = { 1, 2 }, [utc(2026, 10, 25, 1)] = { 2, 1 },
                [utc(2026, 12, 31, 23)] = { 1, 1 },
            },
            ["AEST-10AEDT,M10.1.0,M4.1.0/3"] = {
                [utc(2026, 4, 4, 16)] = { 11, 10 }, [utc(2026, 10, 3, 16)] = { 10, 11 },
                [utc(2027, 1, 1, 0)] = { 11, 11 },
            },
            ["<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"] = {
                [utc(2026, 4, 4, 15)] = { 11, 10.5 }, [utc(2026, 10, 3, 15, 30)] = { 10.5, 11 },
            },
            ["<-04>4<-03>,M9.1.6/24,M4.1.6/24"] = {
                [utc(2026, 4, 5, 3)] = { -3, -4 }, [utc(2026, 9, 6, 4)] = { -4, -3 },
            },
            ["<-02>2<-01>,M3.5.0/-1,M10.5.0/0"] = {
                [utc(2026, 3, 29, 1)] = { -2, -1 }, [utc(2026, 10, 25, 1)] = { -1, -2 },
            },
            ["IST-1GMT0,M10.5.0,M3.5.0/1"] = {
                [utc(2026, 3, 29, 1)] = { 0, 1 }, [utc(2026, 10, 25, 1)] = { 1, 0 },
            },
            ["EET-2EEST,M3.4.4/50,M10.4.4/50"] = {
                [utc(2026, 3, 28, 0)] = { 2, 3 }, [utc(2026, 10, 23, 23)] = { 3, 2 },
            },
            ["AAA3BBB,J60/0,J300/0"] = {
                [utc(2027, 3, 1, 3)] = { -3, -2 }, [utc(2028, 3, 1, 3)] = { -3, -2 },
            },
            ["AAA3BBB,59/0,300/0"] = {
                [utc(2027, 3, 1, 3)] = { -3, -2 }, [utc(2028, 2, 29, 3)] = { -3, -2 },
            },
            ["<+0545>-5:45"] = { [utc(2026, 1, 1, 0)] = { 5.75, 5.75 } },
            ["ABC-1:02:03"] = { [0] = { 3723 / 3600, 3723 / 3600 } },
        } do
            local zone = assert(load(slim(footer)), footer)
            for moment, hours in pairs(moments) do
                assert.same(hours, around(zone, moment), footer .. " at " .. moment)
            end
        end
    end)

    it("is refused when its file is damaged, wherever", function()
        local good = slim("CET-1CEST,M3.5.0,M10.5.0/3", { { 5, 1 }, { 9, 0 } }, { 3600, 7200 })
        assert(load(good))
        for length = 1, #good - 1, 3 do
            local zone, err = load(good:sub(1, length))
            assert.is_nil(zone)
            assert.matches("is no time zone file, or damaged", err.message)
        end
        for at = 1, #good do
            local byte = ({ "\0", "\255", "9" })[at % 3 + 1]
            local zone = load(good:sub(1, at - 1) .. byte .. good:sub(at + 1))
            for _, moment in ipairs(zone and { -10, 5, 7, 100, utc(2026, 6, 1, 0) } or {}) do
                assert.equal("number", type(zone:offset_at(moment)))
            end
        end
        for _, footer in ipairs {
            "x", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0/x",
            "CET-1CEST,M3.5.0,M10.5.0,", "CET-1CEST,X1,J2",
        } do
            assert.is_nil((load(slim(footer))), footer)
        end
        assert.is_nil((load(slim("UTC0", { { 9, 0 }, { 5, 0 } }))))
        assert.is_nil((load(slim("UTC0", { { 9, 1 } }))))
    end)

    it("is found in the system's database by its name alone", function()
        assert.equal(0, assert(timezone.load "UTC"):offset_at(0))
        local berlin = assert(timezone.load "Europe/Berlin")
        assert.same({ 1, 2 }, around(berlin, utc(2026, 3, 29, 1)))
        assert.same({ 1, 2 }, around(berlin, utc(1980, 4, 6, 1)))
        assert.same({ 1, 2 }, around(berlin, utc(2060, 3, 28, 1)))
        for _, name in ipairs { "", "Mars/Base", "../zoneinfo/UTC", "/etc/passwd", "Europe", "UTC\0", "." } do
            local zone, err = timezone.load(name)
            assert.is_nil(zone)
            assert.equal("InvalidOption", err.kind)
        end
    end)
end)

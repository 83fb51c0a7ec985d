local input = require "twilio_sms.cli.bulk.input"
local command = require "command"

describe("the input of bulk", function()
    local path

    after_each(function()
        os.remove(path)
    end)

    -- All records of a text with the lines in which they begin, and what ended them.
    local function read(text, opts)
        path = command.file(text)
        local opened, why = input.open(path, opts or {})
        if not opened then
            return nil, why
        end
        local all = {}
        local next_record = opened:records()
        local record, line, at = next_record()
        while record do
            all[#all + 1] = record
            all[#all].line = line
            record, line, at = next_record()
        end
        opened:close()
        return all, line, at
    end

    local function cells(text, opts)
        local all, why, at = read(text, opts)
        local out = {}
        for i, record in ipairs(all) do
            out[i] = record.line .. ":" .. table.concat(record, "|")
        end
        return table.concat(out, " "), why, at
    end

    it("reads CSV as RFC 4180 has it", function()
        for text, wanted in pairs {
            ["a,b\r\n1,2\r\n"] = "1:a|b 2:1|2",
            ["a,b\n1,2"] = "1:a|b 2:1|2",
            ["\239\187\191a,b\n"] = "1:a|b",
            ["a,b\n,\n"] = "1:a|b 2:|",
            ["a\n\n\r\nx\n"] = "1:a 4:x",
            ['"a ""b""",c\n'] = '1:a "b"|c',
            ['"a,b",""\r\n'] = "1:a,b|",
            ['a\n"one\ntwo\r\nthree",x\nlast,y\n'] = "1:a 2:one\ntwo\r\nthree|x 5:last|y",
            ['a"b,c\n'] = '1:a"b|c',
            ["é,\0\n"] = "1:é|\0",
        } do
            assert.equal(wanted, (cells(text)), text)
        end
    end)

    it("takes other separators", function()
        assert.equal("1:a|b,c 2:1|2;|x", (cells('a;b,c\n1;"2;";x\n', { separator = ";" })))
        assert.equal("1:a|b;c", (cells("a\tb;c\n", { separator = "\t" })))
    end)

    it("says where CSV is broken", function()
        for text, wanted in pairs {
            ['a\n"x" y\n'] = { "between a cell and the next separator", 2 },
            ['a\nb\n"x\ny\n'] = { "a quote is not closed that opens in line 3", 3 },
            ["a\rb\n"] = { "between a cell and the next separator", 1 },
            ["a\n" .. ("x"):rep(70000) .. "\nb\n"] = { "the line is longer than 65536 bytes", 2 },
            ['a\n"' .. ("x\n"):rep(40000) .. '"\n'] = { "line 2 is too long: is a quote not closed?", 2 },
        } do
            local _, why, at = cells(text)
            assert.truthy(why and why:find(wanted[1], 1, true), why)
            assert.equal(wanted[2], at)
        end
    end)

    it("reads lines of any length up to the longest, wherever they lie", function()
        for _, length in ipairs { 65534, 65535, 65536 } do
            local long = ("x"):rep(length)
            assert.equal("1:a 2:" .. long .. " 3:b", (cells("a\n" .. long .. "\nb")))
        end
    end)

    it("bounds a record, not only each of its cells", function()
        local cell = '"' .. ("x\n"):rep(10000) .. '"'
        local _, why, at = cells("a\n" .. (cell .. ","):rep(4) .. "\n")
        assert.equal("a cell that begins in line 30002 is too long: is a quote not closed?", why)
        assert.equal(2, at)
    end)

    it("reads JSON Lines, of which a bad one spoils no other", function()
        local all, why = read '\239\187\191{"to":"+1","n":1}\r\n\n{"to":\n7\n[1]\n{"to":"+2"}'
        assert.is_nil(why)
        assert.same({ to = "+1", n = 1 }, all[1].object)
        assert.same({ 1, 3, 4, 5, 6 }, { all[1].line, all[2].line, all[3].line, all[4].line, all[5].line })
        assert.truthy(all[2].problem:find "no JSON")
        assert.same({ "no object", "no object" }, { all[3].problem, all[4].problem })
        assert.same({ to = "+2" }, all[5].object)
    end)

    it("says what is no input", function()
        for text, wanted in pairs {
            [""] = "it is empty", ["\n \n"] = "it is empty", ['[{"to":"+1"}]'] = "one object a line",
        } do
            local opened, why = read(text)
            assert.is_nil(opened)
            assert.truthy(why:find(path .. ": ", 1, true))
            assert.truthy(why:find(wanted, 1, true), why)
        end
        local _, why = cells "\255\254t\0o\0\n\0"
        assert.equal("the file is UTF-16; save it as UTF-8", why)
        for name, wanted in pairs {
            ["/nowhere/x"] = "/nowhere/x: No such file or directory", ["/tmp"] = "/tmp: Is a directory",
        } do
            assert.same({ nil, wanted }, { input.open(name, {}) })
        end
    end)

    it("can be read again", function()
        path = command.file "to\n1\n2\n"
        local opened = assert(input.open(path, {}))
        for _ = 1, 3 do
            local next_record, count = opened:records(), 0
            while next_record() do
                count = count + 1
            end
            assert.equal(3, count)
        end
        opened:close()
    end)
end)

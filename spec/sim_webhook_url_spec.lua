local webhook_url = require "twilio_sms.sim.webhook_url"

describe("twilio_sms.sim.webhook_url", function()
    it("splits what is requested from what is signed", function()
        for _, case in ipairs {
            { "https://a.example/b?c=d%20e#rc=2", "https://a.example/b?c=d%20e",
                "https://a.example/b?c=d%20e" },
            { "https://me:p%40ss@A.example:8443/b", "https://me:p%40ss@A.example:8443/b",
                "https://A.example:8443/b" },
            { "http://me@a.example?x=y@z", "http://me@a.example?x=y@z", "http://a.example?x=y@z" },
            { "https://a.example/b@c", "https://a.example/b@c", "https://a.example/b@c" },
            { "https://a.example", "https://a.example", "https://a.example" },
            { "nonsense", "nonsense", "nonsense" },
        } do
            local target = webhook_url.read(case[1])
            assert.same({ case[2], case[3] }, { target.request_url, target.signed_url })
        end
    end)

    local function overrides(fragment)
        local target = webhook_url.read("https://a.example/" .. fragment)
        local policy = {}
        for failure in pairs(target.retry_on) do
            policy[#policy + 1] = failure
        end
        table.sort(policy)
        return ("%d %d %d %d %s"):format(target.connect_timeout_ms, target.read_timeout_ms,
            target.total_timeout_ms, target.retries, table.concat(policy, ","))
    end

    it("reads overrides", function()
        assert.equal("5000 15000 15000 1 ct", overrides "")
        assert.equal("5000 15000 15000 1 ct", overrides "#")
        assert.equal("100 200 300 5 5xx,ct", overrides "#ct=100&rt=200&tt=300&rc=5&rp=5xx,ct")
        assert.equal("10000 15000 15000 0 4xx,5xx,ct,rt", overrides "#ct=10000&rt=15000&rc=0&rp=all")
        assert.equal("5000 15000 15000 1 rt", overrides "#e=dublin,tokyo&sni=y&rp=rt")
    end)

    it("takes a bad override for none", function()
        for _, fragment in ipairs {
            "#ct=99", "#ct=10001", "#rt=15001", "#tt=99", "#rc=6", "#rc=-1", "#rc=", "#ct=1e3", "#rp=",
            "#rp=6xx", "#rp=5xx,", "#CT=100", "#nonsense", "#&&=", "#what=ever",
        } do
            assert.equal("5000 15000 15000 1 ct", overrides(fragment), fragment)
        end
        assert.equal("100 15000 15000 1 ct", overrides "#rc=9&ct=100")
    end)

    it("knows where a webhook can be sent", function()
        for url, is_good in pairs {
            ["https://a.example/x"] = true, ["http://localhost:1"] = true, ["HTTPS://a"] = true,
            ["ftp://a.example/"] = false, ["/sms"] = false, ["a.example"] = false, ["https://"] = false,
            ["https:///x"] = false, [""] = false, [" https://a"] = false, ["https:// a"] = false,
        } do
            assert.equal(is_good, webhook_url.is_absolute(url), url)
        end
    end)

    it("resolves references", function()
        for reference, expected in pairs {
            ["http://b.example/x"] = "http://b.example/x", ["//b.example/x"] = "https://b.example/x",
            ["/x?y"] = "https://a.example:1/x?y", ["x"] = "https://a.example:1/p/x",
            ["?y"] = "https://a.example:1/p/q?y", [""] = "https://a.example:1/p/q?z=1",
        } do
            assert.equal(expected, webhook_url.resolve("https://a.example:1/p/q?z=1", reference))
        end
        assert.equal("https://a.example/x", webhook_url.resolve("https://a.example", "x"))
    end)
end)

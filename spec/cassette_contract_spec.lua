local contract = require "twilio_sms.cassette.contract"
local core = require "twilio_sms.core"
local tapes = require "tapes"

local document = core.json_decode(tapes.read "tests/data/openapi_messages.json")
local schemas = document.components.schemas

local function resolve(schema)
    local name = schema["$ref"] and schema["$ref"]:match "([^/]+)$"
    return name and schemas[name] or schema
end

-- The rule that stands for a schema.
local function rule_of(schema)
    schema = resolve(schema)
    local prefix = schema.pattern and schema.pattern:match "^%^%(?([%u|]+)"
    if schema.enum then
        local enum = {}
        for _, word in ipairs(schema.enum) do
            enum[word] = true
        end
        return { enum = enum }
    elseif prefix then
        local sid = {}
        for kind in prefix:gmatch "%u+" do
            sid[kind] = true
        end
        return { sid = sid }
    elseif schema.type == "array" or schema.type == "string" then
        return { text = true }
    elseif schema.type == "object" then
        return { map = true }
    end
    return { [schema.type] = true, least = schema.maximum and schema.minimum, most = schema.maximum }
end

local function rules_of(properties)
    local rules = {}
    for name, schema in pairs(properties) do
        rules[name] = rule_of(schema)
    end
    return rules
end

local function query_of(operation)
    local properties = {}
    for _, parameter in ipairs(operation.parameters) do
        if parameter["in"] == "query" then
            properties[parameter.name] = parameter.schema
        end
    end
    return next(properties) and rules_of(properties) or nil
end

local function form_of(operation)
    local body = operation.requestBody
    return body and rules_of(resolve(body.content["application/x-www-form-urlencoded"].schema).properties)
end

local function example_of(path)
    local prefixes = { AccountSid = "AC", MessageSid = "SM", Sid = path:find "Media/" and "ME" or "SM" }
    return (path:gsub("{(%a+)}", function(name) return prefixes[name] .. ("0"):rep(32) end))
end

local function check(interaction)
    local found = {}
    contract.check(interaction, function(text) found[#found + 1] = text end)
    return found
end

local PATH = "/2010-04-01/Accounts/AC" .. ("0"):rep(32) .. "/Messages.json"

local function create(form, status, body)
    return {
        request = { method = "POST", path = PATH, query = {}, form = form }, outcome = "ok",
        response = { status = status, complete = true, headers = {}, body = body },
    }
end

describe("the contract", function()
    it("is that of the document", function()
        local count = 0
        for path, operations in pairs(document.paths) do
            for method, operation in pairs(operations) do
                local found
                for _, endpoint in ipairs(contract.endpoints) do
                    if endpoint[1] == method:upper() and example_of(path):find(endpoint[2]) then
                        found = endpoint
                    end
                end
                if type(operation) == "table" and operation.responses then
                    count = count + 1
                    assert.is_table(found, method .. " " .. path)
                    assert.same(query_of(operation), found.query)
                    assert.same(form_of(operation), found.form)
                    assert.is_table(operation.responses[tostring(found.status)])
                    for status in pairs(operation.responses) do
                        status = tonumber(status)
                        assert.is_true(status == found.status or contract.failures[status])
                    end
                end
            end
        end
        assert.equal(#contract.endpoints, count)
    end)

    it("has the members of the document", function()
        assert.same(rules_of(schemas["api.v2010.account.message"].properties), contract.message)
        assert.same(rules_of(schemas["api.v2010.account.message.media"].properties), contract.media)
        local feedback = schemas["api.v2010.account.message.message_feedback"]
        assert.same(rules_of(feedback.properties), contract.feedback)
        assert.same(rules_of(schemas.error.properties), contract.error)
        local page = rules_of(document.paths["/2010-04-01/Accounts/{AccountSid}/Messages.json"].get
            .responses["200"].content["application/json"].schema.properties)
        page.messages = nil
        assert.same(page, contract.page)
    end)

    it("takes what is as documented", function()
        local body = '{"sid":"SM' .. ("0"):rep(32) .. '","status":"queued","error_code":null,"price":null}'
        assert.same({}, check(create({ { "To", "+1" }, { "ValidityPeriod", "5" } }, 201, body)))
        assert.same({}, check(create({ { "To", "+1" } }, 400, '{"code":1,"message":"x","status":400}')))
    end)

    it("says what is not", function()
        local body = '{"sid":"XX1","status":"gone","error_code":"7","new":1,"body":5}'
        local form = { { "Status", "x" }, { "ValidityPeriod", "99999" }, { "SmartEncoded", "yes" },
            { "MessagingServiceSid", "MG1" }, { "Attempt", "one" }, { "TrafficType", "dear" } }
        assert.same({
            "form Status is not documented", "form ValidityPeriod is not within 1 and 36000",
            "form SmartEncoded is neither true nor false", "form MessagingServiceSid is no SID of its kind",
            "form Attempt is no number", "form TrafficType is none of the documented words",
            "form To is missing",
            "member sid is no SID of its kind", "member status is none of the documented words",
            "member error_code is no integer", "member new is not documented",
            "member body is no text but a number",
        }, check(create(form, 201, body)))
        local to = { { "To", "+1" } }
        assert.same({ "status 200 instead of 201" }, check(create(to, 200, "{}")))
        assert.same({ "status 502 is not documented" }, check(create(to, 502, "")))
        assert.same({ "the body is no JSON" }, check(create(to, 201, "<html>")))
        assert.same({ "the error has no code", "the error has no status" },
            check(create(to, 404, '{"message":"x"}')))
        local other = create(to, 201, "{}")
        other.request.path = "/2010-04-01/Accounts/x/Calls.json"
        assert.same({ "the endpoint is not documented" }, check(other))
    end)

    it("looks into the rows of a page", function()
        local page = {
            request = { method = "GET", path = PATH, query = { { "PageSize", "2000" } }, form = {} },
            outcome = "ok",
            response = { status = 200, complete = true, headers = {},
                body = '{"page":"0","messages":[{"status":"queued"},{"status":"x"}]}' },
        }
        assert.same({ "query PageSize is not within 1 and 1000", "member page is no integer",
            "member status is none of the documented words" }, check(page))
    end)
end)

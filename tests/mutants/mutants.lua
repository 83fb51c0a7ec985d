-- Builds that are broken on purpose, each in one place: the properties must notice.
--
-- A mutant is a list of exact replacements of text. When a text is not found, the mutant is out of date and
-- has to be looked at: that is an error.
return {
    {
        name = "a breaker whose probe has no lease",
        property = "P7",
        file = "csrc/policy/breaker.c",
        {
            "p.until_ms = later_ms(now_ms, rules->lease_ms);",
            "p.until_ms = time_max_ms;",
        },
    },
    {
        name = "what is in doubt is sent again without a look-up",
        property = "P1",
        file = "csrc/policy/retry.c",
        {
            "bool resend = attempt->in_doubt == TSMS__IN_DOUBT_RESEND && !exists;",
            "bool resend = !exists;",
        },
    },
    {
        name = "a message in doubt is looked for before the list has had its time",
        property = "P1",
        file = "csrc/call/call.c",
        {
            "call->settled_ms = tsms__after_ms(now.mono_ms, env->config->retry.settle_ms);",
            "call->settled_ms = now.mono_ms;",
        },
    },
    {
        name = "the opt-out list is asked before a message waits, and not again",
        property = "P4",
        file = "csrc/call/dispatch.c",
        {
            "call->phase = TSMS__PHASE_CHECK;\n    tsms__dispatch_put(client, call, now);\n"
                .. "    client->questioned",
            "call->phase = TSMS__PHASE_READY;\n    tsms__dispatch_put(client, call, now);\n"
                .. "    client->questioned",
        },
    },
    {
        name = "a limiter that lets one more through at once",
        property = "P5",
        file = "csrc/policy/limiter.c",
        {
            "multiply_capped(subtract_floored(rate.burst, cost), rate.interval_ns)",
            "multiply_capped(subtract_floored(rate.burst + 1, cost), rate.interval_ns)",
        },
    },
    {
        name = "a receiver that believes any signature",
        property = "P10",
        file = "csrc/wire/sign.c",
        {
            "if (tsms__same_bytes(signature, (tsms_str){made, SIGNATURE_LEN})) {",
            "if (signature.len > 0 || tsms__same_bytes(signature, (tsms_str){made, SIGNATURE_LEN})) {",
        },
    },
    {
        name = "a client that sends although there is no time left",
        property = "P8",
        file = "csrc/call/dispatch.c",
        {
            "if (now.mono_ms <= latest_ms(client, call)) {",
            "if (now.mono_ms <= call->deadline_ms) {",
        },
    },
    {
        name = "a driver that sends a request again by itself when the connection ends",
        property = "P1",
        file = "lua/twilio_sms/driver/machine.lua",
        {
            "        self.transport:start(id, {\n",
            "        self.requests = self.requests or {}\n        self.requests[id] = {\n"
                .. "            method = method, origin = self.origin, path = path, form = form,\n"
                .. "            timeout_ms = timeout_ms,\n        }\n        self.transport:start(id, {\n",
        },
        {
            "        if machine:finish(id, transfer, fault, message) then\n",
            "        local again = transfer.sent and transfer.fault == 'ConnectionFailed'\n"
                .. "            and self.requests[id]\n        if again then\n"
                .. "            self.requests[id] = nil\n"
                .. "            transport:start(id, again)\n"
                .. "        elseif machine:finish(id, transfer, fault, message) then\n",
        },
    },
    {
        name = "clients that share the list of those who wait: results reach the wrong callers",
        property = "P3",
        file = "lua/twilio_sms/drive.lua",
        {
            "tickets = {},",
            "tickets = M.tickets,",
        },
        {
            "M.__index = M\n",
            "M.__index = M\nM.tickets = {}\n",
        },
        {
            "    local ticket = self.tickets[id]\n    self.tickets[id] = nil\n",
            "    local ticket = self.tickets[id]\n    self.tickets[id] = nil\n"
                .. "    if not ticket then\n        return\n    end\n",
        },
    },
    {
        name = "an attempt that goes on after the deadline of its call",
        property = "P8",
        file = "csrc/call/dispatch.c",
        {
            "int64_t left_ms = call->deadline_ms - now.mono_ms;",
            "int64_t left_ms = call->deadline_ms - now.mono_ms + 600000;",
        },
    },
    {
        name = "one request too many at once",
        property = "P11",
        file = "csrc/call/dispatch.c",
        {
            "return (double)client->wire.count + 1 <= client->ceiling;",
            "return (double)client->wire.count <= client->ceiling;",
        },
    },
    {
        name = "a 429 after which nothing leaves for hours",
        property = "P14",
        file = "csrc/call/finish.c",
        {
            "(uint64_t)(now.mono_ms + wait_ms) * NS_PER_MS",
            "(uint64_t)(now.mono_ms + wait_ms * 10000) * NS_PER_MS",
        },
    },
}

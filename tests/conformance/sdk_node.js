// Takes the steps of scenarios.lua with npm's twilio: a JSON list in, JSON Lines out.
// Usage: node sdk_node.js STEPS, with HTTP_PROXY, NODE_EXTRA_CA_CERTS, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN,
// API_KEY, API_SECRET, SIM_URL
"use strict";
const fs = require("fs");
const http = require("http");
const querystring = require("querystring");
const twilio = require("twilio");

const TOKEN = process.env.TWILIO_AUTH_TOKEN;
const ACCOUNT = process.env.TWILIO_ACCOUNT_SID;
const clients = {
    "own": twilio(ACCOUNT, TOKEN),
    "api key": twilio(process.env.API_KEY, process.env.API_SECRET, { accountSid: ACCOUNT }),
    "bad token": twilio(ACCOUNT, "f".repeat(32)),
    "unknown account": twilio("AC" + "f".repeat(32), TOKEN),
};
const saved = {};

// ---- What comes out: Twilio's names, and the library's types

const MESSAGE = [
    "account_sid", "api_version", "body", "date_created", "date_sent", "date_updated", "direction", "error_code",
    "error_message", "from", "messaging_service_sid", "num_media", "num_segments", "price", "price_unit", "sid",
    "status", "subresource_uris", "to", "uri",
];
const MEDIA = ["account_sid", "content_type", "date_created", "date_updated", "parent_sid", "sid", "uri"];
const FEEDBACK = ["account_sid", "date_created", "date_updated", "message_sid", "outcome", "uri"];

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
const plain = (value) => (value instanceof Date ? { date: value.getTime() / 1000 } : value);

function record(names, object) {
    const out = {};
    for (const name of names) {
        out[name] = plain(object[camel(name)]);
    }
    return out;
}

const message = (object) => record(MESSAGE, object);
const media = (object) => record(MEDIA, object);

function failure(error) {
    if (error.status === undefined) {
        return { raised: error.message };
    }
    return { status: error.status, code: error.code, message: error.message, more_info: error.moreInfo };
}

// ---- What goes in

// "$name" is a sid that was answered before, "@path" a URL of ours; a date is one of the language's.
function fill(value) {
    if (typeof value === "string" && value[0] === "$") {
        return saved[value.slice(1)];
    } else if (typeof value === "string" && value[0] === "@") {
        return `http://127.0.0.1:${receiver.address().port}${value.slice(1)}`;
    } else if (value && value.date !== undefined) {
        return new Date(value.date * 1000);
    }
    return value;
}

function parameters(params) {
    const out = {};
    for (const [name, value] of Object.entries(params)) {
        out[camel(name)] = fill(value);
    }
    return out;
}

// ---- Webhooks

const received = [];
let wake = () => {};

const receiver = http.createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
        const params = { ...querystring.parse(Buffer.concat(pieces).toString()) };
        const url = `http://${request.headers.host}${request.url}`;
        const signature = request.headers["x-twilio-signature"];
        const changed = { ...params, To: params.To + "1" };
        received.push({
            path: request.url,
            params,
            token: request.headers["i-twilio-idempotency-token"],
            valid: twilio.validateRequest(TOKEN, signature, url, params),
            refuses_changed: !twilio.validateRequest(TOKEN, signature, url, changed),
            refuses_other_token: !twilio.validateRequest("f".repeat(32), signature, url, params),
        });
        const answer = new twilio.twiml.MessagingResponse();
        if (params.Body && params.Body.endsWith("?")) {
            answer.message(`You asked: ${params.Body}`);
        }
        response.writeHead(200, { "Content-Type": "text/xml" }).end(answer.toString());
        wake();
    });
});

// ---- Operations

// The simulator's own endpoints, which are none of Twilio's.
async function control(name, params) {
    const url = `${process.env.SIM_URL}/_sim/${name}`;
    return (await fetch(url, { method: "POST", body: new URLSearchParams(params) })).status;
}

const OPS = {
    create: async (client, step) => message(await client.messages.create(parameters(step.params))),
    fetch: async (client, step) => message(await client.messages(fill(step.sid)).fetch()),
    update: async (client, step) =>
        message(await client.messages(fill(step.sid)).update(parameters(step.params))),
    delete: async (client, step) => client.messages(fill(step.sid)).remove(),
    feedback: async (client, step) =>
        record(FEEDBACK, await client.messages(fill(step.sid)).feedback.create({ outcome: step.outcome })),
    media_list: async (client, step) => (await client.messages(fill(step.sid)).media.list()).map(media),
    media_fetch: async (client, step) =>
        media(await client.messages(fill(step.sid)).media(fill(step.media)).fetch()),
    media_delete: async (client, step) => client.messages(fill(step.sid)).media(fill(step.media)).remove(),
    advance: async (client, step) => control("advance", { Seconds: step.seconds, Wait: step.wait === true }),
    inbound: async (client, step) => control("inbound", step.params),
    inbound_url: async (client, step) => control("inbound_url", { Url: fill(step.url) }),

    list: async (client, step) => LISTS[step.how](client.messages, parameters(step.params)),

    burst: async (client, step) => {
        const all = [];
        for (let i = 0; i < step.times; i++) {
            all.push(client.messages.create(parameters(step.params)).then(message, failure));
        }
        return Promise.all(all);
    },

    receive: async (client, step) => {
        while (received.length < step.count) {
            await new Promise((resolve) => (wake = resolve));
        }
        return received.splice(0);
    },
};

const LISTS = {
    list: async (messages, params) => (await messages.list(params)).map(message),
    each: async (messages, params) => {
        const all = [];
        await messages.each(params, (one) => all.push(message(one)));
        return all;
    },
    pages: async (messages, params) => {
        const pages = [];
        for (let page = await messages.page(params); page; page = await page.nextPage()) {
            pages.push(page.instances.map(message));
        }
        return pages;
    },
    back: async (messages, params) => {
        const first = await messages.page(params);
        const second = await first.nextPage();
        return (await second.previousPage()).instances.map(message);
    },
};

async function main() {
    await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    for (const step of JSON.parse(fs.readFileSync(process.argv[2], "utf8"))) {
        const line = { name: step.name };
        try {
            line.value = await OPS[step.op](clients[step.as || "own"], step);
            saved[step.name] = (Array.isArray(line.value) ? line.value[0] || {} : line.value).sid;
        } catch (error) {
            line.error = failure(error);
        }
        console.log(JSON.stringify(line, (_, value) => (value === undefined ? null : value)));
    }
    receiver.close();
    receiver.closeAllConnections();
    process.exitCode = 0;
}

main();

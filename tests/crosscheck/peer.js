// Answers what npm's twilio makes of each request: JSON Lines in, JSON Lines out.
// Usage: node peer.js FILE, with NODE_PATH where the library is
"use strict";
const fs = require("fs");
const twilio = require("twilio");

// As a server's form parser hands them on: a name that repeats has a list of values.
function toObject(pairs) {
    const object = Object.create(null);
    for (const [name, value] of pairs) {
        if (name in object) {
            object[name] = [].concat(object[name], value);
        } else {
            object[name] = value;
        }
    }
    return object;
}

function verdict(token, request, signature) {
    try {
        return request.body !== undefined
            ? twilio.validateRequestWithBody(token, signature, request.url, request.body)
            : twilio.validateRequest(token, signature, request.url, toObject(request.params || []));
    } catch (error) {
        return error.name;
    }
}

for (const line of fs.readFileSync(process.argv[2], "utf8").split("\n")) {
    if (line === "") {
        continue;
    }
    const request = JSON.parse(line);
    const made = twilio.getExpectedTwilioSignature(
        request.token, request.signed_url, toObject(request.params || []));
    console.log(JSON.stringify({
        id: request.id,
        signature: made,
        of_ours: verdict(request.token, request, request.signature),
        of_theirs: verdict(request.token, request, made),
        of_forged: verdict(request.token, request.forged, request.forged.signature),
    }));
}

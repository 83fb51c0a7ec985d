"""Takes the steps of scenarios.lua with python's twilio: a JSON list in, JSON Lines out.

Usage: python3 sdk_python.py STEPS, with HTTPS_PROXY, REQUESTS_CA_BUNDLE, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN,
API_KEY, API_SECRET, SIM_URL
"""
import datetime
import http.server
import json
import os
import queue
import re
import sys
import threading
import urllib.parse

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.messaging_response import MessagingResponse

TOKEN = os.environ["TWILIO_AUTH_TOKEN"]
ACCOUNT = os.environ["TWILIO_ACCOUNT_SID"]


def client_of(user, password, account=None):
    """The library sends prepared requests, for which requests looks at no variable of the environment."""
    http_client = TwilioHttpClient()
    http_client.session.verify = os.environ["REQUESTS_CA_BUNDLE"]
    return Client(user, password, account_sid=account, http_client=http_client)


CLIENTS = {
    "own": client_of(ACCOUNT, TOKEN),
    "api key": client_of(os.environ["API_KEY"], os.environ["API_SECRET"], ACCOUNT),
    "bad token": client_of(ACCOUNT, "f" * 32),
    "unknown account": client_of("AC" + "f" * 32, TOKEN),
}
saved = {}

# ---- What comes out: Twilio's names, and the library's types

MESSAGE = (
    "account_sid", "api_version", "body", "date_created", "date_sent", "date_updated", "direction", "error_code",
    "error_message", "from", "messaging_service_sid", "num_media", "num_segments", "price", "price_unit", "sid",
    "status", "subresource_uris", "to", "uri",
)
MEDIA = ("account_sid", "content_type", "date_created", "date_updated", "parent_sid", "sid", "uri")
FEEDBACK = ("account_sid", "date_created", "date_updated", "message_sid", "outcome", "uri")


def plain(value):
    return {"date": int(value.timestamp())} if isinstance(value, datetime.datetime) else value


def record(names, instance):
    return {name: plain(getattr(instance, "from_" if name == "from" else name)) for name in names}


def message(instance):
    return record(MESSAGE, instance)


def media(instance):
    return record(MEDIA, instance)


def failure(error):
    if isinstance(error, TwilioRestException):
        text = re.sub(r"^Unable to \w+ record: ", "", error.msg)
        return {"status": error.status, "code": error.code, "message": text}
    if isinstance(error, TwilioException) and len(error.args) == 2:  # a page; the answer comes with it
        body = json.loads(error.args[1].text)
        return {"status": error.args[1].status_code, "code": body["code"], "message": body["message"]}
    return {"raised": str(error)}


# ---- What goes in

def fill(value):
    """"$name" is a sid that was answered before, "@path" a URL of ours; a date is one of the language's."""
    if isinstance(value, str) and value.startswith("$"):
        return saved.get(value[1:])
    if isinstance(value, str) and value.startswith("@"):
        return "http://127.0.0.1:%d%s" % (receiver.server_address[1], value[1:])
    if isinstance(value, dict) and "date" in value:
        return datetime.datetime.fromtimestamp(value["date"], datetime.timezone.utc)
    return value


def parameters(params):
    return {"from_" if name == "from" else name: fill(value) for name, value in params.items()}


# ---- Webhooks

received = queue.Queue()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        params = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        url = "http://%s%s" % (self.headers["Host"], self.path)
        signature = self.headers["X-Twilio-Signature"]
        changed = dict(params, To=params["To"] + "1")
        received.put({
            "path": self.path,
            "params": params,
            "token": self.headers["I-Twilio-Idempotency-Token"],
            "valid": RequestValidator(TOKEN).validate(url, params, signature),
            "refuses_changed": not RequestValidator(TOKEN).validate(url, changed, signature),
            "refuses_other_token": not RequestValidator("f" * 32).validate(url, params, signature),
        })
        twiml = MessagingResponse()
        if params.get("Body", "").endswith("?"):
            twiml.message("You asked: " + params["Body"])
        answer = str(twiml).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)


# ---- Operations

def control(name, params):
    """The simulator's own endpoints, which are none of Twilio's."""
    return requests.post("%s/_sim/%s" % (os.environ["SIM_URL"], name), data=params).status_code


def pages(messages, params):
    out = []
    page = messages.page(**params)
    while page is not None:
        out.append([message(one) for one in page])
        page = page.next_page()
    return out


def back(messages, params):
    return [message(one) for one in messages.page(**params).next_page().previous_page()]


LISTS = {
    "list": lambda messages, params: [message(one) for one in messages.list(**params)],
    "each": lambda messages, params: [message(one) for one in messages.stream(**params)],
    "pages": pages,
    "back": back,
}


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:  # whatever the library raises is what is compared
        return failure(error)


def burst(_, step):
    out = []

    def create_one():
        out.append(attempt(OPS["create"], client_of(ACCOUNT, TOKEN), step))

    threads = [threading.Thread(target=create_one) for _ in range(step["times"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out


def receive(_, step):
    return [received.get(timeout=20) for _ in range(step["count"])]


OPS = {
    "create": lambda client, step: message(client.messages.create(**parameters(step["params"]))),
    "fetch": lambda client, step: message(client.messages(fill(step["sid"])).fetch()),
    "update": lambda client, step: message(
        client.messages(fill(step["sid"])).update(**parameters(step["params"]))),
    "delete": lambda client, step: client.messages(fill(step["sid"])).delete(),
    "feedback": lambda client, step: record(
        FEEDBACK, client.messages(fill(step["sid"])).feedback.create(outcome=step["outcome"])),
    "media_list": lambda client, step: [media(one) for one in client.messages(fill(step["sid"])).media.list()],
    "media_fetch": lambda client, step: media(
        client.messages(fill(step["sid"])).media(fill(step["media"])).fetch()),
    "media_delete": lambda client, step: client.messages(fill(step["sid"])).media(fill(step["media"])).delete(),
    "advance": lambda _, step: control(
        "advance", {"Seconds": step["seconds"], "Wait": "true" if step.get("wait") else "false"}),
    "inbound": lambda _, step: control("inbound", step["params"]),
    "inbound_url": lambda _, step: control("inbound_url", {"Url": fill(step["url"])}),
    "list": lambda client, step: LISTS[step["how"]](client.messages, parameters(step["params"])),
    "burst": burst,
    "receive": receive,
}


def main():
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with open(sys.argv[1], encoding="utf-8") as file:
        steps = json.load(file)
    for step in steps:
        line = {"name": step["name"]}
        try:
            value = OPS[step["op"]](CLIENTS[step.get("as", "own")], step)
            line["value"] = value
            first = (value[0] if value else {}) if isinstance(value, list) else value
            saved[step["name"]] = first.get("sid") if isinstance(first, dict) else None
        except Exception as error:  # as above
            line["error"] = failure(error)
        print(json.dumps(line), flush=True)
    receiver.shutdown()


main()

"""Answers what python's twilio makes of each request: JSON Lines in, JSON Lines out.

Usage: python3 peer.py FILE
"""
import json
import sys

from twilio.request_validator import RequestValidator


def to_dict(pairs):
    """A name that repeats has a list of values."""
    params = {}
    for name, value in pairs:
        if name not in params:
            params[name] = value
        elif isinstance(params[name], list):
            params[name].append(value)
        else:
            params[name] = [params[name], value]
    return params


def content(request):
    return request["body"] if "body" in request else to_dict(request.get("params", []))


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:
        return type(error).__name__


def main():
    for line in open(sys.argv[1], encoding="utf-8", newline="\n"):
        request = json.loads(line)
        validator = RequestValidator(request["token"])
        params = to_dict(request.get("params", []))
        forged = request["forged"]
        made = attempt(validator.compute_signature, request["signed_url"], params)
        print(json.dumps({
            "id": request["id"],
            "signature": made,
            "of_ours": attempt(validator.validate, request["url"], content(request), request["signature"]),
            "of_theirs": attempt(validator.validate, request["url"], content(request), made),
            "of_forged": attempt(validator.validate, forged["url"], content(forged), forged["signature"]),
        }))


main()

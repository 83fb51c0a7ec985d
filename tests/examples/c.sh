#!/usr/bin/env bash
# Runs the example programs in C against a simulator: what they print and how they end, also when they fail.
# Usage: tests/examples/c.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "$1" && pwd) || exit 1
. tests/examples/simulator.bash

work=$(mktemp -d)
trap 'stop_simulator; rm -rf "$work"' EXIT
failed=0

# Runs a command and compares its exit status and what it prints on both outputs.
expect() { # what status regular-expression-of-output command...
    local what=$1 status=$2 pattern=$3 got
    shift 3
    timeout 60 "$@" > "$work/output" 2>&1
    got=$?
    if [ "$got" -ne "$status" ] || ! grep -qE "$pattern" "$work/output"; then
        echo "FAILED: $what: exit status $got instead of $status, or no line like '$pattern' in:"
        cat "$work/output"
        failed=1
    elif grep -q "$TWILIO_AUTH_TOKEN" "$work/output"; then
        echo "FAILED: $what: the token is in the output"
        failed=1
    else
        echo "ok: $what"
    fi
}

use_build "$build"
# A message to ...99 is accepted, but its answer is lost; and test credentials cannot list.
start_simulator '{ script = {
    { on = "send", to = "+15558675399", action = "drop_after" },
    { on = "list", to = "+15558675399", action = "status", status = 403, code = 20008 },
} }'
send=$build/examples/send

cat > "$work/read.lua" << 'END'
local sms = require "twilio_sms"
local client = sms.assert(sms.from_env())
print(sms.assert(client:get(arg[1])).body)
END
expect "send" 0 '^SM[0-9a-f]{32} queued$' "$send" +15558675310 "Grüße"
sid=$(cut -d' ' -f1 "$work/output")
expect "the message is there" 0 '^Grüße$' lua5.4 "$work/read.lua" "$sid"
expect "send to nobody" 1 '^MessageError.InvalidRecipient: .*not a valid mobile number' \
    "$send" +15005550009 "Hello"
expect "send to somebody who opted out" 1 '^MessageError.OptedOut: ' "$send" +15005550004 "Hello"
expect "send what is no number" 1 '^MessageError.InvalidRecipient: to is not an E.164 number' \
    "$send" 5550009 "Hello"
expect "send in doubt" 1 '^It may have been sent: look before you send it again' "$send" +15558675399 "Hello"
expect "send without a text" 2 '^usage: send' "$send" +15558675310
expect "send without an account" 1 '^ConfigurationError.InvalidAccountSid: .*TWILIO_ACCOUNT_SID' \
    env -u TWILIO_ACCOUNT_SID "$send" +15558675310 "Hello"
expect "send with a wrong token" 1 '^AuthenticationError.InvalidCredentials: Authenticate' \
    env TWILIO_AUTH_TOKEN=ffffffffffffffffffffffffffffffff "$send" +15558675310 "Hello"
expect "send to a server that is not trusted" 1 '^NetworkError.ConnectionFailed: .*not trusted: set ca_file' \
    env -u TWILIO_CA_FILE "$send" +15558675310 "Hello"

cat > "$work/hello.lua" << 'END'
local sms = require "twilio_sms"
local client = sms.assert(sms.from_env())
print(sms.assert(client:send { to = arg[1], body = "Hello" }).status)
END
echo "error(setmetatable({}, { __tostring = function() error({}) end }))" > "$work/unreadable.lua"

# The same program with each Lua.
expect_host() { # name program
    local bare=(env LUA_PATH_5_4=/nowhere/?.lua LUA_CPATH_5_4=/nowhere/?.so
        LUA_PATH=/nowhere/?.lua LUA_CPATH=/nowhere/?.so "$2")
    expect "$1, with no module on disk" 0 '^queued$' "${bare[@]}" "$work/hello.lua" +15558675310
    expect "$1, and a script that fails" 1 '^MessageError.InvalidRecipient: .*outcome rejected' \
        "${bare[@]}" "$work/hello.lua" +15005550009
    expect "$1, and an error that has no text" 1 '^an error without a text$' "${bare[@]}" "$work/unreadable.lua"
    expect "$1 without a script" 2 '^usage: host' "${bare[@]}"
    expect "$1 and a file that is not there" 1 'cannot open .*/none.lua' "${bare[@]}" "$work/none.lua"
}

expect_host "host" "$build/examples/host"
if ${CC:-cc} -std=c11 -Wall -Wextra -Werror -Icsrc examples/host.c -o "$work/host_luajit" \
    "$build/libtwilio_sms_luajit.a" $(pkg-config --cflags --libs luajit libcurl libcjson libcrypto) -lpthread -lm; then
    expect_host "host with LuaJIT" "$work/host_luajit"
else
    echo "FAILED: host does not compile with LuaJIT"
    failed=1
fi

exit $failed

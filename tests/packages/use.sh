#!/usr/bin/env bash
# Uses what is installed, found by PATH and Lua's own paths: the command by itself and with its simulator, the
# modules, and the demo if there is one.
# Usage: use.sh WORLD.LUA [--demo DEMO.LUA] LUA...
set -eu

world=$1
shift
demo=
if [ "${1:-}" = --demo ]; then
    demo=$2
    shift 2
fi
unset "${!TWILIO_@}"
export no_proxy=localhost
HOME=$(mktemp -d) # no configuration of the user's
export HOME
simulator=
trap '[ -z "$simulator" ] || kill "$simulator"; rm -rf "$HOME"' EXIT

twilio-sms --version
[ "$(twilio-sms segments hello | awk '$1 == "segments" {print $2}')" = 1 ]
# It finds what is missing, and says so.
if twilio-sms doctor > "$HOME/doctor"; then
    echo "the doctor is content without an account"
    exit 1
fi
grep '^ok *versions' "$HOME/doctor"
grep '^FAILS *account' "$HOME/doctor" > /dev/null

mkfifo "$HOME/ready"
twilio-sms sim > "$HOME/ready" &
simulator=$!
exec {from_simulator}< "$HOME/ready"
read -r -t 20 ready <&"$from_simulator"
port=${ready#*port=}
export TWILIO_BASE_URL=https://localhost:${port%% *} TWILIO_CA_FILE=${ready#*ca_file=}
export TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001
export TWILIO_AUTH_TOKEN=00000000000000000000000000000002
export TWILIO_FROM=+15005550006
twilio-sms send +15558675310 "Your table is ready."
[ "$(twilio-sms list | grep -c 5310)" = 1 ]
twilio-sms doctor
if [ -n "${SEND:-}" ]; then # a program in C
    "$SEND" +15558675311 "Hello"
    [ "$(twilio-sms list | grep -c 5311)" = 1 ]
fi
kill "$simulator"
wait "$simulator" || true
simulator=

for lua in "$@"; do
    "$lua" "$world"
    [ -z "$demo" ] || "$lua" "$demo" < /dev/null | tail -n 1
done

#!/usr/bin/env bash
# Lets npm's twilio, python's twilio and this library take the same steps, each with a simulator of its own, and
# compares what they get; see compare.lua.
# Usage: tests/conformance/run.sh BUILD [--write], which writes docs/conformance.md anew
set -eu

here=tests/conformance
build=$1
shift
tests/crosscheck/install.sh "$build"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export LUA_PATH_5_4="$build/lua5.4/?.lua;$build/lua5.4/?/init.lua;;" LUA_CPATH_5_4="$build/lua5.4/?.so;;"
# The interpreter that Debian's python3-twilio belongs to, if there are several.
python=/usr/bin/python3
[ -x "$python" ] || python=python3

# Virtual time starts tomorrow at noon, GMT: days do not change on the way, and what is scheduled lies in the
# future of this machine's clock too, which clients look at.
start_s=$((($(date +%s) / 86400 + 1) * 86400 + 43200))
lua5.4 "$here/steps.lua" "$start_s" > "$work/steps.json"

value_of() { # name, of the line that the simulator prints
    sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" <<< "$ready"
}

# The simulator ends with its input, which is the writing end of the coprocess.
take_steps() { # name command...
    local name=$1 ready in out pid status=0
    shift
    coproc SIMULATOR { exec lua5.4 "$here/simulator.lua" "$start_s"; }
    out=${SIMULATOR[0]} in=${SIMULATOR[1]} pid=$SIMULATOR_PID
    if ! read -r -t 20 -u "$out" ready; then
        echo "the simulator did not start"
        exit 1
    fi
    (
        # Only these lead to the simulator; none of the user's own settings shall.
        unset http_proxy https_proxy all_proxy no_proxy ALL_PROXY TWILIO_REGION TWILIO_EDGE TWILIO_BASE_URL \
            TWILIO_CA_BUNDLE TWILIO_API_KEY TWILIO_API_SECRET TWILIO_FROM TWILIO_MESSAGING_SERVICE_SID
        HTTP_PROXY=http://127.0.0.1:$(value_of proxy_port)
        TWILIO_CA_FILE=$(value_of ca_file)
        SIM_URL=https://localhost:$(value_of port)
        export HTTP_PROXY HTTPS_PROXY=$HTTP_PROXY NO_PROXY=localhost,127.0.0.1 SIM_URL
        export TWILIO_CA_FILE NODE_EXTRA_CA_CERTS=$TWILIO_CA_FILE REQUESTS_CA_BUNDLE=$TWILIO_CA_FILE
        export TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001
        export TWILIO_AUTH_TOKEN=00000000000000000000000000000002
        export API_KEY=SK00000000000000000000000000000005 API_SECRET=00000000000000000000000000000006
        timeout 60 "$@" "$work/steps.json" > "$work/$name.jsonl"
    ) || status=$?
    exec {in}>&-
    wait "$pid" || true
    if [ $status -ne 0 ]; then
        echo "FAILED: $name ended with status $status"
        exit 1
    fi
}

NODE_PATH=$(cd "$build/crosscheck" && pwd)/node_modules take_steps node node "$here/sdk_node.js"
take_steps python "$python" "$here/sdk_python.py"
take_steps own lua5.4 "$here/own.lua"
lua5.4 "$here/compare.lua" "$start_s" docs/conformance.md "$@" "node=$work/node.jsonl" \
    "python=$work/python.jsonl" "own=$work/own.jsonl"

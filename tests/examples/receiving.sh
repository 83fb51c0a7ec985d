#!/usr/bin/env bash
# Runs the examples that receive, each against a simulator that sends them signed webhooks over TLS.
# Usage: tests/examples/receiving.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "$1" && pwd) || exit 1
. tests/examples/simulator.bash

work=$(mktemp -d)
example=
trap '[ -z "$example" ] || kill "$example"; stop_simulator; rm -rf "$work"' EXIT
failed=0

ok() { # what condition...
    local what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "FAILED: $what"
        cat "$work/output" "$work/errors"
        failed=1
    fi
}

# Waits for a line in the output of the example.
await() { # regular-expression
    local tries
    for tries in $(seq 500); do
        grep -qE "$1" "$work/output" && return 0
        kill -0 "$example" 2> /dev/null || return 1
        read -rt 0.02 <> <(:)
    done
    return 1
}

ask() { # path [curl's arguments]
    curl --silent --show-error --fail --cacert "$TWILIO_CA_FILE" "$TWILIO_BASE_URL/_sim/$1" "${@:2}"
}

# Starts an example in the background and leads the simulator's webhooks to it.
start() { # regular-expression-before-the-port command...
    local before=$1
    shift
    "$@" > "$work/output" 2> "$work/errors" &
    example=$!
    ok "${1##*/} ${2##*/} starts" await "$before[0-9]+"
    local port
    port=$(sed -nE "s|.*$before([0-9]+).*|\1|p" "$work/output")
    ask inbound_url --data-urlencode "Url=https://localhost:$port/sms" > /dev/null
}

stop() {
    kill -TERM "$example"
    wait "$example"
    ok "it ends well with SIGTERM" test $? -eq 0
    ok "the token is in no output" bash -c "! grep -q '$TWILIO_AUTH_TOKEN' '$work/output' '$work/errors'"
    example=
}

say() { # from text
    ask inbound --data-urlencode "From=$1" --data-urlencode To=$TWILIO_FROM --data-urlencode "Body=$2" > /dev/null
}

# Waits until the log of webhooks shows something.
webhooks_show() { # regular-expression
    local tries
    for tries in $(seq 500); do
        ask webhooks | grep -qE "$1" && return 0
        read -rt 0.02 <> <(:)
    done
    ask webhooks
    return 1
}

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2> /dev/null
use_build "$build"
export WEBHOOK_PORT=0 WEBHOOK_STORE=$work/messages.db

# A simulator with an empty log, and no opt-outs from before.
afresh() {
    stop_simulator
    start_simulator "{ send_ms = 20, deliver_ms = 50, webhook_ca_file = '$work/cert.pem' }"
    rm -f "$work"/messages.db*
}

for lua in lua5.4 luajit; do
    afresh
    start "listening on port " $lua examples/webhook.lua "$work/cert.pem" "$work/key.pem"
    say +15558675310 "What are your hours?"
    ok "$lua examples/webhook.lua answers" webhooks_show 'We are open'
    say +15558675310 "please stop"
    ok "$lua examples/webhook.lua confirms an opt-out" webhooks_show 'hear no more from us. Write START'
    ok "$lua examples/webhook.lua says what it heard" await 'opted out or in: stop'
    curl --silent --output /dev/null --cacert "$work/cert.pem" --header "X-Twilio-Signature: forged" \
        --data "Body=forged" "https://localhost:$(sed -nE 's/listening on port //p' "$work/output")/sms"
    ok "$lua examples/webhook.lua says what it has refused" grep -q . "$work/errors"
    ok "... without empty lines" bash -c "! grep -q '^$' '$work/errors'"
    stop

    afresh
    start "listening at https://localhost:" $lua examples/two_way.lua "$work/cert.pem" "$work/key.pem" \
        +15558675311 +15558675312 +15005550009
    ok "$lua examples/two_way.lua sees the delivery" await '^\+15558675312.delivered'
    say +15558675311 "perhaps"
    ok "$lua examples/two_way.lua asks again" webhooks_show 'Please answer 1 or 2'
    say +15558675311 "1"
    say +15558675312 "STOP"
    wait "$example"
    ok "$lua examples/two_way.lua ends when everybody has answered" test $? -eq 0
    ok "... and knows the answers" grep -qE '^\+15558675311.comes' "$work/output"
    ok "... and who has opted out" grep -qE '^\+15558675312.said STOP' "$work/output"
    ok "... and who cannot be asked" grep -qE '^\+15005550009.MessageError' "$work/output"
    ok "... and counts" grep -q '^2 asked, 2 delivered, 2 answered$' "$work/output"
    example=

    for name in webhook two_way; do
        for port in abc ""; do
            WEBHOOK_PORT=$port timeout 10 $lua examples/$name.lua "$work/cert.pem" "$work/key.pem" +15558675311 \
                > "$work/output" 2> "$work/errors"
            ok "$lua examples/$name.lua ends with the port '$port'" test $? -eq 2
            ok "... and says why" grep -q '^WEBHOOK_PORT must be a number$' "$work/errors"
        done
    done
done

afresh
start "listening on port " "$build/examples/receive" 0 "$work/cert.pem" "$work/key.pem"
say +15558675313 "Hello from C"
ok "examples/receive shows a message" await '^\+15558675313: Hello from C$'
ok "examples/receive answers" webhooks_show 'Thank you\.'
code=$(curl --silent --output /dev/null --write-out '%{http_code}' --cacert "$work/cert.pem" \
    --data "Body=forged" "https://localhost:$(sed -nE 's/listening on port //p' "$work/output")/sms")
ok "examples/receive refuses what is not signed" test "$code" = 400 -o "$code" = 403
stop

for port in abc "" 8443x -1 65536 999999; do
    timeout 10 "$build/examples/receive" "$port" "$work/cert.pem" "$work/key.pem" > "$work/output" 2> "$work/errors"
    ok "examples/receive refuses the port '$port'" test $? -eq 2
done

exit $failed

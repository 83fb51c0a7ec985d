#!/usr/bin/env bash
# Works with the command line, and keeps what it prints: DIRECTORY/out/masked.* is for anybody's eyes, and what
# is in DIRECTORY/out/asked.* was asked for by somebody who may see numbers and texts.
# Usage: command_line.sh LUA DIRECTORY URL CA_FILE
set -u
lua=$1 directory=$2 url=$3 ca_file=$4
out=$directory/out
export TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001 TWILIO_FROM=+15005550006
export TWILIO_BASE_URL=$url TWILIO_CA_FILE=$ca_file HOME=/nowhere
mapfile -t personal < <("$lua" - "$directory/personal.lua" << 'END'
local personal = dofile(arg[1])
print(table.concat(personal.persons, "\n"))
print(table.concat(personal.texts, "\n"))
END
)
person=${personal[0]} other=${personal[1]} text=${personal[4]}
token=$(< "$directory/auth_token")

command() {
    "$lua" lua/twilio_sms/cli/twilio-sms "$@" < /dev/null
}

masked() { command "$@" >> "$out/masked.stdout" 2>> "$out/masked.stderr"; }
asked() { command "$@" >> "$out/asked.stdout" 2>> "$out/masked.stderr"; }

# Once with the token in the environment, once in a file.
work() { # options...
    asked send "$person" "$text" "$@"
    asked send "$person" "$text" --json --mask "$@"
    asked send +15005550001 "$text" "$@"
    masked send +15005550001 "$text" --json "$@"
    masked send "${person}x" "$text" "$@"
    masked send "$person" "$text" --send-at "$text" "$@"
    masked send "$person" "$text" --from "$other$other" --json "$@"
    asked list --limit 3 "$@"
    asked list --limit 3 --mask --json "$@"
    masked get "SM$token" "$@"
    masked get "$token" --json "$@"
    masked doctor --offline "$@"
    masked doctor --json "$@"
    masked verify --url "https://u:$token@example.com/?a=$token" --signature "$token" --body "Body=$token" "$@"
    masked verify --url https://example.com/ --signature AAAAAAAAAAAAAAAAAAAAAAAAAAA= --body-file "$directory/rows.csv" "$@"
    masked bulk "$directory/rows.csv" --template '{{text}}' --results "$out/results.jsonl" --plan "$@"
    asked bulk "$directory/rows.csv" --template '{{text}}' --results "$out/results.jsonl" --dry-run "$@"
    asked bulk "$directory/rows.csv" --template '{{text}}' --results "$out/results.jsonl" --settle 0 --per-number 0 "$@"
    asked bulk "$directory/rows.csv" --template '{{text}}' --results "$out/results.jsonl" --settle 0 --json "$@"
    asked optout add "$other" --store "$out/optout.db" "$@"
    masked send "$other" "$text" --store "$out/optout.db" "$@"
    masked send "$other" "$text" --store "$out/optout.db" --json "$@"
    masked optout list --store "$out/optout.db" --mask "$@"
    asked optout list --store "$out/optout.db" "$@"
}

printf 'to,text\n%s,"%s"\n+15005550001,"%s"\n%sx,"%s"\n' "$person" "${text//\"/\"\"}" \
    "${text//\"/\"\"}" "$person" "${text//\"/\"\"}" > "$directory/rows.csv"
TWILIO_AUTH_TOKEN=$token work
rm "$out/results.jsonl"
work --auth-token-file "$directory/auth_token"

# Secrets where none belongs: nothing of them may be said again.
export TWILIO_AUTH_TOKEN=$token
masked send "$person" "$text" --auth-token "$token"
masked send "$person" "$text" --auth-token="$token"
masked send "$person" "$text" --api-key "$token" --api-secret-file "$directory/api_secret"
masked send "$person" "$text" --account-sid "$token"
masked send "$person" "$text" --auth-token-file "$token"
printf 'proxy = http://%s@127.0.0.1:1\n' "$(< "$directory/proxy_userinfo")" > "$directory/through_proxy"
chmod 600 "$directory/through_proxy"
no_proxy='' NO_PROXY='' masked send "$person" "$text" --config "$directory/through_proxy" --timeout 20
masked send "$person" "$text" --proxy "http://$(< "$directory/proxy_userinfo")@"
TWILIO_AUTH_TOKEN="$token " masked send "$person" "$text"
TWILIO_AUTH_TOKEN="'$token'" masked doctor
TWILIO_AUTH_TOKEN=$token TWILIO_API_KEY=$token TWILIO_API_SECRET=$(< "$directory/api_secret") masked doctor --offline
printf 'account_sid = %s\nauth_token = %s x\n' "$TWILIO_ACCOUNT_SID" "$token" > "$directory/config"
chmod 600 "$directory/config"
unset TWILIO_AUTH_TOKEN
masked doctor --config "$directory/config"
masked send "$person" "$text" --config "$directory/config"
printf '%s\n' "$token" > "$directory/config"
masked send "$person" "$text" --config "$directory/config"
printf 'auth_token: %s\n' "$token" > "$directory/config"
masked send "$person" "$text" --config "$directory/config"

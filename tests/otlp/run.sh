#!/usr/bin/env bash
# Holds the spans of a mixed run against the published schema of OTLP; then breaks them, one way after the
# other, and expects each to be refused.
# Usage: tests/otlp/run.sh BUILD
set -eu

here=tests/otlp
build=$1
peers=$build/otlp
mkdir -p "$peers"
if ! cmp -s "$here/package-lock.json" "$peers/node_modules/.installed"; then
    cp "$here/package.json" "$here/package-lock.json" "$peers"
    (cd "$peers" && npm ci --legacy-peer-deps --no-audit --no-fund --ignore-scripts) > "$peers/npm.log" 2>&1 ||
        { cat "$peers/npm.log"; echo "npm ci failed"; exit 1; }
    cp "$here/package-lock.json" "$peers/node_modules/.installed"
fi
NODE_PATH=$(cd "$peers" && pwd)/node_modules
export NODE_PATH
export LUA_PATH_5_4="$build/lua5.4/?.lua;$build/lua5.4/?/init.lua;;" LUA_CPATH_5_4="$build/lua5.4/?.so;;"
export LUA_PATH="$build/luajit/?.lua;$build/luajit/?/init.lua;;" LUA_CPATH="$build/luajit/?.so;;"
spans=$peers/spans.json
for lua in luajit lua5.4; do
    rm -f "$spans"
    "$lua" "$here/mixed.lua" "$spans"
    echo "$lua: $(node "$here/decode.js" --quiet < "$spans")"
done

refused=0
breaks=(
    's/"traceId":"../"traceId":"/' 's/"spanId":"/"spanId":"A/' 's/"kind":[0-9]/"kind":9/'
    's/"kind":[0-9]/"kind":"CLIENT"/' 's/"startTimeUnixNano":"1/"startTimeUnixNano":"9/'
    's/"startTimeUnixNano":"\([0-9]*\)"/"startTimeUnixNano":\1/' 's/"intValue":"\([0-9]*\)"/"intValue":\1/'
    's/"endTimeUnixNano"/"end_time_unix_nano"/' 's/"stringValue":"[^"]*"/"stringValue":7/'
    's/"code":2/"code":3/' 's/"name":"twilio-sms",//' 's/"service.name"/"service"/' 's/"spans":\[/"spans":[{},/'
    's/]}]}]}$/]}]}/' 's/"attributes":\[/"attribute":[/'
)
for expression in "${breaks[@]}"; do
    sed "$expression" "$spans" > "$peers/broken.json"
    if cmp -s "$spans" "$peers/broken.json"; then
        echo "nothing to break by $expression"
        exit 1
    elif node "$here/decode.js" --quiet < "$peers/broken.json" > /dev/null 2>&1; then
        echo "taken although broken by $expression"
        exit 1
    fi
    refused=$((refused + 1))
done
echo "$refused broken ones refused"

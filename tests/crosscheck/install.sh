#!/usr/bin/env bash
# Installs npm's twilio below BUILD/crosscheck; does nothing when the same list of packages is there already.
# Usage: tests/crosscheck/install.sh BUILD
set -eu

here=tests/crosscheck
peers=$1/crosscheck
mkdir -p "$peers"
if ! cmp -s "$here/package-lock.json" "$peers/node_modules/.installed"; then
    cp "$here/package.json" "$here/package-lock.json" "$peers"
    if ! (cd "$peers" && npm ci --no-audit --no-fund --ignore-scripts) > "$peers/npm.log" 2>&1; then
        cat "$peers/npm.log"
        echo "npm ci failed"
        exit 1
    fi
    cp "$here/package-lock.json" "$peers/node_modules/.installed"
fi

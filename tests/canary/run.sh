#!/usr/bin/env bash
# Searches everything that the library leaves behind for planted secrets, numbers and texts; see main.lua.
# Usage: tests/canary/run.sh BUILD
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Nothing of the user's own.
unset $(env | sed -n 's/^\(TWILIO_[A-Z_]*\)=.*/\1/p') http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY XDG_CONFIG_HOME
export no_proxy=localhost LC_ALL=C TZ=UTC TWILIO_SMS_BUILD=$build
here=$PWD/tests/canary
export LUA_PATH_5_4="$here/?.lua;$build/lua5.4/?.lua;$build/lua5.4/?/init.lua;;" LUA_CPATH_5_4="$build/lua5.4/?.so;;"
export LUA_PATH="$here/?.lua;$build/luajit/?.lua;$build/luajit/?/init.lua;;" LUA_CPATH="$build/luajit/?.so;;"

lua5.4 tests/canary/main.lua "$build/canary/memory_search" "$build/canary/memory" "$work"

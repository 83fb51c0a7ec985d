#!/usr/bin/env bash
# Compares signatures with npm's twilio and python's twilio; see compare.lua.
# Usage: tests/crosscheck/run.sh BUILD [--seed N] [--count N]
set -eu

here=tests/crosscheck
build=$1
shift
peers=$build/crosscheck

tests/crosscheck/install.sh "$build"
NODE_PATH=$(cd "$peers" && pwd)/node_modules
export NODE_PATH
export LUA_PATH_5_4="$build/lua5.4/?.lua;$build/lua5.4/?/init.lua;;" LUA_CPATH_5_4="$build/lua5.4/?.so;;"
# The interpreter that Debian's python3-twilio belongs to, if there are several.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
lua5.4 "$here/compare.lua" "$@" "node=node $here/peer.js" "python=$python $here/peer.py"

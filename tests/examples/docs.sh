#!/usr/bin/env bash
# Runs every code block of README.md and docs/ against a simulator, after holding the pages against the code.
# Usage: tests/examples/docs.sh BUILD [PAGE...]; with pages only their blocks are run
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
shift
. tests/examples/simulator.bash

work=$(mktemp -d)
export DOCS_SHARED=docs-$$ # instead of the names of shared regions, so that no run meets the traces of another
trap 'stop_simulator; rm -rf "$work" "/dev/shm/twilio_sms.$(id -u).$DOCS_SHARED".*' EXIT

use_build "$build"
if [ $# -eq 0 ]; then
    lua5.4 tests/examples/docs_pages.lua
    lua5.4 tests/examples/docs_names.lua
fi
# The public headers and libraries as "make install" puts them.
mkdir -p "$work/include" "$work/pkgconfig" "$work/pages"
cp csrc/twilio_sms*.h "$work/include"
for name in twilio_sms twilio_sms_server twilio_sms_store; do
    sed "s|^libdir=.*|libdir=$build|; s|^includedir=.*|includedir=$work/include|" "$build/$name.pc" \
        > "$work/pkgconfig/$name.pc"
done
export PKG_CONFIG_PATH=$work/pkgconfig LIBRARY_PATH=$build LD_LIBRARY_PATH=$build C_INCLUDE_PATH=$work/include

start_simulator '{ send_ms = 20, deliver_ms = 50 }'
lua5.4 tests/examples/docs.lua "$work/pages" "$@"

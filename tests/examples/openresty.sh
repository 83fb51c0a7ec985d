#!/usr/bin/env bash
# Runs the example for nginx and OpenResty against a simulator.
# Usage: tests/examples/openresty.sh BUILD
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
. tests/examples/simulator.bash

use_build "$build"
export DOCS_SHARED=example-$$ # so that no run meets the traces of another
trap stop_simulator EXIT
start_simulator '{ send_ms = 20, deliver_ms = 50 }'
lua5.4 tests/examples/openresty.lua

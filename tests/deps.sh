#!/usr/bin/env bash
# Finds out which packages are missing and installs them (Debian 12 and its relatives; as root or by sudo).
# Usage: tests/deps.sh build | test | check | bench | deb | packages
set -eu

# For building and the demo; then what the tests add, the checks, the benchmark, and the packages.
packages=(
    gcc make pkg-config ca-certificates openssl
    libcurl4-openssl-dev libssl-dev libcjson-dev libevent-dev libsqlite3-dev
    lua5.4 liblua5.4-dev luajit2 libluajit2-5.1-dev lua-cjson lua-argparse
)
level=${1:-build}
case $level in test | check | bench)
    packages+=(curl tzdata lua-busted libcmocka-dev libnghttp2-dev python3 python3-twilio)
    packages+=(prometheus python3-prometheus-client) # promtool, and the parsers of Prometheus' client
    packages+=(nginx-light libnginx-mod-http-lua redis-server lua-nginx-redis)
    command -v npm > /dev/null || packages+=(nodejs npm)
    ;;
esac
case $level in check | bench)
    packages+=(clang clang-format lua-check g++ valgrind gcovr libclang-rt-14-dev)
    ;;
deb | packages)
    packages+=(debhelper dpkg-dev)
    ;;
esac
[ "$level" != packages ] || packages+=(lintian luarocks mmdebstrap)

if ! command -v dpkg-query > /dev/null; then
    echo "This is not a Debian system. Install what matches these packages, then run make again:"
    echo "  ${packages[*]}"
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2> /dev/null || true)
    [ "${state:0:2}" = ii ] || missing+=("$package")
done
# Any nginx will do.
if command -v nginx > /dev/null || [ -x /usr/sbin/nginx ]; then
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | grep -vx -e nginx-light -e '')
fi
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo > /dev/null; then
        echo "These packages are missing; install them as root, then run make again:"
        echo "  apt-get install ${missing[*]}"
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
log=$(mktemp)
if ! { "${as_root[@]}" apt-get -q update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
    tail -n 20 "$log"
    echo "Installing failed; the whole log is in $log"
    exit 1
fi
rm -f "$log"

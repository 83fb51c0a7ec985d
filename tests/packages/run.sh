#!/usr/bin/env bash
# Installs with luarocks, with `make install` and from the Debian packages, these on a clean Debian, looks
# whether everything is there, and sends from each. Root, because a clean Debian is another root folder.
# Usage: tests/packages/run.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1

build=$(cd "$1" && pwd) || exit 1
here=$PWD/tests/packages
version=$(sed -n 's/^#define TSMS_VERSION "\(.*\)"/\1/p' csrc/twilio_sms.h)
passed=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nothing of another build, and no options of the make that runs this.
unset MAKEFLAGS MFLAGS MAKELEVEL "${!TWILIO_@}" "${!LUA_@}"
export no_proxy=localhost

# The command ends with what first fails in it. That is why neither it nor this stands in a condition: there,
# bash would go on.
check() { # name command...
    local name=$1 start=$SECONDS
    shift
    (
        set -e
        "$@"
    ) < /dev/null > "$work/log" 2>&1
    status=$?
    if [ $status -eq 0 ]; then
        printf '%-60s %3d s   ok\n' "$name" $((SECONDS - start))
        passed=$((passed + 1))
    else
        tail -n 40 "$work/log"
        printf '%-60s %3d s   FAILED\n' "$name" $((SECONDS - start))
        failed=$((failed + 1))
    fi
}

# All that is written in Lua, and the compiled modules.
has_modules() { # folder-of-lua folder-of-compiled
    local file module bad=0
    while read -r file; do
        cmp "lua/$file" "$1/$file" || bad=1
    done < <(cd lua && find . -name '*.lua' -printf '%P\n')
    for module in core server store; do
        [ -s "$2/twilio_sms/$module.so" ] || { echo "no $2/twilio_sms/$module.so"; bad=1; }
        readelf -d "$2/twilio_sms/$module.so" | grep -q NODELETE || { echo "$module can be unloaded"; bad=1; }
    done
    return $bad
}

# Puts the modules below a folder into the reach of all Luas, and the command that is installed there.
use() { # lua-folder compiled-folder bin-folder lua...
    local paths="$1/?.lua;$1/?/init.lua;;"
    LUA_PATH=$paths LUA_PATH_5_4=$paths LUA_CPATH="$2/?.so;;" LUA_CPATH_5_4="$2/?.so;;" PATH="$3:$PATH" \
        timeout 60 "$here/use.sh" "$here/world.lua" "${@:4}"
}

# ---- luarocks, without any server of rocks -------------------------------------------------------

rock() { # version-of-rock version-of-lua lua
    local tree=$work/rocks-$1-$2 source=$work/source-$1
    if [ ! -d "$source" ]; then
        mkdir "$source"
        cp -a csrc lua rockspec Makefile README.md LICENSE "$source"
    fi
    echo 'rocks_servers = {}' > "$work/luarocks.lua"
    if [ "$3" = luajit ]; then
        echo "lua_interpreter = 'luajit'" >> "$work/luarocks.lua"
        echo "variables = { LUA_INCDIR = '$(pkg-config --variable=includedir luajit)' }" >> "$work/luarocks.lua"
    fi
    (cd "$source" && LUAROCKS_CONFIG=$work/luarocks.lua timeout 200 \
        luarocks --lua-version="$2" --tree="$tree" make "rockspec/twilio-sms-$1-1.rockspec")
    has_modules "$tree/share/lua/$2" "$tree/lib/lua/$2"
    use "$tree/share/lua/$2" "$tree/lib/lua/$2" "$tree/bin" "$3"
}

for rock in scm "$version"; do
    check "luarocks make, $rock, Lua 5.4" rock "$rock" 5.4 lua5.4
    check "luarocks make, $rock, LuaJIT" rock "$rock" 5.1 luajit
done

# ---- make install ----------------------------------------------------------------------------------

stage=$work/stage
prefix=$stage/opt/sms

installed() {
    make -s BUILD="$build" DESTDIR="$stage" PREFIX=/opt/sms install
    [ "$(cd "$stage" && echo ./* ./*/*)" = "./opt ./opt/sms" ]
    local lua file
    for lua in 5.4 5.1; do
        has_modules "$prefix/share/lua/$lua" "$prefix/lib/lua/$lua"
    done
    for file in csrc/*.h; do
        cmp "$file" "$prefix/include/${file##*/}"
    done
    grep -q '^\.TH' "$prefix/share/man/man1/twilio-sms.1"
    grep -q '^complete ' "$prefix/share/bash-completion/completions/twilio-sms"
}

# As pkg-config sees a tree that lies elsewhere than it will.
in_stage() {
    PKG_CONFIG_SYSROOT_DIR=$stage PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config "$@"
}

# Compiles with nothing but the installed tree, which is not searched for libraries when a program starts.
program() { # shared|static name source package...
    local kind=$1 out=$work/$1/$2 source=$3 flags
    shift 3
    mkdir -p "$work/$kind"
    if [ "$kind" = static ]; then # only ours: no package has a static libcurl with all that it needs
        flags=$(in_stage --static --cflags --libs "$@" | sed 's/-l\(twilio_sms[a-z_]*\)/-l:lib\1.a/g')
    else
        flags=$(in_stage --cflags --libs "$@")
    fi
    # shellcheck disable=SC2086 # they are words
    (cd / && cc -Wall -Wextra -Werror "$source" -o "$out" $flags)
    if [ "$kind" = static ]; then
        [ -z "$(ldd "$out" | grep libtwilio_sms)" ]
    else
        export LD_LIBRARY_PATH=$prefix/lib
        ldd "$out" | grep "libtwilio_sms.so.0 => $prefix/lib"
    fi
}

c_programs() { # shared|static
    program "$1" send "$PWD/examples/send.c" twilio_sms
    SEND=$work/$1/send use "$prefix/share/lua/5.4" "$prefix/lib/lua/5.4" "$prefix/bin"
    program "$1" receive "$PWD/examples/receive.c" twilio_sms_server
    program "$1" libraries "$here/libraries.c" twilio_sms_server twilio_sms_store
    [ "$("$work/$1/libraries" "$work/$1/store.db")" = "$version" ]
}

check "make install: everything is there" installed
check "make install, Lua 5.4" use "$prefix/share/lua/5.4" "$prefix/lib/lua/5.4" "$prefix/bin" lua5.4
check "make install, LuaJIT" use "$prefix/share/lua/5.1" "$prefix/lib/lua/5.1" "$prefix/bin" luajit
check "make install, C with the shared libraries" c_programs shared
check "make install, C with the static libraries" c_programs static

# ---- The Debian packages ---------------------------------------------------------------------------

debs=${version}_$(dpkg --print-architecture).deb # behind the name of each

unpacked() {
    local package lua file lib
    lib=$work/deb/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
    for package in twilio-sms libtwilio-sms0 libtwilio-sms-dev; do
        dpkg-deb -x "$build/deb/${package}_$debs" "$work/deb"
    done
    for lua in 5.4 5.1; do
        has_modules "$work/deb/usr/share/lua/$lua" "$lib/lua/$lua"
    done
    for file in csrc/*.h; do
        cmp "$file" "$work/deb/usr/include/${file##*/}"
    done
    [ -x "$work/deb/usr/bin/twilio-sms" ]
    zgrep -q '^\.TH' "$work/deb/usr/share/man/man1/twilio-sms.1.gz"
    grep -q '^complete ' "$work/deb/usr/share/bash-completion/completions/twilio-sms"
    cmp examples/demo.lua "$work/deb/usr/share/doc/twilio-sms/examples/demo.lua"
}

# A Debian of the same release, from where this machine's packages come, through the same proxy.
root=$work/root
clean_root() {
    local codename mirror proxies
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $codename" 'Created-By: Packages' |
        sort -u | head -n 1)
    proxies=$(apt-config dump | grep -iE '^Acquire::https?::Proxy' || true)
    mkdir "$root"
    timeout 200 mmdebstrap --variant=minbase --skip=cleanup/apt/lists ${proxies:+--aptopt="$proxies"} \
        "$codename" "$root" "$mirror"
    cp "$build"/deb/*.deb "$here/use.sh" "$here/world.lua" "$here/libraries.c" examples/send.c "$root/root/"
    [ ! -e "$root/usr/bin/lua5.4" ]
}

# The mounts are seen by this command alone, and end with it.
inside() { # command...
    DEBIAN_FRONTEND=noninteractive unshare --mount --pid --fork bash -c '
        mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"' "$root" "$@"
}

in_clean_root() { # packages...
    inside apt-get -q install -y --no-install-recommends "$@"
}

runs_inside() {
    local lua demo=/usr/share/doc/twilio-sms/examples/demo.lua
    inside /root/use.sh /root/world.lua --demo "$demo" lua5.4 luajit > "$work/inside"
    cat "$work/inside"
    [ "$(grep -c 'accepted by the server 207, duplicates 0' "$work/inside")" = 2 ]
}

compiles_inside() {
    in_clean_root "/root/libtwilio-sms0_$debs" "/root/libtwilio-sms-dev_$debs" gcc libc6-dev pkg-config
    inside sh -euc 'cd /root
        cc send.c -o send $(pkg-config --cflags --libs twilio_sms)
        cc libraries.c -o libraries $(pkg-config --cflags --libs twilio_sms_server twilio_sms_store)
        ./libraries store.db
        SEND=./send ./use.sh world.lua'
}

first_send() {
    local start_ms=$(($(date +%s%N) / 1000000))
    in_clean_root "/root/twilio-sms_$debs"
    inside /root/use.sh /root/world.lua
    echo "from the package to the first simulated message: $(($(date +%s%N) / 1000000 - start_ms)) ms"
}

check "make deb" make -s BUILD="$build" deb
check "lintian" lintian --allow-root --fail-on error,warning "$build/deb/twilio-sms_${version}_"*.changes
check "the packages: everything is there" unpacked
check "a clean root" clean_root
if [ $status -eq 0 ]; then
    check "apt install, then send" first_send
    [ $status -ne 0 ] || tail -n 1 "$work/log"
    check "apt install luajit2" in_clean_root luajit2
    check "the demo on both Luas" runs_inside
    check "C programs with libtwilio-sms-dev" compiles_inside
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

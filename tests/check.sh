#!/usr/bin/env bash
# What must hold besides the tests: format, warnings, layers, lint, generated files, symbols, words.
set -u

build=$1
passed=0
failed=0

step() { # name command...
    local name=$1
    shift
    local out
    if out=$("$@" 2>&1); then
        printf '%-60s ok\n' "$name"
        passed=$((passed + 1))
    else
        printf '%s\n' "$out"
        printf '%-60s FAILED\n' "$name"
        failed=$((failed + 1))
    fi
}

format() {
    git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
}

warnings() {
    local lua
    for lua in lua5.4 luajit; do
        for file in csrc/*/*.c; do
            case $file in csrc/bind/*) ;; *) [ $lua = lua5.4 ] || continue ;; esac
            "$1" -std=c11 -Wall -Wextra -Wconversion -Wshadow -Werror -O2 -fsyntax-only -Icsrc \
                $(pkg-config --cflags libcurl libcjson libevent openssl sqlite3 $lua) "$file" || return 1
        done
    done
}

# An #include only points left: base, config, wire, policy, call, drive, bind.
layers() {
    local order="base config wire policy call drive bind" bad=0
    rank() {
        local i=0 layer
        for layer in $order; do
            i=$((i + 1))
            [ "$layer" = "$1" ] && echo $i
        done
    }
    while IFS=: read -r file include; do
        local own other
        own=$(cut -d/ -f2 <<< "$file")
        other=$(cut -d/ -f2 <<< "$include")
        if [ "$(rank "$other")" -gt "$(rank "$own")" ]; then
            echo "$file includes $include: $own must not know $other"
            bad=1
        fi
    done < <(grep -HoE '^#include "\.\./[a-z]+/' csrc/*/*.[ch] | sed 's/#include "//')
    return $bad
}

# One file sees each foreign library.
foreign() {
    local bad=0 rule header files seen
    for rule in 'cJSON.h|csrc/base/json.c' \
        'curl/curl.h|csrc/drive/curl csrc/drive/fault.h csrc/twilio_sms_testing.h' \
        'event2/|csrc/drive/server' 'openssl/|csrc/drive/server csrc/base/sha.c' 'sqlite3.h|csrc/drive/store' 'lua.h|csrc/bind/lua_compat.h'; do
        header=${rule%%|*}
        files=${rule#*|}
        for seen in $(grep -lE "^#include <([a-z0-9]*/)?$header" csrc/*/*.[ch] csrc/*.h); do
            local ok=0 allowed
            for allowed in $files; do
                case $seen in "$allowed"*) ok=1 ;; esac
            done
            [ $ok = 1 ] || { echo "$seen must not include $header"; bad=1; }
        done
    done
    return $bad
}

# Each public header compiles alone, in C and C++; every symbol that the library shows is in one.
headers() {
    local header
    for header in csrc/twilio_sms*.h; do
        echo "#include \"$header\"" | cc -std=c11 -Wall -Wextra -Werror -pedantic -I. -x c -fsyntax-only - || return 1
        echo "#include \"$header\"" | c++ -std=c++17 -Wall -Wextra -Werror -I. -x c++ -fsyntax-only - || return 1
    done
}

symbols() {
    local bad=0 symbol
    for symbol in $(nm -D --defined-only "$build"/libtwilio_sms{,_server,_store}.so.0 |
        awk '$2 ~ /[A-Z]/ && NF == 3 {print $3}' | sort -u); do
        grep -qE "\\b$symbol\\b" csrc/twilio_sms*.h || { echo "$symbol is visible, but in no header"; bad=1; }
    done
    for symbol in $(grep -ohE '\btsms_[a-z0-9_]+\(' csrc/twilio_sms.h csrc/twilio_sms_{server,store}.h | tr -d '(' | sort -u); do
        nm -D --defined-only "$build"/libtwilio_sms{,_server,_store}.so.0 | grep -q " $symbol\$" ||
            { echo "$symbol is in a header, but not visible"; bad=1; }
    done
    return $bad
}

# A Lua module shows its loader only, and stays in memory: libcurl keeps pointers to its allocator.
modules() {
    local module
    for module in "$build"/*/twilio_sms/*.so; do
        if nm -D --defined-only "$module" | awk '$3 !~ /^luaopen_/ {print; bad = 1} END {exit !bad}'; then
            echo "$module shows more than its loader"
            return 1
        fi
    done
    for module in "$build"/*/twilio_sms/*.so "$build"/libtwilio_sms*.so.0; do
        readelf -d "$module" | grep -q NODELETE || { echo "$module can be unloaded"; return 1; }
    done
}

generated() {
    local version
    version=$(sed -n 's/^#define TSMS_VERSION "\(.*\)"/\1/p' csrc/twilio_sms.h)
    lua5.4 csrc/wire/errors.lua | diff -u csrc/wire/errors.def - &&
        lua5.4 csrc/wire/errors.lua --markdown | diff -u docs/errors-table.md - &&
        "$build/tests/docs_configuration" | diff -u docs/configuration.md - &&
        lua5.4 rockspec/rockspec.lua | diff -u rockspec/twilio-sms-scm-1.rockspec - &&
        lua5.4 rockspec/rockspec.lua "$version" | diff -u "rockspec/twilio-sms-$version-1.rockspec" - &&
        grep -q "^twilio-sms ($version) " rockspec/debian/changelog
}

# Every public C function has a comment above it, and every function of the Lua API too.
documented() {
    awk '/^TSMS_API/ && prev !~ /\*\/$/ && prev !~ /^TSMS_API/ && prev !~ /^ / && prev !~ /^typedef .*\(\*/ {
             print FILENAME ": " $0; bad = 1
         }
         NF {prev = $0} END {exit bad}' csrc/twilio_sms*.h &&
        awk '/^function [A-Z][a-z]*[.:][a-z]/ && !/^function Drive/ && prev !~ /^--/ {
                 print FILENAME ": " $0; bad = 1
             }
             {prev = $0} END {exit bad}' lua/twilio_sms/{init,client,loop,content,listener,memory,optout}.lua \
            lua/twilio_sms/{quiet_hours,reply,signature,store_conformance,template,track,twiml,webhook}.lua \
            lua/twilio_sms/sim/server.lua lua/twilio_sms/observe/{log,trace}.lua
}

# Every name that a user may write or read is on a page, and every link leads somewhere.
pages() {
    local part out bad=0
    eval "$(make -s --no-print-directory BUILD="$build" env)"
    for part in pages names; do
        out=$(lua5.4 tests/examples/docs_$part.lua 2>&1) || { grep -v '^ok' <<< "$out"; bad=1; }
    done
    return $bad
}

words() {
    ! git grep -nEi '\b(TODO|FIXME|XXX)\b' -- csrc lua examples docs README.md CONTRIBUTING.md
}

step "format (clang-format)" format
step "warnings (gcc)" warnings gcc
step "warnings (clang)" warnings clang
step "layers" layers
step "foreign libraries" foreign
step "headers alone, C and C++" headers
step "symbols" symbols
step "modules" modules
step "generated files" generated
step "documentation of public functions" documented
step "pages hold what the code has" pages
step "no open ends" words
step "lint (luacheck)" luacheck -q lua spec examples csrc tests
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

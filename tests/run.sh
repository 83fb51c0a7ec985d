#!/usr/bin/env bash
# Runs suites of tests and closes with one line of counts.
# Usage: tests/run.sh BUILD SUITE...   with the suites c, corpus, integration, limits, otlp, lua, crash, peers,
# examples, fuzz [SECONDS]
# VALGRIND=1 runs the C tests under valgrind; GC_STRESS=1 runs the specs with a collector that never rests.
set -u

export no_proxy=localhost,127.0.0.1
build=$1
shift
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

count() { # passed failed
    passed=$((passed + $1))
    failed=$((failed + $2))
}

# Runs one cmocka program; prints its output only when something failed.
cmocka() {
    local command=("$1")
    [ -z "${VALGRIND:-}" ] || command=(valgrind -q --error-exitcode=99 --leak-check=full \
        --errors-for-leak-kinds=definite "$1")
    timeout 600 "${command[@]}" > "$log" 2>&1
    local status=$?
    local good bad
    good=$(sed -n 's/.*\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
    bad=$(sed -n 's/.*\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
    if [ $status -ne 0 ]; then
        cat "$log"
        echo "FAILED: $1 (exit status $status)"
        [ "${bad:-0}" -gt 0 ] || bad=1
    else
        printf '%-52s %4d passed\n' "${1#"$build"/}" "${good:-0}"
    fi
    count "${good:-0}" "${bad:-0}"
}

# Runs a command with the Lua modules of a build in its reach.
with_modules() { # modules command...
    local modules=$1
    shift
    LUA_PATH_5_4="$modules/?.lua;$modules/?/init.lua;;" LUA_CPATH_5_4="$modules/?.so;;" \
        LUA_PATH="$modules/?.lua;$modules/?/init.lua;;" LUA_CPATH="$modules/?.so;;" \
        TWILIO_SMS_BUILD="$(realpath "$build")" "$@"
}

# Runs a command as one test.
single() { # name command...
    local name=$1
    shift
    if timeout 600 "$@" > "$log" 2>&1; then
        printf '%-52s    1 passed\n' "$name"
        count 1 0
    else
        cat "$log"
        echo "FAILED: $name"
        count 0 1
    fi
}

# Runs specs on one Lua. Those in spec/alone, which count what the collector does, have a process of their
# own, and with the collector always on each file: a collection takes as long as the heap is large.
specs() { # lua modules
    local lua=$1 modules=$2 all=0 wrong=0 status=0 files=(spec spec/alone/*.lua)
    [ -z "${GC_STRESS:-}" ] || files=(spec/*_spec.lua spec/alone/*.lua)
    local file line good bad
    for file in "${files[@]}"; do
        with_modules "$modules" timeout 900 "$lua" tests/busted.lua -o plainTerminal "$file" > "$log" 2>&1
        status=$?
        line=$(grep -aE '[0-9]+ success(es)? / [0-9]+ failures?' "$log" | tail -n 1)
        good=$(sed -n 's/^\([0-9]*\) success.*/\1/p' <<< "$line")
        bad=$(sed -n 's/.* \([0-9]*\) failures\{0,1\} \/ \([0-9]*\) error.*/\1 \2/p' <<< "$line")
        bad=$(($(tr ' ' '+' <<< "${bad:-0}")))
        if [ $status -ne 0 ] || [ -z "$line" ] || [ "$bad" -gt 0 ]; then
            cat "$log"
            echo "FAILED: $file on $lua (exit status $status)"
            [ "$bad" -gt 0 ] || bad=1
        fi
        all=$((all + ${good:-0}))
        wrong=$((wrong + bad))
    done
    [ $wrong -gt 0 ] || printf '%-52s %4d passed\n' "specs on $lua${GC_STRESS:+, collector always on}" "$all"
    count "$all" "$wrong"
}

# Compares signatures with those of other libraries; each library is one test.
peers() {
    timeout 600 tests/crosscheck/run.sh "$build" > "$log" 2>&1
    local status=$? good bad=0
    good=$(grep -c ', 0 for an unknown one$' "$log")
    cat "$log"
    [ $status -eq 0 ] || bad=1
    count "$good" "$bad"
}

fuzz() {
    local seconds=$1
    for source in tests/fuzz/fuzz_*.c; do
        local name program corpus
        name=$(basename "$source" .c)
        program="$build/libfuzzer/$name"
        corpus="$build/libfuzzer/corpus_${name#fuzz_}"
        mkdir -p "$corpus"
        clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Icsrc \
            $(pkg-config --cflags libcurl libcjson libcrypto) "$source" \
            csrc/base/*.c csrc/config/*.c csrc/wire/*.c -o "$program" \
            $(pkg-config --libs libcjson libcrypto) -lm || { count 0 1; continue; }
        single "$name, ${seconds} s" "$program" -max_total_time="$seconds" -timeout=2 -print_final_stats=1 \
            "$corpus" "tests/fuzz/corpus/${name#fuzz_}"
        grep -a 'number_of_executed_units' "$log"
    done
}

while [ $# -gt 0 ]; do
    case $1 in
    c)
        for source in tests/test_*.c; do
            cmocka "$build/tests/$(basename "$source" .c)"
        done
        ;;
    corpus)
        for source in tests/fuzz/fuzz_*.c; do
            name=$(basename "$source" .c)
            single "corpus of $name" "$build/fuzz/$name" "tests/fuzz/corpus/${name#fuzz_}"
        done
        ;;
    integration)
        for source in tests/integration/test_*.c; do
            cmocka "$build/tests/integration/$(basename "$source" .c)"
        done
        ;;
    lua)
        specs lua5.4 "$build/lua5.4"
        specs luajit "$build/luajit"
        ;;
    crash)
        with_modules "$build/lua5.4" single "STOPs survive 200 kills of their receiver" \
            lua5.4 tests/integration/receiver_crash.lua 200
        tail -n 1 "$log"
        with_modules "$build/lua5.4" single "bulk survives kills and interrupts" \
            lua5.4 tests/integration/bulk_crash.lua 2000 5
        tail -n 1 "$log"
        ;;
    limits)
        with_modules "$build/lua5.4" single "limits hold over nginx's workers, reloaded and killed" \
            lua5.4 tests/integration/nginx_limits.lua
        tail -n 2 "$log"
        ;;
    otlp)
        single "spans are what OTLP asks for" tests/otlp/run.sh "$build"
        tail -n 3 "$log"
        ;;
    peers)
        peers
        ;;
    examples)
        for example in tests/examples/*.sh; do
            single "$example" "$example" "$build"
        done
        ;;
    fuzz)
        fuzz "${2:-20}"
        shift
        ;;
    esac
    shift
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

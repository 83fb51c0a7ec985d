# Sourced by the tests of the examples: a simulator in a process of its own, and an environment that leads to it.

unset MAKEFLAGS MFLAGS MAKELEVEL
unset "${!TWILIO_@}"
export no_proxy=localhost # libcurl asks the environment for a proxy

# Where both Luas find the built tree.
use_build() { # BUILD
    eval "$(make -s --no-print-directory BUILD="$1" env)"
}

# Starts it with the text of a Lua table of options. It ends when the shell that started it does, however that
# ends, because its standard input does then.
start_simulator() { # options
    local ready
    coproc SIMULATOR { exec lua5.4 -e "require('twilio_sms.sim.server').run($1)"; }
    if ! read -r ready <&"${SIMULATOR[0]}"; then
        echo "the simulator does not start"
        exit 1
    fi
    local port=${ready#*port=}
    export TWILIO_BASE_URL=https://localhost:${port%% *}
    export TWILIO_CA_FILE=${ready#*ca_file=}
    export TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001
    export TWILIO_AUTH_TOKEN=00000000000000000000000000000002
    export TWILIO_FROM=+15005550006
}

# Ends it and waits for it. Does nothing when there is none.
stop_simulator() {
    if [ -n "${SIMULATOR_PID:-}" ]; then
        local pid=$SIMULATOR_PID
        exec {SIMULATOR[1]}>&-
        wait "$pid"
    fi
}

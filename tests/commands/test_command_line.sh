#!/usr/bin/env bash
# The command line of commands that need no data: help, versions, mistakes and their exit codes.
set -u
failures=0

# check EXIT 'text on stdout or stderr' ARGUMENTS...
check() {
    local want=$1 text=$2 got
    shift 2
    "$STRATA" "$@" >out 2>err
    got=$?
    if [ "$got" -ne "$want" ]; then
        echo "strata $*: exit $got, expected $want"
        failures=$((failures + 1))
    fi
    if ! cat out err | grep -qF -- "$text"; then
        echo "strata $*: does not say: $text"
        cat out err
        failures=$((failures + 1))
    fi
    if [ "$want" -ne 0 ] && { [ -s out ] || [ "$(wc -l <err)" -ne 1 ]; }; then
        echo "strata $*: expected one line on stderr and nothing on stdout"
        cat out err
        failures=$((failures + 1))
    fi
}

check 0 'Usage: strata COMMAND'
check 0 'Usage: strata COMMAND' --help
check 0 'Usage: strata COMMAND' -h
check 0 'Usage: strata COMMAND' help
check 0 'Usage: strata version' help version
check 0 'Usage: strata version' version --help
check 0 'Usage: strata version' version --bogus -h
check 0 'cluster.k_max' help config
check 0 'strata 0.' --version
check 0 'strata 0.' version -q
check 0 'hdf5' --build-info
check 0 'libsodium' build-info
check 2 'unknown command "vresion" (did you mean "version"?)' vresion
check 2 'unknown command "frobnicate"; see strata help' frobnicate
check 2 'unknown option "--frobnicate"; see strata help' --frobnicate
check 2 'unknown option --quite (did you mean --quiet?)' version --quite
check 2 'unknown option -x; see strata version --help' version -x
check 2 '--quiet takes no value' version --quiet=yes
check 2 '--log-level needs a value: LEVEL' version --log-level
check 2 '--log-level needs a value: LEVEL' version --log-level --quiet
check 2 '--log-level: expected one of error|warning|info|debug, found "loud"' version --log-level loud
check 2 '--log-format is given twice' version --log-format text --log-format=text
check 2 'unexpected "surplus"' version surplus
check 2 'no help for "nothing"' help nothing
check 0 'exit with 3 when a gate fails' help run
check 2 'unknown option --strict' cluster --strict -i features.csv -o out.h5 # it has no gates
"$STRATA" help cluster | grep -q -- --strict && { echo "the help of cluster has --strict"; failures=$((failures + 1)); }
check 2 '"level":"error"' version --log-format json surplus

# one serial command under mpirun answers once
"$STRATA_MPIEXEC" -n 3 "$STRATA" --version >out 2>err || { echo "--version under mpirun failed"; failures=$((failures + 1)); }
[ "$(grep -c '^strata 0' out)" -eq 1 ] || { echo "--version under mpirun spoke $(wc -l <out) times"; failures=$((failures + 1)); }
"$STRATA_MPIEXEC" -n 3 "$STRATA" vresion >out 2>err
[ $? -eq 2 ] || { echo "an unknown command under mpirun did not exit with 2"; failures=$((failures + 1)); }
[ "$(grep -c 'strata: error:' err)" -eq 1 ] || { echo "an error under mpirun was told more than once"; cat err; failures=$((failures + 1)); }

# a reader that leaves early is no failure; a full device is one
"$STRATA" help config | head -n 1 >/dev/null
[ "${PIPESTATUS[0]}" -eq 0 ] || { echo "a closed pipe is not exit 0"; failures=$((failures + 1)); }
"$STRATA" help config >/dev/full 2>err
[ $? -eq 7 ] || { echo "a full device is not exit 7"; failures=$((failures + 1)); }

[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
echo "all as expected"

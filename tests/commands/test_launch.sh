#!/usr/bin/env bash
# How a command that uses MPI starts and fails: one line, one exit code, whatever the rank count.
set -u
failures=0
complain() {
    echo "$*"
    cat out err
    failures=$((failures + 1))
}

command=run
if ! "$STRATA" help | grep -q '^  run '; then
    echo "skipped: there is no command run"
    exit 77
fi

for ranks in 1 3; do
    "$STRATA_MPIEXEC" -n $ranks "$STRATA" "$command" --no-such-option >out 2>err
    [ $? -eq 2 ] || complain "$ranks ranks: an unknown option is not exit 2"
    [ "$(grep -c 'strata: error: unknown option --no-such-option' err)" -eq 1 ] ||
        complain "$ranks ranks: an unknown option is not told once"
    "$STRATA_MPIEXEC" -n $ranks "$STRATA" "$command" --help >out 2>err || complain "$ranks ranks: --help failed"
    [ "$(grep -c '^Usage:' out)" -eq 1 ] || complain "$ranks ranks: --help is not shown once"
done
"$STRATA" "$command" --help >out 2>err || complain "--help without mpirun failed"

# a configuration error inside MPI: told once, exit 2, with --log-format json as an object
echo 'clusster: {k: 3}' >bad.yaml
for format in text json; do
    "$STRATA_MPIEXEC" -n 3 "$STRATA" run -c bad.yaml -o none.h5 --log-format $format >out 2>err
    [ $? -eq 2 ] || complain "$format: a bad configuration is not exit 2"
    [ "$(grep -c 'bad.yaml:1:1: unknown key' err)" -eq 1 ] || complain "$format: not told once"
    [ ! -e none.h5 ] || complain "$format: a bad configuration left an output"
done
grep -q '^{"time":.*"level":"error".*bad.yaml:1:1' err || complain "json: no JSON object"

# SLURM tasks that do not see each other would be as many whole jobs
SLURM_STEP_NUM_TASKS=4 "$STRATA" run -c bad.yaml -o none.h5 >out 2>err
[ $? -eq 2 ] || complain "singletons under SLURM are not refused"
grep -q 'SLURM started 4 tasks.*srun --mpi=pmix' err || complain "the message has no fix"

"$STRATA_MPIEXEC" -n 2 "$STRATA" run --set cluster.k=7 --seed 5 --print-config >out 2>err ||
    complain "--print-config failed"
grep -q '^  k: 7  *# --set$' out || complain "--print-config does not show --set"
grep -q '^  seed: 5  *# --seed$' out || complain "--print-config does not show --seed"
[ "$(grep -c '^config_version: 1' out)" -eq 1 ] || complain "--print-config is not printed once"
STRATA_CLUSTR_K=5 "$STRATA" run -o none.h5 --print-config >out 2>err
[ $? -eq 2 ] || complain "an unknown variable is not exit 2"
grep -q 'did you mean STRATA_CLUSTER_K?' err || complain "no suggestion for the variable"

[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
echo "all as expected"

#!/usr/bin/env bash
# jobs/benchmark.sbatch on a real SLURM of two virtual nodes, under srun and under mpirun: OUT.json and OUT.csv
# are there, the exact variants agree at every rank count, and both launchers find the same bits.
set -u
# shellcheck source=tests/slurm/two_nodes.sh
. "$(dirname "${BASH_SOURCE[0]}")/two_nodes.sh"
command -v "$STRATA_TEST_PYTHON" >/dev/null || { echo "skipped: no python3"; exit 77; }
slurm_test

for launcher in srun mpirun; do
    slurm_job "$launcher" "$launcher.log" benchmark.sbatch "$launcher" -n 5000 -k 3,9 --ranks 1,4 \
        --iterations 10 --repetitions 2
    code=$?
    if [ $code -ne 0 ]; then
        echo "$launcher: exit $code"
        cat "$launcher.log"
        exit 1
    fi
    grep -q 'minibatch.*not exact' "$launcher.log" || { echo "no table in the log"; cat "$launcher.log"; exit 1; }
    "$STRATA_TEST_PYTHON" - "$launcher" <<'P' || exit 1
import csv
import json
import sys
name = sys.argv[1]
with open(f"{name}.json") as f:
    report = json.load(f)
with open(f"{name}.csv") as f:
    lines = list(csv.DictReader(f))
cases = report["cases"]
if not report["bits_agree"] or [(c["ranks"], c["k"]) for c in cases] != [(1, 3), (1, 9), (4, 3), (4, 9)]:
    sys.exit(f"{name}.json: {report['bits_agree']}, {[(c['ranks'], c['k']) for c in cases]}")
for case in cases:
    exact = [v for v in case["variants"] if v["exact"]]
    if len(exact) < 7 or len({v["digest"] for v in exact}) != 1:
        sys.exit(f"{name}.json: {len(exact)} exact variants, {len({v['digest'] for v in exact})} results")
if len(lines) != sum(len(c["variants"]) for c in cases):
    sys.exit(f"{name}.csv: {len(lines)} lines")
found = {f"{c['k']} {v['variant']}": v["digest"] for c in cases for v in c["variants"]}
if name == "mpirun":
    with open("digests.json") as f:
        if json.load(f) != found:
            sys.exit("srun and mpirun gave other bits")
else:
    with open("digests.json", "w") as f:
        json.dump(found, f)
P
    echo "ok: $launcher on two nodes"
done

slurm_job srun bad.log benchmark.sbatch bad --variants nothing
[ $? -eq 2 ] || { echo "a job with an unknown variant did not exit with 2"; cat bad.log; exit 1; }
echo "ok: a failing job fails"

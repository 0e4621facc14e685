#!/usr/bin/env bash
# jobs/recluster.sbatch on a real SLURM of two virtual nodes: under srun and under mpirun the result has the
# digest of a plain strata cluster on one machine, and h5py reads the same labels from both.
set -u
# shellcheck source=tests/slurm/two_nodes.sh
. "$(dirname "${BASH_SOURCE[0]}")/two_nodes.sh"
"$STRATA_TEST_PYTHON" -c 'import h5py' 2>/dev/null || { echo "skipped: python3 has no h5py"; exit 77; }
slurm_test

"$STRATA_TEST_PYTHON" - >features.csv <<'P'
import random
random.seed(4)
print("id,a,b,c")
for i in range(3000):
    print(f"u{i},{random.gauss(i % 5, 0.3):.6f},{random.gauss(i % 3, 0.4):.6f},{random.expovariate(1):.6f}")
P
request=(--key id -k 7 --restarts 2 --set privacy.mode=plain)
"$STRATA_MPIEXEC" -n 3 "$STRATA" cluster -q -i features.csv -o plain.h5 "${request[@]}" || exit 1

for launcher in srun mpirun; do
    slurm_job "$launcher" "$launcher.log" recluster.sbatch features.csv "$launcher.h5" "${request[@]}"
    code=$?
    if [ $code -ne 0 ]; then
        echo "$launcher: exit $code"
        cat "$launcher.log"
        exit 1
    fi
    "$STRATA_TEST_PYTHON" - plain.h5 "$launcher.h5" <<'P' || exit 1
import sys
import h5py
plain, job = (h5py.File(name, "r") for name in sys.argv[1:])
labels = [f["users/cluster_id"][...].tolist() for f in (plain, job)]
keys = [f["users/user_key"][...].tolist() for f in (plain, job)]
if len(labels[0]) != 3000 or set(labels[0]) != set(range(7)):
    sys.exit(f"{len(labels[0])} rows with the labels {sorted(set(labels[0]))}")
if labels[0] != labels[1] or keys[0] != keys[1]:
    sys.exit("the job's labels are not those of the direct run")
if plain.attrs["content_digest"] != job.attrs["content_digest"]:
    sys.exit("equal labels, another digest")
if int(job["provenance"].attrs["ranks"]) != 4:
    sys.exit(f"the job ran on {job['provenance'].attrs['ranks']} ranks, not on 2 nodes of 2")
P
    echo "ok: $launcher on two nodes gives the labels of one machine"
done

# A result is clustered again, and a job that fails fails in SLURM too.
slurm_job srun again.log recluster.sbatch srun.h5 again.h5 -k 3 || { cat again.log; exit 1; }
"$STRATA" verify -q again.h5 || exit 1
echo "ok: a result again"
slurm_job srun bad.log recluster.sbatch features.csv bad.h5 --features nothing
[ $? -eq 2 ] || { echo "a job with an unknown feature did not exit with 2"; cat bad.log; exit 1; }
[ ! -e bad.h5 ] || { echo "a failed job left a file"; exit 1; }
slurm_job srun short.log recluster.sbatch features.csv
[ $? -eq 2 ] || { echo "a job without an output did not exit with 2"; cat short.log; exit 1; }
echo "ok: failing jobs fail"

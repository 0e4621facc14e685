#!/usr/bin/env bash
# jobs/recalibrate.sbatch on a real SLURM of two virtual nodes: under srun and under mpirun the job
# publishes the same result as a plain mpirun on one machine.
set -u
# shellcheck source=tests/slurm/two_nodes.sh
. "$(dirname "${BASH_SOURCE[0]}")/two_nodes.sh"
slurm_test

"$STRATA" generate --users 2000 --seed 3 --layout minimal -o tx.csv || exit 1
cat >c.yaml <<'Y'
config_version: 1
input: {files: [tx.csv], columns: {user: user_id, time: order_date, amount: amount}}
clean: {outliers: {method: none}}
privacy: {mode: plain}
Y
"$STRATA_MPIEXEC" -n 3 "$STRATA" run -q -c c.yaml -o plain.h5 || exit 1
digest() { "$STRATA" verify "$1" | grep -oE '[0-9a-f]{32}' | head -n 1; }
wanted=$(digest plain.h5)
[ -n "$wanted" ] || { echo "no digest in the plain result"; exit 1; }

for launcher in srun mpirun; do
    slurm_job "$launcher" "$launcher.log" recalibrate.sbatch c.yaml "$launcher.h5"
    code=$?
    if [ $code -ne 0 ] || [ "$(digest "$launcher.h5")" != "$wanted" ]; then
        echo "$launcher: exit $code"
        cat "$launcher.log"
        exit 1
    fi
    echo "ok: $launcher on two nodes gives the digest of one machine"
done

# A job that fails must fail in SLURM too.
slurm_job srun bad.log recalibrate.sbatch missing.yaml bad.h5
[ $? -ne 0 ] || { echo "a job without a configuration succeeded"; exit 1; }
echo "ok: a failing job fails"

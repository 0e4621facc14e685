#!/usr/bin/env bash
# jobs/recalibrate.sbatch on a real SLURM of two virtual nodes: under srun and under mpirun the job
# publishes the same result as a plain mpirun on one machine.
set -u
for tool in slurmctld slurmd sbatch munged setpriv; do
    command -v "$tool" >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
[ "$(id -u)" -eq 0 ] || { echo "skipped: needs root to start the SLURM daemons"; exit 77; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/slurm/two_nodes.sh
. "$here/two_nodes.sh"
work=$(mktemp -d)
trap 'slurm_stop; rm -rf "$work"' EXIT
slurm_start "$(mktemp -d /tmp/slurmXXXX)" || { echo "SLURM did not start"; exit 1; }

# Both nodes share one host name; the shared-memory files of the two would collide.
export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo
cd "$work" || exit 1
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
    STRATA_JOB_LAUNCHER=$launcher STRATA_JOB_PROGRAM=$STRATA STRATA_JOB_FOLDER=$STRATA_SOURCE/jobs \
        OMPI_MCA_io=ompio timeout 120 sbatch --wait --chdir="$work" --output="$work/$launcher.log" \
        "$STRATA_SOURCE/jobs/recalibrate.sbatch" c.yaml "$launcher.h5"
    code=$?
    if [ $code -ne 0 ] || [ "$(digest "$launcher.h5")" != "$wanted" ]; then
        echo "$launcher: exit $code"
        cat "$launcher.log"
        exit 1
    fi
    echo "ok: $launcher on two nodes gives the digest of one machine"
done

# A job that fails must fail in SLURM too.
STRATA_JOB_PROGRAM=$STRATA STRATA_JOB_FOLDER=$STRATA_SOURCE/jobs OMPI_MCA_io=ompio timeout 120 sbatch --wait \
    --chdir="$work" --output="$work/bad.log" "$STRATA_SOURCE/jobs/recalibrate.sbatch" missing.yaml bad.h5
[ $? -ne 0 ] || { echo "a job without a configuration succeeded"; exit 1; }
echo "ok: a failing job fails"

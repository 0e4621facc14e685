#!/usr/bin/env bash
# From nothing to a first result on Debian 12: installs what is missing, builds a release, generates
# demo transactions, runs the main job on all cores and says where the result is.
#   jobs/quickstart.sh [FOLDER]      FOLDER (default: demo beside the sources) receives data and result
#   STRATA_JOB_USERS=N              how many users to make up (default 300000)
#   STRATA_JOB_RANKS=N                   how many ranks (default: the cores)
set -euo pipefail
source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
demo=${1:-$source_folder/demo}
users=${STRATA_JOB_USERS:-300000}
ranks=${STRATA_JOB_RANKS:-$(env -u OMP_NUM_THREADS nproc)}

"$source_folder/jobs/install-dependencies.sh"

build=$source_folder/build-release
(cd "$source_folder" && cmake --preset release -DBUILD_TESTING=OFF && cmake --build --preset release) \
    >"${TMPDIR:-/tmp}/strata-build.$$.log" 2>&1 || {
    cat "${TMPDIR:-/tmp}/strata-build.$$.log"
    echo "strata: the build failed; the log is above" >&2
    exit 1
}
rm -f "${TMPDIR:-/tmp}/strata-build.$$.log"
strata=$build/strata
echo "strata: built $("$strata" --version)"

# shellcheck source=jobs/site/local.sh
source "$source_folder/jobs/site/local.sh"
mkdir -p "$demo"
key=$demo/pseudonym.key
if [ ! -f "$key" ]; then
    (umask 077 && head -c 32 /dev/urandom | base64 >"$key")
fi

mpirun -n "$ranks" "$strata" generate --users "$users" --seed 7 --layout full --dirty-share 0.001 \
    -o "$demo/transactions.csv" --force
(cd "$demo" && mpirun -n "$ranks" "$strata" run -c "$source_folder/jobs/config/demo.yaml" \
    -i transactions.csv --set privacy.key_file="$key" -o result.h5 --force)
"$strata" verify "$demo/result.h5"
echo
echo "Look into it:   $strata inspect $demo/result.h5"
echo "In Python:      import h5py; f = h5py.File('$demo/result.h5'); f['users/segment_code'][:10]"

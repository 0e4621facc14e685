#!/usr/bin/env bash
# Installs what the tests need, builds a release and passes every test that is not labelled slow.
#   tests/run.sh [ctest arguments]        for instance: tests/run.sh -R ingest
#   STRATA_TEST_PRESET=dev|asan|release   which build (default release)
#   STRATA_TEST_SLOW=1                    the slow sweeps too
set -euo pipefail
source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=${STRATA_TEST_PRESET:-release}

"$source_folder/jobs/install-dependencies.sh" --test
cd "$source_folder"
cmake --preset "$preset" -DBUILD_TESTING=ON >/dev/null
cmake --build --preset "$preset"
skip=(-LE slow)
[ -z "${STRATA_TEST_SLOW:-}" ] || skip=()
exec ctest --preset "$preset" "${skip[@]}" -j "$(env -u OMP_NUM_THREADS nproc)" "$@"

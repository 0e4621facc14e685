#!/usr/bin/env bash
# Installs what strata needs on Debian 12, and nothing that is there already; with every package in
# place it needs neither network nor rights.
#   jobs/install-dependencies.sh [--test]     --test: also what the tests use
set -euo pipefail

packages=(
    gcc libc6-dev make cmake ninja-build pkg-config
    openmpi-bin libopenmpi-dev        # ranks
    libhdf5-openmpi-dev hdf5-tools    # the result file; the parallel build
    libopenblas-dev libgsl-dev        # linear algebra, special functions
    libyaml-dev libsodium-dev libxxhash-dev zlib1g-dev
)
test_packages=(libcmocka-dev python3 python3-h5py python3-numpy python3-xxhash)

if [ "${1:-}" = "--test" ]; then
    packages+=("${test_packages[@]}")
elif [ $# -gt 0 ]; then
    echo "usage: $0 [--test]" >&2
    exit 2
fi

if ! command -v dpkg-query >/dev/null; then
    echo "strata: not a Debian system: install the counterparts of these packages by hand:" >&2
    printf '  %s\n' "${packages[@]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "strata: installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "strata: missing: ${missing[*]}" >&2
        echo "strata: run as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"

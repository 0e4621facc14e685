#!/usr/bin/env bash
# Makes the virtual environment that benchmarks/peers/run.py and benchmarks/ingest.py use.
#   benchmarks/peers/setup.sh [FOLDER]        default: benchmarks/peers/venv
# Needs python3 with its venv module (Debian: python3-venv) and PyPI. scikit-learn-intelex (oneDAL) is for
# x86-64 only and may be missing for a new Python; the other peers are measured without it then.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/venv}

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "peers: python3 has no venv module; on Debian: apt-get install python3-venv" >&2
    exit 2
fi
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    numpy h5py scikit-learn threadpoolctl faiss-cpu duckdb
# no source build: that needs the oneAPI compilers
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    scikit-learn-intelex || echo "peers: scikit-learn-intelex cannot be installed here; going on without it" >&2

"$folder/bin/python" - <<'END'
import importlib.metadata as metadata
for name in ("numpy", "h5py", "scikit-learn", "faiss-cpu", "duckdb", "scikit-learn-intelex"):
    try:
        print(f"{name:22} {metadata.version(name)}")
    except metadata.PackageNotFoundError:
        print(f"{name:22} not here")
END
echo "next: $folder/bin/python $here/run.py --help"

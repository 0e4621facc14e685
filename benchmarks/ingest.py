#!/usr/bin/env python3
"""From plain CSV to one row a user: rows per second of strata's ingest, beside DuckDB where it is there.

    benchmarks/ingest.py [--rows 10000000] [--users 1000000] [--ranks 2] [--repeat 5] [--strata PATH]

Makes the log once (`strata generate`), then alternates strata and DuckDB (same file, same number of
threads; count, first and last day, sum and maximum by user, result materialised). Figures: rows/s of the
ingest phase (its slowest rank), peak memory a rank, and the ratio of the medians. DuckDB is used when
`import duckdb` works (benchmarks/peers/setup.sh makes a virtual environment).
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = """config_version: 1
input: {files: [tx.csv], columns: {user: user_id, time: order_date, amount: amount}}
privacy: {mode: keyed, key_file: key}
"""


def strata_once(strata, ranks):
    subprocess.run(["mpirun", "--oversubscribe", "-n", str(ranks), strata, "run", "-q", "-c", "c.yaml", "-o",
                    "out.h5", "--force", "--json", "out.json"], check=True)
    with open("out.json") as f:
        report = json.load(f)
    phases = {t["phase"]: t["max"] for t in report["timings"]}
    return phases["ingest"], sum(phases.values()), report["peak_memory_bytes"], report


def duckdb_once(duckdb, threads):
    db = duckdb.connect(config={"threads": threads})
    begin = time.perf_counter()
    db.execute("""create table u as select user_id, count(*), min(order_date), max(order_date), sum(amount),
                  max(amount) from read_csv('tx.csv', header=true, columns={'user_id': 'varchar',
                  'order_date': 'date', 'amount': 'decimal(18,4)'}) group by user_id""")
    seconds = time.perf_counter() - begin
    db.close()
    return seconds


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rows", type=int, default=10_000_000)
    p.add_argument("--users", type=int, default=1_000_000)
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--repeat", type=int, default=5)
    p.add_argument("--strata", default=os.path.join(HERE, "..", "build-release", "strata"))
    a = p.parse_args()
    strata = os.path.abspath(a.strata)
    try:
        import duckdb
    except ImportError:
        duckdb = None
    if os.getuid() == 0:
        os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    os.environ.setdefault("OMPI_MCA_btl_vader_single_copy_mechanism", "none")
    folder = tempfile.mkdtemp(prefix="strata-bench-")
    os.chdir(folder)
    try:
        with open("c.yaml", "w") as f:
            f.write(CONFIG)
        with open(os.open("key", os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
            f.write("a key for the benchmark, 32 bytes or more\n")
        subprocess.run([strata, "generate", "-q", "--users", str(a.users), "--rows-per-user",
                        str(a.rows / a.users), "--layout", "minimal", "--order", "time", "-o", "tx.csv"], check=True)
        size = os.path.getsize("tx.csv")
        mine, whole, theirs, memory, rows = [], [], [], 0, 0
        for _ in range(a.repeat):
            ingest, total, peak, report = strata_once(strata, a.ranks)
            rows = report["rows"]["read"]
            mine.append(ingest)
            whole.append(total)
            memory = max(memory, peak)
            if duckdb:
                theirs.append(duckdb_once(duckdb, a.ranks))
        commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True,
                                text=True).stdout.strip()
        print(f"commit {commit}, {platform.processor() or platform.machine()}, {a.ranks} ranks, {rows:,} rows, "
              f"{size / rows:.1f} bytes a row, {a.users:,} users, {a.repeat} repetitions")
        print(f"{'':24} {'best':>8} {'median':>8} {'M rows/s (median)':>18}")
        for name, seconds in (("strata ingest", mine), ("strata whole run", whole), ("DuckDB read + group", theirs)):
            if seconds:
                m = statistics.median(seconds)
                print(f"{name:24} {min(seconds):8.3f} {m:8.3f} {rows / m / 1e6:18.2f}")
        if theirs:
            print(f"DuckDB / strata ingest, medians: {statistics.median(theirs) / statistics.median(mine):.2f}")
        print(f"peak memory of a rank: {memory / 2**20:.0f} MiB")
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What the space filter costs, for the constants of the cost model in src/cluster/variants.c.

For each number of features: the order in ns a point and core (once), an iteration of lloyd in ns a point and core, and
the share of that which an iteration of the filter takes, over the iterations after the first.

  benchmarks/filter_cost.py [--points N] [--ranks R] [--dims 1,2,3]
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
p.add_argument("--points", type=int, default=4_000_000)
p.add_argument("--ranks", type=int, default=min(os.cpu_count(), 2))
p.add_argument("--dims", default="1,2,3,4,5,6")
p.add_argument("--data", default="blobs,cloud,rfm")
p.add_argument("-k", default="8,16")
p.add_argument("--iterations", type=int, default=20)
p.add_argument("--strata", default=os.path.join(HERE, "..", "build-release", "strata"))
o = p.parse_args()
per_core = 1e9 * o.ranks / o.points
if os.getuid() == 0:
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
with tempfile.TemporaryDirectory(prefix="strata-filter-") as folder:
    out = os.path.join(folder, "bench.json")
    for d in o.dims.split(","):
        shares, orders = [], []
        for data in o.data.split(","):
            subprocess.run(["mpirun", "-n", str(o.ranks), o.strata, "bench", "-q", "-n", str(o.points), "-d", d, "-k", o.k,
                            "--variants", "filter", "--seedings", "random", "--iterations", str(o.iterations), "--data",
                            data, "--repetitions", "2", "--json", out], check=True, stdin=subprocess.DEVNULL)
            with open(out) as f:
                cases = json.load(f)["cases"]
            for c in cases:
                lloyd, own = c["variants"][0], c["variants"][-1]
                a, b = (v["iteration_seconds"]["min"] for v in (lloyd, own))
                passes = own["iterations_timed"] + 1
                order = own["total_seconds"]["min"] - lloyd["total_seconds"]["min"] + passes * (a - b)
                shares.append(b / a)
                orders.append(order * per_core)
                print(f"d {d} {data:6} k {c['k']:3}: lloyd {a * per_core:.2f} ns, filter {b * per_core:.2f} ns, share "
                      f"{b / a:.2f}, order {order * per_core:.0f} ns", flush=True)
        print(f"d {d}: share {statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f}), order "
              f"{statistics.median(orders):.0f} ns", flush=True)

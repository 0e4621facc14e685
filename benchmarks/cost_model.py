#!/usr/bin/env python3
"""What a fit would take on many ranks, from what strata bench measured on few.

    strata bench ... --json a.json; benchmarks/cost_model.py a.json [b.json ...] --users 1e9 --ranks 1000

One iteration on P ranks, N points:

    T = N / P * t(d, k) * imbalance + L(P) * (latency + bytes / network)

    t(d, k)   rank-seconds a point and iteration: measured median time * ranks / n, with all ranks of the measured
              machine at work, so that they share its memory as they would on a full node
    L(P)      ceil(log2 P) rounds of one allreduce (recursive doubling), bytes = 8 (k (d + 1) + 2)
    latency   of one round; without --latency the measured allreduce divided by its rounds (shared memory: on a
              network give the network's, about 2e-6 s)

Seeding is scaled like the points; a whole fit is restarts * (seeding + iterations * T). The model knows nothing of
slow nodes and system noise: --imbalance and --latency are the places for them. A prediction, not a measurement.
"""
import argparse
import json
import math
import sys


def constants(case, variant):
    n, d, k, ranks = case["n"], case["d"], case["k"], case["ranks"]
    rounds = max(math.ceil(math.log2(ranks)), 0)
    return {"variant": variant["variant"], "n": n, "d": d, "k": k, "ranks": ranks,
            "point": variant["iteration_seconds"]["median"] * ranks / n,
            "seeding": case.get("seeding_seconds", {"median": 0})["median"] * ranks / n,
            "latency": case["allreduce_seconds"] / rounds if rounds else None,
            "memory": variant["bytes_per_point"],
            "bytes": 8 * (k * (d + 1) + 2)}


def predict(c, users, ranks, o):
    latency = o.latency if o.latency is not None else c["latency"]
    rounds = math.ceil(math.log2(ranks)) if ranks > 1 else 0
    compute = users / ranks * c["point"] * o.imbalance
    reduce = rounds * ((latency or 0) + c["bytes"] / o.network)
    seeding = users / ranks * c["seeding"] * o.imbalance + 12 * reduce # about twice as many calls as k-means|| has rounds
    return {"users": users, "ranks": ranks, "iteration_seconds": compute + reduce, "compute_seconds": compute,
            "allreduce_seconds": reduce, "efficiency": compute / o.imbalance / (compute + reduce),
            "fit_seconds": o.restarts * (seeding + o.iterations * (compute + reduce)),
            "memory_per_rank": users / ranks * c["memory"]}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=__doc__.split("\n\n", 2)[2],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("reports", nargs="+", help="of strata bench --json")
    p.add_argument("--users", type=float, default=1e9)
    p.add_argument("--ranks", type=lambda text: [int(r) for r in text.split(",")], default=[1, 10, 100, 1000])
    p.add_argument("--variants", default="lloyd")
    p.add_argument("--iterations", type=int, default=50)
    p.add_argument("--restarts", type=int, default=4)
    p.add_argument("--latency", type=float, help="seconds of one round of an allreduce (default: as measured)")
    p.add_argument("--network", type=float, default=10e9, help="bytes/s of one rank's link (default 10e9)")
    p.add_argument("--imbalance", type=float, default=1.05, help="slowest rank over the mean (default 1.05)")
    p.add_argument("--json", help="write constants and predictions")
    o = p.parse_args()
    rows = []
    for name in o.reports:
        with open(name) as f:
            report = json.load(f)
        if report["sweep"]:
            sys.exit(f"{name}: a sweep has no time of one iteration; leave --sweep out")
        print(f"{name}: {report['processor']}, kernel {report['kernel']}, commit {report['commit']}, {report['build']}")
        for case in report["cases"]:
            for variant in case["variants"]:
                if variant["variant"] not in o.variants.split(","):
                    continue
                c = constants(case, variant)
                if o.latency is None and c["latency"] is None:
                    print(f"  {c['variant']} d {c['d']} k {c['k']}: measured on one rank, so give --latency; with 0 here")
                print(f"  {c['variant']} d {c['d']} k {c['k']} on {c['ranks']} ranks: {1e9 * c['point']:.3f} rank-ns a "
                      f"point and iteration, seeding {1e9 * c['seeding']:.1f}, allreduce of {c['bytes']} bytes "
                      f"{1e6 * (c['latency'] or 0):.1f} us a round, {c['memory']:.0f} bytes a point")
                print(f"    {'ranks':>6} {'iteration':>12} {'allreduce':>12} {'efficiency':>10} "
                      f"{'fit (' + str(o.restarts) + ' x ' + str(o.iterations) + ')':>14} {'memory/rank':>12}")
                for ranks in o.ranks:
                    r = predict(c, o.users, ranks, o)
                    rows.append({"constants": c, **r})
                    print(f"    {ranks:6} {1e3 * r['iteration_seconds']:9.3f} ms {1e6 * r['allreduce_seconds']:9.1f} us "
                          f"{100 * r['efficiency']:8.1f} % {r['fit_seconds']:12.2f} s {r['memory_per_rank'] / 2**20:8.0f} MiB")
    if o.json:
        with open(o.json, "w") as f:
            json.dump(rows, f, indent=1)


if __name__ == "__main__":
    main()

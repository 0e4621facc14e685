#!/usr/bin/env python3
"""strata beside scikit-learn (Lloyd, Elkan), FAISS and oneDAL on one machine.

    benchmarks/peers/setup.sh && benchmarks/peers/venv/bin/python benchmarks/peers/run.py [--shapes A,B] [--json F]

Same points (strata writes them, on its grid, exact in float32), same start, same iterations (tol = 0), ranks
against the same number of threads, strata and peer in turn. The time of one iteration: peers by differencing
fits of 1 and 1 + m iterations; strata by the clocks of the same iterations inside its fit. Ratios are of
medians. Also: the inertia each reached (float64, one yardstick), and what changes in a peer between one
thread and several. `--list` shows the shapes; `--scale 0.01` makes all of them small.
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

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))

# name: kind, n, d, k, peers with (floor, goal)
SHAPES = {
    "d3k8": ("lloyd", 10_000_000, 3, 8, {"sklearn": (10, 20), "elkan": None, "onedal": None}),
    "d8k16": ("lloyd", 4_000_000, 8, 16, {"sklearn": (5, 8), "elkan": None, "onedal": None}),
    "d16k16": ("lloyd", 2_000_000, 16, 16, {"sklearn": (3.5, 5), "elkan": None, "onedal": None}),
    "d64k64": ("lloyd", 500_000, 64, 64, {"sklearn": (1.8, 2.5), "elkan": None, "onedal": None}),
    "faiss-d3k16": ("lloyd", 10_000_000, 3, 16, {"faiss": (30, 60)}),
    "faiss-d16k64": ("lloyd", 1_000_000, 16, 64, {"faiss": (6, 10)}),
    "bandwidth": ("bandwidth", 16_000_000, 3, "2..4", (0.5, 0.75)),
    "filter": ("filter", 16_000_000, 3, "8,16", {8: (2.5, 7), 16: (1.4, 3)}),
    "sweep": ("sweep", 10_000_000, 3, "2..16", {"own": (3, 8), "sklearn": (50, 150)}),
    "seeding": ("seeding", 1_000_000, 3, 64, (10, 30)),
}


def peer_environment(peer, threads):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads),
               # FAISS runs its own threads over single-threaded BLAS calls; both would fight over the cores
               OPENBLAS_NUM_THREADS="1" if peer == "faiss" else str(threads), MKL_NUM_THREADS=str(threads))
    # settings meant for another OpenBLAS would slow the one that the peer brings along
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        env.pop(name, None)
    return env


class Peer:
    def __init__(self, peer, data, threads):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "worker.py"), peer, data], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=peer_environment(peer, threads))

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a peer ended with {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def installed(peer):
    module = {"sklearn": "sklearn", "elkan": "sklearn", "faiss": "faiss", "onedal": "sklearnex"}[peer]
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode == 0


class Bench:
    """Calls strata bench; every call makes the same points again, from their seed."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        env = os.environ
        if os.getuid() == 0:
            env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        env.setdefault("OMPI_MCA_rmaps_base_oversubscribe", "1")
        env.setdefault("OMPI_MCA_btl_vader_single_copy_mechanism", "none")

    def __call__(self, n, d, k, *more, data=None, ranks=None, repetitions=1):
        out = os.path.join(self.folder, "bench.json")
        command = ["mpirun", "-n", str(ranks or self.options.ranks), self.options.strata, "bench", "-q", "-n", str(n),
                   "-d", str(d), "-k", str(k), "--data", data or self.options.data, "--repetitions", str(repetitions),
                   "--json", out, *map(str, more)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}")
        with open(out) as f:
            report = json.load(f)
        self.about = report
        return report["cases"]


def export_points(bench, n, d, k, folder):
    """The very points that strata measures on, as float32 rows; and the start."""
    import h5py
    path = os.path.join(folder, "points.h5")
    case = bench(n, d, k, "--variants", "lloyd", "--seedings", "random", "--iterations", 0, "--export", path,
                 "--force")[0]
    x = np.empty((n, d), dtype=np.float32)
    with h5py.File(path) as f:
        for j in range(d):
            column = f[f"points/x{j + 1}"][...]
            x[:, j] = column
            assert np.array_equal(x[:, j].astype(np.float64), column), "points are exact in float32"
    os.unlink(path)
    data = os.path.join(folder, "points.npy")
    np.save(data, x)
    return data, case["start"]


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "all": values}


def verdict(ratio, bar):
    if bar is None:
        return ""
    return f"floor {bar[0]:g}, goal {bar[1]:g}: " + ("goal" if ratio >= bar[1] else "floor" if ratio >= bar[0]
                                                    else "BELOW")


def drift(folder, peer):
    """What a peer's own result changes by between one thread and all."""
    a, b = (os.path.join(folder, f"{peer}.{name}") for name in ("one", "all"))
    centers = [np.load(f + ".centers.npy").astype(np.float64) for f in (a, b)]
    result = {"center_difference": float(np.abs(centers[0] - centers[1]).max())}
    if os.path.exists(a + ".labels.npy"):
        labels = [np.load(f + ".labels.npy") for f in (a, b)]
        result["labels_changed"] = int((labels[0] != labels[1]).sum())
    return result


def measure_lloyd(o, bench, name, folder):
    _, n, d, k, bars = SHAPES[name]
    n, m = max(int(n * o.scale), 100 * k), o.iterations
    data, start = export_points(bench, n, d, k, folder)
    peers = {p: Peer(p, data, o.ranks) for p in bars if p in o.peers and installed(p)}
    for p in bars:
        if p in o.peers and p not in peers:
            print(f"  {p}: not installed")
    mine, theirs, case = [], {p: [] for p in peers}, None
    for _ in range(o.repeat):
        for p, peer in peers.items():
            few = peer.ask(do="fit", start=start, k=k, iterations=1)
            many = peer.ask(do="fit", start=start, k=k, iterations=1 + m)
            done = max(many["iterations"] - few["iterations"], 1)
            theirs[p].append((many["seconds"] - few["seconds"]) / done)
        case = bench(n, d, k, "--variants", "lloyd", "--seedings", "random", "--iterations", 1 + m, "--after", 1)[0]
        mine.append(case["variants"][0]["iteration_seconds"]["median"])
    own = case["variants"][0]
    result = {"n": n, "d": d, "k": k, "ranks": o.ranks, "iterations": m, "strata": spread(mine),
              "strata_inertia": own["inertia"], "strata_bytes_per_point": own["bytes_per_point_measured"],
              "bandwidth_share": 4 * d * n / statistics.median(mine) / case["read_bytes_per_second"], "peers": {}}
    print(f"  strata lloyd     {1e3 * min(mine):10.2f} ms/it best {1e3 * statistics.median(mine):10.2f} median, "
          f"{n / statistics.median(mine) / 1e6:.0f} M points*it/s, inertia {own['inertia']:.9g}, "
          f"{own['bytes_per_point_measured'] or 0:.1f} B/point (floor {4 * d + 4}, goal {4 * d + 2})")
    for p, peer in peers.items():
        result["peers"][p] = r = {"iteration_seconds": spread(theirs[p])}
        r["ratio"] = statistics.median(theirs[p]) / statistics.median(mine)
        r["all"] = peer.ask(do="fit", start=start, k=k, iterations=1 + m, judge=os.path.join(folder, f"{p}.all"))
        peer.close()
        single = Peer(p, data, 1)
        r["one"] = single.ask(do="fit", start=start, k=k, iterations=1 + m, judge=os.path.join(folder, f"{p}.one"))
        single.close()
        r["drift"] = drift(folder, p)
        print(f"  {p:16} {1e3 * min(theirs[p]):10.2f} ms/it best {1e3 * statistics.median(theirs[p]):10.2f} median, "
              f"ratio {r['ratio']:.2f}  {verdict(r['ratio'], bars[p])}")
        print(f"  {'':16} inertia {r['all']['inertia']:.9g} after {r['all']['iterations']} iterations; 1 thread against "
              f"{o.ranks}: centers differ by {r['drift']['center_difference']:.3g}, "
              f"{r['drift'].get('labels_changed', 'unknown')} labels, inertia by "
              f"{r['one']['inertia'] - r['all']['inertia']:.3g}")
    if o.ranks > 1:
        cases = bench(n, d, k, "--variants", "lloyd", "--seedings", "random", "--iterations", 1 + m, "--ranks",
                      f"1,{o.ranks}")
        same = len({c["variants"][0]["digest"] for c in cases}) == 1
        result["strata_same_at_1_rank"] = same
        print(f"  strata: 1 rank against {o.ranks}: {'the same bits' if same else 'OTHER BITS'}")
    return result


def measure_bandwidth(o, bench, name, _folder):
    _, n, d, k, bar = SHAPES[name]
    n = max(int(n * o.scale), 10000)
    cases = bench(n, d, k, "--variants", "lloyd", "--seedings", "random", "--iterations", 1 + o.iterations,
                  repetitions=o.repeat)
    result = []
    for c in cases:
        seconds = c["variants"][0]["iteration_seconds"]
        share = 4 * d * n / seconds["median"] / c["read_bytes_per_second"]
        result.append({"k": c["k"], "share": share, "read_bytes_per_second": c["read_bytes_per_second"], **seconds})
        print(f"  k {c['k']}: {1e3 * seconds['median']:.2f} ms/it median, {100 * share:.0f} % of "
              f"{c['read_bytes_per_second'] / 1e9:.1f} GB/s  {verdict(share, bar)}")
    return result


def measure_filter(o, bench, name, _folder):
    _, n, d, k, bars = SHAPES[name]
    n = max(int(n * o.scale), 10000)
    result = []
    for data in ("blobs", "cloud", "rfm"):
        for c in bench(n, d, k, "--variants", "filter", "--seedings", "random", "--iterations", 10 + o.iterations,
                       "--after", 10, "--truth-clusters", 16, data=data, repetitions=o.repeat):
            own, v = c["variants"]
            speed = 4 * d * n / v["iteration_seconds"]["median"] / c["read_bytes_per_second"]
            against_best = speed * c["read_bytes_per_second"] / c["read_bytes_per_second_best"]
            result.append({"data": data, "k": c["k"], "times_bandwidth": speed, "case": c})
            print(f"  {data:6} k {c['k']:2}: filter {1e3 * v['iteration_seconds']['median']:.2f} ms/it median over "
                  f"{v['iterations_timed']} iterations after 10, {speed:.2f} x the read bandwidth "
                  f"({c['read_bytes_per_second'] / 1e9:.0f} GB/s; {against_best:.2f} x its best), "
                  f"{v['iteration_speed_up']:.1f} x lloyd in these, {v['total_speed_up']:.2f} x in all  "
                  f"{verdict(speed, bars[c['k']])}")
    return result


def measure_sweep(o, bench, name, folder):
    _, n, d, k, bars = SHAPES[name]
    n, restarts = max(int(n * o.scale), 10000), o.restarts
    case = bench(n, d, k, "--sweep", "--restarts", restarts, "--variants", o.sweep_variant, "--iterations",
                 o.sweep_iterations, repetitions=o.sweep_repeat)[0]
    own, best = case["variants"][0], case["variants"][-1]
    result = {"n": n, "restarts": restarts, "case": case,
              "own_ratio": own["total_seconds"]["median"] / best["total_seconds"]["median"]}
    print(f"  k {k}, {restarts} restarts each, up to {o.sweep_iterations} iterations: lloyd "
          f"{own['total_seconds']['median']:.1f} s, {o.sweep_variant} {best['total_seconds']['median']:.1f} s, ratio "
          f"{result['own_ratio']:.2f}  {verdict(result['own_ratio'], bars['own'])}")
    if "sklearn" in o.peers and installed("sklearn"):
        data, _ = export_points(bench, n, d, 8, folder)
        peer = Peer("sklearn", data, o.ranks)
        low, high = map(int, k.split(".."))
        seconds = sum(peer.ask(do="fit", k=j, iterations=o.sweep_iterations, seed=j)["seconds"]
                      for j in range(low, high + 1))
        peer.close()
        result["sklearn_one_restart_seconds"] = seconds
        result["sklearn_ratio"] = seconds * restarts / best["total_seconds"]["median"]
        print(f"  scikit-learn, one restart a k: {seconds:.1f} s, times {restarts}: ratio "
              f"{result['sklearn_ratio']:.1f}  {verdict(result['sklearn_ratio'], bars['sklearn'])}")
    return result


def measure_seeding(o, bench, name, folder):
    _, n, d, k, bar = SHAPES[name]
    n = max(int(n * o.scale), 100 * k)
    data, _ = export_points(bench, n, d, k, folder)
    peer = Peer("sklearn", data, o.ranks)
    mine, plus, theirs, inertia = [], [], [], []
    for r in range(o.repeat):
        reply = peer.ask(do="seed", k=k, seed=r)
        theirs.append(reply["seconds"])
        inertia.append(reply["inertia"])
        a, b = bench(n, d, k, "--variants", "lloyd", "--seedings", "kmeans_parallel,kmeans_plus_plus", "--iterations", 0)
        mine.append(a["seeding_seconds"]["median"])
        plus.append(b["seeding_seconds"]["median"])
    peer.close()
    ratio = statistics.median(theirs) / statistics.median(mine)
    print(f"  n {n} d {d} k {k}: strata k-means|| {1e3 * statistics.median(mine):.1f} ms (inertia "
          f"{a['seeding_inertia']:.6g}), k-means++ {1e3 * statistics.median(plus):.1f} ms "
          f"({b['seeding_inertia']:.6g}); scikit-learn k-means++ {1e3 * statistics.median(theirs):.1f} ms "
          f"({statistics.median(inertia):.6g}); ratio {ratio:.1f}  {verdict(ratio, bar)}")
    return {"n": n, "d": d, "k": k, "kmeans_parallel": spread(mine), "kmeans_plus_plus": spread(plus),
            "sklearn": spread(theirs), "ratio": ratio, "inertia": a["seeding_inertia"], "sklearn_inertia": inertia}


MEASURE = {"lloyd": measure_lloyd, "bandwidth": measure_bandwidth, "filter": measure_filter, "sweep": measure_sweep,
           "seeding": measure_seeding}


def parse():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--shapes", default=",".join(SHAPES), help="of " + ", ".join(SHAPES))
    p.add_argument("--peers", default="sklearn,elkan,faiss,onedal")
    p.add_argument("--ranks", type=int, default=min(os.cpu_count(), 2), help="of strata, and threads of the peers")
    p.add_argument("--iterations", type=int, default=10, help="m: how many are timed")
    p.add_argument("--repeat", type=int, default=5, help="rounds of strata and peer in turn")
    p.add_argument("--scale", type=float, default=1.0, help="of all numbers of points")
    p.add_argument("--data", default="cloud", help="cloud, blobs, rfm or ties of strata bench")
    p.add_argument("--restarts", type=int, default=10)
    p.add_argument("--sweep-variant", default="auto")
    p.add_argument("--sweep-iterations", type=int, default=100)
    p.add_argument("--sweep-repeat", type=int, default=1)
    p.add_argument("--strata", default=os.path.join(HERE, "..", "..", "build-release", "strata"))
    p.add_argument("--json")
    p.add_argument("--list", action="store_true")
    o = p.parse_args()
    o.strata = os.path.abspath(o.strata)
    o.peers = o.peers.split(",")
    o.shapes = o.shapes.split(",")
    for name in o.shapes:
        if name not in SHAPES:
            p.error(f"no shape {name}; there are {', '.join(SHAPES)}")
    return o


def main():
    o = parse()
    if o.list:
        for name, (kind, n, d, k, _) in SHAPES.items():
            print(f"{name:14} {kind:10} n {n:>10,} d {d:2} k {k}")
        return
    folder = tempfile.mkdtemp(prefix="strata-peers-")
    results = {"machine": platform.platform(), "cores": os.cpu_count(), "ranks": o.ranks, "shapes": {}}
    try:
        bench = Bench(o, folder)
        for name in o.shapes:
            kind, n, d, k, _ = SHAPES[name]
            print(f"{name}: n {int(n * o.scale):,}, d {d}, k {k}, {o.ranks} ranks, {o.repeat} repetitions, "
                  f"data {o.data if kind != 'filter' else 'blobs, cloud, rfm'}", flush=True)
            results["shapes"][name] = MEASURE[kind](o, bench, name, folder)
            if o.json: # after every shape: a long run that ends early keeps what it has
                results.update({key: bench.about[key] for key in ("commit", "build", "processor", "kernel")})
                with open(o.json, "w") as f:
                    json.dump(results, f, indent=1)
        print("commit {commit}, {build} build, {processor}, kernel {kernel}".format(**bench.about))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

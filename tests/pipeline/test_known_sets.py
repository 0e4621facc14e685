"""Known answers of clustering benchmarks. The S, A and Birch sets (Fränti & Sieranoja 2018, doi
10.1007/s10489-018-1238-7) have known centres, and an optimum that Lloyd finds from them. Sets of the same make are
drawn here and written as those come: whole numbers between blanks, without a header. strata cluster with its own
seeding must reach the inertia of a plain float64 Lloyd from the true centres, with one centroid in every cluster."""
import math
import os
import random
import sys

from harness import Folder, need_h5py, run

h5py = need_h5py()
import numpy as np  # h5py brings it


def gauss(source, centres, size, spread):
    """size points about each centre; spread is one width, or one a centre and axis."""
    rows = []
    for j, c in enumerate(centres):
        width = spread[j] if isinstance(spread, list) else (spread, spread)
        rows += [tuple(round(source.gauss(c[f], width[f])) for f in range(2)) for _ in range(size)]
    source.shuffle(rows)
    return rows


def apart(source, k, low, high, distance):
    """k places at random, no two closer than distance."""
    places = []
    while len(places) < k:
        p = (source.uniform(low, high), source.uniform(low, high))
        if all(math.dist(p, q) >= distance for q in places):
            places.append(p)
    return places


def birch1(source):
    """A grid of 10 x 10 clusters of 1000."""
    centres = [(100000 * i + 50000, 100000 * j + 50000) for i in range(10) for j in range(10)]
    return centres, gauss(source, centres, 1000, 25000)


def birch2(source):
    """100 clusters of 1000 on a sine curve."""
    centres = [(10000 * j, 60000 * math.sin(2 * math.pi * j / 25)) for j in range(100)]
    return centres, gauss(source, centres, 1000, 1600)


def s(overlap):
    """15 clusters of some 333 with a width of their own, that overlap more and more."""
    def make(source):
        centres = apart(source, 15, 100000, 900000, 150000)
        spread = [tuple(overlap * source.uniform(0.7, 1.3) for _ in range(2)) for _ in centres]
        return centres, gauss(source, centres, 333, spread)
    return make


def a(k):
    """k round clusters of 150 with little overlap."""
    def make(source):
        side = 10000 * math.sqrt(k)
        centres = apart(source, k, 0, side, 6500)
        return centres, gauss(source, centres, 150, 1400)
    return make


SETS = {"birch1": birch1, "birch2": birch2, "s1": s(25000), "s2": s(35000), "s3": s(45000), "s4": s(55000),
        "a1": a(20), "a2": a(35), "a3": a(50)}
# What must be enough. One restart ends in the optimum in 100, 100, 94, 82 % of all cases for s1 to s4, in 97, 83,
# 50 % for a1 to a3, in 44 % for birch2 and in 1 % for birch1 (`measure` counts). So birch1 is lucky to do with 60:
# whoever changes what the seeding draws may find it unlucky; birch1-long must stand.
RESTARTS = {"birch1": 60, "birch2": 20, "a1": 10, "a2": 20, "a3": 40, "birch1-long": 2000}
# Centroids lie on the grid, which costs a hair of inertia. Clusters of birch1 touch: around the optimum there are
# several ends that differ in a few points between neighbours, and only a long search finds the lowest.
ABOVE = {"birch1": 1e-5}


def lloyd(points, centres):
    """Float64 Lloyd to its end; the centres and the inertia."""
    squares = (points ** 2).sum(1)
    labels = None
    while True:
        dots = points @ centres.T
        found = ((centres ** 2).sum(1) - 2 * dots).argmin(1)
        if labels is not None and (found == labels).all():
            break
        labels = found
        sizes = np.bincount(labels, minlength=len(centres))
        if not sizes.all():
            sys.exit("the start lost a cluster")
        centres = np.stack([np.bincount(labels, points[:, f], len(centres)) / sizes for f in range(2)], 1)
    return centres, float(((points - centres[labels]) ** 2).sum())


def same_clusters(found, truth):
    """Every true centre is the nearest of exactly one found centroid, and the other way round (the centroid
    index of Fränti, Rezaei & Zhao 2014 is 0 both ways)."""
    distance = ((found[:, None] - truth[None]) ** 2).sum(2)
    return len(set(distance.argmin(1))) == len(set(distance.argmin(0))) == len(truth)


def make(name):
    truth, rows = SETS[name](random.Random(name))
    with open(name + ".txt", "w") as f:
        f.writelines(f"{x:9d} {y:9d}\n" for x, y in rows)
    truth = np.array(truth)
    centres, best = lloyd(np.array(rows, float), truth)
    return truth, centres, best


def cluster(name, k, restarts, seed, ranks=2):
    run("cluster", "-q", "-i", name + ".txt", "--delimiter", " ", "--no-header", "-o", "out.h5", "--force", "-k", k,
        "--transform", "none", "--scale", "none", "--restarts", restarts, "--seed", seed, "--max-iterations", 500,
        ranks=ranks, timeout=600)
    with h5py.File("out.h5", "r") as f:
        found = np.stack([f[f"clusters/c{c}_center"][...] for c in (1, 2)], 1)
        return found, float(f["model"].attrs["inertia"]), f["iterations"]["restart"][...], \
            f["iterations"]["inertia"][...]


def check(name):
    set_name = name.split("-")[0]
    truth, centres, best = make(set_name)
    found, inertia, *_ = cluster(set_name, len(truth), RESTARTS.get(name, 10), 1)
    if not inertia <= best * (1 + ABOVE.get(name, 1e-7)):
        sys.exit(f"{name}: inertia {inertia!r}, Lloyd from the true centres has {best!r}")
    if not same_clusters(found, centres):
        sys.exit(f"{name}: the centroids are not one in each cluster")
    print(f"ok: {name}: {inertia / best - 1:+.2e} of the inertia from the true centres {best:.6e}")


def measure(name, seeds=5, restarts=40):
    """How many restarts end in the optimum."""
    truth, centres, best = make(name)
    for init in ("kmeans_parallel", "kmeans_plus_plus", "random"):
        good, ends = 0, []
        for seed in range(seeds):
            os.environ["STRATA_CLUSTER_INIT"] = init
            _, _, restart, inertia = cluster(name, len(truth), restarts, seed)
            last = {int(r): float(i) for r, i in zip(restart, inertia)}
            ends += last.values()
        ends = np.array(ends) / best - 1
        print(f"{name:8s} {init:17s} {np.mean(ends < 1e-3):6.1%} of {len(ends)} restarts end in the optimum; median "
              f"{np.median(ends):+.3f}, best {ends.min():+.2e}", flush=True)


if __name__ == "__main__":
    with Folder():
        if sys.argv[1] == "measure":
            for name in sys.argv[2:] or SETS:
                measure(name)
        else:
            for name in sys.argv[1:]:
                check(name)

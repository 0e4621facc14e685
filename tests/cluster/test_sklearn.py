#!/usr/bin/env python3
"""scikit-learn's float64 Lloyd from the same start, for the same number of moves: the same labels, as data lie on
the grid. Walks go by means here as there; only what is published is rounded to the grid, which may give a point within
half a step of a border another label, so all centroids must be those of scikit-learn but for that half step. Walks by
rounded means part from it in the narrow scenes, by tens of labels and hundreds of steps.
As `measure`, a million points.
STRATA_TEST_SKLEARN names a python that has scikit-learn, if this one has not; without either, the same steps in
numpy's float64 take its place."""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import warnings

SKIPPED = 77


def find_python():
    """Goes on under STRATA_TEST_SKLEARN where this python has no scikit-learn."""
    other = os.environ.get("STRATA_TEST_SKLEARN")
    if not importlib.util.find_spec("sklearn") and other and not os.environ.get("STRATA_TEST_SKLEARN_TRIED"):
        os.environ["STRATA_TEST_SKLEARN_TRIED"] = "1"
        os.execv(other, [other, *sys.argv])
    if not importlib.util.find_spec("numpy"):
        print("skipped: this python has no numpy")
        sys.exit(SKIPPED)


find_python()
import numpy as np

try:
    from sklearn.cluster import KMeans
except ImportError:
    KMeans = None

STRATA = os.environ["STRATA"]
MPIEXEC = os.environ.get("STRATA_MPIEXEC", "mpiexec")


# Reads the result where the python of scikit-learn has no h5py; JSON keeps the doubles.
READER = """
import h5py, json
with h5py.File("out.h5") as f:
    d = sum(name.endswith("_center") for name in f["clusters"])
    json.dump({"labels": f["users/cluster_id"][...].tolist(), "step": int(f["model"].attrs["step_exponent"]),
               "iterations": int(f["model"].attrs["iterations"]), "converged": int(f["model"].attrs["converged"]),
               "centres": [f[f"clusters/c{j + 1}_center"][...].tolist() for j in range(d)]}, open("out.json", "w"))
"""


def strata(start, moves, variant):
    """The result of strata cluster on points.csv."""
    np.savetxt("start.csv", start, fmt="%d", delimiter=",")
    command = [MPIEXEC, "-n", "3", STRATA, "cluster", "-q", "-i", "points.csv", "--no-header", "-o", "out.h5", "--force",
               "-k", str(len(start)), "--centroids", "start.csv", "--max-iterations", str(moves), "--transform", "none",
               "--scale", "none", "--variant", variant]
    done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=240)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    if subprocess.run([os.environ["STRATA_TEST_PYTHON"], "-c", READER]).returncode != 0:
        print("skipped: python3 has no h5py")
        sys.exit(SKIPPED)
    with open("out.json") as f:
        result = json.load(f)
    return result | {"labels": np.array(result["labels"]), "centres": np.array(result["centres"]).T}


def nearest(points, centres):
    """The nearest centre of each point, the first of equals."""
    best, labels = np.full(len(points), np.inf), np.zeros(len(points), int)
    for j, centre in enumerate(centres):
        distance = ((points - centre) ** 2).sum(1)
        labels[distance < best] = j
        best = np.minimum(best, distance)
    return labels


def walk(points, centres, moves):
    """Lloyd's steps in float64: labels and centres after so many moves, or once no label changes."""
    labels = nearest(points, centres)
    for _ in range(moves):
        empty = np.flatnonzero(np.bincount(labels, minlength=len(centres)) == 0)
        if len(empty):  # take the points that are farthest from their centres
            far = np.argsort(-((points - centres[labels]) ** 2).sum(1), kind="stable")
            labels[far[:len(empty)]] = empty
        sizes = np.bincount(labels, minlength=len(centres))
        sums = np.array([np.bincount(labels, column, len(centres)) for column in points.T]).T
        centres, before = sums / sizes[:, None], labels
        labels = nearest(points, centres)
        if (labels == before).all():
            break
    return labels, centres


def peer(points, start, moves):
    """Labels and centres of scikit-learn after so many moves."""
    points, start = points.astype(float), np.ascontiguousarray(start, float)
    if not KMeans:
        return walk(points, start, moves)
    model = KMeans(len(start), init=start, n_init=1, max_iter=max(moves, 1), tol=0, algorithm="lloyd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged is meant
        model.fit(points)
    if moves == 0:
        model.cluster_centers_ = start
        return model.predict(points), model.cluster_centers_
    return model.labels_, model.cluster_centers_


def compare(name, points, start, moves, variant):
    k = len(start)
    mine, (labels, centres) = strata(start, moves, variant), peer(points, start, moves)
    # clusters are numbered anew in the file: the centroids tell which is which
    number = ((centres[:, None] - mine["centres"][None]) ** 2).sum(2).argmin(1)
    if sorted(number) != list(range(k)):
        sys.exit(f"{name}, {moves} moves: the centroids are not those of scikit-learn")
    moved = np.sqrt(((centres - mine["centres"][number]) ** 2).sum(1)).max()  # how far apart a centroid is at most
    other = np.flatnonzero(number[labels] != mine["labels"])
    back = np.argsort(number)
    x, a, b = points[other], centres[labels[other]], centres[back[mine["labels"][other]]]
    gap = np.sqrt(((x - b) ** 2).sum(1)) - np.sqrt(((x - a) ** 2).sum(1))
    # Both labels are the nearest of their own centroids, so the two distances are closer than two shifts.
    rounding = 1e-9 * np.abs(points).max()
    if (gap > 2 * moved + rounding).any():
        sys.exit(f"{name}, {moves} moves: a label differs by {gap.max()}, the centroids only by {moved}")
    share, step = len(other) / len(points), 2.0 ** mine["step"]
    print(f"{name}, {moves} moves ({mine['iterations']} made{', converged' if mine['converged'] else ''}), {variant}: "
          f"{len(other)} labels differ ({share:.1e}), near by {gap.max(initial=0) / step:.2g} steps; centroids by "
          f"{moved / step:.2g} steps", flush=True)
    return share, moved / step


NARROW = 200000


def scene(n, d, k, width, seed):
    """Groups of whole numbers up to 2^24, so that a step is 1, and a start at k of them; narrow ones in one place,
    where many points are near a border."""
    source = np.random.default_rng(seed)
    places = source.integers(-6000000, 6000000, (k, d)) * (width > NARROW)
    points = np.rint(places[np.arange(n) % k] + source.normal(0, width, (n, d))).astype(np.int64)
    points = np.clip(points, -(2**24 - 1), 2**24 - 1)
    points[0, 0] = 2**24 - 1  # makes the step 1
    return points, points[source.choice(n, k, replace=False)]


def check(shapes, all_moves, share_limit):
    for n, d, k, width in shapes:
        points, start = scene(n, d, k, width, d * 1000 + k)
        np.savetxt("points.csv", points, fmt="%d", delimiter=",")
        for moves in all_moves:
            for variant in ("lloyd",) if moves else ("lloyd", "yinyang"):
                share, apart = compare(f"n {n} d {d} k {k}", points, start, moves, variant)
                # the means are the same, so the centroids are these, rounded by half a step a feature
                if share > (0 if moves == 0 else share_limit) or apart > 0.5 * d**0.5 * (moves > 0) + 1e-3:
                    sys.exit(f"that is too much: {share} of the labels, {apart} steps")


def main():
    print("beside " + ("scikit-learn" if KMeans else "numpy; no scikit-learn here"))
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as folder:
        os.chdir(folder)
        if "measure" in sys.argv:
            check([(1000000, d, k, 3000000) for d, k in ((2, 5), (3, 16), (8, 16), (16, 64))], (0, 1, 5, 20, 100), 1)
        else:
            check([(20000, 2, 5, 2000000), (20000, 3, 8, 3000000), (20000, 8, 16, 3000000), (5000, 16, 12, 300000)],
                  (0, 1, 5, 300), 0)
            check([(100000, 3, 16, NARROW), (100000, 8, 16, NARROW)], (40,), 3e-5)
        os.chdir("..")


if __name__ == "__main__":
    main()

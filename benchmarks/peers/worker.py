"""One peer in a process of its own: reads a request a line (JSON), answers with one. Started by run.py,
which sets the threads of the process; imports only what its peer needs."""
import json
import sys
import time

import numpy as np


def exact_inertia(x, centers, block=1 << 18):
    """Of the nearest centers, in float64, by differences: the same yardstick for everybody."""
    total = 0.0
    c = np.asarray(centers, dtype=np.float64)
    for at in range(0, len(x), block):
        part = x[at:at + block].astype(np.float64)
        best = np.full(len(part), np.inf)
        for j in range(len(c)):
            np.minimum(best, ((part - c[j]) ** 2).sum(axis=1), out=best)
        total += float(best.sum())
    return total


def sklearn_fit(kmeans, x, start, k, iterations, algorithm, seed):
    given = start is not None
    model = kmeans(n_clusters=k, init=np.asarray(start, dtype=np.float32) if given else "k-means++", n_init=1,
                   max_iter=max(iterations, 1), tol=0, algorithm=algorithm, random_state=seed)
    begin = time.perf_counter()
    model.fit(x)
    seconds = time.perf_counter() - begin
    return seconds, int(model.n_iter_), model.cluster_centers_, model.labels_, float(model.inertia_)


def faiss_fit(x, start, k, iterations):
    import faiss
    model = faiss.Kmeans(x.shape[1], k, niter=iterations, nredo=1, verbose=False, min_points_per_centroid=1,
                         max_points_per_centroid=len(x))
    begin = time.perf_counter()
    model.train(x, init_centroids=np.asarray(start, dtype=np.float32))
    seconds = time.perf_counter() - begin
    return seconds, iterations, model.centroids, None, float(model.obj[-1])


def fit(peer, x, r):
    import warnings
    warnings.filterwarnings("ignore")
    if peer == "faiss":
        return faiss_fit(x, r["start"], r["k"], r["iterations"])
    if peer == "onedal":
        from sklearnex.cluster import KMeans
    else:
        from sklearn.cluster import KMeans
    return sklearn_fit(KMeans, x, r.get("start"), r["k"], r["iterations"],
                       "elkan" if peer == "elkan" else "lloyd", r.get("seed", 0))


def answer(peer, x, r):
    if r["do"] == "seed":
        from sklearn.cluster import kmeans_plusplus
        begin = time.perf_counter()
        centers, _ = kmeans_plusplus(x, r["k"], random_state=r["seed"])
        return {"seconds": time.perf_counter() - begin, "inertia": exact_inertia(x, centers)}
    seconds, iterations, centers, labels, inertia = fit(peer, x, r)
    reply = {"seconds": seconds, "iterations": iterations, "own_inertia": inertia}
    if r.get("judge"):
        reply["inertia"] = exact_inertia(x, centers)
        np.save(r["judge"] + ".centers.npy", np.asarray(centers))
        if labels is not None:
            np.save(r["judge"] + ".labels.npy", np.asarray(labels, dtype=np.int32))
    return reply


def main():
    peer, data = sys.argv[1:3]
    x = np.load(data)
    for line in sys.stdin:
        print(json.dumps(answer(peer, x, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

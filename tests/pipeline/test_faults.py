"""One rank dies or fails in every phase: the run ends, with a failure, and what was there stays."""
import os
import sys

from harness import Folder, digest, equal, run

PHASES = ("ingest", "features", "stratify", "cluster", "significance", "output")
CONFIG = """config_version: 1
input: {files: [tx.csv], columns: {user: user_id, time: order_date, amount: amount}}
clean: {outliers: {method: none}}
privacy: {mode: plain}
"""


def prepare():
    with open("c.yaml", "w") as f:
        f.write(CONFIG)
    with open("tx.csv", "w") as f:
        f.write("user_id,order_date,amount\n")
        for i in range(5000):
            f.write(f"u{i * 7919 % 900},2024-{i % 12 + 1:02d}-{i % 28 + 1:02d},{i % 97}.{i % 100:02d}\n")
    run("run", "-q", "-c", "c.yaml", "-o", "out.h5", ranks=3)
    return digest("out.h5"), open("out.h5", "rb").read()


def strike(fault, before):
    done = run("run", "-q", "-c", "c.yaml", "-o", "out.h5", "--force", ranks=3, expect=None,
               timeout=60, env={"STRATA_FAULT": fault})
    if done.returncode == 0:
        sys.exit(f"{fault}: the run says it succeeded")
    if open("out.h5", "rb").read() != before:
        sys.exit(f"{fault}: the older result was touched")
    return done


def main():
    with Folder():
        wanted, before = prepare()
        for phase in PHASES:
            for action in ("fail", "kill", "segv", "exit", "term"):
                strike(f"phase.{phase}:{action}:0:1", before)
            print(f"ok: phase {phase}")
        for point in ("alloc", "io.read", "io.open", "io.fsync", "io.rename", "io.space"):
            for skip in (0, 3) if point == "alloc" else (0,):
                done = strike(f"{point}:fail:{skip}", before)
                if len([x for x in done.stderr.splitlines() if x.startswith("strata: error")]) != 1:
                    sys.exit(f"{point}: not one error line:\n{done.stderr}")
            print(f"ok: {point}")
        for skip in (*range(0, 200, 17), *range(200, 5000, 300)):  # memory runs out, somewhere
            done = run("run", "-q", "-c", "c.yaml", "-o", "out.h5", "--force", ranks=2, expect=None,
                       timeout=60, env={"STRATA_FAULT": f"alloc:fail:{skip}:1"})
            if done.returncode == 0:
                break
            equal(f"allocation {skip} on one rank fails: exit", done.returncode, 6)
            if open("out.h5", "rb").read() != before:
                sys.exit("the older result was touched")
        run("run", "-q", "-c", "c.yaml", "-o", "out.h5", "--force", ranks=3)
        equal("the same result afterwards", digest("out.h5"), wanted)
        left = sorted(f for f in os.listdir(".") if f not in ("c.yaml", "tx.csv", "out.h5"))
        equal("nothing left behind", left, [])


def cluster():
    """Memory runs out on one of several ranks, anywhere in a clustering: all ranks leave with exit 6."""
    rows = [(i % 97, i * i % 101, i % 7) for i in range(900)]
    with open("p.csv", "w") as f:
        f.write("a,b,c\n" + "".join("%d,%d,%d\n" % r for r in rows))
    with open("start.csv", "w") as f:
        f.write("".join("%d,%d,%d\n" % r for r in rows[:4]))
    run("cluster", "-q", "-i", "p.csv", "-o", "p.h5", "-k", 3)
    out = ("-o", "out.h5", "--force")
    jobs = {"text": ("cluster", "-i", "p.csv", "-k", 4, *out),
            "k: auto": ("cluster", "-i", "p.csv", "-k", "auto", "--set", "cluster.k_max=3", "--restarts", 1, *out),
            "a result": ("cluster", "-i", "p.h5", "-k", 5, "--variant", "filter", "--init", "kmeans_plus_plus", *out),
            "keys": ("cluster", "-i", "p.csv", "--key", "a", "-k", 3, "--set", "privacy.mode=plain", *out),
            "minibatch": ("cluster", "-i", "p.csv", "--centroids", "start.csv", "--variant", "minibatch", *out),
            "bench": ("bench", "-n", 300, "-k", "2,3", "--ranks", "2,3", "--repetitions", 1, "--export", "out.h5")}
    there = sorted(os.listdir("."))
    for name, job in jobs.items():
        def fails(skip):
            done = run(*job, "-q", ranks=3, expect=None, timeout=60, env={"STRATA_FAULT": f"alloc:fail:{skip}:1"})
            made = os.path.exists("out.h5")
            if made:
                os.remove("out.h5")
            if done.returncode != 0:
                errors = [x for x in done.stderr.splitlines() if x.startswith("strata: error")]
                equal(f"{name}, allocation {skip}", (done.returncode, len(errors), made, sorted(os.listdir("."))),
                      (6, 1, made and name == "bench", there))
            return done.returncode != 0
        end = 64
        while fails(end):
            end *= 2
        for skip in range(0, end, end // 14 | 1):
            fails(skip)


if __name__ == "__main__":
    if sys.argv[1:] == ["cluster"]:
        with Folder():
            cluster()
    else:
        main()

#!/usr/bin/env python3
"""strata bench on tiny data: every exact variant has the bits of lloyd, at every rank count, on generated
points, on a sweep and on a file; the JSON and CSV say what the screen says. Times are not looked at."""
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile

STRATA = os.environ["STRATA"]
MPIEXEC = os.environ.get("STRATA_MPIEXEC", "mpiexec")


def bench(*arguments, ranks=1, expect=0):
    command = [MPIEXEC, "-n", str(ranks), STRATA, "bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
    if done.returncode != expect:
        sys.exit(f"{' '.join(command)}\nexit {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}")
    return done


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def load(name):
    with open(name) as f:
        report = json.load(f)
    check(report["bits_agree"], f"{name}: bits agree")
    for case in report["cases"]:
        lloyd = case["variants"][0]
        check(lloyd["variant"] == "lloyd", "lloyd comes first")
        for v in case["variants"]:
            what = f"{name}: {v['variant']}, k {case['k']}, {case['ranks']} ranks"
            check(v["same_as_lloyd"] or not v["exact"], f"{what}: differs in {v['differs_in']}")
            check(not v["exact"] or v["digest"] == lloyd["digest"], f"{what}: digest")
            check(len(v["total_seconds"]["all"]) == report["repetitions"], f"{what}: repetitions")
            for seconds in (v["total_seconds"], v["iteration_seconds"]):
                check(seconds["min"] == min(seconds["all"]), f"{what}: least")
                check(seconds["median"] == statistics.median(seconds["all"]), f"{what}: median")
            if not report["sweep"]:
                check(v["reduced_bytes"] == v["reduced_calls"] * 8 * (case["k"] * (case["d"] + 1) + 2),
                      f"{what}: one allreduce of 8 (k (d + 1) + 2) bytes an iteration")
                check(v["iterations"] <= v["reduced_calls"] - 1, f"{what}: calls")
    return report


def digests(report):
    return {(c["ranks"], c["k"], c["seeding"], v["variant"]): v["digest"]
            for c in report["cases"] for v in c["variants"]}


def contents():
    return {name: os.path.isfile(name) and open(name, "rb").read() for name in os.listdir(".")}


def outputs():
    """No output takes the place of a file that is read or of another output."""
    with open("ok.csv", "w") as f:
        f.write("a,b\n" + "".join(f"{i * i % 101},{i % 17}.5\n" for i in range(400)))
    with open("my.yaml", "w") as f:
        f.write("config_version: 1\n")
    os.symlink("ok.csv", "link.csv")
    os.makedirs("folder")
    work = ["-i", "ok.csv", "-c", "my.yaml", "-k", 2, "--variants", "lloyd", "--repetitions", 1, "--force"]
    for given, reason in (("--json ok.csv", "--json ok.csv is an input too (input.files: ok.csv); name another"),
                          ("--csv ok.csv", "--csv ok.csv is an input too"),
                          ("--csv link.csv", "--csv link.csv is an input too (input.files: ok.csv)"),
                          ("--export ok.csv", "--export ok.csv is an input too"),
                          ("--json my.yaml", "--json my.yaml is an input too (--config: my.yaml)"),
                          ("--json x --csv x", "--json x is an output too (--csv: x); name another"),
                          ("--export x.h5 --json ./x.h5", "--export x.h5 is an output too (--json: ./x.h5)"),
                          ("--csv folder", "--csv folder is a folder; name a file")):
        for ranks in (1, 3):
            before = contents()
            done = bench(*work, *given.split(), ranks=ranks, expect=2)
            check(done.stderr.count("strata:") == 1 and reason in done.stderr, f"{given}: {done.stderr}")
            check(done.stdout == "", f"{given}: refused before anything is said")
            check(contents() == before, f"{given}: no file changes")
    bench(*work, "--json", "/dev/null", "--csv", "/dev/null", ranks=2)
    bench(*work, "--json", "-", "--csv", "-")
    os.remove("link.csv")


def main():
    # one start of three ranks measures 1, 2 and 3 of them, two k, all seedings
    done = bench("-n", 3000, "-k", "2,7", "--ranks", "1..3", "--repetitions", 1, "--iterations", 12, "--seedings",
                 "kmeans_parallel,kmeans_plus_plus,random", "--json", "a.json", "--csv", "a.csv", ranks=3)
    check(max(map(len, done.stdout.splitlines())) <= 100, "the table fits 100 columns")
    report = load("a.json")
    check(len(report["cases"]) == 3 * 2 * 3, "18 cases")
    found = digests(report)
    for (ranks, k, seeding, variant), digest in found.items():
        check(digest == found[1, k, seeding, variant], f"{ranks} ranks, k {k}, {seeding}, {variant}: other bits")
    with open("a.csv") as f:
        lines = list(csv.DictReader(f))
    check(len(lines) == sum(len(c["variants"]) for c in report["cases"]), "a CSV line each")
    check({line["digest"] for line in lines} >= set(found.values()), "the CSV's digests")
    cells = [v for c in report["cases"] for v in c["variants"]]
    for name in ("iteration_speed_up", "total_speed_up"):
        check([float(line[name]) for line in lines] == [v[name] for v in cells], f"the CSV's {name}")
    check({line["kernel"] for line in lines} == {report["kernel"]}, "the CSV names the kernel that ran")
    notes = [line for line in done.stdout.splitlines() if "outside its regime" in line]
    check(len(notes) == len(set(notes)) > 2, "a note is said once for all cases")

    # fewer points than ranks, equal points, one cluster
    bench("-n", 2, "-k", "1,2", "--repetitions", 1, "--json", "b.json", "--data", "ties", ranks=3)
    load("b.json")

    # many features, another kernel: the same bits
    for kernel in ("plain", "auto"):
        bench("-n", 1500, "-d", 17, "-k", 5, "--repetitions", 2, "--kernel", kernel, "--json", f"{kernel}.json", ranks=2)
    check(digests(load("plain.json")) == digests(load("auto.json")), "kernels give the same bits")

    # Points written and read back are the same points, whatever the partition. The walk is another one: its
    # centroids lie on the grid of the file's largest value, which is finer.
    bench("-n", 1000, "-d", 4, "--data", "rfm", "--variants", "lloyd", "--repetitions", 1, "--export", "p.h5",
          "--seedings", "random", "--force", "--json", "c.json", ranks=3)
    bench("-i", "p.h5", "--table", "/points", "--features", "x1,x2,x3,x4", "--transform", "none", "--scale", "none",
          "--variants", "filter", "--seedings", "random", "--repetitions", 1, "--json", "d.json", "--ranks", "1,2", ranks=2)
    written, read = load("c.json")["cases"][0], load("d.json")["cases"]
    check(written["start"] == read[0]["start"] == read[1]["start"], "the file's points give the same start")
    check(len(set(digests(load("d.json")).values())) == 1, "and one walk at every rank count")
    away = written["variants"][0]["inertia"] / read[0]["variants"][0]["inertia"] - 1
    check(abs(away) < 1e-4, f"nearly as far as the other, {away}")

    # numbers as text, on parts of the ranks
    with open("p.csv", "w") as f:
        f.write("a,b\n" + "".join(f"{i * i % 101},{i % 17}.5\n" for i in range(400)))
    done = bench("-i", "p.csv", "-k", "3", "--ranks", "1,3", "--repetitions", 1, "--json", "f.json", ranks=3)
    check(done.stderr == "", f"nothing to complain about, yet: {done.stderr}")
    cases = load("f.json")["cases"]
    check([(c["n"], c["d"]) for c in cases] == [(400, 2)] * 2, "the text file's shape")
    check(cases[0]["variants"][0]["digest"] == cases[1]["variants"][0]["digest"], "a text file at 1 and 3 ranks")

    # few distinct rows: auto merges them
    bench("-n", 30000, "-k", 9, "--data", "scores", "--iterations", 30, "--variants", "auto,merge,minibatch",
          "--repetitions", 1, "--json", "s.json", ranks=2)
    cells = {v["variant"]: v for v in load("s.json")["cases"][0]["variants"]}
    check(cells["auto"]["ran"] == "merge", "auto merges scores")
    check(not cells["minibatch"]["exact"] and "not exact" in cells["minibatch"]["reason"], "minibatch says what it is")

    # every variant outside its regime: the same bits, and a note
    for data, d, outside in (("cloud", 2, {"filter", "hamerly", "gemm", "yinyang", "elkan", "merge"}),
                             ("cloud", 8, {"filter", "hamerly", "gemm", "yinyang", "elkan", "merge"}),
                             ("scores", 1, {"filter", "hamerly", "gemm", "yinyang", "elkan"})):
        done = bench("-n", 3000, "-d", d, "-k", 2, "--data", data, "--repetitions", 1, "--json", "o.json", ranks=2)
        load("o.json")
        said = {line.split(":")[0].strip() for line in done.stdout.splitlines() if "outside its regime" in line}
        check(said == outside, f"{data}, d = {d}: outside their regime are {outside}, said of {said}")
        check("minibatch: as asked; not exact" in done.stdout, "minibatch says what it is on the screen")
    check("merge: as asked, outside" not in done.stdout, "merge is at home among scores")
    bench("-n", 10, "-k", 3, "--variants", "minibatch", "--repetitions", 1, "--json", "o.json", ranks=3)
    load("o.json")

    # a sweep
    bench("-n", 1200, "-k", "2..4", "--sweep", "--restarts", 2, "--repetitions", 1, "--json", "e1.json", ranks=1)
    bench("-n", 1200, "-k", "2..4", "--sweep", "--restarts", 2, "--repetitions", 2, "--json", "e2.json", ranks=2)
    one, two = load("e1.json"), load("e2.json")
    check(one["k"] == [2, 3, 4], "the k of a sweep")
    check([v["digest"] for v in one["cases"][0]["variants"]]
          == [v["digest"] for v in two["cases"][0]["variants"]], "sweeps at 1 and 2 ranks")

    # JSON on the screen stands alone
    done = bench("-n", 500, "-k", 3, "--variants", "auto", "--repetitions", 1, "--json", "-", "--seed", 2**64 - 1)
    check(len(json.loads(done.stdout)["cases"][0]["variants"]) == 2, "JSON on the screen")
    check(json.loads(done.stdout)["seed"] == 2**64 - 1, "the largest seed")

    # the job script, with mpirun in the place of srun
    source = os.environ["STRATA_SOURCE"]
    env = dict(os.environ, STRATA_JOB_LAUNCHER="mpirun", STRATA_JOB_PROGRAM=STRATA, STRATA_JOB_FOLDER=f"{source}/jobs",
               STRATA_JOB_SITE=f"{source}/jobs/site/local.sh")
    script = ["bash", f"{source}/jobs/benchmark.sbatch"]
    subprocess.run([*script, "job", "-n", "400", "-k", "3", "--repetitions", "1"], env=env, check=True, timeout=120,
                   stdout=subprocess.DEVNULL)
    load("job.json")
    check(subprocess.run(script, env=env, capture_output=True).returncode == 2, "the job script without a name")

    # what the cost model makes of it: half of the points on a rank take half of the time
    model = subprocess.run([sys.executable, f"{source}/benchmarks/cost_model.py", "job.json", "--ranks", "1,2", "--latency",
                            "0", "--network", "1e300", "--json", "model.json"], capture_output=True, text=True)
    check(model.returncode == 0, f"the cost model: {model.stderr}")
    with open("model.json") as f:
        one, two = json.load(f)
    check(abs(one["iteration_seconds"] / two["iteration_seconds"] - 2) < 1e-9, "the cost model scales")

    # mistakes
    for wrong in (["--variants", "quick"], ["-k", "0"], ["-k", "5..2"], ["--ranks", "4"], ["--seedings", "luck"],
                  ["-k", "300"], ["--data", "none"], ["--features", "a", "-x"]):
        bench(*wrong, "-n", 100, ranks=2, expect=2)
    check("from 1 to 2 (the ranks started), found 3" in bench("--ranks", "1..3", ranks=2, expect=2).stderr, "too many ranks")
    done = bench("--variants", "loyd", expect=2)
    check("auto, lloyd, filter" in done.stderr and "minibatch" in done.stderr, "the variants that there are")
    for name, text, code, reason in (("nan", "a,b\n1,2\nNaN,3\n", 5, 'nan.csv:3: column a: "NaN"'),
                                     ("inf", "a,b\n1,2\n3,inf\n", 5, 'inf.csv:3: column b: "inf"'),
                                     ("text", "a,b\nx,y\nu,v\n", 5, "no column of numbers"),
                                     ("wide", "1," * 64 + "1\n", 2, "65 columns of numbers, but 64")):
        with open(f"{name}.csv", "w") as f:
            f.write(text)
        done = bench("-i", f"{name}.csv", ranks=2, expect=code)
        check(done.stderr.count("strata:") == 1 and reason in done.stderr, f"{name}: {done.stderr}")
    for option in ("--json", "--csv"):
        check("nowhere/x" in bench("-n", 10, option, "nowhere/x", expect=7).stderr, f"{option} has no place")
    outputs()
    with open("far.csv", "w") as f:
        f.write("a\n" + "".join(f"{i % 7}\n" for i in range(3000)) + "1e9\n-1e9\n")
    done = bench("-i", "far.csv", "-k", 2, "--transform", "none", "--variants", "auto", "--repetitions", 1, ranks=3)
    check("2 values of a lie beyond the grid" in done.stderr, "values beyond the grid are counted")
    bench("-i", "none.h5", ranks=2, expect=5)
    check("--dim is for generated points" in bench("-i", "far.csv", "-d", 3, expect=2).stderr, "a file has its own shape")
    bench("-i", "p.h5", "--table", "/points", "--features", "x9", ranks=2, expect=2)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as fresh:
        os.chdir(fresh)
        main()
        os.chdir("..")

"""strata cluster: known answers, a given start against plain Lloyd, the same digest however the rows are
stored and spread, reclustering a result, and input that is wrong or odd."""
import gzip
import json
import os
import random
import re
import subprocess
import sys

from harness import CONFIG, SOURCE, STRATA, Folder, close, data_file, digest, equal, need_h5py, run, spare

h5py = need_h5py()
RANKS = (1, 2, 3, 4, 7)
PLAIN = ("--transform", "none", "--scale", "none")


def iris_rows():
    """Fisher's measurements, from the unit tests' table, in tenths."""
    text = open(os.path.join(SOURCE, "tests", "cluster", "iris.h")).read()
    rows = [tuple(map(int, r)) for r in re.findall(r"\{\s*(\d+),\s*(\d+),\s*(\d+),\s*(\d+)\s*\}", text)]
    equal("iris rows", len(rows), 150)
    return rows


def write_iris(path="iris.csv"):
    species = ("setosa", "versicolor", "virginica")
    with open(path, "w") as f:
        f.write("sepal_length,sepal_width,petal_length,petal_width,species\n")
        for i, row in enumerate(iris_rows()):
            f.write(",".join(f"{x // 10}.{x % 10}" for x in row) + f",{species[i // 50]}\n")


def cluster(path, *arguments, ranks=2, out="out.h5", expect=0):
    return run("cluster", "-q", "-i", path, "-o", out, "--force", *arguments, ranks=ranks, expect=expect)


def column(path, name):
    with h5py.File(path, "r") as f:
        return f[name][...].tolist()


def attribute(path, group, name):
    with h5py.File(path, "r") as f:
        return f[group].attrs[name]


def iris():
    write_iris()
    wanted = {2: 152.347951760358, 3: 78.851441426146, 4: 57.2284732142857, 5: 46.446182051282,
              6: 39.0399872460872}
    for k, sse in wanted.items():
        cluster("iris.csv", "-k", k, "--restarts", 200, *PLAIN)
        # centroids lie on the grid, so the sum of squares can only be a little above the real optimum
        close(f"iris SSE k={k}", float(attribute("out.h5", "model", "inertia")), sse, 1e-6)
        if k == 3:
            equal("iris sizes", sorted(column("out.h5", "clusters/users")), [38, 50, 62])
            equal("order by falling mean of the first feature", column("out.h5", "clusters/users"),
                  [38, 62, 50])
            equal("the column of text is left out", sorted(h5py.File("out.h5", "r")["users"].keys()),
                  ["cluster_distance", "cluster_id", "petal_length", "petal_width", "row",
                   "sepal_length", "sepal_width"])
    done = run("cluster", "-i", "iris.csv", "-o", "auto.h5", "-k", "auto", *PLAIN, "--json", "auto.json",
               "--set", "gates.min_group_size=10", ranks=3)
    equal("one line explains k", len(re.findall(r"^k = 2: .*silhouette", done.stdout, re.M)), 1)
    equal("the screen fits", max(map(len, done.stdout.splitlines())) <= 100, True)
    equal("k_selection", column("auto.h5", "k_selection/k"), list(range(2, 11)))
    equal("chosen", column("auto.h5", "k_selection/chosen"), [1] + [0] * 8)
    equal("clusters", len(column("auto.h5", "clusters/users")), 2)
    summary = json.load(open("auto.json"))
    equal("summary", (summary["rows"], summary["clustering"]["k"], summary["content_digest"]),
          (150, 2, digest("auto.h5")))
    for name in ("calinski_harabasz", "davies_bouldin", "simplified_silhouette", "smallest", "eligible"):
        equal(f"{name} of the candidates", [c[name] for c in summary["k_selection"]["candidates"]],
              column("auto.h5", f"k_selection/{name}"))
    # a given k wins, and the others are judged beside it when that is asked for
    always = ("--set", "cluster.k_selection=always", "--set", "cluster.k_max=4")
    done = run("cluster", "-i", "iris.csv", "-o", "always.h5", "-k", 3, *PLAIN, *always, ranks=2)
    equal("the table of a given k", (column("always.h5", "k_selection/k"), column("always.h5", "k_selection/chosen")),
          ([2, 3, 4], [0, 1, 0]))
    equal("said", "k = 3 as asked; the criteria would take k = 2" in done.stdout, True)
    cluster("iris.csv", "-k", 3, *PLAIN)
    equal("the same labels", column("always.h5", "users/cluster_id"), column("out.h5", "users/cluster_id"))
    equal("none otherwise", "k_selection" in h5py.File("out.h5"), False)
    refuse("a k outside the range", None, 2, "k 5 lies outside k_min 2 to k_max 4", "-k", "5", *always, path="iris.csv")
    done = run("cluster", "-i", "iris.csv", "-o", "none.h5", "-k", "auto", "--set", "gates.min_group_size=40")
    equal("why not", [line.split()[6:] for line in done.stdout.splitlines() if re.match(r"(2|3|4|5) .*\.", line)],
          [["chosen"], [], ["unstable"], ["too", "small"]])
    done = run("cluster", "-i", "iris.csv", "-o", "none.h5", "-k", "auto", "--force", ranks=2)
    equal("what was wanted", "more than 300 rows" in " ".join(done.stdout.split()), True)
    run("verify", "auto.h5", ranks=0)
    equal("inspect", "150" in run("inspect", "auto.h5", ranks=0).stdout, True)


# ---- a given start ------------------------------------------------------------------------------

def plain_lloyd(points, start, moves):
    """Labels by the start, then `moves` times the means; the plainest float64 form."""
    centres = [list(map(float, c)) for c in start]
    labels = None
    for turn in range(moves + 1):
        new = []
        for p in points:
            distances = [sum((a - b) ** 2 for a, b in zip(p, c)) for c in centres]
            new.append(distances.index(min(distances)))
        stop = new == labels
        labels = new
        if stop or turn == moves:
            break
        for j in range(len(centres)):
            mine = [p for p, l in zip(points, labels) if l == j]
            if mine:
                centres[j] = [sum(x) / len(mine) for x in zip(*mine)]
    return labels


def by_first_feature(points, labels, k):
    """The published numbers: falling mean of the first feature, empty ones last."""
    mean = []
    for j in range(k):
        mine = [p[0] for p, l in zip(points, labels) if l == j]
        mean.append(sum(mine) / len(mine) if mine else float("-inf"))
    order = sorted(range(k), key=lambda j: (-mean[j], j))
    return [order.index(l) for l in labels]


def lloyd():
    source = random.Random(7)
    points = [tuple(source.randint(-900, 900) for _ in range(3)) for _ in range(1500)]
    start = [points[i * 200] for i in range(6)]
    with open("points.csv", "w") as f:
        f.write("x,y,z\n" + "".join("%d,%d,%d\n" % p for p in points))
    with open("start.csv", "w") as f: # another order of the columns, and one that is not asked for
        f.write("z,name,x,y\n" + "".join(f"{z},c,{x}.0,{y}e0\n" for x, y, z in start))
    with open("bare.csv", "w") as f:
        f.write("".join("%d;%d;%d\n" % c for c in start))
    for moves in (0, 1, 2, 5, 300):
        wanted = by_first_feature(points, plain_lloyd(points, start, moves), 6)
        for name in ("start.csv", "bare.csv"):
            cluster("points.csv", "--centroids", name, "--max-iterations", moves, *PLAIN, ranks=3)
            equal(f"labels after at most {moves} moves ({name})", column("out.h5", "users/cluster_id"),
                  wanted)
    equal("rows are numbered", column("out.h5", "users/row"), list(range(1500)))
    # The start is in the units of the features, whatever the scaling.
    cluster("points.csv", "--centroids", "start.csv", "--max-iterations", 0, "--transform", "none")
    centres = sorted(zip(*(column("out.h5", f"clusters/{f}_center") for f in "xyz")))
    for got, want in zip(centres, sorted(start)):
        if max(abs(a - b) for a, b in zip(got, want)) > 1e-2:
            sys.exit(f"a centre of the start is {got}, given was {want}")


# ---- the same result ----------------------------------------------------------------------------

def formats():
    source = random.Random(3)
    rows = [(f"u{i:04d}", repr(source.gauss(0, 5)), str(source.randint(0, 10**6)),
             f"{source.random() * 1e-3:.17e}") for i in range(3000)]
    names = ("id", "a", "b", "c")
    text = "".join(",".join(r) + "\n" for r in rows)
    header = ",".join(names) + "\n"
    tab = (header + text).replace(",", "\t")
    blanks = "".join("  ".join(r[1:]) + " \n" for r in rows)
    quoted = "".join('"' + r[0] + '","' + '","'.join(r[1:]) + '"\r\n' for r in rows)
    files = {"plain.csv": header + text, "tab.tsv": tab, "quoted.csv": header.replace("\n", "\r\n") + quoted,
             "end.csv": (header + text)[:-1], "bom.csv": "\ufeff" + header + text,
             "semicolon.csv": (header + text).replace(",", ";"), "bare.csv": text}
    for name, content in files.items():
        open(name, "w", newline="").write(content)
    gzip.open("packed.gz", "wt").write(header + text)
    open("part1.csv", "w").write(header + "".join(text.splitlines(True)[:1234]))
    gzip.open("part2.csv", "wt").write(header + "".join(text.splitlines(True)[1234:]))
    wanted = None
    cases = [("plain.csv", RANKS), *((n, (2, 5)) for n in ("tab.tsv", "quoted.csv", "end.csv", "bom.csv",
             "semicolon.csv", "packed.gz")), ("part*.csv", (1, 3))]
    for name, ranks in cases:
        for n in ranks:
            cluster(name, "--features", "a,b,c", "-k", 5, ranks=n)
            wanted = wanted or digest("out.h5")
            equal(f"{name} at {n} ranks", digest("out.h5"), wanted)
    equal("numbers are read to the bit", column("out.h5", "users/a"), [float(r[1]) for r in rows])
    equal("tiny numbers too", column("out.h5", "users/c"), [float(r[3]) for r in rows])
    # Without a header the columns have numbers for names; a column of text over text is no header.
    cluster("bare.csv", "--features", "c2,c3,c4", "-k", 5, ranks=3)
    equal("no header", column("out.h5", "users/c2"), [float(r[1]) for r in rows])
    open("blanks.txt", "w").write(blanks)
    cluster("blanks.txt", "-k", 5, "--no-header", ranks=3)
    equal("blanks", column("out.h5", "users/c3"), [float(r[3]) for r in rows])
    run("inspect", "--config", "out.h5", ranks=0)
    # With keys the order of the rows does not matter either.
    lines = text.splitlines(True)
    source.shuffle(lines)
    open("shuffled.csv", "w").write(header + "".join(lines))
    keyed = set()
    for name, n in (("plain.csv", 1), ("shuffled.csv", 3), ("shuffled.csv", 7), ("packed.gz", 4)):
        cluster(name, "--features", "a,b,c", "--key", "id", "-k", 5, "--set", "privacy.mode=plain", ranks=n)
        keyed.add(digest("out.h5"))
    equal("keyed rows in any order: digests", len(keyed), 1)
    equal("sorted by key", [k.decode() for k in h5py.File("out.h5", "r")["users/user_key"][...]],
          [r[0] for r in rows])
    done = run("cluster", "-i", "plain.csv", "-o", "no.h5", "--features", "a", "--key", "id", expect=2, ranks=2)
    equal("keys are secret by default", "key" in done.stderr and not os.path.exists("no.h5"), True)
    open("key", "w").write("0123456789abcdef0123456789abcdef\n")
    os.chmod("key", 0o600)
    cluster("plain.csv", "--features", "a,b,c", "--key", "id", "--set", "privacy.key_file=key", ranks=3)
    equal("pseudonyms", all(re.fullmatch(b"[0-9a-f]{32}", k) for k in
                            h5py.File("out.h5", "r")["users/user_key"][...]), True)


def result():
    """Reclustering what a run made repeats it; its given start and choice of k are those of run."""
    config = os.path.join(CONFIG, "cdnow.yaml")
    path = data_file("cdnow_master.txt.gz")
    run("run", "-q", "-c", config, "-i", path, "-o", "run.h5", ranks=2)
    digests = set()
    for n in RANKS:
        cluster("run.h5", "-c", config, ranks=n)
        digests.add(digest("out.h5"))
        run("verify", "out.h5", ranks=0)
    equal("digests of the reclustering", len(digests), 1)
    equal("inertia", attribute("out.h5", "model", "inertia"), attribute("run.h5", "model", "inertia"))
    for name in ("user_key", "cluster_id", "cluster_distance", "monetary", "recency_days"):
        equal(f"{name} of every user", column("out.h5", f"users/{name}") == column("run.h5", f"users/{name}"), True)
    equal("as_of", attribute("out.h5", "/", "as_of"), attribute("run.h5", "/", "as_of"))
    # Other features; a table of a foreign file; a reclustering of a reclustering.
    cluster("run.h5", "--features", "aov,max_order", "-k", 3)
    equal("other features", len(column("out.h5", "clusters/aov_center")), 3)
    cluster("out.h5", "-k", 3, out="again.h5", ranks=3)
    equal("by the features of its model", column("again.h5", "users/cluster_id"), column("out.h5", "users/cluster_id"))
    with h5py.File("run.h5", "r") as f, h5py.File("foreign.h5", "w") as g:
        for name in ("frequency", "monetary"):
            g[f"deep/table/{name}"] = f[f"users/{name}"][...].astype("f4" if name == "monetary" else "u1")
    cluster("foreign.h5", "--table", "/deep/table", "-k", 3)
    equal("rows of a foreign table", len(column("out.h5", "users/row")), 23502)
    # run takes a start too: that of its own end ends at once.
    with open("start.csv", "w") as f:
        names = ("recency_days", "frequency", "monetary")
        f.write(",".join(names) + "\n")
        for row in zip(*(column("run.h5", f"clusters/{n}_center") for n in names)):
            f.write(",".join(map(repr, row)) + "\n")
    run("run", "-q", "-c", config, "-i", path, "-o", "start.h5", "--set", "cluster.init=centroids", "--set",
        "cluster.centroids=start.csv", ranks=3)
    equal("run from the end of a run", column("start.h5", "users/cluster_id") == column("run.h5", "users/cluster_id"), True)
    equal("moves", int(attribute("start.h5", "model", "iterations")) <= 2, True)
    run("run", "-q", "-c", config, "-i", path, "-o", "auto.h5", "--set", "cluster.k=auto", "--set",
        "cluster.k_max=4", "--set", "cluster.restarts=2", ranks=2)
    equal("run with k: auto", column("auto.h5", "k_selection/k"), [2, 3, 4])


# ---- bad and odd input --------------------------------------------------------------------------

def refuse(name, content, code, pattern, *arguments, ranks=2, path="bad.csv"):
    if content is not None:
        open(path, "wb").write(content if isinstance(content, bytes) else content.encode())
    before = set(os.listdir("."))
    done = run("cluster", "-q", "-i", path, "-o", "none.h5", *arguments, ranks=ranks, expect=code)
    errors = [line for line in done.stderr.splitlines() if line.startswith("strata: error")]
    if len(errors) != 1 or not re.search(pattern, errors[0]):
        sys.exit(f"{name}: wanted one error line like {pattern!r}, got\n{done.stderr}")
    if set(os.listdir(".")) != before:
        sys.exit(f"{name}: left something behind")
    print(f"ok: {name}: {errors[0]}")


def bad():
    good = "a,b\n" + "".join(f"{i % 37}.5,{i * i % 101}\n" for i in range(400))
    half = good.splitlines(True)
    for text, reason in (("NaN,1", "NaN"), ("1,inf", "column b.*inf"), ("1,1e400", "1e400"), ("x,1", '"x"'),
                         (",1", "column a is empty"), ("1,0x10", "0x10"), ("1", "too few columns: 1 found, 2 expected"),
                         ("1,2,3", "too many columns: 3 found, 2 expected"), ('"1,2', "quote"),
                         ("1,1,", "too many columns: 3 found, 2"), ('"1,1"', "too few columns: 1 found, 2"),
                         ('"1,000",2', "1,000"), ("\uff11,1", "column a")):
        for n in (1, 4) if text == "NaN,1" else (4,):
            refuse(f"row {text} at {n} ranks", "".join(half[:200]) + text + "\n" + "".join(half[200:]), 5,
                   rf"bad\.csv:201: .*{reason}", ranks=n)
    refuse("two bad rows: the first is named", good + "x,1\n" + good[4:] * 9 + "y,1\n", 5, r"bad\.csv:402: ", ranks=7)
    refuse("empty file", "", 5, r"bad\.csv: is empty")
    refuse("blank lines only", "\n\n \n", 5, r"bad\.csv: is empty")
    refuse("header only", "a,b\n", 5, r"bad\.csv: there is no row")
    refuse("missing file", None, 5, r"nowhere\.csv", path="nowhere.csv")
    refuse("truncated gzip", gzip.compress((good * 50).encode())[:-50], 5, r"bad\.csv.*cut off")
    refuse("unknown column", good, 2, r'named "aa", did you mean "a"', "--features", "aa,b")
    refuse("column twice", "a,a\n1,2\n", 5, r"two columns", "--features", "a")
    refuse("no numbers", "a,b\nx,y\n", 5, r"no column of numbers")
    numbers = "".join(f"{i},{i % 7}\n" for i in range(50))
    for text in ("1e400", "foo"): # the first row does not decide what a column is
        refuse(f"{text} in the first row", f"x,c\n1,{text}\n" + numbers, 5, rf'bad\.csv:2: column c: "{text}"', ranks=3)
        refuse(f"{text} in the first row, no header", f"1,{text}\n" + numbers, 5, "--no-header or --set input.header")
        refuse(f"{text} in the first row, said to be none", f"1,{text}\n" + numbers, 5, "bad.csv:1: column c2", "--no-header")
    refuse("a feature of a name that is taken", "cluster_id,row\n1,2\n", 2, "column row cannot be a feature.*rename it",
           "--features", "row")
    refuse("decimal commas", "a;b\n1,5;2,5\n", 5, r"no column of numbers.*written as 1\.5")
    refuse("two columns of one name", "a,a,b\n1,2,3\n", 5, r"bad\.csv: two columns are named a")
    refuse("a table of a text file", good, 2, r"--table is for an HDF5 file", "--table", "/users")
    wide = ",".join(f"f{i}" for i in range(65)) + "\n" + ",".join("1" for _ in range(65)) + "\n"
    refuse("65 features", wide, 2, r"65 columns of numbers.*64")
    refuse("65 features asked for", wide, 2, r"cluster\.features|--features", "--features",
           ",".join(f"f{i}" for i in range(65)))
    refuse("k = 257", good, 2, r"256", "-k", "257")
    refuse("k = 0", good, 2, r"cluster\.k|--clusters|-k", "-k", "0")
    refuse("unknown variant", good, 2, r"variant.*lloyd", "--variant", "loyd")
    refuse("a delimiter that is not there", good, 5, r"bad\.csv", "--delimiter", "|")
    for text, code, pattern in (("1,2\n3,4\n5,6\n", 2, r"3 rows.*k is 4"), ("1,2,3\n" * 4, 2, "3 columns"),
                                ("a,c\n" + "1,2\n" * 4, 2, "feature b"), ("a,b\n1,2\n3,x\n5,6\n7,8\n", 5, r"start\.csv:3"),
                                ("", 5, "empty"), ("1\n" * 4, 2, "1 columns")):
        open("start.csv", "w").write(text)
        refuse(f"centroids {text!r}", good, code, pattern, "-k", "4", "--centroids", "start.csv")
    refuse("centroids and another init", good, 2, "init", "--centroids", "start.csv", "--init", "random")
    with h5py.File("t.h5", "w") as f:
        f["users/a"] = [1.0, float("nan"), 3.0]
        f.create_dataset("users/name", data=[b"x", b"y", b"z"], dtype="S1")
        f["empty/a"] = []
    refuse("NaN in a table", None, 5, r"t\.h5: /users/a of row 1 ", path="t.h5")
    refuse("text in a table", None, 2, r"name holds text", "--features", "name", path="t.h5")
    refuse("no such table", None, 5, r"/nowhere", "--table", "/nowhere", path="t.h5")
    refuse("a table without rows", None, 5, r"no rows", "--table", "/empty", path="t.h5")
    write_iris()
    cluster("iris.csv", "-k", 3)
    with h5py.File("out.h5", "a") as f:
        f.attrs.modify("complete", 0)
    refuse("a result that is not complete", None, 5, r"out\.h5: is not complete.*run it again", path="out.h5")


def outputs():
    """No output takes the place of a file that is read or of another output, by whatever name it is called."""
    rows = "a,b\n" + "".join(f"{i % 37}.5,{i * i % 101}\n" for i in range(400))
    for path, text in (("ok.csv", rows), ("ok2.csv", rows), ("my.yaml", "config_version: 1\n"), ("c.csv", "a,b\n1,2\n9,50\n"),
                       ("my.key", "0123456789abcdef0123456789abcdef\n")):
        open(path, "w").write(text)
    os.chmod("my.key", 0o600)
    os.symlink("ok.csv", "soft.csv")
    os.link("ok.csv", "hard.csv")
    os.symlink("new.h5", "ahead")  # to what is not there yet
    os.mkdir("folder")
    os.symlink(".", "here")
    work = ("cluster", "-q", "-i", "ok*.csv", "-k", 2, "--force")
    for path in ("./ok.csv", "soft.csv", "hard.csv", "here/ok2.csv", os.path.abspath("ok2.csv")):
        for option, other in (("--output", ()), ("--json", ("-o", "o.h5"))):
            for ranks in (1, 3) if path == "soft.csv" else (2,):
                spare(f"{option} over the input {path}", rf"{option} \S*{path} is an input too \(input.files: ok2?\.csv\)",
                      *work, *other, option, path, ranks=ranks)
    for what, path, given in (("--config", "my.yaml", ("-c", "my.yaml")), ("cluster.centroids", "c.csv", ("--centroids", "c.csv")),
                              ("privacy.key_file", "my.key", ("--set", "privacy.key_file=my.key"))):
        for option, other in (("--output", ()), ("--json", ("-o", "o.h5"))):
            for ranks in (1, 3):
                spare(f"{option} over {what}", rf"{option} {path} is an input too \({what}: {path}\); name another", *work,
                      *given, *other, option, path, ranks=ranks)
    open("q.h5", "w").write("an older one")
    for output, path in (("q.h5", "q.h5"), ("new.h5", "new.h5"), ("new.h5", "here/./new.h5"), ("new.h5", "ahead")):
        for ranks in (1, 3):
            spare(f"{output} and {path} are one output", rf"--output {output} is an output too \(--json: {path}\); name another",
                  *work, "-o", output, "--json", path, ranks=ranks)
    spare("a dry run tells it too", "is an output too", *work, "-o", "new.h5", "--json", "new.h5", "--dry-run")
    for path in ("folder", "here", "newer/"):
        spare(f"the summary {path}", rf"--json {path} is a folder; name a file", *work, "-o", "o.h5", "--json", path, ranks=2)
    run(*work, "-o", "o.h5", "--json", "/dev/null", ranks=2)
    run(*work, "-o", "here/ok.h5", "--json", "ok.json", "--centroids", "c.csv", "-c", "my.yaml", ranks=2)
    for path in ("o.h5", "ok.h5"):
        run("verify", path, ranks=0)
    equal("the inputs are there", [open(p).read() for p in ("ok.csv", "ok2.csv")], [rows, rows])


def memory():
    """What a dry run says of memory is what the job then takes, whatever the variant, and less on more ranks."""
    n, source = 1_000_000, random.Random(9)
    few = [[source.gauss(30 * (i % 7), 4) for i in range(10000)] for _ in range(4)]
    with h5py.File("t.h5", "w") as f:
        for name, values in zip("abcd", few):
            f.create_dataset(f"users/{name}", data=values * (n // 10000), chunks=(131072,))
        f.create_dataset("users/user_key", data=[b"%020d" % (i * 7919 % n) for i in range(n)], dtype="S20", chunks=(131072,))
    with open("t.csv", "w") as f:
        f.writelines("k%06d,%.6f,%.6f\n" % (i % 10000, a, b) for _ in range(40) for i, (a, b) in enumerate(zip(*few[:2])))
    open("t.csv.gz", "wb").write(gzip.compress(open("t.csv", "rb").read(), 1))
    open("key", "w").write("0123456789abcdef0123456789abcdef\n")
    os.chmod("key", 0o600)
    told = {}
    for path, ranks, more in (("t.h5", 1, ("--variant", "lloyd")), ("t.h5", 3, ("--variant", "lloyd")),
                              ("t.h5", 1, ("--variant", "filter", "--features", "a,b,c,d", "--scale", "robust")),
                              ("t.h5", 2, ("--variant", "elkan", "-k", 20)), ("t.h5", 1, ("--set", "privacy.mode=plain")),
                              ("t.csv", 1, ()), ("t.csv", 2, ("--key", "c1")), ("t.csv.gz", 2, ())):
        plan = ("cluster", "-i", path, "--restarts", 1, "--max-iterations", 2, "--set", "output.compression=0", "--set",
                "privacy.key_file=key", *more, "-o")
        dry = run(*plan, "dry.h5", "--dry-run", ranks=ranks).stdout
        found = re.search(r"Memory: about ([\d.]+) MiB a rank: (\d) ranks? of (about )?(\d+) rows, variant (\w+)", dry)
        if not found:
            sys.exit(f"no estimate of memory in\n{dry}")
        done = run(*plan, "out.h5", "--force", ranks=ranks).stdout
        taken = float(re.search(r"ranks?, at most ([\d.]+) MiB each", done).group(1))
        estimate, rows = float(found.group(1)), int(found.group(4))
        print(f"  {path} at {ranks} ranks {more}: {estimate} MiB estimated, {taken} taken")
        equal("ranks", int(found.group(2)), ranks)
        close("rows", rows, (n if path == "t.h5" else 400000) / ranks, 0.05)
        if "asan" not in STRATA: # which takes what it likes
            close("memory", estimate, taken, 0.3)
        told[path, ranks, "filter" in more] = estimate
    equal("less on more ranks, more for an order", (told["t.h5", 3, False] < told["t.h5", 1, False],
                                                    told["t.h5", 1, True] > told["t.h5", 1, False]), (True, True))
    dry = run("cluster", "-i", "t.h5", "-o", "dry.h5", "--dry-run", ranks=1).stdout
    equal("auto", "variant auto, which may take filter" in dry, True)


def damaged():
    """A damaged HDF5 file is an input that cannot be used, whoever wrote it; what to do is said."""
    do = r"copy the file again or make it anew"
    write_iris()
    cluster("iris.csv", "-k", 3)
    with h5py.File("t.h5", "w") as f:
        for i, name in enumerate("xyz"):
            f.create_dataset(f"users/{name}", data=[float(n * (i + 3) % 101) for n in range(9000)], chunks=(2000,),
                             compression="gzip", shuffle=True, fletcher32=True)
    harmless = 0
    for path, column_name in (("t.h5", "users/y"), ("out.h5", "users/petal_width")):
        whole = open(path, "rb").read()
        with h5py.File(path) as f:
            chunk = f[column_name].id.get_chunk_info(0)
        for length in (9, 96, len(whole) // 2, len(whole) - 1):
            refuse(f"{path} cut off at {length}", whole[:length], 5, rf"bad\.h5: .*{do}", path="bad.h5", ranks=1 + length % 3)
        middle = chunk.byte_offset + chunk.size // 2
        refuse(f"{path} with a damaged chunk", whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1:], 5,
               rf"bad\.h5: /{column_name}, rows from 0, .*{do}", path="bad.h5")
        source = random.Random(3)
        for place in [source.randrange(8, len(whole)) for _ in range(12)]:
            bad = bytearray(whole)
            bad[place] ^= 1 << source.randrange(8)
            open("bad.h5", "wb").write(bad)
            done = run("cluster", "-q", "-i", "bad.h5", "-o", "some.h5", "--force", "-k", 3, ranks=0, expect=None)
            harmless += done.returncode == 0
            if done.returncode not in (0, 5):
                sys.exit(f"{path} with a changed byte at {place}: exit {done.returncode}: {done.stderr}")
    equal("a changed byte is not always harmless", harmless < 24, True)
    open("bad.h5", "wb").write(whole[:len(whole) // 2])
    for command in ("verify", "inspect"):
        done = run(command, "bad.h5", ranks=0, expect=8)
        equal(f"{command} of it", bool(re.search(r"bad\.h5: .*" + do, done.stderr)), True)
    done = run("bench", "-i", "bad.h5", "-k", 3, ranks=2, expect=5)
    equal("bench of it", bool(re.search(r"bad\.h5: .*" + do, done.stderr)), True)
    with h5py.File("l.h5", "w") as f:
        f["real/a"] = [1.0, 2.0]
        f["users"] = h5py.SoftLink("/real")
    refuse("a linked table", None, 5, r"/users is a soft or external link; .*--table", path="l.h5")


def hdf5():
    """Tables that others wrote: numbers of any plain type; what is no plain column is named."""
    source = random.Random(5)
    rows = [(source.randint(-100, 100), source.randint(0, 255), source.gauss(0, 9)) for _ in range(4000)]
    i, u, x = zip(*rows)
    kinds = {"plain": ("<i4", "u1", "<f8", {}), "big endian": (">i4", "u1", ">f8", {}), "wider": ("<i8", "<u2", "<f8", {}),
             "chunks": ("<i2", "<u4", "<f8", {"chunks": (77,), "compression": "gzip", "shuffle": True}),
             "single": ("<f4", "<f4", "<f8", {})}
    with h5py.File("t.h5", "w") as f:
        for name, (a, b, c, more) in kinds.items():
            for column_name, values, kind in (("i", i, a), ("u", u, b), ("x", x, c)):
                f.create_dataset(f"{name}/{column_name}", data=values, dtype=kind, **more)
    labels = set()
    for n, name in enumerate(kinds):
        cluster("t.h5", "--table", "/" + name, "-k", 4, ranks=1 + n % 4)
        labels.add((tuple(column("out.h5", "users/cluster_id")), float(attribute("out.h5", "model", "inertia"))))
    equal("the same numbers, whatever they are stored as", len(labels), 1)
    cluster("t.*5", "--table", "/plain", "-k", 4) # a pattern
    with h5py.File("odd.h5", "w") as f:
        for name, values in (("x", x), ("y", i)):
            f[f"users/{name}"] = values
        f["users/matrix"] = [[1, 2]] * 4000
        f["users/scalar"] = 3.0
        f["users/flag"] = [True] * 4000
        f["unsigned/x"] = [2**63 + 2**62 * (j % 2) for j in range(40)] # beyond the signed ones
        f["users/alias"] = h5py.SoftLink("/users/x")
        f.create_dataset("users/packed", data=i, chunks=(50,), compression="lzf")
        f["flat/matrix"] = [[1, 2]] * 9
        f["ragged/a"] = [1, 2, 3]
        f["ragged/b"] = [1, 2]
    cluster("odd.h5", "--table", "/unsigned", "-k", 2, ranks=3)
    equal("unsigned numbers", (column("out.h5", "clusters/users"), max(column("out.h5", "users/x"))),
          ([20, 20], 2.0**63 + 2.0**62))
    done = cluster("odd.h5", "-k", 2, ranks=3)
    told = dict(re.findall(r"odd\.h5 /users: (\w+) is left out: it (.*)", done.stderr))
    equal("what is left out", sorted(told), ["alias", "flag", "matrix", "packed", "scalar"])
    equal("why", ("one-dimensional" in told["matrix"], "filter" in told["packed"]), (True, True))
    equal("nothing to say of chosen features", cluster("odd.h5", "-k", 2, "--features", "x,y").stderr, "")
    refuse("such a column asked for", None, 2, r"column packed cannot be read: it has a filter", "--features", "x,packed",
           path="odd.h5")
    refuse("nothing but such", None, 5, r"/flat has no column that can be read; matrix is not one-dim", "--table", "/flat",
           path="odd.h5")
    refuse("columns of different lengths", None, 5, r"a has 3 rows, b 2", "--table", "/ragged", path="odd.h5")
    refuse("no such table", None, 5, r"no table /nowhere in it; there are: flat, ragged, unsigned, users", "--table", "/nowhere",
           path="odd.h5")
    refuse("several files", None, 2, r"is an HDF5 file, of which one", path="*.h5")
    refuse("a header", None, 2, r"--header is for text files", "--header", path="odd.h5")


def not_exact():
    """A result that is not exact says so wherever one may look."""
    done = run("cluster", "-i", "iris.csv", "-o", "m.h5", "-k", 3, "--variant", "minibatch", "--json", "m.json", ranks=3)
    equal("screen", "variant minibatch (NOT exact)" in done.stdout, True)
    equal("summary", json.load(open("m.json"))["clustering"]["exact"], False)
    for name, exact in (("m.h5", 0), ("l.h5", 1)):
        equal(f"{name}: attribute", int(attribute(name, "model", "exact")), exact)
        seen = run("inspect", name, ranks=0).stdout
        equal(f"{name}: inspect", seen.count("NOT exact"), 2 * (1 - exact))
        equal(f"{name}: inspect --json", json.loads(run("inspect", "--json", name, ranks=0).stdout)["exact"], bool(exact))
    run("verify", "m.h5", ranks=0)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as gone:
        done = subprocess.run([STRATA, "inspect", "m.h5"], stdout=gone, stderr=subprocess.PIPE, text=True)
    equal("inspect into a closed pipe", (done.returncode, done.stderr), (0, ""))
    with open("/dev/full", "w") as full:
        equal("inspect on a full device", subprocess.run([STRATA, "inspect", "m.h5"], stdout=full).returncode, 7)


def odd():
    """Everything here is right, and says what is odd about it."""
    shapes = {"one row": ("a,b\n1,2\n", 4, 1), "fewer rows than clusters": ("a,b\n1,2\n3,4\n", 5, 2),
              "all alike": ("a,b\n" + "7,7\n" * 60, 3, 1), "a constant column":
              ("a,b\n" + "".join(f"{i},5\n" for i in range(50)), 3, 3), "k = 1": ("1 2\n3 4\n5 9\n", 1, 1),
              "k = 256": ("".join(f"{i},{i * i}\n" for i in range(300)), 256, 256)}
    for name, (content, k, full) in shapes.items():
        open("s.csv", "w").write(content)
        digests = set()
        for n in (1, 2, 7):
            done = run("cluster", "-i", "s.csv", "-o", "out.h5", "--force", "-k", k, ranks=n)
            digests.add(digest("out.h5"))
            run("verify", "out.h5", ranks=0)
        equal(f"{name}: digests", len(digests), 1)
        sizes = column("out.h5", "clusters/users")
        equal(f"{name}: clusters that hold rows", (len(sizes), sum(s > 0 for s in sizes)), (k, full))
        if full < k:
            equal(f"{name}: said", "hold no row" in done.stdout, True)
        if "constant" in name:
            equal(f"{name}: said", "b is the same in every cluster" in done.stdout, True)
    # One value of another scale: means that differ by less than its last bit are in order all the same.
    open("s.csv", "w").write("m\n" + "".join(f"{10 * (i % 4 + 1)}.{i % 9}\n" for i in range(99)) + "1e25\n")
    run("cluster", "-q", "-i", "s.csv", "-o", "out.h5", "--force", "-k", 4, ranks=2)
    rows = list(zip(column("out.h5", "users/m"), column("out.h5", "users/cluster_id")))
    means = [sum(m for m, c in rows if c == j) / sum(c == j for _, c in rows) for j in range(4)]
    equal("clusters by falling mean", means, sorted(means, reverse=True))
    # Columns that are not taken are named.
    open("s.csv", "w").write("id,cluster_id,v\n" + "".join(f"k{i},{i},{i}\n" for i in range(9)))
    done = cluster("s.csv", "-k", 2)
    equal("left out", re.findall(r"s\.csv: (\w+) is left out: (.*)", done.stderr), [
        ("id", "it holds text, no numbers"), ("cluster_id", "the result has a column of that name itself")])
    # Small values have a fine grid, and a tie goes to the lowest number that is published.
    open("s.csv", "w").write("a\n" + "".join(f"{(i % 4) * 1000 + i}e-15\n" for i in range(400)))
    cluster("s.csv", "-k", 4, *PLAIN)
    equal("tiny values", column("out.h5", "clusters/users"), [100] * 4)
    open("s.csv", "w").write("x\n0\n-6\n2\n4\n")
    open("start.csv", "w").write("x\n-3\n3\n")
    cluster("s.csv", "--centroids", "start.csv", *PLAIN)
    equal("ties", (column("out.h5", "model/centroids/x"), column("out.h5", "users/cluster_id"),
                   column("out.h5", "clusters/users")), ([3, -3], [0, 1, 0, 0], [3, 1]))
    open("s.csv", "w").write("a\n" + "".join(f"{i % 7}\n" for i in range(3000)) + "1e9\n-1e9\n")
    done = run("cluster", "-i", "s.csv", "-o", "out.h5", "--force", "-k", 2, "--transform", "none", "--json",
               "out.json", ranks=3)
    equal("values beyond the grid, on the screen", "2 values of a lie beyond the grid" in done.stdout, True)
    equal("in the summary", json.load(open("out.json"))["limited"], {"a": 2})
    limited = dict(zip(column("out.h5", "quality/rule"), column("out.h5", "quality/rows")))
    equal("in the file", limited[b"beyond the grid"], 2)
    cluster("s.csv", "-k", 2, *PLAIN)
    equal("none with scale: none", dict(zip(column("out.h5", "quality/rule"),
                                           column("out.h5", "quality/rows")))[b"beyond the grid"], 0)
    # A variant out of its regime runs all the same, with the same result and a note.
    write_iris()
    run("cluster", "-q", "-i", "iris.csv", "-o", "l.h5", "-k", 3, "--variant", "lloyd", ranks=2)
    for variant in ("filter", "hamerly", "gemm", "yinyang", "elkan", "merge"):
        done = run("cluster", "-i", "iris.csv", "-o", "f.h5", "--force", "-k", 3, "--variant", variant, ranks=2)
        equal(f"{variant} on few rows", digest("f.h5"), digest("l.h5"))
        equal(f"{variant}: said", "outside its regime" in done.stdout, True)
        equal(f"{variant} ran", attribute("f.h5", "provenance", "variant").decode(), variant)
    not_exact()
    done = run("cluster", "-i", "iris.csv", "-o", "dry.h5", "--dry-run", ranks=2)
    equal("dry run", ("sepal_length sepal_width" in done.stdout, os.path.exists("dry.h5")), (True, False))
    done = run("cluster", "-i", "iris.csv", "-o", "-", "--print-config", "-k", 7, ranks=1)
    equal("print-config", bool(re.search(r"k: 7 +# --clusters", done.stdout)), True)


if __name__ == "__main__":
    with Folder():
        {"iris": iris, "lloyd": lloyd, "formats": formats, "result": result, "bad": bad, "odd": odd,
         "outputs": outputs, "damaged": damaged, "memory": memory, "hdf5": hdf5}[sys.argv[1]]()

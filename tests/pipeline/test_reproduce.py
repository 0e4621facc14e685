"""What inspect --config prints of a result gives that result again, whatever was detected, chosen or implied."""
import gzip
import json
import os
import random
import re
import sys

from harness import CONFIG, Folder, data_file, digest, equal, need_h5py, run

h5py = need_h5py()


def again(name, *arguments, command="cluster"):
    """Makes a result, and from its configuration alone another, which is the same; returns the configuration."""
    run(command, "-q", *arguments, "-o", "first.h5", "--force", ranks=2)
    text = run("inspect", "first.h5", "--config", ranks=0).stdout
    open("z.yaml", "w").write(text)
    run(command, "-q", "-c", "z.yaml", "-o", "z.h5", "--force", ranks=3)
    equal(name, digest("z.h5"), digest("first.h5"))
    equal("  its configuration", run("inspect", "z.h5", "--config", ranks=0).stdout == text, True)
    return text


def has(text, *lines):
    for line in lines:
        if not re.search(rf"^ +{line}$", text, re.M):
            sys.exit(f"no {line!r} in\n{text}")


def rows(n=400):
    source = random.Random(11)
    return [(f"u{i * 7919 % n:03d}", f"{source.gauss(20 * (i % 3), 2):.3f}", str(source.randint(0, 99))) for i in range(n)]


def write(path, sign=",", names=("id", "a", "b"), part=slice(None)):
    """names: () for no header."""
    lines = ([names] if names else []) + rows()[part]
    data = "".join(sign.join(line) + "\n" for line in lines).encode()
    open(path, "wb").write(gzip.compress(data) if path.endswith(".gz") else data)


def make_key():
    open("key", "w").write("0123456789abcdef0123456789abcdef\n")
    os.chmod("key", 0o600)


def text():
    make_key()
    for word, sign in (("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("blanks", "  "), ("bar", "|")):
        shown = sign[0].replace("\t", r"\\t").replace("|", r"\|")
        for names in (("id", "a", "b"), ()):
            write("t.txt", sign, names)
            key, last = ("id", "b") if names else ("c1", "c3")
            what = f"{word}, {'with' if names else 'without'} a header"
            made = again(f"{what}, numbered", "-i", "t.txt")
            has(made, f'delimiter: "{shown}"', f"header: {'true' if names else 'false'}", "key: null", "table: null",
                f"names: {re.escape('[]' if names else '[c1, c2, c3]')}")
            made = again(f"{what}, plain keys", "-i", "t.txt", "--key", key, "--features", last, "--set", "privacy.mode=plain")
            has(made, f"key: {key}", rf"features: \[{last}\]")
            again(f"{what}, masked keys", "-i", "t.txt", "--key", key, "--set", "privacy.key_file=key")
    write("t.txt", ",", ("id", '"the ""first"", a: b"', "\u00fcber #1"))
    again("odd names", "-i", "t.txt", "--features", "\u00fcber #1")
    again("odd names by default", "-i", "t.txt", "-k", 3)
    has(again("with flags", "-i", "t.txt", "--header", "--delimiter", ","), "header: true")


def files():
    write("t.csv")
    write("packed.csv.gz")
    write("part1.csv", part=slice(0, 150))
    write("part2.csv.gz", part=slice(150, None))
    for name, given in (("gzip", ("packed.csv.gz",)), ("two files", ("part2.csv.gz", "part1.csv")), ("a pattern", ("part*",))):
        again(name, "-i", *given)
        again(f"{name}, keys", "-i", *given, "--key", "id", "--set", "privacy.mode=plain")
    done = run("cluster", "-q", "-i", "t.csv", "t.*", "-o", "twice.h5", "--force", ranks=2)
    equal("a file that is named twice, said once", re.findall(r"[^ ]* is named twice and read once", done.stderr),
          ["t.csv is named twice and read once"])
    done = run("cluster", "-o", "none.h5", ranks=2, expect=2)
    equal("no input", "--input PATH is missing" in done.stderr and not os.path.exists("none.h5"), True)
    # Rows that are named by a configuration for transactions; -i goes before input.files.
    write("bare.csv", names=())
    open("c.yaml", "w").write("input: {files: [nowhere.csv], header: false, names: [who, x, y]}\n")
    has(again("names of a configuration", "-c", "c.yaml", "-i", "bare.csv", "--features", "y,x"), r"names: \[who, x, \"?y\"?\]")
    done = run("run", "-c", "c.yaml", "-o", "none.h5", ranks=1, expect=2)
    equal("which are none of transactions", 'no column "user_id" in input.names' in done.stderr, True)


def numbers():
    """k as given, chosen, and by given centroids."""
    write("t.csv")
    has(again("k", "-i", "t.csv", "-k", 7, "--seed", 5, "--restarts", 2, "--variant", "lloyd"), "k: 7", "seed: 5")
    open("start.csv", "w").write("a,b\n0,50\n20,50\n40,50\n")
    open("bare.csv", "w").write("0;50\n20;50\n40;50\n")
    write("semicolon.txt", ";", ())
    for start in ("start.csv", "bare.csv"):
        has(again(f"centroids of {start}", "-i", "t.csv", "--centroids", start, "--transform", "none"), "k: 3")
    has(again("centroids and k", "-i", "semicolon.txt", "--centroids", "bare.csv", "-k", 3), "k: 3", "init: centroids")
    has(again("auto", "-i", "t.csv", "-k", "auto", "--scale", "robust", "--set", "gates.min_group_size=10"), "k: auto")
    with h5py.File("z.h5") as f:
        reason = f["k_selection"].attrs["reason"]
        reason = reason.decode() if isinstance(reason, bytes) else str(reason)
        table = {name: f[f"k_selection/{name}"][...].tolist() for name in f["k_selection"]}
    seen = json.loads(run("inspect", "z.h5", "--json", ranks=0).stdout)["k_selection"]
    equal("inspect --json: the reason", seen["reason"], reason)
    equal("the candidates", {name: [c[name] for c in seen["candidates"]] for name in seen["candidates"][0]}, table)
    shown = run("inspect", "z.h5", ranks=0).stdout
    equal("inspect: the reason", reason in shown, True)
    equal("the candidates", re.findall(r"^ +(\d+) .*\d(?:  (?:chosen|not eligible))?$", shown.split("stability")[1].split(reason)[0],
                                       re.M), [str(k) for k in table["k"]])
    equal("the chosen one", re.findall(r"^ +(\d+) .*  chosen$", shown, re.M), [str(table["k"][table["chosen"].index(1)])])
    run("cluster", "-q", "-i", "t.csv", "-o", "three.h5", "-k", 3, ranks=1)
    equal("a given k has none", "k_selection" in json.loads(run("inspect", "three.h5", "--json", ranks=0).stdout), False)


def hdf5():
    make_key()
    keys, a, b = zip(*rows())
    with h5py.File("t.h5", "w") as f:
        for table, key in (("users", "user_key"), ("deep/other", "name")):
            f.create_dataset(f"{table}/{key}", data=[k.encode() for k in keys], dtype="S4")
            f[f"{table}/a"] = [float(x) for x in a]
            f[f"{table}/b"] = [int(x) for x in b]
    keyed = ("--set", "privacy.key_file=key")
    has(again("/users", "-i", "t.h5", *keyed), "table: \"/users\"", "key: user_key")
    again("/users, plain", "-i", "t.*", "--features", "b", "--set", "privacy.mode=plain")
    has(again("a table", "-i", "t.h5", "--table", "/deep/other"), "table: \"/deep/other\"", "key: null")
    has(again("a table with keys", "-i", "t.h5", "--table", "/deep/other", "--key", "name", *keyed), "key: name")
    done = run("cluster", "-c", "z.yaml", "-i", "key", "-o", "none.h5", ranks=2, expect=2)
    equal("a table of a text file", "input.table or --table is for an HDF5 file" in done.stderr, True)
    os.rename("z.h5", "result.h5")
    has(again("a result", "-i", "result.h5", "-k", 5), "key: user_key")
    for origin, shown in ((("--key", "name"), "--key"), (("--set", "input.key=name"), "--set")):
        done = run("cluster", "--print-config", *origin, ranks=1)
        has(done.stdout, rf"key: name +# {shown}")


def transactions():
    config = os.path.join(CONFIG, "cdnow.yaml")
    path = data_file("cdnow_master.txt.gz")
    again("a run", "-c", config, "-i", path, command="run")
    os.rename("first.h5", "run.h5")
    again("its result clustered", "-i", "run.h5", "-k", 5)
    again("with its configuration", "-c", config, "-i", "run.h5")
    with h5py.File("run.h5") as f, open("start.csv", "w") as g:
        names = ("recency_days", "frequency", "monetary")
        g.write(",".join(names) + "\n")
        for row in list(zip(*(f[f"clusters/{n}_center"][...].tolist() for n in names)))[:3]:
            g.write(",".join(map(repr, row)) + "\n")
    has(again("a run from given centroids", "-c", config, "-i", path, "--set", "cluster.init=centroids", "--set",
              "cluster.centroids=start.csv", command="run"), "k: 3")


if __name__ == "__main__":
    with Folder():
        {"text": text, "files": files, "numbers": numbers, "hdf5": hdf5, "transactions": transactions}[sys.argv[1]]()

"""Rows that lie across what ranks divide between them: quoted line ends moved byte by byte over the
boundaries, rows longer than whole ranges, logs split into files or packed, keyed pseudonyms.

usage: test_seams.py DUMP_PROGRAM MPIEXEC
"""
import gzip, hashlib, os, shutil, sys

from test_fuzz import KEY, oracle, read_dump, check, run, write_config, Refused

BASE = dict(delimiter=b",", header="true", limit=4000, decimals=2, plain=True, refunds="net", duplicates="keep",
            outliers="none", threshold=6, prefix=None, start=None, as_of=None, holdout=0,
            columns={"user": "id", "time": "when", "amount": "sum"}, names=["id", "text", "when", "sum"])
HEAD = b"id,text,when,sum\n"


def case(folder, name, files, tuning=(64, 4000, 0, 0, 0), **changes):
    c = dict(BASE, **changes)
    stem = os.path.join(folder, name)
    c["files"] = []
    for i, data in enumerate(files):
        path = "%s_%d.csv" % (stem, i)
        packed = isinstance(data, tuple)
        data = data[0] if packed else data
        with open(path, "wb") as f:
            f.write(gzip.compress(data, mtime=0) if packed else data)
        c["files"].append((path, data))
    c["config"], c["rejects"], c["tuning"] = stem + ".yaml", stem + ".rejects", tuning
    write_config(c, stem)
    return c


def row(user, text, day, amount):
    return b'%s,%s,2024-01-%02d,%s\n' % (user, text, day, amount)


def shifted(folder):
    """The same rows behind a first one that grows by a byte: every seam meets every byte of them."""
    body = b"".join(row(b"u%d" % (i % 5), t, 1 + i % 28, b"%d.5" % i) for i, t in enumerate(
        [b'"a\nb"', b"plain", b'"\n"', b'"""\n"""', b'"x,y\r\nu9,z,2024-01-01,5"', b'""', b'"\n\n"'] * 3))
    return [case(folder, "shift%d" % pad, [HEAD + row(b"u1", b"x" * pad, 1, b"1") + body]) for pad in range(60)]


def swallowing(folder):
    """A quoted field with line ends that look like rows, longer than the ranges of several ranks."""
    inner = b"u7,t,2024-01-02,7\n" * 60
    data = HEAD + row(b"u1", b"t", 1, b"1") + row(b"u2", b'"' + inner + b'"', 2, b"2") + row(b"u3", b"t", 3, b"3")
    alone = HEAD + row(b"u2", b'"' + inner + b'"', 2, b"2")
    lost = HEAD + row(b"u1", b'"never closed', 1, b"1") + inner
    return [case(folder, "swallow", [data]), case(folder, "alone", [alone]), case(folder, "lost", [lost]),
            case(folder, "cut", [data], limit=200, tuning=(64, 200, 0, 0, 0))]


def repacked(folder):
    rows = [row(b"u%d" % (i * 7 % 40), b"t", 1 + i % 28, b"%d" % (i % 90 - 5)) for i in range(400)]
    whole = HEAD + b"".join(rows)
    parts = [HEAD + b"".join(rows[i:j]) for i, j in ((0, 10), (10, 10), (10, 300), (300, 400))]
    flags = dict(outliers="flag", duplicates="drop")
    return [case(folder, "whole", [whole], **flags), case(folder, "parts", parts, **flags),
            case(folder, "packed", [(whole,)], **flags),
            case(folder, "mixed", [parts[0], (parts[1],), (parts[2],), parts[3]], **flags)]


def many(folder):
    """More users than a page of records holds: (case, the lines of the users). Every third buys again."""
    n = 300000
    rows = [row(b"m%d" % i, b"t", 1 + i % 27, b"%d" % (1 + i % 99)) for i in range(n)]
    rows += [row(b"m%d" % i, b"t", 28, b"100") for i in range(0, n, 3)]
    c = case(folder, "many", [HEAD + b"".join(rows)], tuning=(0, 0, 0, 0, 0), plain=False)
    base, lines = 19723, []  # 2024-01-01
    for i in range(n):
        first, amount, again = base + i % 27, 100 * (1 + i % 99), i % 3 == 0
        digits = hashlib.blake2b(b"m%d" % i, digest_size=16, key=KEY).hexdigest()
        total = amount + 10000 * again
        lines.append("%s|-1|%d %d %d %d %d %d|%s" % (digits, first, base + 27 if again else first, 1 + again, total,
                                                     total, 10000 if again else amount, digits[:16]))
    return c, sorted(lines)


def keyed(folder):
    """User keys are the BLAKE2b of the id under the key, and rows are sorted by them."""
    users = [b"user-%d" % i for i in range(50)] + [b"a-much-longer-identifier-%d" % i for i in range(50)]
    c = case(folder, "keyed", [HEAD + b"".join(row(u, b"t", 3, b"5") for u in users)], plain=False)
    c["keys"] = sorted(hashlib.blake2b(u, digest_size=16, key=KEY).hexdigest() for u in users)
    return c


def main():
    program, mpiexec = sys.argv[1:3]
    folder = os.path.abspath("seams")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    same = repacked(folder)
    cases = shifted(folder) + swallowing(folder) + same
    secret = keyed(folder)
    failures = 0
    crowd, expected = many(folder)
    for ranks in (1, 2):
        run(program, mpiexec, ranks, [crowd], folder)
        got = read_dump("%s.%d" % (crowd["config"], ranks))
        if [b for b in got["body"] if not b.startswith(("rows", "window"))] != expected:
            print("at %d ranks: many users differ: %s" % (ranks, got["message"]))
            failures += 1
    for ranks in range(1, 8):
        run(program, mpiexec, ranks, cases + [secret], folder)
        dumps = [read_dump("%s.%d" % (c["config"], ranks)) for c in cases]
        for c, dump in zip(cases, dumps):
            with open(c["rejects"], newline="") as f:
                wrong = check(c, ranks, dump, f.read())
            for w in wrong:
                print("%s at %d ranks: %s" % (c["config"], ranks, w))
            failures += bool(wrong)
        bodies = [d["body"] for d in dumps[-len(same):]]
        if any(b != bodies[0] for b in bodies):
            print("at %d ranks: split or packed, the log gives other users" % ranks)
            failures += 1
        got = read_dump("%s.%d" % (secret["config"], ranks))
        if [b.split("|")[0] for b in got["body"] if not b.startswith(("rows", "window"))] != secret["keys"]:
            print("at %d ranks: keys differ: %s" % (ranks, got["message"]))
            failures += 1
    print("%d cases, %d wrong" % (len(cases) + 2, failures))
    sys.exit(failures > 0)


main()

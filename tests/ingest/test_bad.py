"""Inputs that cannot be used: each gives one status on all ranks and a message that says what and where.

usage: test_bad.py DUMP_PROGRAM MPIEXEC
"""
import gzip, os, re, resource, shutil, subprocess, sys

HEAD = b"id,when,sum\n"
GOOD = b"".join(b"u%d,2024-01-%02d,%d\n" % (i % 9, 1 + i % 28, i + 1) for i in range(200))
CONFIG = """config_version: 1
input:
  files: ['%s']
  columns: {user: id, time: when, amount: sum%s}
%sprivacy: {mode: plain}
"""


def build(folder):
    """(name, data or None, extra columns, extra lines, expected status, message pattern)"""
    packed = gzip.compress(HEAD + GOOD * 50, mtime=0)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xff
    no, use, ok = "input unusable", "usage or configuration", "done"
    bad = b"u1,2024-02-30,5\n"
    big = HEAD + GOOD + b"u1,2024-01-05," + b"9" * 100_000_000 + b"\n" + GOOD
    return [
        ("good", HEAD + GOOD, "", "", ok, ""),
        ("empty", b"", "", "", no, "no transaction is left"),
        ("header_only", HEAD, "", "", no, "no transaction is left: 0 rows read"),
        ("missing", None, "", "", no, r"missing.*No such file"),
        ("directory", "folder", "", "", no, "is a directory"),
        ("bom", b"\xef\xbb\xbf" + HEAD + GOOD, "", "", ok, ""),
        ("crlf", (HEAD + GOOD).replace(b"\n", b"\r\n"), "", "", ok, ""),
        ("bare_cr", (HEAD + GOOD).replace(b"\n", b"\r"), "", "", ok, ""),
        ("no_last_newline", (HEAD + GOOD)[:-1], "", "", ok, ""),
        ("nul", HEAD + GOOD + b"u1,2024\0-01-01,5\n" * 9, "", "", no, r"nul.in:202: encoding: .*9 encoding"),
        ("utf8", HEAD + GOOD + b"u\xff,2024-01-01,5\n" * 9, "", "", no, r"utf8.in:202: encoding"),
        ("utf16", (HEAD + GOOD).decode().encode("utf-16"), "", "", no, "is UTF-16"),
        ("long_line", big, "", "", ok, ""),
        ("long_only", HEAD + b"x" * 3_000_000, "", "", no, "long_only.in:2: too_long"),
        ("open_quote", HEAD + b'"u1,2024-01-01,5\n' + GOOD, "", "", ok, ""),
        ("open_quotes", HEAD + GOOD + b'u1,2024-01-01,"5\n', "", "  max_rejected_share: 0\n", no,
         r"open_quotes.in:202: quote"),
        ("columns", HEAD + GOOD + b"u1,2024-01-01\n" * 2 + b"u1,2024-01-01,5,6\n", "", "", no,
         r"columns.in:202: columns \(2 found, 3 expected\): .*3 columns"),
        ("quoted_columns", HEAD + GOOD + b'"u1",2024-01-01,"5",6,7\n' * 2, "", "", no,
         r"quoted_columns.in:202: columns \(5 found, 3 expected\): "),
        ("no_column", b"id,when,summ\n" + GOOD, "", "", use, r'no_column.in:1: no column is named "sum", did you mean "summ"'),
        ("twice", b"id,sum,when,sum\n", "", "", use, 'two columns are named "sum"'),
        ("cut_gzip", packed[:-100], "", "", no, r"cut_gzip.in: .*cut off"),
        ("flipped_gzip", bytes(flipped), "", "", no, r"flipped_gzip.in: .*damaged"),
        ("gzip_garbage", packed + b"more", "", "", no, "followed by other bytes"),
        ("gzip_padding", packed + b"\0" * 99, "", "", ok, ""),
        ("zstd", b"\x28\xb5\x2f\xfd" + b"x" * 50, "", "", no, "zstd"),
        ("hdf5", b"\x89HDF\r\n\x1a\n" + b"x" * 50, "", "", no, "hdf5.in: holds HDF5; only text and gzip are read"),
        ("all_rejected", HEAD + bad * 50, "", "  max_rejected_share: 1\n", no, "no transaction is left: 50 rows"),
        ("rejected", HEAD + GOOD + bad * 2, "", "", no, r"rejected.in:202: time: the first of 2 rejected rows \(2 time\)"),
        ("refunds_only", HEAD + b"u1,2024-01-01,-5\n", "", "", no, "no user has a purchase"),
        ("numbers", HEAD + GOOD + b"u,2024-01-01,1e5\nu,2024-01-01,nan\nu,2024-01-01,1e400\nu,2024-01-01,\n"
         b'u,2024-01-01,"1,234.5"\n', "", "", no, "5 amount"),
        ("currencies", b"id,when,sum,cur\nu1,2024-01-01,5,USD\nu2,2024-01-01,5,EUR\n", ", currency: cur", "", no,
         'amounts in "EUR" and in "USD"'),
        ("regions", b"id,when,sum,reg\n" + b"".join(b"u,2024-01-01,1,r%d\n" % i for i in range(32768)),
         ", region: reg", "", no, "more than 32767 different regions"),
        ("most_regions", b"id,when,sum,reg\n" + b"".join(b"u,2024-01-01,1,r%d\n" % i for i in range(32767)),
         ", region: reg", "", ok, ""),
        ("volume", HEAD + b"u1,2024-01-01,900719925474\n" * 1100, "", "", no, "lower money.decimals"),
        ("outliers", HEAD + b"".join(b"u,2024-01-01,%d\n" % (10 + i % 3) for i in range(80)) +
         b"u,2024-01-01,9999\n" * 20, "", "", no, "20 % of the amounts are outliers"),
        ("one_value", HEAD + b"u,2024-01-01,5\n" * 99, "", "", ok, ""),
        ("link", "link", "", "", no, "are the same file"),
        ("holdout", HEAD + GOOD, "", "window: {holdout_days: 28}\n", no, "leaves no day to fit on"),
    ]


def prepare(folder):
    cases = build(folder)
    with open(os.path.join(folder, "list"), "w") as listing:
        for name, data, columns, lines, _, _ in cases:
            path = os.path.join(folder, name + ".in")
            if data == "folder":
                os.makedirs(path)
            elif data == "link":
                with open(path + "1", "wb") as f:
                    f.write(HEAD + GOOD)
                os.symlink(path + "1", path + "2")
                path += "*"
            elif data is not None:
                with open(path, "wb") as f:
                    f.write(data)
            config = os.path.join(folder, name + ".yaml")
            with open(config, "w") as f:
                f.write(CONFIG % (path, columns, lines))
            listing.write("%s %s 0 0 0 0 0\n" % (config, config + ".out"))
    return cases


def check(folder, cases, ranks):
    failures = 0
    for name, _, _, _, status, pattern in cases:
        with open(os.path.join(folder, name + ".yaml.out"), errors="replace") as f:
            got = f.read().split("\n")
        if got[0] != "status " + status or not re.search(pattern, got[1]):
            print("%s at %d ranks: expected %s, /%s/\n  got %s" % (name, ranks, status, pattern, got[:2]))
            failures += 1
    return failures


def faults(program, mpiexec, folder):
    """An injected failure of one rank ends in one status; nobody waits for ever."""
    failures = 0
    one = os.path.join(folder, "one")
    config = os.path.join(folder, "good.yaml")
    with open(one, "w") as f:
        f.write("%s %s.out 0 0 0 0 0\n" % (config, config))
    for fault, status in (("phase.ingest:fail:0:1", "input or output failed"), ("io.open:fail:0:0", "input unusable"),
                          ("io.read:fail:0:1", None), ("io.read:fail:1:0", None), ("alloc:fail:3:1", "out of memory"),
                          ("alloc:fail:20:2", "out of memory")):
        done = subprocess.run([mpiexec, "-n", "3", program, one], timeout=60, env=dict(os.environ, STRATA_FAULT=fault))
        with open(config + ".out") as f:
            got = f.read().split("\n")
        if done.returncode != 0 or got[0] == "status done" or got[1] == "message ":
            print("%s: exit %d, %s" % (fault, done.returncode, got[:2]))
            failures += 1
    return failures


def main():
    program, mpiexec = sys.argv[1:3]
    folder = os.path.abspath("bad")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    cases = prepare(folder)
    failures = 0
    for ranks in (1, 2, 5):
        subprocess.run([mpiexec, "-n", str(ranks), program, os.path.join(folder, "list")], check=True)
        failures += check(folder, cases, ranks)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if "asan" not in program and peak > 400 * 1024: # KiB; the long line alone has 100 MB, the tables 160
        print("peak memory of a rank: %d KiB" % peak)
        failures += 1
    failures += faults(program, mpiexec, folder)
    print("%d inputs, %d wrong, peak %d KiB" % (len(cases), failures, peak))
    sys.exit(failures > 0)


main()

"""Input that is wrong in every way we know: its exit code, one line that names file, line and reason,
no output file; and odd input that is nevertheless right."""
import gzip
import json
import os
import re
import sys

from harness import Folder, equal, need_h5py, run, spare

h5py = need_h5py()
HEADER = b"user_id,order_date,amount\n"
CONFIG = """config_version: 1
input:
  files: [tx.csv]
  columns: {user: user_id, time: order_date, amount: amount}
  max_rejected_share: 0
clean: {outliers: {method: none}}
privacy: {mode: plain}
"""
GOOD = b"".join(b"u%03d,2024-%02d-%02d,%d.%02d\n" % (i % 40, i % 12 + 1, i % 28 + 1, 5 + i, i % 100)
                for i in range(400))


def case(name, content, code, pattern, ranks=2, extra=(), path="tx.csv"):
    """Runs one wrong input: exit code, one error line that matches, nothing left behind."""
    if content is not None:
        with open(path, "wb") as f:
            f.write(content)
    before = set(os.listdir("."))
    done = run("run", "-q", "-c", "c.yaml", "-i", path, "-o", "out.h5", *extra, ranks=ranks, expect=code)
    errors = [line for line in done.stderr.splitlines() if line.startswith("strata: error")]
    if len(errors) != 1 or not re.search(pattern, errors[0]):
        sys.exit(f"{name}: wanted one error line like {pattern!r}, got\n{done.stderr}")
    left = set(os.listdir(".")) - before
    if left:
        sys.exit(f"{name}: left behind {sorted(left)}")
    print(f"ok: {name}: {errors[0]}")
    if content is not None:
        os.remove(path)
    return done


def bad_rows():
    """One bad row among good ones: with no tolerance the run fails and names the place."""
    line = GOOD.count(b"\n") // 2 + 2
    lines = GOOD.splitlines(keepends=True)
    half = b"".join(lines[: len(lines) // 2]), b"".join(lines[len(lines) // 2:])
    for text, reason in [
            (b"u1,2024-01-01,1e5", "amount"), (b'u1,2024-01-01,"1,234.56"', "amount"),
            ("u1,2024-01-01,１２".encode(), "amount"), (b"u1,2024-01-01,NaN", "amount"),
            (b"u1,2024-01-01,Inf", "amount"), (b"u1,2024-01-01,1e400", "amount"),
            (b"u1,2024-01-01,9223372036854775808", "amount"), (b"u1,2024-01-01,", "amount"),
            (b"u1,2024-01-01,1.23456", "amount"), (b"u1,2023-02-29,1", "time"),
            (b"u1,1900-02-29,1", "time"), (b"u1,0000-01-01,1", "time"),
            (b"u1,2024-01-01T24:00:00,1", "time"), (b"u1,2024-13-01,1", "time"),
            (b"u1,9999-01-01,1", "time"), (b"u1,1066-10-14,1", "time"), (b"u1,,1", "time"),
            (b",2024-01-01,1", "user"), (b"u1,2024-01-01", r"columns \(2 found, 3 expected\)"),
            (b"u1,2024-01-01,1,2", r"columns \(4 found, 3 expected\)"),
            (b"u\0,2024-01-01,1", "NUL|encoding|UTF-8"), (b"u\xff\xfe,2024-01-01,1", "NUL|encoding|UTF-8"),
            (b"u" * 2_000_000 + b",2024-01-01,1", "long")]:
        case(f"row {text[:40]!r}", HEADER + half[0] + text + b"\n" + half[1], 5,
             rf"tx\.csv.*\b{line}\b.*({reason})")


def bad_files():
    case("empty file", b"", 5, r"tx\.csv")
    case("header only", HEADER, 5, r"no (row|user|transaction)")
    case("missing column", b"user,order_date,amount\n" + GOOD, 2, r"tx\.csv.*user_id")
    # a file without a header begins with a customer, who must not appear in a log
    done = case("no header", GOOD.replace(b"u", b"customer-"), 2, r"tx\.csv:1.*looks like data.*input.header")
    equal("the first row is not shown", "customer-" in done.stderr, False)
    done = case("currency is another column", HEADER + GOOD, 5, r"currency.*\"user_id\".*right column",
                extra=("--set", "input.columns.currency=user_id"))
    equal("no identifier is shown", re.search(r"u\d\d\d", done.stderr), None)
    case("missing file", None, 5, r"nowhere\.csv", path="nowhere.csv")
    os.mkdir("folder.csv")
    case("directory", None, 5, r"folder\.csv.*directory", path="folder.csv")
    packed = gzip.compress(HEADER + GOOD * 200)
    case("truncated gzip", packed[: len(packed) // 2], 5, r"tx\.csv\.gz.*cut off",
         path="tx.csv.gz")
    case("damaged gzip", packed[:300] + b"\x55" * 40 + packed[340:], 5, r"tx\.csv\.gz", path="tx.csv.gz")
    case("unbalanced quote", HEADER + GOOD + b'"u1,2024-01-01,1\n', 5, r"tx\.csv.*402.*quote")
    case("every row rejected", HEADER + b"x,y,z\n" * 50, 5, r"tx\.csv.*2.*time")
    case("100 MB line", HEADER + GOOD + b"u" * 100_000_000 + b"\n", 5, r"tx\.csv.*402.*long")
    if os.getuid() != 0: # root reads everything
        with open("secret.csv", "wb") as f:
            f.write(HEADER + GOOD)
        os.chmod("secret.csv", 0)
        case("unreadable file", None, 5, r"secret\.csv.*ermission", path="secret.csv")
    case("too many outliers", HEADER + b"".join(b"u%d,2024-01-01,%d\n" % (i % 9, 10 + i % 3 if i % 5 else
         1000000) for i in range(500)), 5, r"20 %.*outlier", extra=("--set", "clean.outliers.method=mad"))


def users_of(path):
    with h5py.File(path, "r") as f:
        return dict(zip((k.decode() for k in f["users/user_key"][...]), f["users/monetary"][...].tolist()))


def odd_but_right():
    """The same table in other clothes must give the same users."""
    with open("plain.csv", "wb") as f:
        f.write(HEADER + GOOD)
    run("run", "-q", "-c", "c.yaml", "-i", "plain.csv", "-o", "plain.h5", ranks=2)
    wanted = users_of("plain.h5")
    equal("users", len(wanted), 40)
    quoted = b"".join(b'"%s","%s",%s\n' % tuple(l.split(b",")) for l in GOOD.splitlines())
    for name, content in {
            "BOM": b"\xef\xbb\xbf" + HEADER + GOOD, "CRLF": (HEADER + GOOD).replace(b"\n", b"\r\n"),
            "no last newline": HEADER + GOOD[:-1], "quoted": HEADER + quoted,
            "quoted newline": b'user_id,"order\n_date",amount\n'.replace(b"order\n_date", b"order_date")
                              .replace(b"amount\n", b'amount,note\n')
                              + GOOD.replace(b"\n", b',"two\nlines, ""quoted"""\n'),
            "minus zero": HEADER + GOOD + b"u001,2024-03-03,-0\n",
            "offset": HEADER + GOOD.replace(b"-05,", b"-05T23:30:00-00:00,"),
            "leap second": HEADER + GOOD.replace(b"-05,", b"-05T23:59:60Z,"),
            "gzip": gzip.compress(HEADER + GOOD),
            "two gzip members": gzip.compress(HEADER + GOOD[:999]) + gzip.compress(GOOD[999:])}.items():
        with open("odd.csv", "wb") as f:
            f.write(content)
        for ranks in (1, 3, 7):
            run("run", "-q", "-c", "c.yaml", "-i", "odd.csv", "-o", "odd.h5", "--force", ranks=ranks)
            if users_of("odd.h5") != wanted:
                sys.exit(f"{name} at {ranks} ranks: other users than the plain file")
        print(f"ok: {name}")
    # Bare CR line ends are either read or refused with a clear message.
    with open("cr.csv", "wb") as f:
        f.write((HEADER + GOOD).replace(b"\n", b"\r"))
    done = run("run", "-q", "-c", "c.yaml", "-i", "cr.csv", "-o", "cr.h5", ranks=2, expect=None)
    if done.returncode == 0:
        equal("bare CR", users_of("cr.h5"), wanted)
    elif done.returncode != 5 or not re.search(r"cr\.csv.*(CR|carriage)", done.stderr):
        sys.exit(f"bare CR: exit {done.returncode}: {done.stderr}")


def odd_shapes():
    """Fewer users than ranks or clusters, equal users, one giant user: defined results, no hang."""
    shapes = {
        "one row": (b"u1,2024-01-01,5\n", 1),
        "two users": (b"u1,2024-01-01,5\nu2,2024-02-01,7\n", 2),
        "all alike": (b"".join(b"u%d,2024-01-01,5\n" % i for i in range(50)), 50),
        "refund above purchases": (b"u1,2024-01-01,5\nu1,2024-01-02,-50\nu2,2024-01-03,1\n", 2),
        "one user has 90 %": (b"".join(b"u%d,2024-01-01,5\n" % (i if i % 10 == 0 else 1)
                                       for i in range(3000)), 301),
        "29 February": (b"u1,2024-02-29,5\nu2,2000-02-29,7\n", 2)}
    for name, (rows, users) in shapes.items():
        with open("s.csv", "wb") as f:
            f.write(HEADER + rows)
        digests = set()
        for ranks in (1, 2, 4, 7):
            run("run", "-q", "-c", "c.yaml", "-i", "s.csv", "-o", "s.h5", "--force", ranks=ranks)
            run("verify", "s.h5", ranks=0)
            with h5py.File("s.h5", "r") as f:
                digests.add(bytes(str(f.attrs["content_digest"]), "ascii"))
            if len(users_of("s.h5")) != users:
                sys.exit(f"{name}: {len(users_of('s.h5'))} users at {ranks} ranks, wanted {users}")
        equal(f"{name}: digests", len(digests), 1)


def dry_run():
    """What --dry-run says about the files is what the run does."""
    for name in ("tx[1].csv", "tx 2.csv"):
        with open(name, "wb") as f:
            f.write(HEADER + GOOD)
    dry = ("run", "-c", "c.yaml", "-o", "out.h5", "--dry-run", "-i")
    done = run(*dry, "tx[1].csv", "tx 2.csv", "tx 2.csv", ranks=2)
    equal("files of a dry run", re.findall(r"Input: (\d+) files.*about (\d+) rows", done.stdout), [("2", "802")])
    case("dry run: missing file", None, 5, r"nowhere\.csv", path="nowhere.csv", extra=("--dry-run",))
    case("dry run: directory", None, 5, r"directory", path=".", extra=("--dry-run",))
    equal("nothing was computed", os.path.exists("out.h5"), False)
    run("run", "-q", "-c", "c.yaml", "-o", "out.h5", "-i", "tx[1].csv", "tx 2.csv", ranks=2)
    done = run("run", "-c", "c.yaml", "-o", "out.h5", "-i", "tx[1].csv", "--force", "--json", "-", ranks=2)
    equal("standard output is one JSON text", json.loads(done.stdout)["users"], 40)
    os.remove("out.h5")


def outputs():
    """No output takes the place of a file that is read or of another output."""
    for path in ("tx.csv", "in.gz", "log.tmp"):
        with open(path, "wb") as f:
            f.write(gzip.compress(HEADER + GOOD) if path == "in.gz" else HEADER + GOOD + b"u1,x,1\n")
    os.symlink("in.gz", "link")
    os.mkdir("folder")
    work = ("run", "-q", "-c", "c.yaml", "-i", "tx.csv", "in.gz", "--force", "--set", "input.max_rejected_share=1")
    rejects = ("-o", "out.h5", "--set")
    for name, arguments, pattern in [
            ("--json over an input", ("-o", "out.h5", "--json", "in.gz"), r"--json in\.gz is an input too \(input.files: in\.gz\)"),
            ("--json through a link", ("-o", "out.h5", "--json", "link"), r"--json link is an input too \(input.files: in\.gz\)"),
            ("the result over an input", ("-o", "in.gz"), r"--output in\.gz is an input too"),
            ("the result over the configuration", ("-o", "c.yaml"), r"--output c\.yaml is an input too \(--config: c\.yaml\)"),
            ("the summary over the configuration", ("-o", "out.h5", "--json", "c.yaml"), r"--json c\.yaml is an input too"),
            ("rejects over an input", (*rejects, "input.rejects_file=in.gz"), r"input.rejects_file in\.gz is an input too"),
            ("rejects over the configuration", (*rejects, "input.rejects_file=./c.yaml"), r"is an input too \(--config"),
            ("rejects over an input, while it is written", ("-i", "log.tmp", *rejects, "input.rejects_file=log"),
             r"input.rejects_file log\.tmp is an input too"),
            ("rejects and result", ("-o", "x", "--set", "input.rejects_file=x"),
             r"--output x is an output too \(input.rejects_file: x\); name another"),
            ("rejects and summary", (*rejects, "input.rejects_file=x", "--json", "./x"), r"--json \./x is an output too"),
            ("result and summary", ("-o", "x", "--json", "x"), r"--output x is an output too \(--json: x\)"),
            ("rejects into a folder", (*rejects, "input.rejects_file=folder"), r"input.rejects_file folder is a folder"),
            ("the summary into a folder", ("-o", "out.h5", "--json", "folder"), r"--json folder is a folder; name a file")]:
        for ranks in (1, 3):
            spare(name, pattern, *work, *arguments, ranks=ranks)
    os.mkfifo("pipe")  # stands for /dev/null, which root would lose
    spare("rejects into what is no file", r"input.rejects_file pipe is not a regular file", *work, *rejects, "input.rejects_file=pipe")
    run(*work, *rejects, "input.rejects_file=bad.csv", "--json", "/dev/null", ranks=2)
    equal("rejects are listed", len(open("bad.csv").read().splitlines()), 2)
    for path in ("in.gz", "link", "log.tmp", "pipe", "bad.csv", "out.h5"):
        os.remove(path)
    os.rmdir("folder")


def command_line():
    dry_run()
    outputs()
    with open("tx.csv", "wb") as f:
        f.write(HEADER + GOOD)
    for name, arguments, pattern in [
            ("unknown key", ("--set", "cluster.kk=3"), r"cluster\.kk.*cluster\.k"),
            ("k out of range", ("--set", "cluster.k=0x"), r"cluster\.k"),
            ("unknown flag", ("--forse",), r"--forse.*--force"),
            ("keyed without key", ("--set", "privacy.mode=keyed"), r"key_file|key file"),
            ("unknown feature", ("--set", "cluster.features=[recency_day]"), r"recency_day.*recency_days")]:
        case(name, HEADER + GOOD, 2, pattern, extra=arguments)
    with open("tx.csv", "wb") as f:
        f.write(HEADER + GOOD)
    case("no place for the summary", None, 7, r"--json nowhere/s\.json: No such",
         extra=("--json", "nowhere/s.json"))
    with open("key", "w") as f:
        f.write("0123456789abcdef0123456789abcdef\n")
    os.chmod("key", 0o644)
    case("readable key", None, 2, r"key.*(0600|mode|chmod)",
         extra=("--set", "privacy.mode=keyed", "--set", "privacy.key_file=key"))
    os.chmod("key", 0o600)
    run("run", "-q", "-c", "c.yaml", "-i", "tx.csv", "-o", "out.h5", "--set", "privacy.mode=keyed",
        "--set", "privacy.key_file=key", ranks=2)
    with h5py.File("out.h5", "r") as f:
        keys = [k.decode() for k in f["users/user_key"][...]]
    equal("pseudonyms", all(re.fullmatch("[0-9a-f]{32}", k) for k in keys), True)
    before = open("out.h5", "rb").read()
    run("run", "-q", "-c", "c.yaml", "-i", "tx.csv", "-o", "out.h5", ranks=2, expect=2)
    equal("an existing output stays without --force", open("out.h5", "rb").read() == before, True)
    done = run("run", "-q", "-c", "c.yaml", "-i", "tx.csv", "-o", "strict.h5", "--strict", ranks=2, expect=3)
    equal("--strict: 40 users are too few", "a gate failed; the result is written to strict.h5" in done.stderr, True)
    run("verify", "strict.h5", ranks=0)
    if b"u001" in before or b"0123456789abcdef" in before:
        sys.exit("the output of a keyed run holds an identifier or the key")


if __name__ == "__main__":
    with Folder():
        with open("c.yaml", "w") as f:
            f.write(CONFIG)
        {"rows": bad_rows, "files": bad_files, "odd": odd_but_right, "shapes": odd_shapes,
         "command_line": command_line}[sys.argv[1]]()

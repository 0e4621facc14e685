"""Random logs, read by ingest at several rank counts and by a simple independent reader written here.

Every value of every user, every count, the rejects file and the digests must agree. Block, row and
table sizes are tiny, so that small files reach all the seams: rows across blocks, quoted line ends at
rank boundaries, rounds of the shuffle, spilled rejects.

usage: test_fuzz.py DUMP_PROGRAM MPIEXEC [cases] [seed]
"""
import csv, gzip, hashlib, io, os, random, re, shutil, subprocess, sys
from datetime import date, timedelta

EPOCH = date(1970, 1, 1)
KEY = b"a key for tests of 32 bytes or more"
NO_DAY = -2**31
REASONS = ["columns", "quote", "encoding", "too_long", "user", "time", "amount", "order", "refund"]
DROPS = ["order_prefix", "refund", "outlier"]


# ---- the oracle: rows of one file, byte by byte --------------------------------------------------

def line_end(data, at):
    """Length of the line end at this place, 0 if there is none."""
    if data[at:at + 2] == b"\r\n":
        return 2
    return 1 if data[at:at + 1] in (b"\n", b"\r") else 0


def cut(data, at, delimiter):
    """One row from at: (fields, bad_quote, row_end, next) or None when a quote is never closed."""
    fields, bad, n = [], False, len(data)
    blank = delimiter == b" "
    is_cut = (lambda c: c in b" \t") if blank else (lambda c: c == delimiter[0])
    while True:
        if blank:
            while at < n and data[at] in b" \t":
                at += 1
            if at == n or line_end(data, at):
                break
        if at < n and data[at] == 0x22:
            text, at = bytearray(), at + 1
            while True:
                if at >= n:
                    return None
                if data[at] == 0x22:
                    if data[at + 1:at + 2] == b'"':
                        text.append(0x22)
                        at += 2
                        continue
                    at += 1
                    break
                text.append(data[at])
                at += 1
            while at < n and not is_cut(data[at]) and not line_end(data, at):
                bad = True
                at += 1
            fields.append(bytes(text))
        else:
            start = at
            while at < n and not is_cut(data[at]) and not line_end(data, at):
                bad = bad or data[at] == 0x22
                at += 1
            fields.append(data[start:at])
        if at == n or line_end(data, at):
            break
        at += 1
    return fields, bad, at, at + (line_end(data, at) if at < n else 0)


def rows(data, delimiter, limit):
    """(offset, line, fields or None, reason or None, next) of all rows, by the rules of the reader."""
    at, line, n = 0, 1, len(data)
    while at < n:
        if line_end(data, at):
            at += line_end(data, at)
            line += 1
            continue
        found = cut(data, at, delimiter)
        if found is None or found[2] - at > limit:
            end = at
            while end < n and not line_end(data, end):
                end += 1
            yield at, line, None, "too_long" if end - at > limit else "quote"
            if end < n:
                line += 1
                end += line_end(data, end)
            at = end
            continue
        fields, bad, end, nxt = found
        if fields:
            reason = ("encoding" if 0 in data[at:end] else "quote" if bad else None)
            yield at, line, fields, reason
        inside = data[at:nxt]
        line += len(re.findall(rb"\r\n|\n|\r", inside))
        at = nxt


def money(text, decimals):
    if not re.fullmatch(rb"[+-]?(\d+(\.\d*)?|\.\d+)", text) or (text.endswith(b".")):
        return None
    sign = -1 if text[:1] == b"-" else 1
    whole, _, rest = text.lstrip(b"+-").partition(b".")
    if rest[decimals:].strip(b"0"):
        return None
    value = int((whole or b"0") + rest[:decimals].ljust(decimals, b"0"))
    return None if value > 2**53 else sign * value


def product(quantity, price, decimals):
    a, b = money(quantity, 9), money(price, 9)
    if a is None or b is None:
        return None
    value, shift = a * b, 18 - decimals
    if value % 10**shift:
        return None
    value //= 10**shift
    return None if abs(value) > 2**53 else value


def when(text):
    m = re.fullmatch(rb"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?", text)
    if not m or not 1900 <= int(m[1]) <= 2199:
        return None
    try:
        day = (date(int(m[1]), int(m[2]), int(m[3])) - EPOCH).days
    except ValueError:
        return None
    h, mi, s = (int(x or 0) for x in m.groups()[3:])
    return None if h > 23 or mi > 59 or s > 59 else (day, 3600 * h + 60 * mi + s)


def bucket_bounds(v):
    """The range of amounts that the histogram does not tell apart from v."""
    shift = max(0, v.bit_length() - 13)
    low = v >> shift << shift
    return low, low + (1 << shift) - 1


def outlier_limits(amounts, threshold):
    if not amounts:
        return None
    middles = sorted((lo + (hi - lo) // 2, lo, hi) for lo, hi in map(bucket_bounds, amounts))
    middle = middles[(len(middles) - 1) // 2][0]
    deviation = sorted(abs(m - middle) for m, _, _ in middles)[(len(middles) - 1) // 2]
    if deviation == 0:
        return None
    reach = threshold * 1.4826 * float(deviation)
    return lambda v: abs(sum(bucket_bounds(v)) // 2 - middle) <= reach


class Refused(Exception):
    pass


def oracle(case):
    """What ingest must make of a case: (lines of the dump without keys and digests, rejects)."""
    c, out, rejects = case, [], []
    count = dict.fromkeys(["read", "accepted", "outside", "duplicate", "flagged"], 0)
    rejected, dropped = dict.fromkeys(REASONS, 0), dict.fromkeys(DROPS, 0)
    per_file, readable = [], []
    for path, data in c["files"]:
        n = 0
        if data[:3] == b"\xef\xbb\xbf":
            body, skip_bytes = data[3:], 3
        else:
            body, skip_bytes = data, 0
        stream = list(rows(body, c["delimiter"], c["limit"]))
        names = c["names"]
        if c["header"] != "false" and stream:
            head = stream.pop(0)
            if c["header"] == "true":
                names = [f.strip(b" \t").decode() for f in head[2]]
        for offset, line, fields, reason in stream:
            n += 1
            count["read"] += 1
            row = None
            if reason is None and len(fields) != len(names):
                reason = "columns"
            if reason is None:
                row = {r: fields[names.index(name)].strip(b" \t") for r, name in c["columns"].items()}
                reason, row = typed(c, row)
            if reason:
                rejected[reason] += 1
                rejects.append((path, offset + skip_bytes, line, reason))
            else:
                readable.append((path, offset + skip_bytes, line, row))
        per_file.append(n)
    judge(c, readable, count, rejected, dropped, rejects, out)
    order = {path: i for i, (path, _) in enumerate(c["files"])}
    rejects.sort(key=lambda r: (order[r[0]], r[1]))
    return out, rejects, per_file


def typed(c, row):
    for role in ("user", "order", "region", "currency"):
        try:
            row.get(role, b"").decode("utf-8")
        except UnicodeDecodeError:
            return "encoding", None
    if len(row["user"]) > (64 if c["plain"] else 4096) or len(row.get("region", b"")) > 256:
        return "too_long", None
    if not row["user"]:
        return "user", None
    time = when(row["time"])
    if time is None:
        return "time", None
    if "amount" in row:
        amount = money(row["amount"], c["decimals"])
    else:
        amount = product(row["quantity"], row["price"], c["decimals"])
    if amount is None:
        return "amount", None
    if "order" in row and not row["order"]:
        return "order", None
    raw = tuple(row[r] for r in c["columns"])
    return None, dict(user=row["user"], day=time[0], time=time[0] * 86400 + time[1], amount=amount,
                      order=row.get("order"), region=(row["region"] or b"unknown") if "region" in row else None,
                      raw=raw)


def judge(c, readable, count, rejected, dropped, rejects, out):
    start, as_of = c["start"], c["as_of"]
    days, stage = [], []
    for path, offset, line, row in readable:
        if (start is not None and row["day"] < start) or (as_of is not None and row["day"] >= as_of):
            count["outside"] += 1
            continue
        skipped = c["prefix"] and row["order"] is not None and row["order"].startswith(c["prefix"])
        if not skipped and row["amount"] <= 0 and c["refunds"] == "reject":
            rejected["refund"] += 1
            rejects.append((path, offset, line, "refund"))
            continue
        days.append(row["day"])
        if skipped:
            dropped["order_prefix"] += 1
        elif row["amount"] <= 0 and c["refunds"] == "drop":
            dropped["refund"] += 1
        else:
            stage.append(row)
    inside = None
    if c["outliers"] != "none":
        inside = outlier_limits([r["amount"] for r in stage if r["amount"] > 0], c["threshold"])
    taken, seen = [], set()
    for row in stage:
        odd = inside is not None and row["amount"] > 0 and not inside(row["amount"])
        if odd and c["outliers"] == "drop":
            dropped["outlier"] += 1
            continue
        if c["duplicates"] == "drop" and row["raw"] in seen:
            count["duplicate"] += 1
            continue
        seen.add(row["raw"])
        count["accepted"] += 1
        count["flagged"] += odd
        if odd and c["outliers"] == "clip":
            row = dict(row, amount=clip(inside, row["amount"]))
        taken.append(row)
    if not taken:
        raise Refused
    first = min(days) if start is None else start
    last = max(days) + 1 if as_of is None else as_of
    hold = last - c["holdout"]
    if c["holdout"] and hold <= first:
        raise Refused
    regions = sorted({r["region"] for r in taken if r["region"] is not None})
    users = {}
    for row in taken:
        users.setdefault(row["user"], []).append(row)
    lines = []
    for user in sorted(users, key=lambda u: shown(c, u)):
        whole, chosen = activity(users[user], c)
        if whole[2] == 0:
            continue
        text = "%s|%d|%s" % (shown(c, user), regions.index(chosen) if chosen is not None else -1, show(whole))
        if c["holdout"]:
            text += "|" + show(activity([r for r in users[user] if r["day"] < hold], c)[0])
            text += "|" + show(activity([r for r in users[user] if r["day"] >= hold], c)[0])
        lines.append("%s|%s" % (text, pseudonym(c, user)[:16]))
    if not lines:
        raise Refused
    out.append("rows " + " ".join("%s=%d" % x for x in list(count.items()) + list(rejected.items())
                                  + [("drop_" + k, v) for k, v in dropped.items()]))
    out.append("window %d %d %d %d" % (first, last, hold, c["holdout"] > 0))
    out += ["region %d %s" % (i, r.decode()) for i, r in enumerate(regions)]
    out += lines


def pseudonym(c, user):
    return hashlib.blake2b(user, key=b"" if c["plain"] else KEY, digest_size=16).hexdigest()


def shown(c, user):
    """The name of a user in the result; users are sorted by it. (Sorting text sorts its UTF-8.)"""
    return user.decode() if c["plain"] else pseudonym(c, user)


def clip(inside, amount):
    """The nearest amount that is no outlier, by bisection on whole units."""
    step = -1 if amount > 0 and inside_below(inside, amount) else 1
    low, high = (1, amount) if step < 0 else (amount, 2**53)
    if step < 0:  # the largest inlier below
        good = next(v for v in descending(amount) if inside(v))
        low, high = good, amount
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if inside(middle) else (low, middle)
        return low
    good = next(v for v in ascending(amount) if inside(v))
    low, high = amount, good
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if inside(middle) else (middle, high)
    return high


def descending(v):
    while v > 0:
        lo, _ = bucket_bounds(v)
        yield lo
        v = lo - 1


def ascending(v):
    while v < 2**53:
        _, hi = bucket_bounds(v)
        yield hi
        v = hi + 1


def inside_below(inside, amount):
    return any(inside(v) for v in descending(amount))


def show(a):
    return "%d %d %d %d %d %d" % a


def activity(taken, c):
    orders = []
    if taken and taken[0]["order"] is not None:
        groups = {}
        for row in taken:
            groups.setdefault(row["order"], []).append(row)
        for group in groups.values():
            total = sum(r["amount"] for r in group)
            if total > 0:
                time, region = min((r["time"], r["region"] or b"") for r in group if r["amount"] > 0)
                orders.append((total, time, region))
    else:
        orders = [(r["amount"], r["time"], r["region"] or b"") for r in taken if r["amount"] > 0]
    chosen, places = None, {}
    for _, time, region in orders:
        n, latest = places.get(region, (0, time))
        places[region] = (n + 1, max(latest, time))
    if places and taken[0]["region"] is not None:
        chosen = min(places, key=lambda r: (-places[r][0], -places[r][1], r))
    days = [time // 86400 for _, time, _ in orders] or [NO_DAY]
    return (min(days), max(days), len(orders), sum(r["amount"] for r in taken),
            sum(o[0] for o in orders), max([o[0] for o in orders], default=0)), chosen


# ---- random cases ------------------------------------------------------------------------------

def quoted(rng, text, delimiter, always=False):
    special = any(b in text for b in (b'"', b"\n", b"\r", delimiter)) or text[:1] == b'"'
    if delimiter == b" ":
        special = special or not text or b" " in text or b"\t" in text
    if special or always or rng.random() < 0.1:
        return b'"' + text.replace(b'"', b'""') + b'"'
    return text


def random_field(rng, role, c):
    r = rng.random()
    if role == "user":
        if r < 0.03:
            return b""
        if r < 0.05:
            return b"\xff\xfe" if rng.random() < 0.5 else "zoë ünal".encode()
        if r < 0.06:
            return b"x" * rng.choice([16, 64, 65])
        return b"u%0*d" % (rng.choice([1, 1, 18]), rng.randrange(c["users"]))
    if role == "time":
        if r < 0.03:
            return rng.choice([b"2024-02-30", b"1899-12-31", b"", b"24-1-1", b"2024-01-01T24:00"])
        day = date(2024, 1, 1) + timedelta(rng.randrange(c["days"]))
        text = day.isoformat().encode()
        return text + b" %02d:%02d:00" % (rng.randrange(24), rng.randrange(2)) if r < 0.5 else text
    if role in ("amount", "price", "quantity"):
        if r < 0.03:
            return rng.choice([b"1e5", b"1,5", b"", b"nan", b"0.00001", b"9" * 20, b"--1"])
        value = rng.choice([0, 1, 2.5, 10, 99.99, 1000]) * rng.choice([1, 1, 1, 1, -1])
        if rng.random() < 0.3:
            value = rng.randrange(-500, 5000) / 100
        if role == "quantity":
            value = int(value)
        return (b"%d" % value) if value == int(value) else b"%.2f" % value
    if role == "order":
        return b"" if r < 0.02 else rng.choice([b"C", b"", b"A"]) + b"%d" % rng.randrange(c["orders"])
    if role == "region":
        return rng.choice([b"", b"DE", b"FR", b"FR", b"Br, azil", b'Q"uote', "Česko".encode(), b" GB "])
    return rng.choice([b"", b"plain", b"with, comma", b'with "quotes"', b"two\nlines", b"cr\rlf\r\nend",
                       b"\n", b"\n\n\n", b'"\n"', "naïve".encode(), b"x" * rng.randrange(60)])


def random_row(rng, c, names, end):
    roles = {name: role for role, name in c["columns"].items()}
    r = rng.random()
    if r < 0.02:
        return end
    fields = [quoted(rng, random_field(rng, roles.get(n, "other"), c), c["delimiter"]) for n in names]
    if r < 0.04:
        fields = fields[:-1] if rng.random() < 0.5 else fields + [b"more"]
    if r > 0.99:
        fields[rng.randrange(len(fields))] += rng.choice([b'"', b"\0", b'x"y'])
    if r > 0.985 and r < 0.99:
        fields[rng.randrange(len(fields))] = b"y" * rng.randrange(c["limit"] * 3)
    sep = c["delimiter"]
    if sep == b" ":
        fields = [f.replace(b"\n", b"_").replace(b"\r", b"_") if rng.random() < 0.5 else f for f in fields]
        return rng.choice([b"", b" ", b"\t "]) + rng.choice([b" ", b"  \t"]).join(fields) + end
    return sep.join(fields) + end


def random_file(rng, c):
    end = rng.choice([b"\n", b"\n", b"\r\n", b"\r"])
    names = list(c["names"])
    body = b"\xef\xbb\xbf" if rng.random() < 0.2 else b""
    if c["header"] == "true":
        rng.shuffle(names)
    if c["header"] != "false":
        body += (b" " if c["delimiter"] == b" " else c["delimiter"]).join(n.encode() for n in names) + end
    n = rng.choice([0, 1, 20, 40, 200])
    for _ in range(n):
        body += random_row(rng, c, names, end if rng.random() < 0.95 else rng.choice([b"\n", b"\r\n", b"\r"]))
    if rng.random() < 0.3:
        body = body[:len(body) - len(end)]
    if rng.random() < 0.05 and body.endswith(end):
        body += b'u1,"never closed'
    return body


def make_case(rng, folder, number):
    c = dict(delimiter=rng.choice([b",", b",", b";", b"\t", b"|", b" "]),
             header=rng.choice(["true", "true", "skip", "false"]),
             limit=rng.choice([80, 200, 1000]), users=rng.choice([1, 5, 60]), orders=rng.choice([3, 30]),
             days=rng.choice([2, 90]), decimals=rng.choice([2, 4]), 
             refunds=rng.choice(["net", "net", "drop", "reject"]), duplicates=rng.choice(["keep", "keep", "drop"]),
             outliers=rng.choice(["none", "flag", "clip", "drop"]), threshold=rng.choice([1, 3, 6]),
             prefix=None, start=None, as_of=None, holdout=rng.choice([0, 0, 1, 20]))
    c["plain"] = number % 2 == 0
    columns = {"user": "id", "time": "when"}
    columns.update(rng.choice([{"amount": "sum"}, {"quantity": "qty", "price": "price"}]))
    if rng.random() < 0.5:
        columns["order"] = "invoice"
        c["prefix"] = rng.choice([None, b"C"])
    if rng.random() < 0.5:
        columns["region"] = "country"
    c["columns"] = columns
    c["names"] = list(columns.values()) + ["text", "other"][:rng.randrange(3)]
    rng.shuffle(c["names"])
    if c["days"] < 50:
        c["holdout"] = 0
    base = (date(2024, 1, 1) - EPOCH).days
    if rng.random() < 0.4:
        c["start"] = base + rng.randrange(5)
    if rng.random() < 0.4:
        c["as_of"] = max(base + c["days"] - rng.randrange(2), (c["start"] or 0) + 1)
    c["files"] = []
    stem = os.path.join(folder, "case%d" % number)
    for i in range(rng.choice([1, 1, 2, 5])):
        path, data = "%s_%d.csv" % (stem, i), random_file(rng, c)
        c["files"].append((path, data))
        with open(path, "wb") as f:
            f.write(gzip.compress(data[:len(data) // 2]) + gzip.compress(data[len(data) // 2:])
                    if rng.random() < 0.15 else data)
    c["config"], c["rejects"] = stem + ".yaml", stem + "_rejects.csv"
    write_config(c, stem)
    c["tuning"] = (rng.choice([16, 64, 256, 4096]), c["limit"], rng.choice([512, 600, 0]),
                   rng.choice([1, 7, 64, 0]), rng.choice([1, 3, 0]))
    return c


def key_file(stem):
    path = os.path.join(os.path.dirname(stem), "key")
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
        f.write(KEY + b"\n")
    return path


def write_config(c, stem):
    def day(n):
        return (EPOCH + timedelta(n)).isoformat()
    roles = dict(c["columns"])
    if "price" in roles:
        roles["unit_price"] = roles.pop("price")
        roles["amount"] = "null"
    text = ["config_version: 1", "input:", "  files: ['%s_*.csv']" % stem,
            "  delimiter: %s" % {b",": "','", b";": "';'", b"\t": '"\\t"', b"|": "'|'", b" ": "' '"}[c["delimiter"]],
            "  header: %s" % c["header"], "  max_rejected_share: 1", "  rejects_file: '%s'" % c["rejects"],
            "  columns: {%s}" % ", ".join("%s: %s" % x for x in roles.items()),
            "money: {decimals: %d}" % c["decimals"], "privacy: " + ("{mode: plain}" if c["plain"] else "{mode: keyed, key_file: '%s'}" % key_file(stem)),
            "window: {start: %s, as_of: %s, holdout_days: %d}" % (
                day(c["start"]) if c["start"] is not None else "null",
                day(c["as_of"]) if c["as_of"] is not None else "null", c["holdout"]),
            "clean:", "  refunds: %s" % c["refunds"], "  duplicates: %s" % c["duplicates"],
            "  skip_orders_prefix: %s" % (c["prefix"].decode() if c["prefix"] else "null"),
            "  outliers: {method: %s, threshold: %d, max_source_share: 1, action: %s}" % (
                "none" if c["outliers"] == "none" else "mad", c["threshold"],
                "flag" if c["outliers"] == "none" else c["outliers"])]
    if c["header"] != "true":
        text.insert(3, "  names: [%s]" % ", ".join(c["names"]))
    with open(c["config"], "w") as f:
        f.write("\n".join(text) + "\n")


# ---- comparing ---------------------------------------------------------------------------------

def read_dump(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as f:
        lines = f.read().split("\n")
    got = dict(status=lines[0], message=lines[1], body=[], inputs=[], exact=lines)
    for line in lines[2:]:
        word, _, rest = line.partition(" ")
        if word == "user":
            got["body"].append(rest)
        elif word in ("rows", "window", "region"):
            got["body"].append(line)
        elif word == "input":
            got["inputs"].append(rest)
    return got


def check(case, ranks, dump, rejects):
    try:
        want, want_rejects, per_file = oracle(case)
    except Refused:
        want = None
    if want is None:
        return [] if dump["status"] in ("status input unusable", "status usage or configuration") else ["not refused: " + dump["status"]]
    if dump["status"] != "status done":
        return [dump["status"] + " " + dump["message"]]
    wrong = []
    for a, b in zip(want + ["(end)"] * len(dump["body"]), dump["body"] + ["(end)"]):
        if a != b:
            wrong.append("expected %s\n     got %s" % (a, b))
            break
    listed = [tuple(r) for r in csv.reader(io.StringIO(rejects))][1:]
    if listed != [(p, str(o), str(l), r) for p, o, l, r in want_rejects]:
        pairs = zip(want_rejects + [None], [*listed, None])
        wrong.append("rejects differ: %s" % (next((p for p in pairs if p[0] is None or p[1] is None
                                                    or tuple(map(str, p[0])) != p[1]), None),))
    if [int(i.split()[2]) for i in dump["inputs"]] != per_file:
        wrong.append("rows by file: %s, expected %s" % (dump["inputs"], per_file))
    return wrong


def run(program, mpiexec, ranks, cases, folder):
    listing = os.path.join(folder, "list%d" % ranks)
    with open(listing, "w") as f:
        for c in cases:
            f.write("%s %s.%d %s\n" % (c["config"], c["config"], ranks, " ".join(map(str, c["tuning"]))))
    subprocess.run([mpiexec, "-n", str(ranks), program, listing], check=True)


def main():
    program, mpiexec = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    folder = os.path.abspath("cases")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    rng = random.Random(seed)
    cases = [make_case(rng, folder, i) for i in range(n)]
    failures, exact = 0, {}
    refused = 0
    for ranks in (1, 2, 3, 4, 7):
        for c in cases:
            if os.path.exists(c["rejects"]):
                os.remove(c["rejects"])
        run(program, mpiexec, ranks, cases, folder)
        for i, c in enumerate(cases):
            dump = read_dump("%s.%d" % (c["config"], ranks))
            rejects = ""
            if os.path.exists(c["rejects"]):
                with open(c["rejects"], newline="") as f:
                    rejects = f.read()
            wrong = check(c, ranks, dump, rejects)
            refused += dump["status"] != "status done"
            if exact.setdefault(i, (dump["exact"], rejects)) != (dump["exact"], rejects):
                wrong.append("not the same as at 1 rank")
            for w in wrong:
                print("case %d at %d ranks: %s" % (i, ranks, w))
            failures += bool(wrong)
    print("%d cases, %d wrong, %d refused runs" % (n, failures, refused))
    sys.exit(1 if failures or refused > 2 * n else 0)


if __name__ == "__main__":
    main()

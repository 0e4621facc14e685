"""Random small logs through the whole job against a reader of the contract that shares nothing with the
program: accounting, every column of /users, segments, cross tables with suppression, hold-out tests.
STRATA_TEST_SEED starts another sequence, STRATA_TEST_ROUNDS says how long it is."""
import hashlib
import itertools
import os
import random
import sys
from collections import Counter, defaultdict
from datetime import date, timedelta
from fractions import Fraction

from harness import Folder, need_h5py, run

h5py = need_h5py()
EPOCH = date(1970, 1, 1)
RULES = [("first", 1, [("recency_days", "<=", 40), ("monthly_mean", ">", 20)]),
         ("second", 7, [("frequency", ">=", 3), ("recency_days", "<", 120)]),
         ("third", 3, [("max_order", ">", 60)])]
SUFFIX = {"<=": "max", ">=": "min", ">": "above", "<": "below"}
BINS, WEIGHTS = 5, (0.1, 0.5, 0.4)


def number(day):
    return (day - EPOCH).days


# ---- a log ---------------------------------------------------------------------------------------

def make_case(rng):
    c = {"orders": rng.random() < .6, "region": rng.random() < .7, "product": rng.random() < .3,
         "refunds": rng.choice(["net", "net", "drop", "reject"]), "duplicates": rng.choice(["keep", "drop"]),
         "prefix": rng.choice([None, "C"]), "holdout": rng.choice([0, 0, 60]),
         "as_of": rng.choice([None, date(2024, 12, 1), date(2025, 1, 1)]),
         "start": rng.choice([None, date(2024, 2, 1)]), "keyed": rng.random() < .5,
         "outliers": rng.choice(["none", "flag", "clip", "drop"]), "threshold": rng.choice([1, 3]),
         "base": rng.choice(["window_start", "as_of"]), "k": rng.choice([1, 3]),
         "min_cell": rng.choice([0, 2, 5])}
    if not c["orders"]:
        c["prefix"] = None
    users = [rng.choice(["u%d", "kunde-%d", "a-very-long-identifier-%d", "ü%d"]) % i
             for i in range(rng.choice([3, 12, 60]))]
    rows = []
    for _ in range(rng.choice([20, 150, 400])):
        day = date(2024, 1, 1) + timedelta(days=rng.randrange(366))
        row = {"user": rng.choice(users), "day": day, "second": rng.choice([0, 0, 43200, 86399]),
               "amount": rng.choice([1, 1, 1, 1, 1, 0, -1]) * rng.randrange(1, 8000),
               "order": rng.choice(["", "C", "x"]) + str(rng.randrange(40)),
               "region": rng.choice(["", "north", "south", "west", "Ägypten"])}
        rows.append(row)
        if rng.random() < .2:  # another row of that order, a few days away, with another region
            rows.append({**row, "day": day + timedelta(days=rng.choice([0, 1, 9])), "second": 43200,
                         "amount": rng.randrange(-3000, 5000), "region": rng.choice(["north", "west"])})
        if rng.random() < .15:
            rows.append(dict(row))
    rng.shuffle(rows)
    return c, rows


def write_log(c, rows, name):
    with open(name, "w", encoding="utf-8") as f:
        f.write("who,when,paid,pieces,price,order,land\n")
        for r in rows:
            pieces = 2 if r["amount"] % 2 == 0 else 1
            f.write(f'{r["user"]},{r["day"]}T{timedelta(seconds=r["second"])!s:0>8}Z,{r["amount"] / 100:.2f},'
                    f'{pieces},{r["amount"] // pieces / 100:.2f},{r["order"]},{r["region"]}\n')


def write_config(c, name):
    money = "quantity: pieces, unit_price: price" if c["product"] else "amount: paid"
    rules = "".join(
        "  - {name: %s, code: %d, %s, expected_share: 0.1}\n" %
        (rule, code, ", ".join(f"{column}_{SUFFIX[sign]}: {value}" for column, sign, value in wanted))
        for rule, code, wanted in RULES)
    with open(name, "w", encoding="utf-8") as f:
        f.write(f"""config_version: 1
input:
  files: [tx.csv]
  columns: {{user: who, time: when, {money}{', order: order' if c["orders"] else ''}{', region: land' if c["region"] else ''}}}
  max_rejected_share: 1
window: {{start: {c["start"] or 'null'}, as_of: {c["as_of"] or 'null'}, holdout_days: {c["holdout"]}}}
money: {{decimals: 2}}
clean:
  refunds: {c["refunds"]}
  duplicates: {c["duplicates"]}
  skip_orders_prefix: {c["prefix"] or 'null'}
  outliers: {{method: {'none' if c["outliers"] == 'none' else 'mad'}, threshold: {c["threshold"]},
             max_source_share: 1, action: {'flag' if c["outliers"] == 'none' else c["outliers"]}}}
composite: {{base: {c["base"]}}}
segments:
{rules}cluster: {{k: {c["k"]}, restarts: 1}}
privacy: {{mode: {'keyed' if c["keyed"] else 'plain'}, key_file: key, min_cell: {c["min_cell"]}}}
""")


# ---- the oracle ----------------------------------------------------------------------------------

def lower_median(values):
    return sorted(values)[(len(values) - 1) // 2]


def limits_of(c, amounts):
    """[low, high] of amounts that are no outliers; None: nothing is one."""
    if c["outliers"] == "none" or not amounts:
        return None
    middle = lower_median(amounts)
    deviation = lower_median([abs(a - middle) for a in amounts])
    reach = c["threshold"] * 1.4826 * deviation
    return None if deviation == 0 else (max(0, middle - int(reach)), middle + int(reach))


def clean(c, rows):
    """What becomes of each row: counts, the accepted rows and the days seen."""
    counts, days, candidates = Counter(), [], []
    start = c["start"] or date.min
    for r in rows:
        counts["read"] += 1
        skipped = c["prefix"] and r["order"].startswith(c["prefix"])
        if r["day"] < start or (c["as_of"] and r["day"] >= c["as_of"]):
            counts["outside the window"] += 1
            continue
        if c["refunds"] == "reject" and r["amount"] <= 0 and not skipped:
            counts["rejected: refund"] += 1
            continue
        days.append(r["day"])
        if skipped:
            counts["dropped: order_prefix"] += 1
        elif c["refunds"] == "drop" and r["amount"] <= 0:
            counts["dropped: refund"] += 1
        else:
            candidates.append(r)
    limits = limits_of(c, [r["amount"] for r in candidates if r["amount"] > 0])
    accepted, seen = [], set()
    for r in candidates:
        beyond = limits and r["amount"] > 0 and not limits[0] <= r["amount"] <= limits[1]
        if beyond and c["outliers"] == "drop":
            counts["dropped: outlier"] += 1
            continue
        text = (r["user"], r["day"], r["second"], r["amount"], r["order"] if c["orders"] else "",
                r["region"] if c["region"] else "")
        if c["duplicates"] == "drop" and text in seen:
            counts["duplicate"] += 1
            continue
        seen.add(text)
        counts["outlier"] += bool(beyond)
        if beyond and c["outliers"] == "clip":
            r = {**r, "amount": max(limits[0], min(limits[1], r["amount"]))}
        accepted.append(r)
    counts["accepted"] = len(accepted)
    return counts, days, accepted, {r["region"] or "unknown" for r in candidates}


def orders_of(c, rows):
    """(total, time of the first paying row, its region) of each order; a row is one without order ids."""
    groups = defaultdict(list)
    for i, r in enumerate(rows):
        groups[r["order"] if c["orders"] else i].append(r)
    for part in groups.values():
        paying = sorted(((r["day"], r["second"]), (r["region"] or "unknown").encode())
                        for r in part if r["amount"] > 0)
        yield sum(r["amount"] for r in part), *(paying[0] if paying else (None, None))


def features(c, rows, start, as_of):
    """RFM of one user's rows in one period."""
    bought = [o for o in orders_of(c, rows) if o[0] > 0]
    net = sum(r["amount"] for r in rows)
    if not bought:
        return {"frequency": 0, "net": net, "monetary": net / 100, "aov": 0.0, "max_order": 0.0,
                "recency_days": (as_of - start).days}
    first, last = min(o[1][0] for o in bought), max(o[1][0] for o in bought)
    tenure = max(30, (as_of - first).days)
    places = defaultdict(list)
    for _, time, region in bought:
        places[region].append(time)
    most = max((len(times), max(times)) for times in places.values())
    return {"frequency": len(bought), "net": net, "monetary": net / 100, "first_day": number(first),
            "last_day": number(last), "recency_days": (as_of - last).days,
            "aov": float(Fraction(sum(o[0] for o in bought), 100 * len(bought))),
            "monthly_mean": float(Fraction(30 * net, 100 * tenure)),
            "max_order": max(o[0] for o in bought) / 100,
            "region": min(p for p, times in places.items() if (len(times), max(times)) == most)}


def rule_code(user):
    test = {"<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, ">": lambda a, b: a > b,
            "<": lambda a, b: a < b}
    return next((code for _, code, wanted in RULES
                 if all(test[sign](user[column], value) for column, sign, value in wanted)), -1)


def stratify(c, users, start, as_of):
    """Scores, composites and segments, added to users {id: features}."""
    n = len(users)
    for u in users.values():
        base = as_of if c["base"] == "as_of" else start
        terms = [-u["recency_days"], u["frequency"], u["net"]]
        u["composite"] = (WEIGHTS[0] * ((u["last_day"] - number(base)) / 30) + WEIGHTS[1] * u["frequency"]
                          + WEIGHTS[2] * u["monetary"])
        u["composite_std"] = 0
        for t, name in enumerate(["r_score", "f_score", "m_score"]):
            values = [[-v["recency_days"], v["frequency"], v["net"]][t] for v in users.values()]
            smaller, equal = sum(v < terms[t] for v in values), values.count(terms[t])
            u[name] = 1 + BINS * smaller // n
            u["composite_std"] += WEIGHTS[t] * (2 * smaller + equal) / (2 * n)
        u["segment_code"] = rule_code(u)


def key_of(c, user):
    raw = user.encode()
    return hashlib.blake2b(raw, key=KEY, digest_size=16).hexdigest().encode() if c["keyed"] else raw


# ---- comparison ----------------------------------------------------------------------------------

def same(what, got, wanted, relative=1e-12):
    if isinstance(wanted, float):
        if got == wanted or abs(got - wanted) <= relative * max(abs(got), abs(wanted)):
            return
    elif got == wanted:
        return
    raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def check_users(f, c, users, names):
    keys = f["users/user_key"][...].tolist()
    same("user_key", keys, sorted(key_of(c, u) for u in users))
    by_key = {key_of(c, u): v for u, v in users.items()}
    for column in ["first_day", "last_day", "recency_days", "frequency", "monetary", "aov", "monthly_mean",
                   "max_order", "r_score", "f_score", "m_score", "composite", "composite_std", "segment_code"]:
        for key, got in zip(keys, f["users/" + column][...].tolist()):
            same(f"{column} of {key}", got, by_key[key][column])
    same("regions", [n.decode() for n in f["dictionary/region_code/name"][...].tolist()], names)
    for key, got in zip(keys, f["users/region_code"][...].tolist()):
        same(f"region of {key}", got, names.index(by_key[key]["region"].decode()) if c["region"] else -1)


def check_segments(f, users):
    for code, n, mean, money in zip(*(f["segments/" + x][...].tolist()
                                      for x in ["code", "users", "mean_recency_days", "revenue"])):
        members = [u for u in users.values() if u["segment_code"] == code]
        same(f"users of segment {code}", n, len(members))
        same(f"revenue of segment {code}", money, sum(u["net"] for u in members) / 100)
        if members:
            same(f"recency of segment {code}", mean, sum(u["recency_days"] for u in members) / len(members))


def check_cross(f, table, one, other, min_cell):
    """Visible cells are right, small ones hidden, and nothing hidden follows from the totals."""
    true = Counter(zip(f["users/" + one][...].tolist(), f["users/" + other][...].tolist()))
    cells = {(a, b): n for a, b, n in zip(*(f[f"{table}/{x}"][...].tolist() for x in [one, other, "users"]))}
    hidden = {cell for cell, n in cells.items() if n == -1}
    for cell, n in true.items():
        same(f"{table} has {cell}", cell in cells, True)
        same(f"{table} shows {cell}", cell in hidden or cells[cell] == n, True)
    for cell in cells:
        same(f"{table} hides {cell}", true[cell] >= min_cell or cell in hidden, True)
    lines = [len({cell[i] for cell in cells}) for i in (0, 1)]
    for axis, code in itertools.product((0, 1), {x for cell in cells for x in cell}):
        line = [cell for cell in hidden if cell[axis] == code]
        if line and min(lines) > 1 and len(line) < lines[1 - axis]:
            same(f"{table} line {code}: two hidden cells", len(line) >= 2, True)
            same(f"{table} line {code}: {min_cell} hidden users", sum(true[x] for x in line) >= min_cell, True)


def check_holdout(f, c, fit, later):
    """The one-way F and the users of every hold-out test by segment, from plain sums."""
    tests = zip(*(f["tests/" + x][...].tolist() for x in
                  ["sample", "grouping", "variable", "test", "statistic", "n"]))
    checked = 0
    for sample, grouping, variable, test, statistic, n in tests:
        if (sample, grouping, test) != (b"holdout", b"segment", b"anova"):
            continue
        groups = [[Fraction(later[u][variable.decode()]) for u in fit if fit[u]["segment_code"] == code]
                  for _, code, _ in RULES]
        groups = [g for g in groups if len(g) > 1]
        same(f"n of {variable}", n, sum(map(len, groups)))
        if len(groups) < 2:
            continue
        all_of = sum(map(sum, groups)) / n
        between = sum(len(g) * (sum(g) / len(g) - all_of) ** 2 for g in groups)
        within = sum((x - sum(g) / len(g)) ** 2 for g in groups for x in g)
        if within > 0 and n > len(groups):
            same(f"F of {variable}", statistic,
                 float(between / (len(groups) - 1) / (within / (n - len(groups)))), 1e-9)
            checked += 1
    return checked


def expected(c, rows):
    counts, days, accepted, regions = clean(c, rows)
    if not days or not accepted:
        return None
    start, as_of = c["start"] or min(days), c["as_of"] or max(days) + timedelta(days=1)
    cut = as_of - timedelta(days=c["holdout"])
    by_user = defaultdict(list)
    for r in accepted:
        by_user[r["user"]].append(r)
    users = {u: features(c, part, start, as_of) for u, part in by_user.items()}
    users = {u: v for u, v in users.items() if v["frequency"]}
    fit = {u: features(c, [r for r in by_user[u] if r["day"] < cut], start, cut) for u in users}
    fit = {u: v for u, v in fit.items() if v["frequency"]}
    if not users or (c["holdout"] and (cut <= start or not fit)):
        return None
    later = {u: features(c, [r for r in by_user[u] if r["day"] >= cut], cut, as_of) for u in fit}
    stratify(c, users, start, as_of)
    stratify(c, fit, start, cut)
    return counts, start, as_of, users, sorted(regions, key=str.encode) if c["region"] else [], fit, later


def check(f, c, wanted):
    counts, start, as_of, users, names, fit, later = wanted
    same("window", (f.attrs["window_start"].decode(), f.attrs["as_of"].decode()), (str(start), str(as_of)))
    for rule, n in zip(f["quality/rule"][...].tolist(), f["quality/rows"][...].tolist()):
        if rule != b"beyond the grid":
            same(f"rows: {rule.decode()}", n, counts[rule.decode()])
    check_users(f, c, users, names)
    check_segments(f, users)
    min_cell = c["min_cell"] if c["keyed"] else 0
    check_cross(f, "segment_cluster", "segment_code", "cluster_id", min_cell)
    if c["region"]:
        check_cross(f, "region_segment", "region_code", "segment_code", min_cell)
    return check_holdout(f, c, fit, later) if c["holdout"] else 0


def one_round(seed):
    rng = random.Random(seed)
    c, rows = make_case(rng)
    write_log(c, rows, "tx.csv")
    write_config(c, "c.yaml")
    wanted = expected(c, rows)
    digests, tests, ranks = set(), 0, rng.sample([1, 2, 3, 4], 2)
    for n in ranks:
        done = run("run", "-q", "-c", "c.yaml", "-o", "out.h5", "--force", ranks=n,
                   expect=0 if wanted else None)
        if not wanted:
            same("nothing to stratify is refused", done.returncode in (2, 5), True)
            continue
        with h5py.File("out.h5", "r") as f:
            tests = check(f, c, wanted)
            digests.add(f.attrs["content_digest"])
    same("digests", len(digests), 1 if wanted else 0)
    return len(wanted[3]) if wanted else 0, tests


KEY = b"an example of a secret, long enough to be one"
with Folder():
    with open("key", "wb") as key_file:
        key_file.write(KEY + b"\n")
    os.chmod("key", 0o600)
    begin, rounds = (int(os.environ.get("STRATA_TEST_" + x, y)) for x, y in [("SEED", "1"), ("ROUNDS", "30")])
    total, tested = 0, 0
    for seed in range(begin, begin + rounds):
        try:
            n_users, n_tests = one_round(seed)
        except AssertionError as wrong:
            sys.exit(f"seed {seed} in {os.getcwd()}: {wrong}")
        total, tested = total + n_users, tested + n_tests
    same("users compared", total > 5 * rounds, True)
    print(f"ok: {total} users and {tested} hold-out tests agree")

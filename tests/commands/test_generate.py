"""strata generate: the same bytes at every rank count, and a truth that an independent count confirms."""
import collections
import csv
import datetime
import decimal
import json
import os
import subprocess
import sys

STRATA = os.environ["STRATA"]
MPIEXEC = os.environ.get("STRATA_MPIEXEC", "mpiexec")


def strata(*args, ranks=0, env=None):
    command = [STRATA, "generate", *args]
    if ranks:
        command = [MPIEXEC, "-n", str(ranks)] + command
    return subprocess.run(command, capture_output=True, env={**os.environ, **(env or {})})


def made(*args, ranks=0):
    done = strata(*args, "--force", ranks=ranks)
    assert done.returncode == 0, (args, done.returncode, done.stderr)
    return done


def content(path):
    with open(path, "rb") as file:
        return file.read()


def same_at_every_rank_count():
    for options in (
        ["--users", "3000", "--dirty-share", "0.05"],
        ["--users", "3000", "--order", "user", "--seed", "9"],
        ["--users", "2500", "--layout", "minimal", "--dirty-share", "0.01"],
        ["--users", "2"],
        ["--users", "1", "--order", "user"],
    ):
        made(*options, "-o", "alone.csv")
        for ranks in (2, 3, 4, 7) if options[1] != "3000" else (1, 2, 3, 4, 7):
            made(*options, "-o", "many.csv", ranks=ranks)
            assert content("many.csv") == content("alone.csv"), (options, ranks)
            assert content("many.truth.csv") == content("alone.truth.csv"), (options, ranks)


def orders_hold_the_same_rows():
    made("--users", "2000", "-o", "time.csv")
    made("--users", "2000", "--order", "user", "-o", "user.csv")
    by_time, by_user = content("time.csv").split(b"\n"), content("user.csv").split(b"\n")
    assert sorted(by_time) == sorted(by_user)
    assert by_time != by_user
    times = [line.split(b",")[2] for line in by_time[1:-1]]
    assert times == sorted(times)
    users = [line.split(b",")[0].strip(b'"') for line in by_user[1:-1]]
    assert users == sorted(users)
    made("--users", "2000", "--seed", "2", "-o", "other.csv")
    assert content("other.csv") != content("time.csv")


def kind_of(row, full):
    """What an independent reader makes of a row: None for a good one."""
    if len(row) != (7 if full else 3):
        return "columns"
    user, day, amount = row[0], row[2 if full else 1], row[4 if full else 2]
    if user == "":
        return "user"
    if "\udcff" in user:
        return "encoding"
    if user.endswith("x"):  # text behind a closing quote: Python's reader joins the two
        return "quote"
    if full and row[1] == "":
        return "order"
    try:
        datetime.date.fromisoformat(day[:10])
    except ValueError:
        return "time"
    if not amount.lstrip("-").replace(".", "", 1).isdigit():
        return "amount"
    return None


def check_truth(full, *options):
    layout = [] if full else ["--layout", "minimal"]
    made(*options, *layout, "-o", "log.csv", "--json", "log.json", ranks=2)
    told = json.load(open("log.json", encoding="utf-8"))
    dirt = collections.Counter()
    users = collections.defaultdict(lambda: dict(rows=0, orders=collections.Counter(), net=0, refunds=0,
                                                 refunded=0, cancelled=0, days=[], regions=set()))
    rows = 0
    with open("log.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        assert header[0] == "user_id"
        for row in reader:
            rows += 1
            kind = kind_of(row, full)
            if kind:
                dirt[kind] += 1
                continue
            u, amount = users[row[0]], decimal.Decimal(row[4 if full else 2])
            u["rows"] += 1
            day = row[2 if full else 1][:10]
            if full and row[1].startswith("C"):
                u["cancelled"] += 1
                continue
            u["net"] += amount
            if full:
                u["regions"].add(row[3])
            if amount < 0:
                u["refunds"] += 1
                u["refunded"] -= amount
                continue
            u["orders"][row[1] if full else len(u["orders"])] += amount
            u["days"].append(day)
    truth = list(csv.DictReader(open("log.truth.csv", encoding="utf-8", newline="")))
    assert len(truth) == len(users) == told["users"]
    for t in truth:
        u = users[t["user_id"]]
        assert int(t["frequency"]) == len(u["orders"]), t
        assert decimal.Decimal(t["monetary"]) == u["net"], t
        assert decimal.Decimal(t["max_order"]) == max(u["orders"].values()), t
        assert int(t["refunds"]) == u["refunds"], t
        assert decimal.Decimal(t["refunded"]) == u["refunded"], t
        assert int(t["cancelled"]) == u["cancelled"], t
        assert t["first_day"] == min(u["days"]) and t["last_day"] == max(u["days"]), t
        assert not full or u["regions"] == {t["region"]}, t
    by_kind = told["rows_by_kind"]
    assert sum(by_kind.values()) == told["rows"] == rows
    for kind in ("columns", "quote", "encoding", "user", "time", "amount", "order"):
        assert by_kind["dirty_" + kind] == dirt[kind], (kind, by_kind, dirt)
    assert sum(int(t["rows"]) for t in truth) == rows
    assert told["orders"] == sum(len(u["orders"]) for u in users.values())
    assert decimal.Decimal(told["monetary"]) == sum(u["net"] for u in users.values())
    assert decimal.Decimal(told["refunded"]) == sum(u["refunded"] for u in users.values())
    assert by_kind["refund"] == sum(u["refunds"] for u in users.values())
    assert by_kind["cancelled"] == sum(u["cancelled"] for u in users.values())
    assert told["users_by_group"] == collections.Counter(t["group"] for t in truth)
    assert told["bytes"] == os.path.getsize("log.csv")
    return truth, told, rows


def truth_reconciles():
    truth, told, rows = check_truth(True, "--users", "20000", "--dirty-share", "0.03", "--regions", "12")
    kinds = told["rows_by_kind"]
    assert all(kinds.values()), kinds
    assert len({t["region"] for t in truth}) == 12
    assert 8 < rows / 20000 < 12.5, rows  # about ten a user
    shares = {group: n / 20000 for group, n in told["users_by_group"].items()}
    for group, expected in dict(north_star=0.05, potential=0.20, reactivate=0.15, churn_risk=0.60).items():
        assert abs(shares[group] - expected) < 0.015, shares
    check_truth(False, "--users", "5000", "--dirty-share", "0.1", "--refund-share", "0.2")
    check_truth(True, "--users", "500", "--refund-share", "1", "--quoted-share", "1", "--rows-per-user", "40")
    check_truth(True, "--users", "500", "--cancelled-share", "1", "--refund-share", "0")
    check_truth(True, "--users", "300", "--start", "2024-02-28", "--as-of", "2024-03-01")


def rules_mirror_the_groups():
    """The default segment rules find most users where the generator put them."""
    made("--users", "20000", "-o", "log.csv")
    found = collections.Counter()
    as_of = datetime.date(2025, 1, 1)
    for t in csv.DictReader(open("log.truth.csv", encoding="utf-8", newline="")):
        recency = (as_of - datetime.date.fromisoformat(t["last_day"])).days
        tenure = (as_of - datetime.date.fromisoformat(t["first_day"])).days
        monthly = float(t["monetary"]) / max(1, tenure / 30)
        if recency <= 30 and monthly > 500:
            found["north_star"] += 1
        elif recency <= 90 and 100 <= monthly <= 500:
            found["potential"] += 1
        elif recency <= 183 and float(t["max_order"]) > 300:
            found["reactivate"] += 1
        elif recency >= 365:
            found["churn_risk"] += 1
    shares = {group: n / 20000 for group, n in found.items()}
    print("shares by the default rules:", shares, "coverage", sum(shares.values()))
    for group, expected in dict(north_star=0.05, potential=0.20, reactivate=0.15, churn_risk=0.60).items():
        assert abs(shares[group] - expected) < 0.25 * expected, shares
    assert sum(shares.values()) > 0.90, shares


def the_minimal_layout_is_lean():
    made("--users", "5000", "--layout", "minimal", "--no-truth", "-o", "lean.csv")
    assert not os.path.exists("lean.truth.csv")
    text = content("lean.csv")
    assert text.startswith(b"user_id,order_date,amount\n") and text.endswith(b"\n")
    assert 24 < len(text) / text.count(b"\n") < 32


def refused(code, said, *args, ranks=0, env=None):
    before = set(os.listdir("."))
    done = strata(*args, ranks=ranks, env=env)
    assert done.returncode == code, (args, done.returncode, done.stderr)
    assert said.encode() in done.stderr, (args, done.stderr)
    assert set(os.listdir(".")) == before, set(os.listdir(".")) - before


def bad_uses():
    made("--users", "5", "-o", "there.csv")
    old = content("there.csv")
    for ranks in (0, 2):
        refused(2, "exists already; --force", "--users", "6", "-o", "there.csv", ranks=ranks)
    refused(2, "exists already; --force", "--users", "6", "-o", "new.csv", "--truth", "there.csv")
    refused(2, "exists already; --force", "--users", "6", "-o", "new.csv", "--json", "there.csv")
    assert content("there.csv") == old
    refused(2, "--users", "-o", "new.csv")
    refused(2, "--users", "--users", "0", "-o", "new.csv")
    refused(2, "--users", "--users", "many", "-o", "new.csv")
    refused(2, "h5", "--users", "5", "--format", "h5", "-o", "new.h5")
    refused(2, "--as-of", "--users", "5", "--start", "2024-01-01", "--as-of", "2024-01-01", "-o", "n.csv")
    refused(2, "not a day", "--users", "5", "--start", "2023-02-29", "-o", "n.csv")
    refused(2, "--output n.csv is an output too (--truth: n.csv)", "--users", "5", "-o", "n.csv", "--truth", "n.csv")
    for ranks in (1, 3):
        refused(2, "is an output too", "--users", "5", "-o", "n.csv", "--truth", "./n.csv", ranks=ranks)
        refused(2, "--truth n.truth.csv is an output too (--json: n.truth.csv)", "--users", "5", "-o", "n.csv", "--json",
                "n.truth.csv", ranks=ranks)
        refused(2, "--output there.csv is an output too", "--users", "5", "-o", "there.csv", "--json", "there.csv",
                "--force", ranks=ranks)
    os.mkfifo("pipe")
    refused(2, "pipe is not a regular file", "--users", "5", "-o", "pipe", "--no-truth", "--force")
    refused(2, "pipe is not a regular file", "--users", "5", "-o", "n.csv", "--json", "pipe", "--force")
    os.remove("pipe")
    refused(2, "--json . is a folder", "--users", "5", "-o", "n.csv", "--json", ".", "--force")
    assert content("there.csv") == old
    refused(2, "contradict", "--users", "5", "-o", "n.csv", "--truth", "t.csv", "--no-truth")
    refused(2, "--dirty-share", "--users", "5", "-o", "n.csv", "--dirty-share", "1.5")
    refused(2, "is a folder", "--users", "5", "-o", ".", "--no-truth", "--force")
    refused(7, "no/such/folder", "--users", "5", "-o", "no/such/folder/n.csv")


def faults_leave_nothing():
    made("--users", "50", "-o", "kept.csv")
    old = content("kept.csv"), content("kept.truth.csv")
    for point, code in (("io.write", 7), ("io.write:short", 6), ("io.fsync", 7), ("io.rename", 7),
                        ("io.create", 7), ("alloc:fail:4", 6)):
        fault = {"STRATA_FAULT": point}
        refused(code, "", "--users", "50", "--seed", "3", "-o", "n.csv", ranks=2, env=fault)
        refused(code, "", "--users", "50", "--seed", "3", "-o", "kept.csv", "--force", ranks=2, env=fault)
        assert (content("kept.csv"), content("kept.truth.csv")) == old, point
    for skip in range(2):  # one rank alone, at its first write and at its last
        fault = {"STRATA_FAULT": f"io.write:fail:{skip}:1"}
        refused(7, "", "--users", "50", "-o", "n.csv", ranks=3, env=fault)


def main():
    for name in os.listdir("."):
        if name.startswith(("n.", "new.")):
            os.unlink(name)
    for check in (same_at_every_rank_count, orders_hold_the_same_rows, truth_reconciles,
                  rules_mirror_the_groups, the_minimal_layout_is_lean, bad_uses, faults_leave_nothing):
        print(check.__name__, flush=True)
        check()
    for name in os.listdir("."):
        if name.endswith((".csv", ".json")):
            os.unlink(name)


if __name__ == "__main__":
    sys.exit(main())

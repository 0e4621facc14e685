"""What the command-line tests share: running strata under mpirun and reading results with h5py."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

STRATA = os.environ["STRATA"]
MPIEXEC = os.environ.get("STRATA_MPIEXEC", "mpiexec")
DATA = os.environ.get("STRATA_SHARED_DATA", "")
SOURCE = os.environ["STRATA_SOURCE"]
CONFIG = os.path.join(SOURCE, "jobs", "config")
SKIPPED = 77


def skip(reason):
    print("skipped:", reason)
    sys.exit(SKIPPED)


def data_file(name):
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        skip(f"no {name} in STRATA_SHARED_DATA")
    return path


def need_h5py():
    try:
        import h5py
        return h5py
    except ImportError:
        skip("python3 has no h5py")


def run(*arguments, ranks=1, expect=0, timeout=120, env=None):
    """Runs strata and returns the finished process; any other exit code than expected fails."""
    command = [STRATA, *map(str, arguments)]
    if ranks:
        command = [MPIEXEC, "-n", str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, errors="replace",
                          env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)
    if expect is not None and done.returncode != expect:
        sys.exit(f"{' '.join(command)}\nexit {done.returncode}, expected {expect}\n"
                 f"--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
    return done


def digest(path):
    """The content digest that the file states about itself."""
    h5py = need_h5py()
    with h5py.File(path, "r") as f:
        value = f.attrs["content_digest"]
        assert int(f.attrs["complete"]) == 1
        return value.decode() if isinstance(value, bytes) else str(value)


def equal(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")
    text = repr(wanted)
    print(f"ok: {what} = {text if len(text) < 100 else text[:96] + ' ...'}")


def close(what, got, wanted, relative):
    """got must lie within a relative distance of wanted."""
    if not abs(got - wanted) <= relative * abs(wanted):
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")
    print(f"ok: {what} = {got!r}")


def contents():
    """Every name in the working folder, with what it holds or leads to."""
    return {name: os.readlink(name) if os.path.islink(name) else open(name, "rb").read() if os.path.isfile(name) else None
            for name in os.listdir(".")}


def spare(name, pattern, *arguments, ranks=1, expect=2):
    """strata must refuse this in one line that matches, and leave every file as it is."""
    before = contents()
    done = run(*arguments, ranks=ranks, expect=expect)
    errors = [line for line in done.stderr.splitlines() if line.startswith("strata: ")]  # the rest is mpiexec's
    if len(errors) != 1 or not re.search(pattern, errors[0]):
        sys.exit(f"{name}: wanted one error line like {pattern!r}, got\n{done.stderr}")
    equal(f"{name} changes no file", [n for n in {**before, **contents()} if before.get(n) != contents().get(n)], [])


class Folder:
    """A fresh working folder, removed at the end unless a check failed."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="strata-test-", dir=os.getcwd())
        self.old = os.getcwd()
        os.chdir(self.path)
        return self.path

    def __exit__(self, kind, *_):
        os.chdir(self.old)
        if kind is None:
            shutil.rmtree(self.path, ignore_errors=True)

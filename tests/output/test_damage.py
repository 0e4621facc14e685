"""Damaged and hostile files: verify and inspect refuse them with exit code 8 and one line, or what they
accept still holds the same content; nothing crashes or hangs."""
import os
import random
import shutil

from result_reader import *

FLIPS = int(os.environ.get("DAMAGE_FLIPS", "250"))


def prepare():
    make_input("tx.csv", 400, regions=3)
    make_config("plain.yaml", "tx.csv")
    done("run", "-q", "-c", "plain.yaml", "-o", "good.h5", "--force", ranks=2)
    done("verify", "good.h5")


def refused(path, why="", code=8):
    finished = strata("verify", path)
    assert finished.returncode == code, (path, finished.returncode, finished.stdout, finished.stderr)
    lines = finished.stderr.strip().splitlines()
    assert len(lines) == 1 and path in lines[0], lines
    assert why in lines[0], (why, lines)
    looked = strata("inspect", path)
    assert looked.returncode in (0, code), (path, looked.returncode, looked.stderr)


def flipped_bits():
    good = open("good.h5", "rb").read()
    with h5py.File("good.h5") as file:
        wanted = text(file, "content_digest")
    source, harmless = random.Random(7), 0
    places = [0, 8, 9, 12, 13, 20, 44, 47] + [source.randrange(len(good)) for _ in range(FLIPS)]
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << source.randrange(8)
        with open("flip.h5", "wb") as file:
            file.write(bad)
        finished = strata("verify", "flip.h5")
        if finished.returncode == 0: # a byte that nothing reads: free space or padding
            assert wanted in finished.stdout, (place, finished.stdout)
            harmless += 1
            continue
        assert finished.returncode == 8, (place, finished.returncode, finished.stderr)
        assert len(finished.stderr.strip().splitlines()) == 1, (place, finished.stderr)
        assert strata("inspect", "flip.h5").returncode in (0, 8), place
    print(" ", len(places), "flips,", harmless, "in bytes that carry nothing")
    assert harmless < 0.85 * len(places)  # a small file is mostly index nodes with free room


def every_column_is_named_when_damaged():
    good = open("good.h5", "rb").read()
    with h5py.File("good.h5") as file:
        columns = [(path, item.id.get_chunk_info(0)) for path, item in objects(file).items()
                   if isinstance(item, h5py.Dataset) and len(item)]
    for path, chunk in columns[::4]:
        bad = bytearray(good)
        bad[chunk.byte_offset + chunk.size // 2] ^= 0x20
        with open("column.h5", "wb") as file:
            file.write(bad)
        refused("column.h5", path)


def truncated():
    good = open("good.h5", "rb").read()
    for length in (0, 1, 8, 48, 96, 512, len(good) // 3, len(good) // 2, len(good) - 1):
        with open("short.h5", "wb") as file:
            file.write(good[:length])
        refused("short.h5")
    with open("text.h5", "w", encoding="ascii") as file:
        file.write("user,amount\n" * 100)
    refused("text.h5", "HDF5")
    refused("missing.h5", code=5)
    os.makedirs("folder.h5", exist_ok=True)
    refused("folder.h5", code=5)


def changed(change, why="", name="changed.h5"):
    shutil.copy("good.h5", name)
    with h5py.File(name, "r+") as file:
        change(file)
    refused(name, why)


def replace(file, path, data, **options):
    attributes = {key: raw_attribute(file[path], key)[1] for key in file[path].attrs}
    del file[path]
    made = file.create_dataset(path, data=data, **options)
    for key, value in attributes.items():
        made.attrs.create(key, numpy.bytes_(value), dtype="S%d" % len(value))


def set_bytes(item, name, value):
    old = h5py.h5a.open(item.id, name.encode())
    assert old.dtype.itemsize == len(value)
    old.write(numpy.array(value, dtype=old.dtype))


def unmade(file):
    file.attrs.modify("complete", 0)


def hostile_structures():
    changed(unmade, "not complete")
    changed(lambda f: f.attrs.__delitem__("complete"), "not complete")
    changed(lambda f: f.attrs.__delitem__("schema_name"), "not a result")
    changed(lambda f: f.attrs.modify("schema_version", 99), "schema version 99")
    changed(lambda f: f.__setitem__("soft", h5py.SoftLink("/users")), "link")
    changed(lambda f: f["users"].__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")), "link")
    changed(lambda f: f.__setitem__("again", f["users"]), "one name")
    changed(lambda f: f["users"].__setitem__("loop", f["/"]), "")
    changed(lambda f: f.__setitem__("kind", numpy.dtype("i4")), "")
    changed(lambda f: f["users"].create_dataset("square", data=numpy.zeros((4, 4))), "")
    changed(lambda f: f["users"].create_dataset("scalar", data=1), "")
    changed(lambda f: f["users"].create_dataset("words", data=["a", "b"],
                                                dtype=h5py.string_dtype()), "")
    changed(lambda f: f["users"].create_dataset(
        "pairs", data=numpy.zeros(3, dtype=[("a", "i4"), ("b", "f8")])), "")
    changed(lambda f: f["users"].create_dataset("huge", shape=(1 << 50,), dtype="f8",
                                                chunks=(1 << 20,)), "")
    changed(lambda f: f["users"].create_dataset("late", shape=(1 << 40,), dtype="f8",
                                                chunks=(1 << 20,)), "missing chunks")
    changed(lambda f: f["users"].create_dataset("lzf", data=numpy.arange(9), compression="lzf"), "filter")
    changed(lambda f: f["users"].create_dataset(
        "elsewhere", shape=(3,), dtype="i4", external=[("/etc/passwd", 0, 12)]), "another file")
    layout = h5py.VirtualLayout(shape=(3,), dtype="f8")
    layout[:] = h5py.VirtualSource("good.h5", "users/monetary", shape=(3,))[:]
    changed(lambda f: f["users"].create_virtual_dataset("virtual", layout), "virtual")
    changed(lambda f: replace(f, "users/monetary", f["users/monetary"][:-1], fletcher32=True,
                              chunks=True), "")
    changed(lambda f: replace(f, "users/monetary", f["users/monetary"][:].astype("f4"),
                              fletcher32=True, chunks=True), "")
    changed(lambda f: replace(f, "users/monetary", f["users/monetary"][:]), "")
    changed(lambda f: f["segments"].__delitem__("users"), "/segments/users is missing")
    changed(lambda f: f.__delitem__("users"), "")
    changed(lambda f: f.__delitem__("provenance"), "/provenance")
    changed(lambda f: f["users/monetary"].attrs.__delitem__("units"), "units")
    changed(lambda f: f.attrs.create("list", [1, 2, 3]), "")
    changed(lambda f: f.attrs.create("word", "text", dtype=h5py.string_dtype()), "")


def forged_contents():
    def more_money(file):
        file["users/monetary"][3] += 1
    changed(more_money, "/users/monetary does not fit its checksum")
    changed(lambda f: set_bytes(f, "as_of", b"1999-01-01"), "content digest")
    changed(lambda f: set_bytes(f["provenance"], "created", b"1999-01-01T00:00:00Z"), "/provenance")
    changed(lambda f: f.create_group("more"), "content digest")
    changed(lambda f: f["users"].move("monetary", "money"), "")
    changed(lambda f: set_bytes(f, "content_digest", b"0" * 32), "content digest")


prepare()
run_all([flipped_bits, every_column_is_named_when_damaged, truncated, hostile_structures,
         forged_contents])

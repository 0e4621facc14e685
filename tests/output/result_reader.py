"""An independent reader of results: h5py instead of the program's own code, and the content digest
computed from its definition in include/strata/output.h."""
import ctypes
import ctypes.util
import os
import subprocess
import sys

try:
    import h5py
    import numpy
except ImportError as missing:
    print("skipped: no h5py in this python3:", missing)
    sys.exit(77)

STRATA = os.environ["STRATA"]
MPIEXEC = os.environ.get("STRATA_MPIEXEC", "mpiexec")
BLOCK = 131072


def find_hash():
    try:
        import xxhash
        return lambda data: xxhash.xxh3_128_digest(data)
    except ImportError:
        pass
    name = ctypes.util.find_library("xxhash")
    if not name:
        print("skipped: neither python3-xxhash nor libxxhash is here")
        sys.exit(77)
    library = ctypes.CDLL(name)

    class Hash(ctypes.Structure):
        _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]

    library.XXH3_128bits.restype = Hash
    library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

    def digest(data):
        made = library.XXH3_128bits(data, len(data))
        return made.high.to_bytes(8, "big") + made.low.to_bytes(8, "big")
    return digest


xxh3_128 = find_hash()


def strata(*args, ranks=0, env=None):
    command = [STRATA, *args]
    if ranks:
        command = [MPIEXEC, "-n", str(ranks)] + command
    return subprocess.run(command, capture_output=True, text=True, errors="replace",
                          env={**os.environ, **(env or {})})


def done(*args, ranks=0, env=None):
    finished = strata(*args, ranks=ranks, env=env)
    assert finished.returncode == 0, (args, finished.returncode, finished.stderr[-2000:])
    return finished.stdout


def make_input(path, users, **options):
    extra = [word for key, value in options.items()
             for word in ("--" + key.replace("_", "-"), str(value))]
    done("generate", "--users", str(users), "-o", path, "--layout", "minimal", "--no-truth",
         "--force", *extra)


def make_config(path, data, privacy="plain", more=""):
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""config_version: 1
input:
  files: ["{data}"]
  columns: {{user: user_id, time: order_date, amount: amount}}
privacy: {{mode: {privacy}{', key_file: key' if privacy == 'keyed' else ''}}}
cluster: {{k: 3, restarts: 2}}
{more}""")


def type_name(dtype):
    if dtype.kind == "S":
        return "S%d" % dtype.itemsize
    assert dtype.str in ("<i2", "<i4", "<i8", "<f8"), dtype
    return dtype.str[1:]


def raw_attribute(object_, name):
    """An attribute as it lies in the file: (type name, bytes)."""
    attribute = h5py.h5a.open(object_.id, name.encode())
    assert attribute.shape == (), name
    dtype = attribute.dtype
    value = numpy.empty((), dtype)
    attribute.read(value)
    return type_name(dtype), value.tobytes()


def objects(file):
    """Every group and data set by its absolute path."""
    found = {"/": file}
    file.visititems(lambda name, item: found.update({"/" + name: item}))
    return found


def block_hashes(dataset):
    return b"".join(xxh3_128(dataset[at:at + BLOCK].tobytes())
                    for at in range(0, len(dataset), BLOCK))


def digest(file, provenance):
    data = b""
    for path, item in sorted(objects(file).items(), key=lambda pair: pair[0].encode()):
        inside = path == "/provenance" or path.startswith("/provenance/")
        if inside != provenance:
            continue
        if isinstance(item, h5py.Group):
            data += b"G " + path.encode() + b"\n"
        else:
            data += b"D %s %s %d\n" % (path.encode(), type_name(item.dtype).encode(), len(item))
        for name in sorted(item.attrs.keys(), key=str.encode):
            if name == "checksum" or (path == "/" and name in ("content_digest", "complete")):
                continue
            kind, value = raw_attribute(item, name)
            data += b"A %s %s\n" % (name.encode(), kind.encode()) + value + b"\n"
        if isinstance(item, h5py.Dataset):
            data += block_hashes(item)
    return xxh3_128(data).hex()


def text(item, name):
    return raw_attribute(item, name)[1].rstrip(b"\0").decode()


def run_all(tests):
    for test in tests:
        print(test.__name__, flush=True)
        test()

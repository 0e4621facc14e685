#!/usr/bin/env python3
"""The variant gemm screens by OpenBLAS: for every OPENBLAS_CORETYPE that this processor runs, other kernels
with other orders of summation, the bits are those of lloyd."""
import json
import os
import subprocess
import sys

STRATA = os.environ["STRATA"]
MPIEXEC = os.environ.get("STRATA_MPIEXEC", "mpiexec")

# what each needs of the processor
CORES = {"Prescott": {"pni"}, "Core2": {"ssse3"}, "Nehalem": {"sse4_2"}, "Sandybridge": {"avx"},
         "Haswell": {"avx2", "fma"}, "Zen": {"avx2", "fma"}, "SkylakeX": {"avx512f", "avx512dq", "avx512bw", "avx512vl"}}


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def run(command, core):
    env = dict(os.environ, OPENBLAS_CORETYPE=core)
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL, env=env)
    check(done.returncode == 0, f"{core}: {' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def digests(core, arguments, ranks):
    run([MPIEXEC, "-n", str(ranks), STRATA, "bench", "--variants", "gemm", "--repetitions", "1", "--json", "r.json",
         *map(str, arguments)], core)
    with open("r.json") as f:
        case = json.load(f)["cases"][0]
    lloyd, gemm = case["variants"]
    check(gemm["variant"] == gemm["ran"] == "gemm", f"{core}: gemm ran")
    check(gemm["digest"] == lloyd["digest"], f"{core} {arguments}: differs in {gemm['differs_in']}")
    return gemm["digest"]


def flags():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("flags"):
                return set(line.split(":")[1].split())
    return set()


def main():
    # groups far apart whose own width float32 loses: the screen leaves much to the integers
    with open("far.csv", "w") as f:
        f.write(",".join(f"x{c}" for c in range(18)) + "\n")
        for i in range(1500):
            f.write(",".join(str((-1) ** (i + c) * 16000000 + i * (7 * c + 3) % 101) for c in range(18)) + "\n")
    cases = [("-i", "far.csv", "--transform", "none", "--scale", "none", "-k", 12, "--iterations", 1),
             ("-n", 3000, "-d", 16, "-k", 16, "--iterations", 8), ("-n", 2000, "-d", 64, "-k", 70, "--iterations", 4),
             ("-n", 3000, "-d", 20, "-k", 33, "--data", "ties", "--iterations", 6),
             ("-n", 2000, "-d", 33, "-k", 5, "--data", "rfm", "--iterations", 6)]
    here = flags()
    cores = [core for core, needs in CORES.items() if needs <= here]
    names = {core: run([STRATA, "build-info"], core) for core in cores}
    if len(set(names.values())) < 2:
        print("this OpenBLAS has one kernel only, OPENBLAS_CORETYPE changes nothing")
        sys.exit(77)
    for i, arguments in enumerate(cases):
        found = {core: digests(core, arguments, 1 + i % 3) for core in cores}
        check(len(set(found.values())) == 1, f"{arguments}: {found}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Functions and options that the program does not use, and why."""
import pathlib
import re
import sys

from source import code_only, files, line_of

BANNED = {
    "sprintf": "no bound; snprintf",
    "vsprintf": "no bound; vsnprintf",
    "strcpy": "no bound; memcpy or strata_text_copy",
    "strcat": "no bound; strata_text_addf",
    "stpcpy": "no bound",
    "gets": "no bound",
    "strtok": "hidden state; strsep",
    "atoi": "takes anything for 0; strata_text_to_int64",
    "atol": "takes anything for 0; strata_text_to_int64",
    "atoll": "takes anything for 0; strata_text_to_int64",
    "atof": "takes anything for 0; strata_text_to_double",
    "strtod": "locale, hexadecimal, nan; strata_text_to_double",
    "strtof": "locale, hexadecimal, nan; strata_text_to_double",
    "strtold": "locale, hexadecimal, nan; strata_text_to_double",
    "scanf": "locale and silent overflow",
    "sscanf": "locale and silent overflow",
    "fscanf": "locale and silent overflow",
    "setlocale": "numbers would be read and written otherwise",
    "assert": "input, memory and I/O checks never compile out; STRATA_FAIL",
    "alloca": "no bound; strata_alloc",
    "rand": "not reproducible; strata_random_bits",
    "srand": "not reproducible; strata_random_bits",
    "random": "not reproducible; strata_random_bits",
    "drand48": "not reproducible; strata_random_bits",
    "system": "a shell",
    "popen": "a shell",
    "tmpnam": "a race",
    "mktemp": "a race",
}
CALL = re.compile(r"(?<![\w.])(?<!->)(%s)\s*\(" % "|".join(BANNED))

# word -> files (relative to the root) that may use it
PLACES = {
    "MPI_COMM_WORLD": ["src/main.c"],
    "MPI_Abort": ["src/base/context.c"],
    "malloc": ["src/base/memory.c"],
    "calloc": ["src/base/memory.c"],
    "realloc": ["src/base/memory.c"],
    "aligned_alloc": ["src/base/memory.c"],
    "posix_memalign": ["src/base/memory.c"],
    "strdup": [],
    "strndup": [],
}
PLACED = re.compile(r"\b(%s)\b" % "|".join(PLACES))

FAST_MATH = re.compile(r"-f(?:fast-math|unsafe-math-optimizations|associative-math|finite-math-only)"
                       r"|-Ofast")


def check_code(path, name):
    text = code_only(path.read_text(encoding="utf-8"))
    wrong = []
    for match in CALL.finditer(text):
        wrong.append("%s:%d: %s: %s" % (name, line_of(text, match.start()), match.group(1),
                                        BANNED[match.group(1)]))
    if name.startswith("benchmarks/"):
        return wrong  # programs of their own
    for match in PLACED.finditer(text):
        if name not in PLACES[match.group(1)]:
            wrong.append("%s:%d: %s belongs in %s" % (name, line_of(text, match.start()), match.group(1),
                                                      " and ".join(PLACES[match.group(1)]) or
                                                      "no file; strata_text_copy"))
    return wrong


def check_build(path, name):
    wrong = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if path.suffix != ".json":
            line = line.split("#")[0]
        if FAST_MATH.search(line):
            wrong.append("%s:%d: an option that changes the results of arithmetic" % (name, number))
    return wrong


# Places of one machine, and names of files that only exist there.
MACHINE = re.compile(r"(?<![\w.])/(?:%s)/" % "|".join(["work", "root", "mnt/data"]))


def check_text(path, name):
    text = path.read_text(encoding="utf-8", errors="replace")
    return ["%s:%d: a path of one machine" % (name, line_of(text, match.start()))
            for match in MACHINE.finditer(text)]


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    code = files(root, "include/strata/*.h", "src/**/*.h", "src/**/*.c", "benchmarks/**/*.c")
    build = files(root, "CMakeLists.txt", "CMakePresets.json", "src/**/CMakeLists.txt",
                  "tests/**/CMakeLists.txt", "benchmarks/**/CMakeLists.txt", "**/*.cmake")
    wrong = []
    for path in code:
        wrong += check_code(path, str(path.relative_to(root)))
    for path in build:
        wrong += check_build(path, str(path.relative_to(root)))
    for path in files(root, "*.md", ".ci/*", "src/**/*.[ch]", "include/**/*.h", "tests/**/*.[ch]",
                      "tests/**/*.sh", "tests/**/*.py", "**/CMakeLists.txt", "jobs/**/*",
                      "benchmarks/**/*"):
        wrong += check_text(path, str(path.relative_to(root)))
    print("\n".join(wrong) if wrong else "%d files, nothing banned" % (len(code) + len(build)))
    return 1 if wrong or not code or not build else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Rooms look only at earlier rooms: fails on an #include against the arrows.

base <- par <- stats <- ingest <- features <- stratify <- cluster <- significance <- drift <- output
<- commands and the tour. A room's own private headers stay in the room.
"""
import pathlib
import re
import sys

from source import files, line_of

ORDER = ["base", "par", "stats", "ingest", "features", "stratify", "cluster", "significance", "drift",
         "output", "commands"]

# Public headers by room; a header that is not listed belongs to the room of its own name.
HEADERS = {
    "base": ["status", "context", "memory", "io", "fault", "money", "dates", "hash", "config", "text",
             "build", "json"],
    "par": ["par", "partition"],
    "output": ["output", "console"],
    "commands": ["pipeline"],
}

# A private header that one other file may see, because it finishes what the room began.
SHARED = {("src/par/pseudonymiser.c", "base/pseudonym.h")}
ROOM_OF_HEADER = {name: room for room, names in HEADERS.items() for name in names}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def room_of_header(name):
    room = ROOM_OF_HEADER.get(name, name)
    return room if room in ORDER else None


def room_of_file(path, root):
    parts = path.relative_to(root).parts
    if parts[0] == "include":
        return room_of_header(path.stem)
    return parts[1] if len(parts) > 2 else "commands"  # main.c and the tour see every room


def check_file(path, root):
    wrong = []
    room = room_of_file(path, root)
    if room not in ORDER:
        return ["%s: belongs to no room; add it to the table in this check" % path.relative_to(root)]
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        target = match.group(2)
        place = "%s:%d" % (path.relative_to(root), line_of(text, match.start()))
        if target.startswith("strata/"):
            other = room_of_header(pathlib.Path(target).stem)
            if other is None:
                wrong.append("%s: %s belongs to no room" % (place, target))
                continue
        elif match.group(1) == '"':
            inside = (path.parent / target).resolve()
            if not inside.is_file():
                inside = (root / "src" / target).resolve()
            if not inside.is_file():
                continue  # generated
            other = room_of_file(inside, root)
            if other != room and (str(path.relative_to(root)), target) not in SHARED:
                wrong.append("%s: %s is private to the room %s" % (place, target, other))
                continue
        else:
            continue
        if ORDER.index(other) > ORDER.index(room):
            wrong.append("%s: the room %s must not look at the later room %s (%s)"
                         % (place, room, other, target))
    return wrong


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    sources = files(root, "include/strata/*.h", "src/**/*.h", "src/**/*.c")
    wrong = [message for path in sources for message in check_file(path, root)]
    print("\n".join(wrong) if wrong else "%d files, no wrong arrow" % len(sources))
    return 1 if wrong or not sources else 0


if __name__ == "__main__":
    sys.exit(main())

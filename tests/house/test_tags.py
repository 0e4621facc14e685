#!/usr/bin/env python3
"""Every prototype of a public header says Collective, Logically collective or Not collective in the
comment above it (or behind it). Prototypes that follow one another without a blank line may share a
comment; but what releases is rarely collective where what makes is, and says it itself. A header whose
first comment says that nothing in it is collective has said it for all."""
import pathlib
import re
import sys

from source import files

TAG = re.compile(r"\b(not collective|logically collective|collective)\b", re.I)
NOTHING = re.compile(r"nothing\s+(\*\s+)?here\s+(\*\s+)?is\s+(\*\s+)?collective", re.I)
TOKEN = re.compile(r"/\*.*?\*/|^[ \t]*#(?:[^\n\\]|\\\n)*|[{};]|\n[ \t]*\n", re.S | re.M)
NAME = re.compile(r"\b(strata_\w+)\s*\(")


def tag_in(comment):
    found = [match.group(1).lower() for match in TAG.finditer(re.sub(r"\s*\n\s*\*\s*", " ", comment))]
    return found[0] if found else None


def prototypes(text):
    """Yields (name, line, tag): tag of the comment that is its own, or the one it shares."""
    depth, start, own, shared = 0, 0, None, None
    for token in TOKEN.finditer(text):
        word = token.group(0)
        before = text[start:token.start()]
        if word == "{":
            depth += 1
        elif word == "}":
            depth -= 1
            if depth == 0 and "(" in text[start:text.find("{", start)]:
                start = token.end()  # the end of an inline function
                own = shared = None
        elif depth > 0:
            continue
        elif word.startswith("/*"):
            if not before.strip():
                if "\n" in before or start == 0:  # else it stands behind the declaration before
                    own, shared = tag_in(word), None
                start = token.end()
        elif word.startswith("#"):
            start = token.end()
        elif word == ";":
            name = NAME.search(before)
            # the tail of this line may hold the comment
            behind = re.match(r"[ \t]*(/\*.*?\*/)", text[token.end():], re.S)
            ends = name and re.search(r"_(release|destroy|free)$", name.group(1))
            if ends and shared != "not collective":
                shared = None
            tag = own or shared or (behind and tag_in(behind.group(1)))
            if name and not before.lstrip().startswith("typedef") and "=" not in before:
                first = start + len(before) - len(before.lstrip())
                yield name.group(1), text.count("\n", 0, first) + 1, tag
            if name or before.lstrip().startswith("typedef"):
                shared = tag
            own = None
            start = token.end()
        elif not before.strip():  # a blank line between two declarations
            own = shared = None


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    wrong, count = [], 0
    for path in files(root, "include/strata/*.h", "src/commands/command.h"):
        text = path.read_text(encoding="utf-8")
        first = re.match(r"\s*/\*.*?\*/", text, re.S)
        if first and NOTHING.search(first.group(0)):
            continue
        for name, line, tag in prototypes(text):
            count += 1
            if not tag:
                wrong.append("%s:%d: %s does not say whether it is collective"
                             % (path.relative_to(root), line, name))
    print("\n".join(wrong) if wrong else "%d prototypes, all with their tag" % count)
    return 1 if wrong or count < 20 else 0


if __name__ == "__main__":
    sys.exit(main())

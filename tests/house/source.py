"""What the checks of the house share: finding sources, and C without comments and texts."""
import os
import pathlib
import re

COMMENT_OR_TEXT = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def blank(match):
    """The same number of lines, so that places stay right; quotes stay as quotes."""
    text = match.group(0)
    quote = text[0] if text[0] in "\"'" else " "
    return quote + "\n" * text.count("\n") + quote


def code_only(text):
    return COMMENT_OR_TEXT.sub(blank, text)


def foreign(root):
    """Folders that are not the project's: builds, and virtual environments of the benchmarks."""
    found = [path for path in root.glob("build*") if path.is_dir()]
    for folder, folders, names in os.walk(root / "benchmarks"):
        if "pyvenv.cfg" in names:
            found.append(pathlib.Path(folder))
            folders.clear()
    return found


def files(root, *patterns):
    root = pathlib.Path(root)
    others = foreign(root)
    found = []
    for pattern in patterns:
        found += [path for path in root.glob(pattern) if path.is_file()
                  and not any(path.is_relative_to(other) for other in others)]
    return sorted(set(found))


def line_of(text, position):
    return text.count("\n", 0, position) + 1

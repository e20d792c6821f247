"""Fail on what no linter looks for: long files, paths of one machine, dead links in the docs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Beyond this a file has more than one concern; most should stay under a third of it.
LINES_MAX = 1000
CODE = frozenset({".rs", ".py", ".pyi"})

# Data captured elsewhere, and generated files, are not written by hand.
NOT_OURS = re.compile(r"(^|/)(Cargo\.lock|LICENSE)$|^tests/golden/")

# Written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:home|root|work|Users|tmp)/[A-Za-z]")

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def length_violations(path: Path, text: str) -> Iterator[str]:
    """Yield when a source file passes the ceiling."""
    if path.suffix in CODE and (lines := text.count("\n")) > LINES_MAX:
        yield f"{path}: {lines} lines, at most {LINES_MAX}: split it by concern"


def machine_path_violations(path: Path, text: str) -> Iterator[str]:
    """Yield each line naming a directory that exists on one machine only."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := MACHINE_PATH.search(line):
            yield f"{path}:{number}: path of one machine: {found.group()}..."


def link_violations(path: Path, text: str, root: Path) -> Iterator[str]:
    """Yield each relative link of a Markdown file that leads nowhere."""
    if path.suffix != ".md":
        return
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z][a-z0-9+.-]*:|#", target):
            continue
        file = target.split("#", 1)[0]
        if not (root / path.parent / file).exists():
            yield f"{path}: dead link: {target}"


def violations(root: Path) -> Iterator[str]:
    """Yield everything found under ``root``, a git work tree."""
    for path in _files(root):
        if NOT_OURS.search(path.as_posix()):
            continue
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield from length_violations(path, text)
        yield from machine_path_violations(path, text)
        yield from link_violations(path, text, root)


def _files(root: Path) -> Iterator[Path]:
    """Tracked files, and those that would be if they were added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    for name in sorted(set(listed.split("\0")) - {""}):
        if (root / name).is_file():
            yield Path(name)


def main() -> int:
    """Check the tree this file lies in."""
    found = list(violations(ROOT))
    for violation in found:
        print(violation, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

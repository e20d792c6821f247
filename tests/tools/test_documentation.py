"""What the documentation shows can be typed in: Python blocks compile, make targets exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts),
]
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
MAKE_COMMAND = re.compile(r"(?:^\$ |`)make((?: [A-Z]+=\S+)*)(?: ([a-z][a-z-]*))?", re.MULTILINE)


def python_blocks() -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}-{number}", block)
        for page in PAGES
        for number, block in enumerate(PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")))
    ]


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in python_blocks()])
def test_python_blocks_compile(block: str) -> None:
    compile(block, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_readme_has_python_blocks_to_compile() -> None:
    assert sum(name.startswith("README.md") for name, _ in python_blocks()) >= 3


def test_make_targets_that_are_named_exist() -> None:
    named = {
        target
        for page in PAGES
        for _, target in MAKE_COMMAND.findall(page.read_text(encoding="utf-8"))
        if target
    }
    assert {"demo", "test", "check"} <= named
    assert named - make_targets() == set()


def test_make_alone_lists_every_target_meant_for_people() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert {"demo", "test", "check", "bench", "fmt", "docs", "build", "fuzz", "clean"} <= listed
    assert make_targets() == listed

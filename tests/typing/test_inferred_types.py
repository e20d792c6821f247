"""What type checkers infer: mypy is run on snippets that assert types, and that make mistakes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

ROOT = Path(__file__).parent.parent.parent
SNIPPETS = Path(__file__).parent / "snippets"
README_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.slow,
    # The first run fills mypy's cache.
    pytest.mark.timeout(240),
]


def mypy(*files: Path) -> str:
    """Checks in the strictest mode; returns what mypy says."""
    options = ["--strict", "--no-error-summary", "--show-error-codes", "--no-pretty"]
    # A path of its own: the project's settings are those for the package's own sources.
    options += ["--config-file", "", "--explicit-package-bases"]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *map(str, files)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"MYPYPATH": str(ROOT / "python"), "PATH": ""},
    )
    assert not checked.stderr, checked.stderr
    return checked.stdout


def test_rows_have_the_types_of_their_factories():
    assert mypy(SNIPPETS / "rows.py") == ""


def test_the_schema_has_types():
    assert mypy(SNIPPETS / "schema.py") == ""


def test_mistakes_are_found():
    snippet = SNIPPETS / "mistakes.py"
    expected = {
        (number, marked.group(1))
        for number, line in enumerate(snippet.read_text(encoding="utf-8").splitlines(), 1)
        if (marked := re.search(r"# E: ([a-z-]+)", line))
    }
    assert len(expected) > 15
    found = {
        (int(number), code)
        for number, code in re.findall(
            r"mistakes\.py:(\d+): error: .* \[([a-z-]+)\]", mypy(snippet)
        )
    }
    assert found == expected


def test_the_readme_type_checks(tmp_path):
    blocks = README_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    files = []
    for number, block in enumerate(blocks):
        files.append(tmp_path / f"readme_{number}.py")
        files[-1].write_text(block, encoding="utf-8")
    assert mypy(*files) == ""

"""import-linter, as configured in pyproject.toml, refuses planted imports between the layers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = ["aio", "sync", "_shared", "testing", "demo", "cli"]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint_imports(tree: Path, planted: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the contracts on an empty copy of the package with some imports planted in it."""
    package = tree / "shardlane"
    package.mkdir()
    (package / "__init__.py").write_text("from shardlane.sync import *\n")
    for module in MODULES:
        (package / module).mkdir()
        (package / module / "__init__.py").write_text(planted.get(module, ""))
    return subprocess.run(
        [sys.executable, "-c", LINT, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )


def test_the_allowed_directions_pass(tmp_path: Path) -> None:
    answer = lint_imports(
        tmp_path,
        {
            "aio": "import asyncio\nfrom shardlane._shared import *\nfrom shardlane._core import A",
            "sync": "import threading\nfrom shardlane._shared import *",
            "testing": "from shardlane import aio, sync",
            "demo": "from shardlane.testing import *\nfrom shardlane import aio",
            "cli": "from shardlane.demo import *",
        },
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("module", "code", "contract"),
    [
        ("aio", "import shardlane.sync", "the two faces do not know each other"),
        ("sync", "from shardlane.aio import x", "the two faces do not know each other"),
        ("_shared", "from shardlane.aio import x", "does not know a face"),
        ("_shared", "from shardlane import sync", "does not know a face"),
        ("_shared", "from shardlane.testing import x", "does not know a face"),
        ("_shared", "import asyncio", "the shared part never waits"),
        ("_shared", "import socket", "the shared part never waits"),
        ("aio", "from shardlane.testing import x", "do not need tests, demo or command line"),
        ("sync", "import asyncio", "the blocking face needs no event loop"),
    ],
)
def test_a_planted_import_is_refused(tmp_path: Path, module: str, code: str, contract: str) -> None:
    answer = lint_imports(tmp_path, {module: code})
    assert answer.returncode == 1, answer.stdout + answer.stderr
    broken = [line for line in answer.stdout.splitlines() if "BROKEN" in line]
    assert any(contract in line for line in broken), answer.stdout

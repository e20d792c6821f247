"""Each untidiness is found when it is planted, and what only looks like one is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import check_tidy

pytestmark = pytest.mark.tools

# Put together here, or this very file would be a finding.
HOME = "/".join(["", "home", "someone", "project"])


def test_the_tree_is_tidy() -> None:
    assert list(check_tidy.violations(check_tidy.ROOT)) == []


def test_everything_planted_in_a_work_tree_is_found(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "long.py").write_text("x = 1\n" * (check_tidy.LINES_MAX + 1))
    (tmp_path / "notes.md").write_text(f"See [this](missing.md).\nBuilt in {HOME}.\n")
    (tmp_path / "ignored.py").write_text(HOME)
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    (tmp_path / "binary.bin").write_bytes(b"\xff\xfe\x00" + HOME.encode())

    found = list(check_tidy.violations(tmp_path))

    assert [line.split(":")[0] for line in found] == ["long.py", "notes.md", "notes.md"]
    assert "1001 lines" in found[0]
    assert "path of one machine" in found[1]
    assert "dead link: missing.md" in found[2]


def test_a_file_at_the_ceiling_passes() -> None:
    text = "x = 1\n" * check_tidy.LINES_MAX
    assert list(check_tidy.length_violations(Path("a.py"), text)) == []
    assert list(check_tidy.length_violations(Path("data.json"), text * 2)) == []


@pytest.mark.parametrize(
    "text",
    ["~/.cargo/bin", "docs/home/index.md", "https://x.org/home/a", "/usr/bin/env", "a/tmp/b"],
)
def test_paths_that_are_the_same_everywhere_pass(text: str) -> None:
    assert list(check_tidy.machine_path_violations(Path("a.md"), text)) == []


def test_links_are_followed_from_the_file_they_stand_in(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").touch()
    (tmp_path / "README.md").touch()
    text = (
        "[a](a.md#part) [up](../README.md) [web](https://example.org/x) [here](#part)\n"
        "```\n[not](a-link.md)\n```\n[dead](README.md)\n"
    )
    assert list(check_tidy.link_violations(Path("docs/b.md"), text, tmp_path)) == [
        "docs/b.md: dead link: README.md"
    ]

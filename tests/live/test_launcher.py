"""The launcher says clearly what is missing. No node is started here."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from live_cassandra import DownloadFailed, MissingTool, find_java, find_maven, libraries


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all there is of PATH, beside what the scripts in it need."""
    for name in ("JAVA_HOME_17_X64", "JAVA_HOME_17_ARM64", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def java(path: Path, version: str) -> Path:
    return script(path, f"echo 'openjdk version \"{version}\" 2024-01-01' >&2")


def test_nothing_is_installed(tools: Path) -> None:
    with pytest.raises(MissingTool, match="Java 17, which was not found: install it"):
        find_java()
    with pytest.raises(MissingTool, match="Maven"):
        find_maven()
    with pytest.raises(MissingTool, match="Maven"):
        libraries(tools / "cache")


@pytest.mark.parametrize(("version", "major"), [("21.0.1", 21), ("1.8.0_292", 8), ("11", 11)])
def test_another_java_is_named(tools: Path, version: str, major: int) -> None:
    path = java(tools / "java", version)
    with pytest.raises(MissingTool) as caught:
        find_java()
    assert f"{path} is version {major}" in str(caught.value)


def test_a_java_home_comes_before_path(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java(tools / "java", "21")
    wanted = java(tools / "jdk" / "bin" / "java", "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(tools / "jdk"))
    assert find_java() == str(wanted)


def test_a_download_that_fails_leaves_nothing(tools: Path) -> None:
    script(tools / "mvn", "echo no network today; exit 1")
    with pytest.raises(DownloadFailed, match="no network today"):
        libraries(tools / "cache")
    assert list((tools / "cache").iterdir()) == []


def test_what_was_fetched_is_not_fetched_again(tools: Path) -> None:
    fake = """
        for argument; do
            case "$argument" in -DoutputDirectory=*) into="${argument#*=}";; esac
        done
        /bin/mkdir -p "$into" && echo > "$into/cassandra-all-0.jar"
    """
    maven = script(tools / "mvn", fake)
    fetched = libraries(tools / "cache")
    assert [jar.name for jar in fetched.iterdir()] == ["cassandra-all-0.jar"]
    maven.unlink()
    assert libraries(tools / "cache") == fetched

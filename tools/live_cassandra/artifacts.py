"""What a node needs before it can start: a Java runtime, and Cassandra's jars."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
POM = HERE / "pom.xml"
# Below the ignored build directory of the repository, so `make clean` removes it.
CACHE = HERE.parent.parent / "target" / "live"

# By the line of releases that is asked for.
VERSIONS = {"5.0": "5.0.4", "4.1": "4.1.9"}

# Cassandra 5.0 runs on 11 and 17, on nothing newer: it needs a security manager. 4.1 is meant for 8
# and 11, and runs on 17 all the same when its memory meter is loaded as an agent.
JAVA_MAJOR = 17
# Some 66 MB; on a slow line this takes minutes.
DOWNLOAD_SECONDS_MAX = 300


class LiveError(Exception):
    """No node can be had; the message says why."""


class MissingTool(LiveError):  # noqa: N818
    """Java 17 or Maven is not installed."""


class DownloadFailed(LiveError):  # noqa: N818
    """Maven could not fetch the artifacts."""


def find_java() -> str:
    """Return the path of a Java 17 executable.

    Looks where CI images and people put it: ``JAVA_HOME_17_X64``, ``JAVA_HOME_17_ARM64``,
    ``JAVA_HOME``, then ``PATH``.

    Raises:
        MissingTool: there is none; the message lists what was found instead.
    """
    homes = ("JAVA_HOME_17_X64", "JAVA_HOME_17_ARM64", "JAVA_HOME")
    candidates = [os.path.join(home, "bin", "java") for name in homes if (home := os.getenv(name))]
    found = []
    for candidate in [*candidates, "java"]:
        if (java := shutil.which(candidate)) is None:
            continue
        if (major := _java_major(java)) == JAVA_MAJOR:
            return java
        found.append(f"{java} is version {major}")
    instead = f" ({'; '.join(found)})" if found else ""
    raise MissingTool(
        f"Cassandra needs Java {JAVA_MAJOR}, which was not found{instead}:"
        " install it, and put it on PATH or set JAVA_HOME"
    )


def find_maven() -> str:
    """Return the path of ``mvn``.

    Raises:
        MissingTool: there is none.
    """
    if (maven := shutil.which("mvn")) is None:
        raise MissingTool("Maven, which fetches Cassandra, was not found: install it (mvn on PATH)")
    return maven


def libraries(cache: Path = CACHE, line: str = "5.0") -> Path:
    """Return the directory of Cassandra's jars; fetch them if this ``pom.xml`` has not been yet.

    Args:
        cache: where they are kept.
        line: which releases, one of `VERSIONS`.

    Raises:
        MissingTool: they have to be fetched, and Maven is not installed.
        DownloadFailed: Maven could not fetch them.
    """
    version = VERSIONS[line]
    digest = hashlib.sha256(POM.read_bytes() + version.encode()).hexdigest()[:12]
    ready = cache / f"lib-{digest}"
    if ready.is_dir():
        return ready
    maven = find_maven()
    cache.mkdir(parents=True, exist_ok=True)
    # Fetched beside it and renamed when complete: an interrupted download leaves nothing half done.
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as scratch:
        fetched = Path(scratch, "lib")
        _run_maven(maven, fetched, version)
        try:
            fetched.rename(ready)
        except OSError:
            # Another process was quicker.
            if not ready.is_dir():
                raise
    return ready


def _run_maven(maven: str, into: Path, version: str) -> None:
    arguments = [
        *[maven, "--batch-mode", "--quiet", "--file", str(POM)],
        *["dependency:copy-dependencies", f"-DoutputDirectory={into}"],
        f"-Dcassandra.version={version}",
    ]
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DOWNLOAD_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DownloadFailed(f"mvn was not done after {DOWNLOAD_SECONDS_MAX} s") from None
    if done.returncode != 0 or not any(into.glob("cassandra-all-*.jar")):
        raise DownloadFailed(f"mvn could not fetch Cassandra:\n{done.stdout[-3000:]}")


def _java_major(java: str) -> int | None:
    try:
        done = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # `openjdk version "17.0.15" 2025-04-15`; before Java 9 it was "1.8.0_292".
    version = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(version[1]) if version else None

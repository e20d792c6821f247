"""Programs that use a foreign driver, in processes of their own, with a deadline for each step."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from shardlane.testing import Cluster

from .scripts.common import AGAIN

SCRIPTS = Path(__file__).parent / "scripts"
# The program, and the module that it needs.
DRIVERS = {
    "scylla-driver": ("with_scylla_driver.py", "cassandra.cluster"),
    "acsylla": ("with_acsylla.py", "acsylla"),
    "scylladb-rs-driver": ("with_scylladb_rs_driver.py", "scylla.session_builder"),
}
STEP_SECONDS = 40.0


def need(driver: str) -> None:
    """Skip the test when the driver cannot be imported; where CI runs, that is a failure."""
    if problem := _import_problem(DRIVERS[driver][1]):
        reason = f"{driver} cannot be imported: {problem}"
        if os.environ.get("CI") or os.environ.get("SHARDLANE_CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@functools.cache
def _import_problem(module: str) -> str:
    # Not in this process: what an import leaves behind would be every other test's.
    tried = subprocess.run(
        [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, timeout=60
    )
    return tried.stderr.strip().rpartition("\n")[2] if tried.returncode else ""


@contextlib.contextmanager
def application(
    driver: str,
    cluster: Cluster,
    replicas: int,
    script: str | None = None,
    arguments: list[str] | None = None,
) -> Iterator[Application]:
    """The driver's program, or another one, running; killed at the end if it has not ended.

    Its arguments are host, port and the number of replicas, unless there are others.
    """
    need(driver)
    script = script or DRIVERS[driver][0]
    host = cluster.contact_points[0].rsplit(":", 1)[0]
    arguments = arguments or [host, str(cluster.port), str(replicas)]
    with (
        # A file: a pipe that nobody reads would stop a program with much to say.
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            [sys.executable, str(SCRIPTS / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process,
    ):
        running = Application(script, process, complaints)
        try:
            yield running
        finally:
            process.kill()
            running.reader.join(10)


class Application:
    """A program of `scripts/` that takes its steps when it is told to."""

    def __init__(self, script: str, process: subprocess.Popen[str], complaints: IO[str]) -> None:
        self._script = script
        self._process = process
        self._complaints = complaints
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def expect(self, word: str) -> list[str]:
        """The words of the line with which the program says that it has come so far."""
        try:
            words = self._lines.get(timeout=STEP_SECONDS).split()
        except queue.Empty:
            raise AssertionError(self._failure(f"no {word!r} in time")) from None
        assert words[:1] == [word], self._failure(f"{words} instead of {word!r}")
        return words

    def go_on(self) -> None:
        self._tell("")

    def do_again(self) -> None:
        """Let it repeat its last step."""
        self._tell(AGAIN)

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def ends_well(self) -> None:
        self.expect("done")
        assert self._process.wait(STEP_SECONDS) == 0, self._failure("it ended badly")

    def _failure(self, what: str) -> str:
        self._complaints.seek(0)
        return f"{self._script}: {what}\n{self._complaints.read()}"

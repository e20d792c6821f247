"""Programs that answer a line of JSON for each line they are given, seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import environments, native
from .drivers import DRIVERS

if TYPE_CHECKING:
    from .worker import Task

ROOT = Path(__file__).parent.parent
_END_SECONDS = 10.0


class ProcessError(Exception):
    """A program has failed, or has ended without an answer."""


class Process:
    """A program that answers a line for each line; it ends with its standard input."""

    def __init__(
        self, command: list[str], variables: dict[str, str] | None = None, *, quiet: bool = False
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(variables or {})},
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and wait for its answer.

        Raises:
            ProcessError: the program says that it failed, or it has ended.
        """
        assert self._process.stdin is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._ended() from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer, or for what the program says unasked when it is ready."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise ProcessError(answer["failed"])
        return answer

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ended(self) -> ProcessError:
        return ProcessError(f"the process has ended, status {self._process.wait()}")


class ClientProcess(Process):
    """A process with one driver in one cell: `worker.py`, or the Rust program."""

    def __init__(self, task: Task, variables: dict[str, str] | None = None) -> None:
        driver = DRIVERS[task.driver]
        told = json.dumps(asdict(task))
        if driver.is_native:
            command = [str(native.PROGRAM), driver.program, told]
        else:
            command = [environments.python(driver.package), "-m", "benchmarks.worker", told]
        # What peers log would hide what this program says; that one failed is told by its answer.
        super().__init__(command, variables, quiet=not driver.is_ours)

    def wait_open(self) -> dict[str, Any]:
        """Block until it is connected; return what that took."""
        return self.answer()

    def wait_ready(self) -> None:
        """Block until it is connected and has prepared its statements."""
        self.wait_open()
        self.ask({"do": "ready"})

    def look(self) -> dict[str, Any]:
        """Memory and connections of the process now."""
        return self.ask({"do": "look"})

    def run(self, seconds: float) -> dict[str, Any]:
        return self.ask({"do": "run", "seconds": seconds})

    def verify(self) -> int:
        verified: int = self.ask({"do": "verify"})["verified"]
        return verified


def python_module(name: str, *arguments: str) -> list[str]:
    """The command for a module of this package, with the Python that runs the harness."""
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]

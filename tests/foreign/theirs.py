"""scylla-driver in a process of its own, and values of both drivers in one form."""

from __future__ import annotations

import pickle
import select
import subprocess
import sys
import tempfile
from typing import IO, Any

from shardlane.types import Date, Duration, Time, Timestamp

from .application import SCRIPTS, STEP_SECONDS
from .scripts.neutral import made, neutral


def _special(value: Any) -> Any:
    if isinstance(value, Date):
        return ("$date", int(value))
    if isinstance(value, Timestamp):
        return ("$timestamp", int(value))
    if isinstance(value, Time):
        return ("$time", value.total_nanoseconds)
    if isinstance(value, Duration):
        return ("$duration", value.months, value.days, value.nanoseconds)
    return None


_MAKERS = {
    "$date": Date,
    "$time": Time.from_nanoseconds,
    "$timestamp": Timestamp,
    "$duration": Duration,
}


def ours(sample: Any) -> Any:
    """The sample as an application gives it to shardlane."""
    return made(sample, _MAKERS)


def shared(value: Any) -> Any:
    """What shardlane has read, in the form that both drivers share."""
    return neutral(value, _special)


class Theirs:
    """scylla-driver; its methods are those of `scripts/serve_scylla_driver.py`."""

    def __init__(self, host: str, port: int) -> None:
        self._complaints: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - see close()
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPTS / "serve_scylla_driver.py"), host, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )

    def execute(self, cql: str, parameters: list[Any] | None = None) -> list[list[Any]]:
        rows: list[list[Any]] = self._ask("execute", cql, parameters)
        return rows

    def columns(self, cql: str) -> list[tuple[str, str]]:
        columns: list[tuple[str, str]] = self._ask("columns", cql)
        return columns

    def routes(
        self, keyspace: str, cql: str, keys: list[Any]
    ) -> list[tuple[bytes, int, dict[str, int | None]]]:
        routes: list[Any] = self._ask("routes", keyspace, cql, keys)
        return routes

    def schema(self, keyspace: str) -> dict[str, Any]:
        schema: dict[str, Any] = self._ask("schema", keyspace)
        return schema

    def _ask(self, method: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((method, arguments), self._process.stdin)
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], STEP_SECONDS)
        if not ready:
            raise AssertionError(f"{method}{arguments}: no answer in time")
        try:
            is_good, answer = pickle.load(self._process.stdout)
        except EOFError:
            self._complaints.seek(0)
            raise AssertionError(f"scylla-driver has ended\n{self._complaints.read()}") from None
        assert is_good, f"{method}{arguments!r:.300}:\n{answer}"
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._complaints.close()

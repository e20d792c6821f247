"""The embedded cluster, in a process of its own so that its CPU time is not the client's.

As a program it starts the cluster, prints where it listens, and then answers one line of JSON for
each line it reads; it ends with its standard input.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from .drivers.base import Endpoint
from .machine import cpu_seconds, pin

if TYPE_CHECKING:
    from shardlane.testing import ClusterStats


def main() -> None:
    from shardlane.testing import Cluster

    options = json.loads(sys.argv[1])
    pin(options["cpus"])
    cluster = Cluster(nodes=options["nodes"], shards=options["shards"])
    _say({"contact_points": cluster.contact_points})
    for line in sys.stdin:
        if line.strip() == "reset":
            cluster.reset_stats()
            _say({"cpu_s": sum(cpu_seconds())})
        else:
            used = sum(cpu_seconds())
            _say({"cpu_s": used, "requests": _requests(cluster.stats())})
    cluster.stop()


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def _requests(stats: ClusterStats) -> dict[str, int]:
    """Requests by where they arrived, over all shards."""
    return {name: stats.total(name) for name in ("right_shard", "wrong_shard", "wrong_node")}


def _split(contact_points: list[str]) -> tuple[list[str], int]:
    """Addresses, and the port that they have in common; most drivers want it so."""
    pairs = [point.rsplit(":", 1) for point in contact_points]
    return [address for address, _ in pairs], int(pairs[0][1])


class ServerProcess:
    """The server program, from outside."""

    def __init__(self, nodes: int, shards: int, cpus: list[int]) -> None:
        options = json.dumps({"nodes": nodes, "shards": shards, "cpus": cpus})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.endpoint = Endpoint(*_split(self._answer()["contact_points"]))
        self._cpu_s = 0.0

    def begin(self) -> None:
        """Count from here."""
        self._cpu_s = self._ask("reset")["cpu_s"]

    def end(self) -> dict[str, Any]:
        """CPU seconds since `begin`, and requests by where they arrived."""
        answer = self._ask("stats")
        answer["cpu_s"] -= self._cpu_s
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _ask(self, question: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(question, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server has ended, status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


if __name__ == "__main__":
    main()

"""The servers, each in a process of its own so that its CPU time is not the client's.

As a program it starts a cluster, fills its tables, says where it listens, and then answers one line
of JSON for each line that it reads; it ends with its standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import data, native
from .drivers import DRIVERS
from .drivers.base import Endpoint
from .machine import pin
from .process import ROOT, Process, python_module
from .usage import Usage

if TYPE_CHECKING:
    from shardlane.testing import Cluster

_COVERED_SECONDS_MAX = 10.0
_JVM_SECONDS = 10.0
_LOOK_SECONDS = 0.0005
_SETTLED_SECONDS = 0.15
_IDLE_SECONDS = 2.5
"""A client that has opened no connection for so long will open none."""


class Embedded:
    """The embedded cluster."""

    scylla = True

    def __init__(self, nodes: int, shards: int) -> None:
        from shardlane.testing import Cluster

        self._cluster: Cluster = Cluster(nodes=nodes, shards=shards)
        self.addresses = [node.address for node in self._cluster.nodes]
        self.port = self._cluster.port

    def reset(self) -> None:
        self._cluster.reset_stats()

    def arrived(self) -> dict[str, int] | None:
        """Requests by where they arrived, over all shards; None if the server does not tell."""
        stats = self._cluster.stats()
        return {name: stats.total(name) for name in ("right_shard", "wrong_shard", "wrong_node")}

    def wait_covered(self) -> dict[str, Any]:
        """Wait until each shard has a connection; tell when that was, and what had been opened.

        A client that opens no more connections, or goes on for too long, is not waited for.
        """
        opened, since = -1, time.perf_counter()
        until = since + _COVERED_SECONDS_MAX
        while True:
            stats = self._cluster.stats()
            now = time.perf_counter()
            shards = [shard for node in stats.nodes for shard in node.shards]
            covered = sum(shard.connections > 0 for shard in shards)
            if (current := stats.total("connections_opened")) != opened:
                opened, since = current, now
            if covered == len(shards) or now >= min(until, since + _IDLE_SECONDS):
                break
            time.sleep(_LOOK_SECONDS)
        return {
            "covered_at_s": now if covered == len(shards) else None,
            "shards": len(shards),
            "shards_covered": covered,
            "opened": stats.total("connections_opened"),
            "closed": stats.total("connections_closed"),
        }

    def wait_settled(self) -> None:
        """Wait until no client has opened a connection for a while."""
        opened, since = -1, time.perf_counter()
        until = since + _COVERED_SECONDS_MAX
        while (now := time.perf_counter()) < until:
            if (current := self._cluster.stats().total("connections_opened")) != opened:
                opened, since = current, now
            elif now - since > _SETTLED_SECONDS:
                break
            time.sleep(_SETTLED_SECONDS / 10)

    def wait_nobody(self) -> None:
        """Wait until all clients are gone."""
        until = time.perf_counter() + _COVERED_SECONDS_MAX
        while self._cluster.stats().connections and time.perf_counter() < until:
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        self._cluster.stop()


class Responder(Embedded):
    """The Rust program that stands before an embedded cluster, and learns its answers."""

    def __init__(self, nodes: int, shards: int) -> None:
        super().__init__(nodes, shards)
        told = {"addresses": self.addresses, "port": self.port, "shards": shards}
        self._program = Process([str(native.PROGRAM), "responder", json.dumps(told)])
        self.port = self._program.answer()["port"]

    def arrived(self) -> None:
        return None

    def stop(self) -> None:
        self._program.close()
        super().stop()


class Cassandra:
    """A node of Apache Cassandra, fetched with Maven at its first use."""

    scylla = False

    def __init__(self, nodes: int, shards: int) -> None:
        del nodes, shards
        sys.path.insert(0, str(ROOT / "tools"))
        from live_cassandra import Node

        self._node = Node()
        self._node.start()
        self.addresses = [self._node.address]
        self.port = self._node.port

    def reset(self) -> None:
        pass

    def arrived(self) -> None:
        return None

    def wait_settled(self) -> None:
        pass

    def stop(self) -> None:
        self._node.close()


SERVERS = {"embedded": Embedded, "responder": Responder, "cassandra": Cassandra}


def _load(addresses: list[str], port: int, *, scylla: bool) -> None:
    """Create the tables of all drivers, and fill those that are read."""
    import shardlane

    drivers = [name for name, driver in DRIVERS.items() if not driver.is_limit]
    with shardlane.connect(addresses, port=port, consistency="ONE", timeout=30.0) as session:
        for cql in (*data.schema_cql(drivers, scylla=scylla), *data.load_cql()):
            session.execute(cql)
        if not scylla:
            # A JVM compiles what it runs often; the drivers measured first would pay for it.
            select, until = session.prepare(data.SELECT_CQL), time.perf_counter() + _JVM_SECONDS
            while time.perf_counter() < until:
                keys = [(key,) for key in data.shuffled_keys()]
                session.execute_many(select, keys, concurrency=64)


def _cpu_seconds() -> float:
    """Of this process and of those that it has started."""
    ticks = 0
    with contextlib.suppress(OSError):
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        for child in children:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return Usage.now().cpu_s + ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    options = json.loads(sys.argv[1])
    pin(options["cpus"])
    try:
        server = SERVERS[options["kind"]](options["nodes"], options["shards"])
        if options["load"]:
            _load(server.addresses, server.port, scylla=server.scylla)
    except Exception as error:
        _say({"failed": f"{type(error).__name__}: {error}"[:500]})
        raise
    _say({"addresses": server.addresses, "port": server.port})
    for line in sys.stdin:
        request = json.loads(line)["do"]
        if request == "begin":
            server.reset()
            _say({"cpu_s": _cpu_seconds()})
        elif request == "end":
            _say({"cpu_s": _cpu_seconds(), "arrived": server.arrived()})
        elif request == "wait_covered":
            _say(server.wait_covered())
        elif request == "wait_settled":
            server.wait_settled()
            _say({})
        else:
            server.wait_nobody()
            _say({})
    server.stop()


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


class ServerProcess(Process):
    """The server program, from outside.

    Raises:
        ProcessError: the server could not be started.
    """

    def __init__(
        self, kind: str, nodes: int, shards: int, cpus: list[int], *, load: bool = True
    ) -> None:
        options = {"kind": kind, "nodes": nodes, "shards": shards, "cpus": cpus, "load": load}
        super().__init__(python_module("server", json.dumps(options)))
        self.kind = kind
        try:
            told = self.answer()
        except BaseException:
            self.close()
            raise
        self.endpoint = Endpoint(told["addresses"], told["port"])
        self._cpu_s = 0.0

    def begin(self) -> None:
        """Count from here."""
        self._cpu_s = self.ask({"do": "begin"})["cpu_s"]

    def end(self) -> dict[str, Any]:
        """CPU seconds since `begin`, and requests by where they arrived."""
        answer = self.ask({"do": "end"})
        answer["cpu_s"] -= self._cpu_s
        return answer

    def wait_settled(self) -> None:
        """Block until no client has opened a connection for a while."""
        self.ask({"do": "wait_settled"})

    def wait_covered(self) -> dict[str, Any]:
        """Block until each shard has a connection, or for some seconds."""
        return self.ask({"do": "wait_covered"})

    def wait_nobody(self) -> None:
        """Block until no client is connected."""
        self.ask({"do": "wait_nobody"})


if __name__ == "__main__":
    main()

"""Routing keys, tokens, replicas and shards: scylla-driver, the server and we say the same."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from cluster_help import eventually
from shardlane.testing import Cluster

from .theirs import Theirs, ours

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

KEYS = 60
KEYSPACES = {
    "simple1": "'class': 'SimpleStrategy', 'replication_factor': 1",
    "simple2": "'class': 'SimpleStrategy', 'replication_factor': 2",
    "network1": "'class': 'NetworkTopologyStrategy', 'datacenter1': 1",
    "network3": "'class': 'NetworkTopologyStrategy', 'datacenter1': 3",
}


def text(chance: random.Random) -> str:
    length = chance.choice((1, 5, 15, 16, 17, 40, 300))
    return "".join(chance.choice("abcé☃\U0001f40d \0") for _ in range(length))


MAKERS: dict[str, Any] = {
    "bigint": lambda chance: chance.randint(-(2**63), 2**63 - 1),
    "blob": lambda chance: chance.randbytes(chance.randint(1, 70)),
    "date": lambda chance: ("$date", chance.randint(-(2**31), 2**31 - 1)),
    "decimal": lambda chance: Decimal(chance.randint(-(10**20), 10**20)).scaleb(-4),
    "double": lambda chance: chance.uniform(-1e9, 1e9),
    "frozen<list<int>>": lambda chance: [chance.randint(-9, 9) for _ in range(5)],
    "frozen<tuple<int, text>>": lambda chance: (chance.randint(-9, 9), text(chance)),
    "inet": lambda chance: f"10.0.{chance.randint(0, 255)}.{chance.randint(0, 255)}",
    "int": lambda chance: chance.randint(-(2**31), 2**31 - 1),
    "smallint": lambda chance: chance.randint(-(2**15), 2**15 - 1),
    "text": text,
    "time": lambda chance: ("$time", chance.randrange(86_400_000_000_000)),
    "timestamp": lambda chance: ("$timestamp", chance.randint(-(2**40), 2**40)),
    "uuid": lambda chance: UUID(int=chance.getrandbits(128)),
    "varint": lambda chance: chance.randint(-(2**99), 2**99),
}
COMPOSITE = ["int, text", "text, blob, uuid", "inet, frozen<list<int>>", "bigint, date, text, int"]


@pytest.fixture(scope="module")
def keyspaces(session: Any) -> None:
    for name, replication in KEYSPACES.items():
        session.execute(f"CREATE KEYSPACE {name} WITH replication = {{{replication}}}")


def split(cql_types: str) -> list[str]:
    """At the commas that separate columns."""
    parts = [""]
    depth = 0
    for letter in cql_types:
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


@pytest.mark.usefixtures("keyspaces")
@pytest.mark.parametrize("keyspace", KEYSPACES)
@pytest.mark.parametrize("cql_types", [*MAKERS, *COMPOSITE])
def test_keys(
    cluster: Cluster, session: Any, theirs: Theirs, cql_types: str, keyspace: str
) -> None:
    chance = random.Random(f"{cql_types} {keyspace}")
    kinds = split(cql_types)
    names = [f"k{number}" for number in range(len(kinds))]
    columns = ", ".join(map(" ".join, zip(names, kinds, strict=True)))
    listed, marks = ", ".join(names), ", ".join("?" * len(names))
    table = f"{keyspace}.r{[*MAKERS, *COMPOSITE].index(cql_types)}"
    session.execute(f"CREATE TABLE {table} ({columns}, PRIMARY KEY (({listed})))")
    insert = f"INSERT INTO {table} ({listed}) VALUES ({marks})"
    prepared = session.prepare(insert)
    keys = [[MAKERS[kind](chance) for kind in kinds] for _ in range(KEYS)]
    eventually("the keyspace is known", lambda: keyspace in session.cluster.keyspaces())

    cluster.reset_stats()
    for key, (routing_key, token, replicas) in zip(
        keys, theirs.routes(keyspace, insert, keys), strict=True
    ):
        assert prepared.routing(ours(key)) == (routing_key, token), key
        assert len(replicas) == int(keyspace[-1])
        result = session.execute(prepared, ours(key))
        address = result.coordinator.rsplit(":", 1)[0]
        assert result.shard == replicas[address], f"{key}: {address} of {replicas}"
    stats = cluster.stats()
    assert stats.total("right_shard") == stats.routable == KEYS, f"\n{stats}"
    # The token as the server has it.
    for row in session.execute(f"SELECT {listed}, token({listed}) FROM {table}").all():
        assert prepared.routing(list(row)[:-1])[1] == row[-1]

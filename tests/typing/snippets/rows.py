"""Inferred types of rows. Checked by test_inferred_types.py, never run."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from typing_extensions import assert_type

import shardlane
from shardlane import NamedRow, Result, Session, aio


@dataclass
class User:
    id: int
    name: str


class Point(NamedTuple):
    x: int
    y: int


def make(**columns: object) -> list[object]:
    return list(columns.values())


def blocking() -> None:
    with shardlane.connect("127.0.0.1", keyspace="ks", timeout=None) as session:
        assert_type(session, Session[NamedRow])
        result = session.execute("SELECT 1")
        assert_type(result, Result[NamedRow])
        assert_type(result.one(), NamedRow | None)
        assert_type(result.all(), list[NamedRow])
        for row in result:
            assert_type(row, NamedRow)
            assert_type(row.name, Any)
            assert_type(row.count, Any)
            assert_type(row[0], Any)
            first, _ = row
            assert_type(first, Any)
        for page in result.pages():
            assert_type(page, list[NamedRow])
        assert_type(session.execute("q", row_factory="tuple"), Result[tuple[Any, ...]])
        assert_type(session.execute("q", row_factory=tuple), Result[tuple[Any, ...]])
        assert_type(session.execute("q", row_factory="dict"), Result[dict[str, Any]])
        assert_type(session.execute("q", row_factory=dict), Result[dict[Any, Any]])
        assert_type(session.execute("q", row_factory="named"), Result[NamedRow])
        assert_type(session.execute("q", row_factory="scalar"), Result[Any])
        assert_type(session.execute("q", [1], row_factory=User), Result[User])
        assert_type(session.execute("q", {"a": 1}, row_factory=Point), Result[Point])
        assert_type(session.execute("q", row_factory=make), Result[list[object]])
        assert_type(session.execute("q", timeout=None, consistency="ONE"), Result[NamedRow])
        assert_type(result.columns[0].cql_type, str)
        assert_type(result.was_applied, bool | None)
        assert_type(session.shards().nodes[0].shards[0].in_flight, int)
        assert_type(session.execute_many("q", [[1]], results=True).errors[0][0], int)
        batch = session.batch().add("q", [1]).add("q")
        assert_type(batch.execute(), Result[NamedRow])

    assert_type(shardlane.connect(row_factory="dict"), Session[dict[str, Any]])
    assert_type(shardlane.connect(row_factory=tuple), Session[tuple[Any, ...]])
    users = shardlane.connect(["a", ("b", 9042)], row_factory=User)
    assert_type(users, Session[User])
    assert_type(users.execute("q").one(), User | None)
    assert_type(users.execute("q", row_factory="dict").one(), dict[str, Any] | None)
    with shardlane.Cluster("127.0.0.1", port=9042) as cluster:
        assert_type(cluster.connect("ks"), Session[NamedRow])
        assert_type(cluster.connect(row_factory=Point), Session[Point])


async def awaiting() -> None:
    async with aio.connect("127.0.0.1") as session:
        assert_type(session, aio.Session[NamedRow])
        result = await session.execute("SELECT 1")
        assert_type(result, aio.Result[NamedRow])
        assert_type(result.one(), NamedRow | None)
        assert_type(await result.all(), list[NamedRow])
        async for row in result:
            assert_type(row, NamedRow)
        async for page in result.pages():
            assert_type(page, list[NamedRow])
        assert_type(await session.execute("q", row_factory="tuple"), aio.Result[tuple[Any, ...]])
        assert_type(await session.execute("q", row_factory=dict), aio.Result[dict[Any, Any]])
        assert_type(await session.execute("q", row_factory=User), aio.Result[User])
        assert_type((await session.prepare("q")).variables, tuple[tuple[str, str], ...])
        async with session.batch("unlogged", consistency="ONE") as batch:
            batch.add("q", {"a": 1})
    users = await aio.connect(row_factory=User)
    assert_type(users, aio.Session[User])
    cluster = aio.Cluster()
    assert_type(await cluster.connect(row_factory="dict"), aio.Session[dict[str, Any]])
    async with cluster.connect(row_factory=Point, page_size=None) as points:
        assert_type(points, aio.Session[Point])

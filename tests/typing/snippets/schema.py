"""Inferred types of the schema. Checked by test_inferred_types.py, never run."""

from collections.abc import Mapping
from dataclasses import dataclass

from typing_extensions import assert_type

import shardlane
from shardlane import ColumnInfo, Index, Keyspace, Schema, Table, UserType, View, aio


@dataclass
class Address:
    street: str


def look(schema: Schema) -> None:
    assert_type(schema["shop"], Keyspace)
    assert_type(schema.get("shop"), Keyspace | None)
    table = schema["shop"].tables["orders"]
    assert_type(table, Table)
    assert_type(table.partition_key, tuple[ColumnInfo, ...])
    assert_type(table.columns, Mapping[str, ColumnInfo])
    assert_type(table.indexes["i"], Index)
    assert_type(table.views["v"], View)
    assert_type(schema["shop"].types["t"], UserType)
    assert_type(table.as_cql(children=True), str)
    assert_type(schema.statements(), tuple[str, ...])


def blocking() -> None:
    cluster = shardlane.connect("127.0.0.1").cluster
    assert_type(cluster, shardlane.Cluster)
    assert_type(cluster.schema("shop"), Schema)
    assert_type(cluster.wait_for_schema_agreement(3), bool)
    cluster.register_udt("shop", "address", Address)
    cluster.register_codec("int", encode=int, decode=str)


async def awaiting() -> None:
    async with aio.Cluster("127.0.0.1") as cluster:
        assert_type(await cluster.schema(["shop"], timeout=None), Schema)
        assert_type(await cluster.wait_for_schema_agreement(), bool)

"""The schema of a real ScyllaDB, from the bytes of its system tables, as objects and as CQL."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from shardlane import sync
from shardlane._core import _RowDecoder
from shardlane._shared.schema import build
from shardlane._shared.schema.model import Schema
from shardlane._shared.schema.names import NameMap

FRAMES = Path(__file__).parents[1] / "golden" / "frames" / "statements.jsonl.gz"
ELEMENTS = {0x20: 1, 0x21: 2, 0x22: 1}
ROWS, GLOBAL_SPEC = 2, 1


class Reader:
    """Reads a RESULT of kind Rows, as far as these have it."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def take(self, count: int) -> bytes:
        self.at += count
        return self.body[self.at - count : self.at]

    def int(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def short(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def string(self) -> str:
        return self.take(self.short()).decode()

    def spec(self) -> tuple[str, str]:
        return self.string(), self.string()

    def option(self) -> bytes:
        code = self.short()
        elements = [self.option() for _ in range(ELEMENTS.get(code, 0))]
        return code.to_bytes(2, "big") + b"".join(elements)

    def rows(self) -> list[Any]:
        assert self.int() == ROWS
        is_global = self.int() == GLOBAL_SPEC
        count = self.int()
        if is_global:
            self.spec()
        columns = []
        for _ in range(count):
            if not is_global:
                self.spec()
            columns.append((self.string(), self.option()))
        rows_count = self.int()
        return _RowDecoder(columns).decode_rows(self.body[self.at :], rows_count, dict)


def captured() -> dict[str, list[Any]]:
    """The rows that the last full read of each system table brought."""
    asked: dict[tuple[int, int], str] = {}
    rows = {}
    with gzip.open(FRAMES, "rt") as lines:
        for frame in map(json.loads, lines):
            where, body = (frame["conn"], frame["stream"]), bytes.fromhex(frame["body"])
            if frame["dir"] == ">":
                asked[where] = body[4:].decode("latin-1") if frame["opcode"] == "QUERY" else ""
            elif (text := asked.get(where, "")).startswith("SELECT * FROM system_schema."):
                table, rest = text.split(".", 1)[1].split(" ", 1)
                if not rest.startswith("WHERE"):
                    rows[table] = Reader(body).rows()
    return rows


@pytest.fixture(scope="module")
def schema() -> Schema:
    # The client that was recorded did not ask for ScyllaDB's own tables.
    rows = {**captured(), "scylla_tables": [], "scylla_keyspaces": [], "triggers": []}
    made = build.keyspaces(rows, has_tablets=False)
    return Schema(NameMap("keyspace", made.items()))


def test_keyspaces_and_tables(schema: Schema) -> None:
    own = [keyspace.name for keyspace in schema.values() if not keyspace.is_system]
    assert own == ["ss2", "tb", "tb1", "vn", "vn1"]
    assert schema["ss2"].replication["class"].endswith("SimpleStrategy")
    vn = schema["vn"]
    assert {"cnt", "kv", "t0"} <= set(vn.tables)
    assert vn.tables["cnt"].is_counter
    # The view that is the index is nobody's.
    assert list(vn.views) == list(vn.tables["kv"].views) == ["kv_by_n"]
    assert [(index.name, index.target) for index in vn.tables["kv"].indexes.values()] == [
        ("kv_n", "n")
    ]
    local = schema["system"].tables["local"]
    assert [column.name for column in local.partition_key] == ["key"]
    assert local.columns["tokens"].type == "set<text>"
    assert local.columns["truncated_at"].type == "map<uuid, blob>"
    schema_columns = schema["system_schema"].tables["columns"]
    assert [c.name for c in schema_columns.primary_key] == [
        "keyspace_name",
        "table_name",
        "column_name",
    ]


def test_scyllas_own_options_are_read_from_its_own_notation(schema: Schema) -> None:
    options = schema["vn"].tables["kv"].options
    assert options["tombstone_gc"] == {"mode": "timeout", "propagation_delay_in_seconds": "3600"}
    assert options["compression"] == {
        "sstable_compression": "org.apache.cassandra.io.compress.LZ4Compressor"
    }
    assert "extensions" not in options
    text = schema["vn"].tables["kv"].as_cql()
    assert "AND tombstone_gc = {'mode': 'timeout', 'propagation_delay_in_seconds': '3600'}" in text


def test_it_can_be_made_again(schema: Schema, shardlane_cluster: Any) -> None:
    with sync.connect(shardlane_cluster.contact_points) as session:
        own = [keyspace for keyspace in schema.values() if not keyspace.is_system]
        for keyspace in own:
            for statement in keyspace.statements():
                session.execute(statement.replace("'dc1'", "'datacenter1'"))
        again = session.cluster.schema([keyspace.name for keyspace in own])
        for keyspace in own:
            made = again[keyspace.name]
            # The client that was recorded was not told of tablets.
            assert made.statements()[1:] == keyspace.statements()[1:]
            session.execute(f"DROP KEYSPACE {keyspace.name}")

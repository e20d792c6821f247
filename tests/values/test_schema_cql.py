"""From rows of system tables to CQL: what servers have that the embedded one has not."""

from __future__ import annotations

from typing import Any

import pytest

from shardlane._shared.schema import build
from shardlane._shared.schema.model import Keyspace
from shardlane._shared.schema.text import body, identifier, literal, string

NETWORK = {"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1": "3"}
TABLES = ["tables", "views", "columns", "indexes", "triggers", "types", "functions", "aggregates"]


def keyspace(*, has_tablets: bool = False, is_virtual: bool = False, **rows: Any) -> Keyspace:
    """The keyspace `ks` of these rows by system table, each without its keyspace."""
    row = {"replication": NETWORK, "durable_writes": True, **rows.pop("keyspace", {})}
    given = {**dict.fromkeys(TABLES, ()), **rows, "keyspaces": [row]}
    named = {table: [{"keyspace_name": "ks", **one} for one in of] for table, of in given.items()}
    made = build.keyspaces(named, has_tablets=has_tablets, is_virtual=is_virtual)
    return made["ks"]


def table(name: str, **columns: Any) -> dict[str, Any]:
    return {"table_name": name, "flags": {"compound"}, **columns}


def column(name: str, kind: str = "regular", *, of: str = "t", **more: Any) -> dict[str, Any]:
    position = 0 if kind in ("partition_key", "clustering") else -1
    row = {"table_name": of, "column_name": name, "kind": kind, "position": position}
    return {**row, "type": "int", "clustering_order": "none", **more}


KEY = column("id", "partition_key")


def tables_cql(keyspace: Keyspace) -> list[str]:
    return [statement for statement in keyspace.statements() if "CREATE TABLE" in statement]


def test_keyspaces_of_scylla() -> None:
    plain = (
        "CREATE KEYSPACE ks WITH replication = {'class': '" + NETWORK["class"] + "', 'dc1': '3'}"
    )
    plain += "\n    AND durable_writes = true"
    assert keyspace().as_cql() == plain + ";"
    without = keyspace(has_tablets=True)
    assert without.as_cql() == plain + "\n    AND tablets = {'enabled': false};"
    simple = {"replication": {"class": "SimpleStrategy", "replication_factor": "1"}}
    assert "tablets" not in keyspace(has_tablets=True, keyspace=simple).as_cql()
    some = keyspace(scylla_keyspaces=[{"initial_tablets": 8}])
    assert some.as_cql() == plain + "\n    AND tablets = {'enabled': true, 'initial': 8};"
    assert keyspace(scylla_keyspaces=[{"initial_tablets": 0}]).tablets.initial is None
    stored = keyspace(scylla_keyspaces=[{"storage_type": "S3", "storage_options": {"bucket": "b"}}])
    assert "AND storage = {'bucket': 'b', 'type': 'S3'};" in stored.as_cql()


def test_the_log_of_changes_is_made_by_the_server() -> None:
    log = "t_scylla_cdc_log"
    rows: dict[str, Any] = {
        "tables": [table("t"), table(log), table("other_scylla_cdc_log")],
        "columns": [
            KEY,
            column("x", "partition_key", of=log),
            column("x", "partition_key", of="other_scylla_cdc_log"),
        ],
    }
    on = [{"table_name": "t", "cdc": {"enabled": "true"}}, {"table_name": log, "partitioner": "P"}]
    made = keyspace(**rows, scylla_tables=on)
    assert made.tables[log].partitioner == "P"
    assert made.tables["t"].partitioner is None
    assert "WITH cdc = {'enabled': 'true'};" in made.tables["t"].as_cql()
    assert len(tables_cql(made)) == 2
    off = [{"table_name": "t", "cdc": {"enabled": "false"}}]
    assert len(tables_cql(keyspace(**rows, scylla_tables=off))) == 3
    cassandras = {**rows, "tables": [table("t", cdc=True), table(log)]}
    assert len(tables_cql(keyspace(**cassandras))) == 2


def test_tables_of_thrift_days() -> None:
    static = table("t", flags=set())
    columns = [
        column("key", "partition_key", type="blob"),
        column("a", "static"),
        column("column1", "clustering", type="text"),
        column("value", "regular", type="blob"),
    ]
    (statement,) = tables_cql(keyspace(tables=[static], columns=columns))
    assert statement == (
        "CREATE TABLE ks.t (\n    key blob,\n    a int,\n    PRIMARY KEY (key)\n)"
        " WITH COMPACT STORAGE;"
    )
    dense = table("t", flags={"dense"})
    columns = [
        column("key", "partition_key"),
        column("c", "clustering", clustering_order="desc"),
        column("value", type="empty"),
    ]
    (statement,) = tables_cql(keyspace(tables=[dense], columns=columns))
    assert statement == (
        "CREATE TABLE ks.t (\n    key int,\n    c int,\n    PRIMARY KEY (key, c)\n)"
        " WITH COMPACT STORAGE\n    AND CLUSTERING ORDER BY (c DESC);"
    )


@pytest.mark.parametrize(
    ("options", "statement"),
    [
        ({"target": "v"}, "CREATE INDEX i ON ks.t (v);"),
        ({"target": '"V"'}, 'CREATE INDEX i ON ks.t ("V");'),
        ({"target": "V"}, 'CREATE INDEX i ON ks.t ("V");'),
        ({"target": "values(m)"}, "CREATE INDEX i ON ks.t (values(m));"),
        ({"target": 'full("F")'}, 'CREATE INDEX i ON ks.t (full("F"));'),
        ({"target": '{"pk":["a","B"],"ck":["v"]}'}, 'CREATE INDEX i ON ks.t ((a, "B"), v);'),
        (
            {"target": "v", "class_name": "StorageAttachedIndex"},
            "CREATE CUSTOM INDEX i ON ks.t (v) USING 'StorageAttachedIndex';",
        ),
        (
            {"target": "v", "class_name": "a.B", "mode": "CONTAINS", "n": "it's"},
            (
                "CREATE CUSTOM INDEX i ON ks.t (v) USING 'a.B'"
                " WITH OPTIONS = {'mode': 'CONTAINS', 'n': 'it''s'};"
            ),
        ),
    ],
    ids=str,
)
def test_indexes(options: dict[str, str], statement: str) -> None:
    row = {"table_name": "t", "index_name": "i", "kind": "COMPOSITES", "options": options}
    made = keyspace(tables=[table("t")], columns=[KEY], indexes=[row])
    assert made.tables["t"].indexes["i"].as_cql() == statement
    assert made.statements()[-1] == statement


def test_types_come_after_those_they_are_made_of() -> None:
    def user_type(name: str, *types: str) -> dict[str, Any]:
        names = [f"f{number}" for number in range(len(types))]
        return {"type_name": name, "field_names": names, "field_types": list(types)}

    types = [
        user_type("a", "frozen<b>", 'map<text, frozen<"Z z">>'),
        user_type("b", "frozen<list<frozen<c>>>"),
        user_type("c", "int"),
        user_type("Z z", "frozen<c>"),
    ]
    statements = keyspace(types=types).statements()[1:]
    assert [statement.split()[2] for statement in statements] == ["ks.c", 'ks."Z', "ks.b", "ks.a"]


def test_functions_and_aggregates() -> None:
    function = {
        "function_name": "F",
        "argument_types": ["frozen<list<int>>", "int"],
        "argument_names": ["a", "B"],
        "return_type": "frozen<u>",
        "language": "lua",
        "body": "a $$ 'b'",
        "called_on_null_input": True,
    }
    aggregate = {
        "aggregate_name": "agg",
        "argument_types": ["int"],
        "state_func": "s",
        "state_type": "frozen<tuple<int, int>>",
        "return_type": "int",
        "final_func": "f",
        "initcond": "(0, 0)",
    }
    reduces = {"aggregate_name": "agg", "argument_types": ["int"], "reduce_func": "r"}
    made = keyspace(functions=[function], aggregates=[aggregate], scylla_aggregates=[reduces])
    assert made.functions["F(frozen<list<int>>, int)"].as_cql() == (
        'CREATE FUNCTION ks."F" (a list<int>, "B" int)\n    CALLED ON NULL INPUT\n'
        "    RETURNS u\n    LANGUAGE lua\n    AS 'a $$ ''b''';"
    )
    assert made.aggregates["agg(int)"].as_cql() == (
        "CREATE AGGREGATE ks.agg (int)\n    SFUNC s\n    STYPE tuple<int, int>\n"
        "    REDUCEFUNC r\n    FINALFUNC f\n    INITCOND (0, 0);"
    )


def test_what_is_half_there_is_left_out() -> None:
    rows: dict[str, Any] = {
        "tables": [table("t"), table("made_just_now")],
        "columns": [KEY, column("id", "partition_key", of="dropped_just_now")],
    }
    assert list(keyspace(**rows).tables) == ["t"]
    all_rows = {
        name: [{"keyspace_name": "ks", **row} for row in rows.get(name, ())] for name in TABLES
    }
    assert build.torn(all_rows) == {"ks"}
    all_rows["tables"].pop()
    assert build.torn(all_rows) == set()


def test_virtual_tables_are_comments() -> None:
    made = keyspace(is_virtual=True, tables=[table("t", comment="c")], columns=[KEY])
    assert made.is_system
    assert made.tables["t"].options == {}
    assert made.as_cql(children=True) == "/* ks is virtual: the server makes it. */"
    lines = made.tables["t"].as_cql().splitlines()
    assert (lines[0], lines[-1]) == ("/* Virtual: the server makes it.", "*/")


def test_options_of_cassandra_and_of_scylla() -> None:
    extensions = {"ours": b"\1\0\0\0\1\0\0\0a\2\0\0\0bc", "odd": b"\1\0\0\0", "int": b"\7"}
    row = table("t", extensions=extensions, dclocal_read_repair_chance=0.1, memtable=None)
    scylla = keyspace(tables=[row], columns=[KEY], scylla_tables=[{"table_name": "t"}])
    assert scylla.tables["t"].options == {"dclocal_read_repair_chance": 0.1, "ours": {"a": "bc"}}
    cassandra = keyspace(tables=[{**row, "read_repair": "BLOCKING"}], columns=[KEY])
    assert cassandra.tables["t"].options == {"extensions": extensions, "read_repair": "BLOCKING"}
    assert "extensions = {'int': 0x07, 'odd': 0x01000000," in cassandra.tables["t"].as_cql()


def test_literals() -> None:
    assert [identifier(name) for name in ("a_1", "A", "1a", "select", "ä", 'q"q', "")] == [
        "a_1",
        '"A"',
        '"1a"',
        '"select"',
        '"ä"',
        '"q""q"',
        '""',
    ]
    assert string("it's") == "'it''s'"
    assert body("return 1") == "$$return 1$$"
    assert body("a$") == "'a$'"
    assert [literal(v) for v in (True, 0.5, 7, b"\1", {"b": 1, "a": "x"})] == [
        "true",
        "0.5",
        "7",
        "0x01",
        "{'a': 'x', 'b': 1}",
    ]

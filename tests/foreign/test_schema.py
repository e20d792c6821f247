"""The schema as scylla-driver reads it from the embedded cluster, and as we do."""

from __future__ import annotations

from typing import Any

import pytest

from shardlane import Keyspace

from .theirs import Theirs

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

STATEMENTS = (
    "CREATE KEYSPACE meta WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TYPE meta.zip (code int, places frozen<list<text>>)",
    'CREATE TYPE meta."Address" (street text, "Zip" frozen<zip>)',
    (
        'CREATE TABLE meta.t (a int, "B" text, c timestamp, d int, s int STATIC,'
        ' v frozen<"Address">, u zip, m map<text, frozen<zip>>, tup tuple<int, text>,'
        ' PRIMARY KEY ((a, "B"), c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC)'
        " AND comment = 'it is' AND gc_grace_seconds = 7"
    ),
    'CREATE TABLE meta."Order" ("id" int PRIMARY KEY, n counter)',
    "CREATE INDEX by_d ON meta.t (d)",
    "CREATE INDEX by_key ON meta.t (keys(m))",
    (
        'CREATE MATERIALIZED VIEW meta.v AS SELECT a, "B", c, d FROM meta.t WHERE a IS NOT NULL'
        ' AND "B" IS NOT NULL AND c IS NOT NULL AND d IS NOT NULL PRIMARY KEY (c, a, "B", d)'
    ),
    (
        "CREATE FUNCTION meta.plus (a int, b int) RETURNS NULL ON NULL INPUT RETURNS int"
        " LANGUAGE lua AS 'return a + b'"
    ),
    "CREATE AGGREGATE meta.total (int) SFUNC plus STYPE int INITCOND 0",
)


def table(of: Any) -> dict[str, Any]:
    return {
        "partition_key": [column.name for column in of.partition_key],
        "clustering": [(column.name, column.descending) for column in of.clustering],
        "columns": {c.name: (c.type, c.kind == "static") for c in of.columns.values()},
    }


def plain(keyspace: Keyspace) -> dict[str, Any]:
    """Our keyspace in the form that `Theirs.schema` has."""
    return {
        "types": {name: dict(t.fields) for name, t in keyspace.types.items()},
        "tables": {name: table(t) for name, t in keyspace.tables.items()},
        "indexes": {
            (t.name, i.name): i.options["target"]
            for t in keyspace.tables.values()
            for i in t.indexes.values()
        },
        "views": {
            name: (table(v), v.base_table, v.include_all_columns, v.where_clause)
            for name, v in keyspace.views.items()
        },
        "functions": {
            (f.name, f.argument_types): (list(f.argument_names), f.return_type, f.body)
            for f in keyspace.functions.values()
        },
        "aggregates": {
            (a.name, a.argument_types): (a.state_func, a.state_type, a.initcond)
            for a in keyspace.aggregates.values()
        },
    }


def without_index_views(
    views: dict[str, Any], indexes: dict[tuple[str, str], str]
) -> dict[str, Any]:
    """It shows the views that indexes are made of."""
    hidden = {f"{index}_index" for _, index in indexes}
    return {name: view for name, view in views.items() if name not in hidden}


def test_both_read_the_same(session: Any, theirs: Theirs) -> None:
    for statement in STATEMENTS:
        session.execute(statement)
    their = theirs.schema("meta")
    their["views"] = without_index_views(their["views"], their["indexes"])
    our = plain(session.cluster.schema("meta")["meta"])
    for part in our:
        assert our[part] == their[part], part
    # And what is made by its text reads as what was made by ours.
    before = session.cluster.schema("meta")["meta"].statements()
    session.execute("DROP KEYSPACE meta")
    for statement in before:
        session.execute(statement)
    assert plain(session.cluster.schema("meta")["meta"]) == our
    session.execute("DROP KEYSPACE meta")

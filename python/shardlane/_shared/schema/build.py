"""From rows of system tables to keyspaces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .model import (
    Aggregate,
    ColumnInfo,
    ColumnKind,
    Function,
    Index,
    Keyspace,
    Table,
    Tablets,
    Trigger,
    UserType,
    View,
)
from .names import NameMap
from .options import options_of

T = TypeVar("T")

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""Rows by system table, ``system_schema.`` left out; those that the server lacks are missing."""

_KIND_ORDER = ("partition_key", "clustering", "static", "regular")
# The type that tables of Thrift days give to a column that holds nothing.
_EMPTY_TYPES = ("empty", "'org.apache.cassandra.db.marshal.EmptyType'")


def keyspaces(rows: Rows, *, has_tablets: bool, is_virtual: bool = False) -> dict[str, Keyspace]:
    """Put keyspaces together.

    Args:
        rows: of all system tables, for the same keyspaces.
        has_tablets: whether the server knows tablets at all.
        is_virtual: whether the rows are of ``system_virtual_schema``.
    """
    by_keyspace = {table: _grouped(of, "keyspace_name") for table, of in rows.items()}
    made = {}
    for row in rows["keyspaces"]:
        name = row["keyspace_name"]
        of = {table: groups.get(name, []) for table, groups in by_keyspace.items()}
        made[name] = _keyspace(row, of, has_tablets=has_tablets, is_virtual=is_virtual)
    return dict(sorted(made.items()))


def torn(rows: Rows) -> set[str]:
    """Return keyspaces with tables that have no columns: both are made at once, but not read so."""
    columns = {(row["keyspace_name"], row["table_name"]) for row in rows["columns"]}
    tables = {(row["keyspace_name"], row["table_name"]) for row in rows["tables"]}
    views = {(row["keyspace_name"], row["view_name"]) for row in rows["views"]}
    return {keyspace for keyspace, _ in (tables | views) - columns}


def _grouped(rows: Iterable[Row], column: str) -> dict[str, list[Row]]:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    return dict(groups)


def _by_name(rows: Iterable[Row], column: str) -> dict[str, Row]:
    return {row[column]: row for row in rows}


def _named(what: str, things: Iterable[T], attribute: str = "name") -> NameMap[T]:
    pairs = sorted((getattr(thing, attribute), thing) for thing in things)
    return NameMap(what, pairs)


def _keyspace(row: Row, rows: Rows, *, has_tablets: bool, is_virtual: bool) -> Keyspace:
    name = row["keyspace_name"]
    columns = _grouped(rows.get("columns", ()), "table_name")
    masks = _masks(rows.get("column_masks", ()))
    scylla = None
    if "scylla_tables" in rows:
        scylla = _by_name(rows["scylla_tables"], "table_name")
    indexes = _grouped(rows.get("indexes", ()), "table_name")
    triggers = _grouped(rows.get("triggers", ()), "table_name")

    def common(of: Row, of_name: str) -> dict[str, Any]:
        scylla_row = None if scylla is None else scylla.get(of_name, {})
        return {
            "keyspace": name,
            "name": of_name,
            "id": of.get("id"),
            "options": {} if is_virtual else options_of(of, scylla_row),
        }

    # An index of ScyllaDB is a view that nobody is to use.
    hidden = {f"{index['index_name']}_index" for of in indexes.values() for index in of}
    views = [
        View(
            **common(view, view["view_name"]),
            columns=_columns(columns.get(view["view_name"], ()), masks),
            base_table=view["base_table_name"],
            where_clause=view.get("where_clause") or "",
            include_all_columns=bool(view.get("include_all_columns")),
        )
        for view in rows.get("views", ())
        if view["view_name"] not in hidden and view["view_name"] in columns
    ]
    tables = []
    for table in rows.get("tables", ()):
        table_name = table["table_name"]
        if table_name not in columns:
            # It was dropped, or made, while this was read.
            continue
        is_compact, of_table = _compact(table, columns.get(table_name, ()))
        of_indexes = [_index(i) for i in indexes.get(table_name, ())]
        of_triggers = [_trigger(t) for t in triggers.get(table_name, ())]
        scylla_row = (scylla or {}).get(table_name, {})
        tables.append(
            Table(
                **common(table, table_name),
                columns=_columns(of_table, masks),
                indexes=_named("index", of_indexes),
                triggers=_named("trigger", of_triggers),
                views=_named("view", [v for v in views if v.base_table == table_name]),
                is_compact=is_compact,
                is_virtual=is_virtual,
                partitioner=scylla_row.get("partitioner"),
            )
        )
    reducers = {
        (of["aggregate_name"], tuple(of["argument_types"] or ())): of["reduce_func"]
        for of in rows.get("scylla_aggregates", ())
    }
    return Keyspace(
        name=name,
        replication=dict(row.get("replication") or {}),
        durable_writes=bool(row.get("durable_writes", True)),
        tables=_named("table", tables),
        views=_named("view", views),
        types=_named("type", [_user_type(of) for of in rows.get("types", ())]),
        functions=_named("function", map(_function, rows.get("functions", ())), "signature"),
        aggregates=_named(
            "aggregate",
            [_aggregate(of, reducers) for of in rows.get("aggregates", ())],
            "signature",
        ),
        is_virtual=is_virtual,
        **_scylla_keyspace(row, rows.get("scylla_keyspaces", ()), has_tablets=has_tablets),
    )


def _scylla_keyspace(row: Row, scylla: Sequence[Row], *, has_tablets: bool) -> dict[str, Any]:
    found = scylla[0] if scylla else {}
    storage = None
    if found.get("storage_type"):
        storage = {"type": found["storage_type"], **(found.get("storage_options") or {})}
    tablets = None
    initial = found.get("initial_tablets")
    strategy = (row.get("replication") or {}).get("class", "")
    if initial is not None:
        tablets = Tablets(enabled=True, initial=initial or None)
    elif has_tablets and strategy.endswith("NetworkTopologyStrategy"):
        tablets = Tablets(enabled=False)
    return {"storage": storage, "tablets": tablets}


def _columns(rows: Iterable[Row], masks: Mapping[tuple[str, str], str]) -> NameMap[ColumnInfo]:
    columns = []
    for row in rows:
        kind: ColumnKind = row["kind"]
        name = row["column_name"]
        is_key = kind in ("partition_key", "clustering")
        columns.append(
            ColumnInfo(
                name=name,
                type=row["type"],
                kind=kind,
                position=row["position"] if is_key else -1,
                descending=str(row.get("clustering_order")).upper() == "DESC",
                mask=masks.get((row["table_name"], name)),
            )
        )
    columns.sort(key=lambda c: (_KIND_ORDER.index(c.kind), c.position, c.name))
    return NameMap("column", ((c.name, c) for c in columns))


def _compact(table: Row, columns: Sequence[Row]) -> tuple[bool, Sequence[Row]]:
    """Whether a table is of Thrift's making, and those of its columns that CQL shows."""
    flags = table.get("flags")
    if flags is None:
        return False, columns
    is_dense, is_compound = "dense" in flags, "compound" in flags
    if is_compound and not is_dense and "super" not in flags:
        return False, columns
    if is_dense:
        shown = [
            row for row in columns if row["kind"] != "regular" or row["type"] not in _EMPTY_TYPES
        ]
        return True, shown
    if "super" in flags:
        return True, columns
    # Its static columns are the ordinary ones; the others are how Thrift would see it.
    shown = [row for row in columns if row["kind"] in ("partition_key", "static")]
    return True, [{**row, "kind": "regular"} if row["kind"] == "static" else row for row in shown]


def _masks(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    masks = {}
    for row in rows:
        values = row.get("function_argument_values") or ()
        nulls = row.get("function_argument_nulls") or ()
        pairs = zip(values, nulls, strict=False)
        arguments = ", ".join("null" if is_null else value for value, is_null in pairs)
        function = f"{row['function_keyspace']}.{row['function_name']}"
        masks[row["table_name"], row["column_name"]] = f"{function}({arguments})"
    return masks


def _index(row: Row) -> Index:
    return Index(
        keyspace=row["keyspace_name"],
        table=row["table_name"],
        name=row["index_name"],
        kind=row["kind"],
        options=dict(row["options"] or {}),
    )


def _trigger(row: Row) -> Trigger:
    return Trigger(
        keyspace=row["keyspace_name"],
        table=row["table_name"],
        name=row["trigger_name"],
        options=dict(row["options"] or {}),
    )


def _user_type(row: Row) -> UserType:
    pairs = zip(row["field_names"] or (), row["field_types"] or (), strict=True)
    return UserType(
        keyspace=row["keyspace_name"], name=row["type_name"], fields=NameMap("field", pairs)
    )


def _function(row: Row) -> Function:
    return Function(
        keyspace=row["keyspace_name"],
        name=row["function_name"],
        argument_types=tuple(row["argument_types"] or ()),
        argument_names=tuple(row["argument_names"] or ()),
        return_type=row["return_type"],
        language=row["language"],
        body=row["body"],
        called_on_null_input=bool(row["called_on_null_input"]),
    )


def _aggregate(row: Row, reducers: Mapping[tuple[str, tuple[str, ...]], str | None]) -> Aggregate:
    arguments = tuple(row["argument_types"] or ())
    return Aggregate(
        keyspace=row["keyspace_name"],
        name=row["aggregate_name"],
        argument_types=arguments,
        state_func=row["state_func"],
        state_type=row["state_type"],
        return_type=row["return_type"],
        final_func=row["final_func"],
        reduce_func=reducers.get((row["aggregate_name"], arguments)),
        initcond=row["initcond"],
    )

"""The statements that make a schema again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .text import body, identifier, literal, qualified, string, without_outer_frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .model import (
        Aggregate,
        ColumnInfo,
        Function,
        Index,
        Keyspace,
        Table,
        Trigger,
        UserType,
        View,
        _Relation,
    )

_INDENT = "    "
_CDC_LOG = "_scylla_cdc_log"
_TARGET_FUNCTION = re.compile(r"(keys|values|entries|full)\((.*)\)\Z", re.DOTALL)
_WORD = re.compile(r'"(?:[^"]|"")*"|\w+')


def create_keyspace(keyspace: Keyspace) -> str:
    """Write CREATE KEYSPACE."""
    if keyspace.is_virtual:
        return f"/* {identifier(keyspace.name)} is virtual: the server makes it. */"
    options = {"replication": keyspace.replication, "durable_writes": keyspace.durable_writes}
    lines = [f"{name} = {literal(value)}" for name, value in options.items()]
    if keyspace.tablets is not None:
        entries = [f"'enabled': {literal(keyspace.tablets.enabled)}"]
        if keyspace.tablets.initial:
            entries.append(f"'initial': {keyspace.tablets.initial}")
        lines.append(f"tablets = {{{', '.join(entries)}}}")
    if keyspace.storage is not None:
        lines.append(f"storage = {literal(keyspace.storage)}")
    return f"CREATE KEYSPACE {identifier(keyspace.name)} WITH {_joined(lines)};"


def keyspace_statements(keyspace: Keyspace) -> Iterator[str]:
    """Write a keyspace and what is in it, each thing after those that it needs."""
    yield create_keyspace(keyspace)
    if keyspace.is_virtual:
        return
    yield from (t.as_cql() for t in in_order(keyspace.types))
    for table in keyspace.tables.values():
        if _is_log_of_cdc(keyspace, table):
            continue
        yield table.as_cql()
        yield from (index.as_cql() for index in table.indexes.values())
        yield from (trigger.as_cql() for trigger in table.triggers.values())
    yield from (function.as_cql() for function in keyspace.functions.values())
    yield from (aggregate.as_cql() for aggregate in keyspace.aggregates.values())
    yield from (view.as_cql() for view in keyspace.views.values())


def _is_log_of_cdc(keyspace: Keyspace, table: Table) -> bool:
    """Whether ScyllaDB makes the table along with another one, whose changes it holds."""
    base = keyspace.tables.get(table.name.removesuffix(_CDC_LOG))
    if base is None or base is table:
        return False
    cdc = base.options.get("cdc")
    return isinstance(cdc, Mapping) and str(cdc.get("enabled")).lower() == "true"


def in_order(types: Mapping[str, UserType]) -> Iterator[UserType]:
    """User-defined types, each after those that its fields are made of."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[UserType]:
        if name in done or name not in types:
            return
        done.add(name)
        for field_type in types[name].fields.values():
            for word in _WORD.findall(field_type):
                yield from visit(_unquoted(word))
        yield types[name]

    for name in types:
        yield from visit(name)


def _unquoted(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def create_type(user_type: UserType) -> str:
    """Write CREATE TYPE."""
    fields = (f"{identifier(name)} {cql_type}" for name, cql_type in user_type.fields.items())
    name = qualified(user_type.keyspace, user_type.name)
    return f"CREATE TYPE {name} (\n{_indented(fields)}\n);"


def table_statements(table: Table) -> Iterator[str]:
    """Write a table and what belongs to it."""
    yield create_table(table)
    yield from (index.as_cql() for index in table.indexes.values())
    yield from (trigger.as_cql() for trigger in table.triggers.values())
    yield from (view.as_cql() for view in table.views.values())


def create_table(table: Table) -> str:
    """Write CREATE TABLE."""
    columns = [_column(column) for column in table.columns.values()]
    columns.append(f"PRIMARY KEY {_primary_key(table)}")
    statement = f"CREATE TABLE {qualified(table.keyspace, table.name)} (\n{_indented(columns)}\n)"
    options = ["COMPACT STORAGE"] if table.is_compact else []
    statement += _with(table, options) + ";"
    if table.is_virtual:
        return f"/* Virtual: the server makes it.\n{statement}\n*/"
    return statement


def create_view(view: View) -> str:
    """Write CREATE MATERIALIZED VIEW."""
    if view.include_all_columns:
        selected = "*"
    else:
        selected = ", ".join(identifier(name) for name in view.columns)
    lines = [
        f"CREATE MATERIALIZED VIEW {qualified(view.keyspace, view.name)} AS",
        f"{_INDENT}SELECT {selected}",
        f"{_INDENT}FROM {qualified(view.keyspace, view.base_table)}",
        f"{_INDENT}WHERE {view.where_clause}",
        f"{_INDENT}PRIMARY KEY {_primary_key(view)}",
    ]
    return "\n".join(lines) + _with(view, []) + ";"


def create_index(index: Index) -> str:
    """Write CREATE INDEX."""
    of = f"{identifier(index.name)} ON {qualified(index.keyspace, index.table)} ({index.target})"
    options = {k: v for k, v in index.options.items() if k not in ("target", "class_name")}
    class_name = index.options.get("class_name")
    if class_name is None:
        return f"CREATE INDEX {of};"
    statement = f"CREATE CUSTOM INDEX {of} USING {string(class_name)}"
    if options:
        statement += f" WITH OPTIONS = {literal(options)}"
    return statement + ";"


def index_target(index: Index) -> str:
    """Write what an index is on."""
    target = index.options.get("target", "")
    if target.startswith("{"):
        # ScyllaDB's local indexes: {"pk": [...], "ck": [...]}.
        parts = json.loads(target)
        key = ", ".join(map(_target_column, parts["pk"]))
        return ", ".join([f"({key})", *map(_target_column, parts["ck"])])
    return _target_column(target)


def _target_column(target: str) -> str:
    function = _TARGET_FUNCTION.match(target)
    if function is not None:
        return f"{function[1]}({_target_column(function[2])})"
    return target if target.startswith('"') else identifier(target)


def create_trigger(trigger: Trigger) -> str:
    """Write CREATE TRIGGER."""
    on = qualified(trigger.keyspace, trigger.table)
    using = string(trigger.options.get("class", ""))
    return f"CREATE TRIGGER {identifier(trigger.name)} ON {on} USING {using};"


def create_function(function: Function) -> str:
    """Write CREATE FUNCTION."""
    pairs = zip(function.argument_names, function.argument_types, strict=True)
    arguments = ", ".join(f"{identifier(n)} {without_outer_frozen(t)}" for n, t in pairs)
    on_null = "CALLED" if function.called_on_null_input else "RETURNS NULL"
    lines = [
        f"CREATE FUNCTION {qualified(function.keyspace, function.name)} ({arguments})",
        f"{on_null} ON NULL INPUT",
        f"RETURNS {without_outer_frozen(function.return_type)}",
        f"LANGUAGE {function.language}",
        f"AS {body(function.body)};",
    ]
    return f"\n{_INDENT}".join(lines)


def create_aggregate(aggregate: Aggregate) -> str:
    """Write CREATE AGGREGATE."""
    arguments = ", ".join(map(without_outer_frozen, aggregate.argument_types))
    lines = [
        f"CREATE AGGREGATE {qualified(aggregate.keyspace, aggregate.name)} ({arguments})",
        f"SFUNC {identifier(aggregate.state_func)}",
        f"STYPE {without_outer_frozen(aggregate.state_type)}",
    ]
    if aggregate.reduce_func is not None:
        lines.append(f"REDUCEFUNC {identifier(aggregate.reduce_func)}")
    if aggregate.final_func is not None:
        lines.append(f"FINALFUNC {identifier(aggregate.final_func)}")
    if aggregate.initcond is not None:
        lines.append(f"INITCOND {aggregate.initcond}")
    return f"\n{_INDENT}".join(lines) + ";"


def _column(column: ColumnInfo) -> str:
    text = f"{identifier(column.name)} {column.type}"
    if column.kind == "static":
        text += " STATIC"
    if column.mask is not None:
        text += f" MASKED WITH {column.mask}"
    return text


def _primary_key(table: _Relation) -> str:
    key = ", ".join(identifier(column.name) for column in table.partition_key)
    if len(table.partition_key) > 1:
        key = f"({key})"
    return f"({', '.join([key, *(identifier(c.name) for c in table.clustering)])})"


def _with(table: _Relation, options: list[str]) -> str:
    if any(column.descending for column in table.clustering):
        order = (
            f"{identifier(c.name)} {'DESC' if c.descending else 'ASC'}" for c in table.clustering
        )
        options.append(f"CLUSTERING ORDER BY ({', '.join(order)})")
    options += [f"{name} = {literal(value)}" for name, value in table.options.items()]
    return f" WITH {_joined(options)}" if options else ""


def _joined(options: Iterable[str]) -> str:
    return f"\n{_INDENT}AND ".join(options)


def _indented(lines: Iterable[str]) -> str:
    return ",\n".join(_INDENT + line for line in lines)

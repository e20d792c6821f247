"""Names and literals as CQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# What at least one server reserves, or may: a name that is quoted without need does no harm.
_RESERVED_WORDS = """
    add allow alter and apply asc authorize batch begin between by columnfamily create default
    delete desc describe drop entries execute from full grant if in index infinity insert into
    is json keyspace limit materialized mbean mbeans modify nan norecursive not null of on or order
    password primary rename replace revoke schema scylla_clustering_bound scylla_counter_shard_list
    scylla_timeuuid_list_index select set table to token truncate unlogged unset update use using
    view where with
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_PLAIN = re.compile(r"[a-z][a-z0-9_]*\Z")


def identifier(name: str) -> str:
    """Quote a name if CQL would read it as something else."""
    if _PLAIN.match(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def qualified(keyspace: str, name: str) -> str:
    """Write the name of something in a keyspace."""
    return f"{identifier(keyspace)}.{identifier(name)}"


def string(value: str) -> str:
    """Write a text literal."""
    return "'" + value.replace("'", "''") + "'"


def body(source: str) -> str:
    """Write the source of a function, which may hold quotes and lines."""
    return string(source) if "$$" in source or source.endswith("$") else f"$${source}$$"


def literal(value: Any) -> str:
    """Write the value of an option."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (bytes, bytearray)):
        return f"0x{value.hex()}"
    if isinstance(value, Mapping):
        entries = ", ".join(f"{literal(k)}: {literal(v)}" for k, v in sorted(value.items()))
        return f"{{{entries}}}"
    return string(str(value))


def without_outer_frozen(cql_type: str) -> str:
    """Drop ``frozen<...>`` around a type: arguments of functions are frozen and must not say so."""
    if cql_type.startswith("frozen<") and cql_type.endswith(">"):
        return cql_type[len("frozen<") : -1]
    return cql_type

"""Options of tables and views: from columns of system tables to what WITH takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Columns that say what a row is about, or that no option of WITH stands for.
_NOT_OPTIONS = frozenset(
    {
        "base_table_id",
        "base_table_name",
        "extensions",
        "flags",
        "id",
        "include_all_columns",
        "keyspace_name",
        "table_name",
        "view_name",
        "where_clause",
    }
)
# Cassandra 4 keeps the columns for old drivers' sake; the options are no more.
_BEFORE_CASSANDRA_4 = frozenset({"dclocal_read_repair_chance", "read_repair_chance"})
# Options that ScyllaDB keeps in a table of its own.
_SCYLLA_COLUMNS = ("cdc", "tablets")
_WORD_BYTES = 4


def options_of(row: Mapping[str, Any], scylla_row: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options by name.

    Args:
        row: of ``system_schema.tables`` or ``views``.
        scylla_row: of ``system_schema.scylla_tables``, if the server has that.
    """
    dropped = _BEFORE_CASSANDRA_4 if "read_repair" in row else frozenset()
    options = {
        name: value
        for name, value in row.items()
        if value is not None and name not in _NOT_OPTIONS and name not in dropped
    }
    extensions = row.get("extensions") or {}
    if scylla_row is None:
        if extensions:
            options["extensions"] = dict(extensions)
    else:
        options |= _scylla_options(extensions)
        for name in _SCYLLA_COLUMNS:
            if entries := scylla_row.get(name):
                options[name] = dict(entries)
    return dict(sorted(options.items()))


def _scylla_options(extensions: Mapping[str, bytes]) -> dict[str, Any]:
    """ScyllaDB keeps options of its own as extensions, in its own notation.

    Those that are not maps of text are left out: nothing says what they are.
    """
    options = {}
    for name, value in extensions.items():
        entries = _text_map(value)
        if entries is not None:
            options[name] = entries
    return options


def _text_map(data: bytes) -> dict[str, str] | None:
    """A count and then lengths and texts, numbers in 32 bits, little end first."""
    texts: list[str] = []
    at = _WORD_BYTES
    wanted = 2 * int.from_bytes(data[:at], "little")
    while len(texts) < wanted:
        end = at + _WORD_BYTES
        stop = end + int.from_bytes(data[at:end], "little")
        if stop > len(data):
            return None
        try:
            texts.append(data[end:stop].decode())
        except UnicodeDecodeError:
            return None
        at = stop
    if at != len(data):
        return None
    return dict(zip(texts[::2], texts[1::2], strict=True))

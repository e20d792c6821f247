"""Classes and conversions of users for values, as far as both faces agree."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from shardlane import _core
from shardlane.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .options import ClusterOptions

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_COLUMN_PARTS = 3


def registry(options: ClusterOptions) -> _core.UserTypes:
    """Return an empty registry with what the options say of values."""
    return _core.UserTypes(
        udts_as_dicts=options.udt_factory == "dict", keeps_empty=options.empty_values == "keep"
    )


def register_udt(types: _core.UserTypes, keyspace: Any, name: Any, cls: Callable[..., Any]) -> None:
    """Check and register a class for a user-defined type.

    Raises:
        ConfigurationError: names are no texts, or the class cannot be called.
    """
    for what, given in (("keyspace", keyspace), ("name", name)):
        if not isinstance(given, str) or not given:
            raise ConfigurationError(f"{what}={given!r} is not a name", hint="give a str")
    if not callable(cls):
        raise ConfigurationError(
            f"cls={cls!r} cannot be called",
            hint="give a dataclass, a NamedTuple, dict, or a function of the fields",
        )
    # A function makes who knows what: only classes that say so are kept out of sets.
    is_hashable = getattr(cls, "__hash__", None) is not None
    types.register_udt(keyspace, name, cls, accepted(cls), is_hashable)


def accepted(cls: Callable[..., Any]) -> list[str] | None:
    """Return the names that may be passed by keyword; None if that is any, or not known."""
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.kind in _BY_NAME]


def register_codec(
    types: _core.UserTypes,
    cql_type: str | None,
    encode: Callable[[Any], Any] | None,
    decode: Callable[[Any], Any] | None,
    column: str | tuple[str, str, str] | None,
) -> None:
    """Check and register conversions.

    Raises:
        ConfigurationError: it is not clear for what, or a function cannot be called.
    """
    if (cql_type is None) == (column is None):
        raise ConfigurationError(
            "a codec is for a type or for a column", hint="give cql_type or column=, not both"
        )
    for what, function in (("encode", encode), ("decode", decode)):
        if function is not None and not callable(function):
            raise ConfigurationError(
                f"{what}={function!r} cannot be called", hint="give a function"
            )
    if encode is None and decode is None:
        raise ConfigurationError("the codec does nothing", hint="give encode=, decode= or both")
    if column is not None:
        types.register_column_codec(*_column(column), encode, decode)
        return
    if not isinstance(cql_type, str):
        raise ConfigurationError(f"cql_type={cql_type!r} is no type", hint="give CQL: 'list<int>'")
    try:
        types.register_codec(cql_type, encode, decode)
    except ValueError as error:
        hint = "give CQL, such as 'list<int>' or \"'a.custom.Class'\""
        hint += "; for a user-defined type use register_udt()"
        raise ConfigurationError(f"cql_type={cql_type!r}: {error}", hint=hint) from None


def _column(column: Any) -> tuple[str, str, str]:
    parts = column.split(".") if isinstance(column, str) else column
    is_whole = isinstance(parts, (tuple, list)) and len(parts) == _COLUMN_PARTS
    if not is_whole or not all(isinstance(part, str) and part for part in parts):
        raise ConfigurationError(
            f"column={column!r} is no column",
            hint="give 'keyspace.table.column', or a tuple of these",
        )
    keyspace, table, name = parts
    return keyspace, table, name

"""Named tuple classes for rows and user-defined types.

CQL lets columns have names that Python attributes cannot have, and several columns of one name.
The rules below give every column an attribute, the same one every time:

1. Whatever cannot stand in an identifier becomes ``_``; leading and trailing ``_`` then go, so
   ``system.token(id)`` is ``system_token_id``.
2. A name that starts with a digit gets ``column_`` in front, as does the position of a column
   whose name has nothing left: ``?`` in third place is ``column_3``.
3. A keyword gets ``_`` behind it: ``from_``.
4. The second column of a name gets ``_2`` behind it, the third ``_3``.
"""

from __future__ import annotations

import keyword
import re
from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_IN_IDENTIFIERS = re.compile(r"\W")


def attribute_names(columns: Sequence[str]) -> list[str]:
    """Return the attribute of each column."""
    taken: set[str] = set()
    names = []
    for position, column in enumerate(columns, 1):
        base = _attribute_name(column, position)
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        names.append(name)
    return names


def _attribute_name(column: str, position: int) -> str:
    name = _NOT_IN_IDENTIFIERS.sub("_", column)
    if name != column or name.startswith("_"):
        name = name.strip("_")
    if not name:
        return f"column_{position}"
    if not name.isidentifier():
        # \W lets a few characters through that identifiers do not have, such as superscripts.
        name = f"column_{name}"
        if not name.isidentifier():
            return f"column_{position}"
    return f"{name}_" if keyword.iskeyword(name) else name


def row_class(name: str, columns: tuple[str, ...]) -> type[tuple[Any, ...]]:
    """Return a new named tuple class.

    Its instances can be pickled, although the class has no place in any module: they carry the
    names with them.

    Args:
        name: what the class is called; made an identifier like a column.
        columns: the columns' names as the server sends them.
    """
    base = namedtuple(_attribute_name(name, 1), attribute_names(columns))  # type: ignore[misc] # noqa: PYI024
    base.__module__ = "shardlane"

    def reduce(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return _rebuild, (name, columns, tuple(row))

    base.__reduce__ = reduce  # type: ignore[method-assign, assignment]
    return base


def _rebuild(name: str, columns: tuple[str, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    key = (name, columns)
    cls = _unpickled.get(key)
    if cls is None:
        cls = _unpickled[key] = row_class(name, columns)
        if len(_unpickled) > _UNPICKLED_MAX:
            del _unpickled[next(iter(_unpickled))]
    return tuple.__new__(cls, values)


# Classes made for unpickled rows. Bounded, because pickles come from elsewhere.
_unpickled: dict[tuple[str, tuple[str, ...]], type[tuple[Any, ...]]] = {}
_UNPICKLED_MAX = 1024

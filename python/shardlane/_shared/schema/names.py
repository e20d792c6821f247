"""Things by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

_SHOWN_MAX = 10


class NameMap(Mapping[str, T], Generic[T]):
    """An immutable mapping of names, in a fixed order, whose KeyError tells what there is."""

    __slots__ = ("_by_name", "_what")

    def __init__(self, what: str, items: Iterable[tuple[str, T]] = ()) -> None:
        self._what = what
        self._by_name = dict(items)

    def __getitem__(self, name: str) -> T:
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(self._missing(name)) from None

    def _missing(self, name: str) -> str:
        names = list(self._by_name)
        shown = ", ".join(map(repr, names[:_SHOWN_MAX])) or "none"
        more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
        return f"there is no {self._what} {name!r}; there are: {shown}{more}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __hash__(self) -> int:
        return hash(frozenset(self._by_name))

    def __repr__(self) -> str:
        return repr(self._by_name)

    def __reduce__(self) -> tuple[type[NameMap[T]], tuple[str, list[tuple[str, T]]]]:
        return type(self), (self._what, list(self._by_name.items()))

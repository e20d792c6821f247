"""Types of rows, as far as a type checker can know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:

    class NamedRow(tuple[Any, ...]):
        """A row of the row factory ``"named"``: a named tuple whose fields are the columns."""

        __slots__ = ()
        _fields: tuple[str, ...]

        # Columns may well be called like these methods of tuple.
        count: Any  # pyright: ignore[reportAssignmentType]
        index: Any  # pyright: ignore[reportAssignmentType]

        def __getattr__(self, name: str) -> Any: ...
        def _asdict(self) -> dict[str, Any]: ...
        def _replace(self, **columns: Any) -> NamedRow: ...

else:
    # The classes of named rows are made per set of columns; tuple is what they have in common.
    NamedRow = tuple

TupleRow = tuple[Any, ...]
DictRow = dict[str, Any]

RowFactoryName = Literal["named", "tuple", "dict", "scalar"]
AnyRowFactory = RowFactoryName | Callable[..., Any]

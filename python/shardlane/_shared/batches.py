"""Batches: several writes in one request."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from shardlane import _core
from shardlane.exceptions import BadValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from typing_extensions import Self

Entry = tuple["str | _core.Prepared", "Sequence[Any] | Mapping[str, Any] | None"]


class BatchKind(str, Enum):
    """What a batch promises. Plain strings with the same values do as well."""

    LOGGED = "logged"
    """All or nothing, over several partitions: costs a write of the batch log."""
    UNLOGGED = "unlogged"
    """No promise across partitions; cheap for one partition, which is then atomic."""
    COUNTER = "counter"
    """Counter updates, which go into no other kind."""

    def __str__(self) -> str:
        return self.value


class Batch:
    """Several INSERT, UPDATE and DELETE statements, to be sent in one request.

    Args:
        kind: ``"logged"``, ``"unlogged"`` or ``"counter"``.

    Raises:
        BadValue: there is no such kind.

    A batch is a list, not a request: execute it with ``session.execute_batch(batch)``, as often as
    you like. ``session.batch()`` gives one that knows its session.
    """

    __slots__ = ("kind", "statements")

    def __init__(self, kind: BatchKind | str = BatchKind.LOGGED) -> None:
        try:
            self.kind: str = BatchKind(kind).value
        except ValueError:
            choices = ", ".join(repr(known.value) for known in BatchKind)
            raise BadValue(
                f"batch kind {kind!r} is not known", hint=f"give one of {choices}"
            ) from None
        self.statements: list[Entry] = []

    def add(
        self,
        statement: str | _core.Prepared,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
    ) -> Self:
        """Add a statement, and return the batch.

        Args:
            statement: CQL text, or a prepared statement.
            parameters: values by position or name. They are encoded when the batch is executed.

        Raises:
            BadValue: the statement is neither.
        """
        if not isinstance(statement, (str, _core.Prepared)):
            raise BadValue(
                f"a {type(statement).__name__} is not a statement",
                hint="give CQL text as str, or a prepared statement",
            )
        self.statements.append((statement, parameters))
        return self

    def clear(self) -> None:
        """Remove all statements."""
        self.statements.clear()

    def __len__(self) -> int:
        return len(self.statements)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.statements)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{self.kind} batch of {len(self.statements)} statements>"

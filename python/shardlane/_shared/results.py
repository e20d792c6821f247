"""What an execution brought, as far as both faces agree: all but going on to further pages."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from .errors import address

if TYPE_CHECKING:
    from shardlane import _core

    from .paging import Continuation

RowT = TypeVar("RowT")

TRACE_WAIT = 2.0
"""Seconds that servers get to write a trace down, unless told otherwise: they do it on the side."""


class Column(NamedTuple):
    """A column of a result."""

    name: str
    """As the server sends it: ``id``, ``count``, ``system.token(id)``."""
    cql_type: str
    """Such as ``int``, ``list<text>``, ``frozen<tuple<int, text>>``."""


class SchemaChange(NamedTuple):
    """What a statement that changes the schema has changed."""

    change: str
    """``CREATED``, ``UPDATED`` or ``DROPPED``."""
    target: str
    """``KEYSPACE``, ``TABLE``, ``TYPE``, ``FUNCTION`` or ``AGGREGATE``."""
    keyspace: str
    """The keyspace."""
    name: str | None
    """The name of the target within the keyspace; None for a keyspace."""


class BaseResult(Generic[RowT]):
    """The outcome of one execution, which holds the first page of rows.

    Everything here but iteration is about that page and sends nothing. It does not change:
    iterating again begins at the first page again.
    """

    __slots__ = ("_more", "_page")

    def __init__(self, page: _core.Page, more: Continuation | None) -> None:
        self._page = page
        self._more = more

    def one(self) -> RowT | None:
        """Return the first row; None if there is none.

        Further rows are left alone, as by asyncpg's ``fetchrow``; only the first one is decoded.

        Raises:
            DecodeError: the server sent no value of a column's type.
        """
        row: RowT | None = self._page.first()
        return row

    def scalar(self) -> Any:
        """Return the first column of the first row; None if there is no row.

        Raises:
            DecodeError: the server sent no value of the column's type.
        """
        return self._page.scalar()

    @property
    def page_rows(self) -> list[RowT]:
        """The rows of the first page. Decoded at the first use; always the same list."""
        return self._page.rows()

    @property
    def has_more(self) -> bool:
        """Whether there are pages after the first one."""
        return self._page.has_more

    @property
    def paging_state(self) -> bytes | None:
        """The server's note where the second page begins; None if there is none.

        Pass it to ``execute(..., paging_state=)`` with the same statement to go on from there, in
        another process if you like. It is opaque, but not secret: do not accept it from strangers.
        """
        return self._page.paging_state

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names and CQL types of the columns; empty if the statement returns no rows."""
        return tuple(Column(*column) for column in self._page.columns)

    @property
    def was_applied(self) -> bool | None:
        """Whether a conditional statement (``IF ...``) was applied; None for any other."""
        return self._page.was_applied

    @property
    def schema_change(self) -> SchemaChange | None:
        """What a CREATE, ALTER or DROP changed; None for any other statement."""
        change = self._page.schema_change
        return None if change is None else SchemaChange(*change)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The server's warnings, such as that of an aggregate without a partition key."""
        return self._page.warnings

    @property
    def tracing_id(self) -> uuid.UUID | None:
        """With ``tracing=True`` the id of the session in ``system_traces``; see ``trace()``."""
        tracing_id = self._page.tracing_id
        return None if tracing_id is None else uuid.UUID(bytes=tracing_id)

    @property
    def custom_payload(self) -> dict[str, bytes | None]:
        """Named bytes that the server sent along; mostly empty.

        What ScyllaDB tells drivers about tablets in this way is left out: it has been made use of.
        """
        return self._page.custom_payload

    @property
    def coordinator(self) -> str:
        """Address and port of the node that answered: ``127.0.0.1:9042``."""
        return address(*self._page.coordinator)

    @property
    def host_id(self) -> uuid.UUID:
        """The host id of the node that answered."""
        return uuid.UUID(self._page.host_id)

    @property
    def shard(self) -> int | None:
        """The shard that answered; None if the node has no shards."""
        return self._page.shard

    @property
    def attempts(self) -> int:
        """How many tries it took; 1 unless something failed on the way."""
        return self._page.attempts

    def __repr__(self) -> str:
        name = type(self).__name__
        page = self._page
        if page.kind != "rows":
            return f"<{name}: {page.kind.replace('_', ' ')}>"
        columns = ", ".join(column for column, _ in page.columns)
        more = ", more pages to come" if page.has_more else ""
        return f"<{name}: {len(page)} rows of ({columns}){more}>"

"""The exceptions of shardlane."""

from __future__ import annotations

from typing import Any


class ShardlaneError(Exception):
    """The base of all exceptions of shardlane.

    Args:
        message: what happened.
        hint: what to do about it, if there is something.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Attributes are set through the state, so that subclasses need no code for pickling.
        return _rebuild, (type(self), self.args), self.__dict__


class BadValue(ShardlaneError, TypeError, ValueError):  # noqa: N818
    """A Python value does not fit where it is bound, or parameters do not fit their statement.

    Args:
        message: what happened.
        column: the variable, with the way into it: ``tags[3]``, ``addr.zip``.
        cql_type: the CQL type there.
        python_type: the type of the value there.
        hint: what to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        column: str | None = None,
        cql_type: str | None = None,
        python_type: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.column = column
        self.cql_type = cql_type
        self.python_type = python_type


class DecodeError(ShardlaneError):
    """Bytes of a result are no value of their column's type.

    Args:
        message: what happened.
        column: the column, with the way into it.
        cql_type: the column's CQL type.
    """

    def __init__(
        self, message: str, *, column: str | None = None, cql_type: str | None = None
    ) -> None:
        super().__init__(message)
        self.column = column
        self.cql_type = cql_type


def _rebuild(cls: type[ShardlaneError], args: tuple[Any, ...]) -> ShardlaneError:
    error = cls.__new__(cls, *args)
    error.args = args
    return error

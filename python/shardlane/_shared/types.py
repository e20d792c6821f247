"""Value classes for what the standard library cannot hold.

``datetime`` ends at the year 9999 and at microseconds; CQL goes further in both directions.
"""

from __future__ import annotations

import datetime as _dt
from typing import Any

_NANOSECONDS_PER_DAY = 86_400 * 10**9


class Timestamp(int):
    """Milliseconds since the Unix epoch, for a ``timestamp`` outside the years 1 to 9999.

    It is an ``int`` of exactly those milliseconds, so it compares with other ints, not with
    ``datetime``, and it can be bound to a ``timestamp`` again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Timestamp({int(self)})"


class Date(int):
    """Days since 1970-01-01, for a ``date`` outside the years 1 to 9999.

    It is an ``int`` of exactly those days, so it compares with other ints, not with
    ``datetime.date``, and it can be bound to a ``date`` again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Date({int(self)})"


class Time(_dt.time):
    """A time of day with nanoseconds; in every other respect a ``datetime.time``.

    Args:
        hour: 0 to 23.
        minute: 0 to 59.
        second: 0 to 59.
        microsecond: 0 to 999999.
        nanosecond: 0 to 999, on top of the microseconds.

    Without nanoseconds it is equal to the same ``datetime.time``. It never has a time zone, because
    a CQL ``time`` has none.
    """

    __slots__ = ("_nanosecond",)
    _nanosecond: int

    def __new__(  # noqa: PYI034 - typing has no Self in Python 3.10
        cls,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        microsecond: int = 0,
        nanosecond: int = 0,
    ) -> Time:
        if not 0 <= nanosecond <= 999:
            raise ValueError("nanosecond must be in 0..999")
        self = super().__new__(cls, hour, minute, second, microsecond)
        self._nanosecond = nanosecond
        return self

    @property
    def nanosecond(self) -> int:
        """Nanoseconds on top of the microseconds, 0 to 999."""
        return self._nanosecond

    @property
    def total_nanoseconds(self) -> int:
        """Nanoseconds since midnight."""
        return _nanoseconds(self)

    @classmethod
    def from_nanoseconds(cls, nanoseconds: int) -> Time:
        """Return the time that is ``nanoseconds`` after midnight.

        Raises:
            ValueError: the number is negative or not less than a day.
        """
        if not 0 <= nanoseconds < _NANOSECONDS_PER_DAY:
            raise ValueError("nanoseconds must be within a day")
        microseconds, nanosecond = divmod(nanoseconds, 1_000)
        seconds, microsecond = divmod(microseconds, 1_000_000)
        minutes, second = divmod(seconds, 60)
        return cls(*divmod(minutes, 60), second, microsecond, nanosecond)

    def isoformat(self, timespec: str = "auto") -> str:
        """Return the ISO form; with ``"auto"`` to the nanosecond if there are any.

        ``"nanoseconds"`` is understood beside what ``datetime.time.isoformat`` understands.
        """
        if timespec == "nanoseconds" or (timespec == "auto" and self._nanosecond):
            return f"{super().isoformat('microseconds')}{self._nanosecond:03}"
        return super().isoformat(timespec)

    def replace(self, *args: Any, **kwargs: Any) -> Time:
        """Return the time with some fields changed; fields as in the constructor."""
        names = ("hour", "minute", "second", "microsecond", "nanosecond")
        fields = {name: getattr(self, name) for name in names}
        fields.update(zip(names, args, strict=False))
        fields.update(kwargs)
        return type(self)(**fields)

    def __str__(self) -> str:
        return self.isoformat()

    def __repr__(self) -> str:
        fields = (self.hour, self.minute, self.second, self.microsecond, self._nanosecond)
        return f"Time({', '.join(map(str, fields))})"

    def __eq__(self, other: object) -> bool:
        theirs = _comparable(other)
        return NotImplemented if theirs is None else _nanoseconds(self) == theirs

    def __ne__(self, other: object) -> bool:
        # datetime.time has one of its own, which would win over the negated __eq__.
        theirs = _comparable(other)
        return NotImplemented if theirs is None else _nanoseconds(self) != theirs

    def __lt__(self, other: _dt.time) -> bool:
        theirs = _comparable(other)
        return NotImplemented if theirs is None else _nanoseconds(self) < theirs

    def __le__(self, other: _dt.time) -> bool:
        theirs = _comparable(other)
        return NotImplemented if theirs is None else _nanoseconds(self) <= theirs

    def __gt__(self, other: _dt.time) -> bool:
        theirs = _comparable(other)
        return NotImplemented if theirs is None else _nanoseconds(self) > theirs

    def __ge__(self, other: _dt.time) -> bool:
        theirs = _comparable(other)
        return NotImplemented if theirs is None else _nanoseconds(self) >= theirs

    def __hash__(self) -> int:
        # Equal to a datetime.time without nanoseconds, so the hash must be, too.
        return hash(_nanoseconds(self)) if self._nanosecond else super().__hash__()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        fields = (self.hour, self.minute, self.second, self.microsecond, self._nanosecond)
        return type(self), fields

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__reduce_ex__(2)


def _nanoseconds(time: _dt.time) -> int:
    seconds = (time.hour * 60 + time.minute) * 60 + time.second
    nanosecond = time.nanosecond if isinstance(time, Time) else 0
    return (seconds * 10**6 + time.microsecond) * 1_000 + nanosecond


def _comparable(other: object) -> int | None:
    """Return what a Time compares with, or None for what has no order with it."""
    if isinstance(other, _dt.time) and other.tzinfo is None:
        return _nanoseconds(other)
    return None

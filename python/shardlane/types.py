"""Python classes of CQL values that the standard library has no class for."""

from __future__ import annotations

from ._core import EMPTY, UNSET, Duration, EmptyType, UnsetType
from ._shared.types import Date, Time, Timestamp

for _public in (Date, Time, Timestamp):
    # What users see is where they import it from.
    _public.__module__ = __name__
del _public

__all__ = ["EMPTY", "UNSET", "Date", "Duration", "EmptyType", "Time", "Timestamp", "UnsetType"]

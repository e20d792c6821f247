"""Python classes of CQL values that the standard library has no class for."""

from __future__ import annotations

from ._core import UNSET, Duration, UnsetType
from ._shared.types import Date, Time, Timestamp

__all__ = ["UNSET", "Date", "Duration", "Time", "Timestamp", "UnsetType"]

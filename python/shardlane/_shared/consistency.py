"""Consistency levels."""

from __future__ import annotations

from enum import Enum
from typing import Any

from shardlane.exceptions import ConfigurationError


class Consistency(str, Enum):
    """How many replicas have to answer. Plain strings with the same names do as well.

    ``SERIAL`` and ``LOCAL_SERIAL`` are for the ``IF`` part of conditional writes
    (``serial_consistency``), and for reads that are to see its outcome.
    """

    ANY = "ANY"
    ONE = "ONE"
    TWO = "TWO"
    THREE = "THREE"
    QUORUM = "QUORUM"
    ALL = "ALL"
    LOCAL_QUORUM = "LOCAL_QUORUM"
    EACH_QUORUM = "EACH_QUORUM"
    SERIAL = "SERIAL"
    LOCAL_SERIAL = "LOCAL_SERIAL"
    LOCAL_ONE = "LOCAL_ONE"

    def __str__(self) -> str:
        return self.value


SERIAL = (Consistency.SERIAL, Consistency.LOCAL_SERIAL)


def checked_consistency(given: Any) -> str:
    """Return the level's name in the protocol's spelling.

    Raises:
        ConfigurationError: there is no such level.
    """
    return _checked("consistency", given, tuple(Consistency))


def checked_serial_consistency(given: Any) -> str | None:
    """Return the level's name in the protocol's spelling; None stays None, the server's default.

    Raises:
        ConfigurationError: there is no such level.
    """
    return None if given is None else _checked("serial_consistency", given, SERIAL)


def _checked(option: str, given: Any, allowed: tuple[Consistency, ...]) -> str:
    if isinstance(given, str) and given.upper() in allowed:
        return given.upper()
    raise ConfigurationError(
        f"{option}={given!r} is not a consistency level", hint=f"give one of {', '.join(allowed)}"
    )

"""Checks of options, where they are given."""

from __future__ import annotations

import math
from typing import Any

from shardlane.exceptions import ConfigurationError


def one_of(name: str, value: Any, allowed: tuple[Any, ...], also: str = "") -> None:
    """Raise ConfigurationError unless ``value`` is one of ``allowed``, exactly."""
    if any(value is choice or (isinstance(choice, str) and value == choice) for choice in allowed):
        return
    choices = ", ".join(map(repr, allowed))
    raise ConfigurationError(
        f"{name}={value!r} is not understood",
        hint=f"give one of {choices}{' or ' if also else ''}{also}",
    )


def positive(
    name: str, value: Any, most: int, *, or_none: bool = False, zero: bool = False
) -> None:
    """Raise ConfigurationError unless ``value`` is an int from 1 (or zero) to ``most``."""
    if value is None and or_none:
        return
    least = 0 if zero else 1
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigurationError(
            f"{name}={value!r} is out of range",
            hint=f"give a number from {least} to {most}{', or None' if or_none else ''}",
        )


def seconds(name: str, value: Any, *, zero: bool = False, remedy: str = "") -> None:
    """Raise ConfigurationError unless ``value`` is a number of seconds, above zero or from zero."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and (value > 0 or (zero and value == 0)):
        return
    kind = "a number of seconds, zero or more" if zero else "a positive number of seconds"
    raise ConfigurationError(
        f"{name}={value!r} is not understood", hint=f"give {kind}{', ' if remedy else ''}{remedy}"
    )

"""Notices of the core, for ``logging``.

The I/O thread never runs Python: it puts notices into a lane, and a thread of Python's own logs
them. Neither happens unless somebody would read them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .callouts import Handler

    Least = Literal["info", "warning"]

LANE = "log"

TOPICS = ("nodes", "connections", "control", "schema")
"""Names of loggers, below ``shardlane``."""

_LOGGERS = {topic: logging.getLogger(f"shardlane.{topic}") for topic in TOPICS}


def wanted() -> Least | None:
    """Return the least severity that any handler would be given; None if there is no handler."""
    read = [logger for logger in _LOGGERS.values() if _is_read(logger)]
    if any(logger.isEnabledFor(logging.INFO) for logger in read):
        return "info"
    if any(logger.isEnabledFor(logging.WARNING) for logger in read):
        return "warning"
    return None


def _is_read(logger: logging.Logger) -> bool:
    """Whether a logger has a handler that does something; the last resort is none."""
    current: logging.Logger | None = logger
    while current is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in current.handlers):
            return True
        current = current.parent if current.propagate else None
    return False


def handlers(least: Least | None) -> dict[str, Handler]:
    """Return what answers for the core, if anything is wanted."""
    return {} if least is None else {LANE: log}


def log(notice: dict[str, Any]) -> None:
    """Log a notice."""
    level = logging.WARNING if notice["is_warning"] else logging.INFO
    _LOGGERS[notice["topic"]].log(level, "%s", notice["message"])

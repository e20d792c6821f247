"""The drivers, each called as its own users would call it, and what bounds them all from below.

A driver is a class; `base.py` says what it has to have. Importing a module of this package must not
import the driver itself: the harness has none of them, each lives in an environment of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.drivers.base import Driver


def _load() -> dict[str, type[Driver]]:
    from benchmarks.drivers import acsylla, classic, limits, ours, scylladb_rs, scyllapy

    modules = (ours, acsylla, scylladb_rs, scyllapy, classic, limits)
    return {driver.name: driver for module in modules for driver in module.DRIVERS}


DRIVERS = _load()


def is_peer(name: str) -> bool:
    """Whether that is a driver of somebody else's, by its own name or by its package's."""
    return any(
        name in (known.name, known.package) and not known.is_ours and not known.is_limit
        for known in DRIVERS.values()
    )

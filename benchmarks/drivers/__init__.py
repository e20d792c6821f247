"""The drivers, each called as its own users would call it.

A driver is a class; `base.py` says what it has to have. Importing a module of this package must not
import the driver itself, so that one that is missing can be reported and left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.drivers.base import Driver


def _load() -> dict[str, type[Driver]]:
    from benchmarks.drivers import acsylla, ours, scylla_driver, scylladb_rs

    found: dict[str, type[Driver]] = {}
    for module in (ours, scylla_driver, acsylla, scylladb_rs):
        for driver in module.DRIVERS:
            found[driver.name] = driver
    return found


DRIVERS = _load()
DEFAULT = [name for name, driver in DRIVERS.items() if driver.by_default]

"""The blocking face: every call returns when it is done.

Sessions, results and prepared statements may be used from many threads at once. Ctrl-C interrupts a
call that waits. ``shardlane.aio`` has the same names for asyncio.
"""

from __future__ import annotations

from ._cluster import Cluster
from ._connect import connect
from ._result import Result
from ._session import Session, SessionBatch

__all__ = ["Cluster", "Result", "Session", "SessionBatch", "connect"]

for _public in (Cluster, Result, Session, SessionBatch, connect):
    # What users see is where they import it from.
    _public.__module__ = __name__
del _public

"""The asyncio face: what waits is awaited.

Works on asyncio's own event loops and on uvloop, on several loops in turn, and in several threads
with a loop each. Cancelling a task gives its request up at once. ``shardlane.sync`` has the same
names for blocking code.
"""

from __future__ import annotations

from ._cluster import Cluster, Connecting
from ._connect import connect
from ._result import Result
from ._session import Session, SessionBatch

__all__ = ["Cluster", "Connecting", "Result", "Session", "SessionBatch", "connect"]

for _public in (Cluster, Connecting, Result, Session, SessionBatch, connect):
    # What users see is where they import it from.
    _public.__module__ = __name__
del _public

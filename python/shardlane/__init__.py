"""Shard-aware access to ScyllaDB and Cassandra.

The names here are those of the blocking face, ``shardlane.sync``; ``shardlane.aio`` has the same
names for asyncio::

    with shardlane.connect("127.0.0.1", keyspace="ks") as session:
        row = session.execute("SELECT name FROM users WHERE id = ?", [42]).one()

    async with shardlane.aio.connect("127.0.0.1", keyspace="ks") as session:
        row = (await session.execute("SELECT name FROM users WHERE id = ?", [42])).one()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import exceptions, policies, sync
from ._core import EMPTY, UNSET, Prepared
from ._shared.auth import Authenticator
from ._shared.batches import Batch, BatchKind
from ._shared.client_routes import ClientRoute, ClientRoutes
from ._shared.consistency import Consistency
from ._shared.many import ManyResult
from ._shared.metrics import Metrics
from ._shared.results import Column, SchemaChange
from ._shared.row_types import NamedRow
from ._shared.sockets import SocketOptions
from ._shared.tls import TLS
from ._shared.topology import (
    ClusterConnections,
    Node,
    NodeConnections,
    ShardConnections,
)
from .exceptions import *  # noqa: F403
from .exceptions import __all__ as _exceptions
from .policies import ExecutionProfile
from .sync import Cluster, Result, Session, SessionBatch, connect
from .types import Date, Duration, EmptyType, Time, Timestamp, UnsetType

if TYPE_CHECKING:
    from . import aio as aio
    from ._shared.schema.model import (
        Aggregate,
        ColumnInfo,
        Function,
        Index,
        Keyspace,
        Schema,
        Table,
        Tablets,
        Trigger,
        UserType,
        View,
    )
    from ._shared.traces import Trace, TraceEvent

__version__ = "0.1.0"

__all__ = [
    "EMPTY",
    "TLS",
    "UNSET",
    "Aggregate",
    "Authenticator",
    "Batch",
    "BatchKind",
    "ClientRoute",
    "ClientRoutes",
    "Cluster",
    "ClusterConnections",
    "Column",
    "ColumnInfo",
    "Consistency",
    "Date",
    "Duration",
    "EmptyType",
    "ExecutionProfile",
    "Function",
    "Index",
    "Keyspace",
    "ManyResult",
    "Metrics",
    "NamedRow",
    "Node",
    "NodeConnections",
    "Prepared",
    "Result",
    "Schema",
    "SchemaChange",
    "Session",
    "SessionBatch",
    "ShardConnections",
    "SocketOptions",
    "Table",
    "Tablets",
    "Time",
    "Timestamp",
    "Trace",
    "TraceEvent",
    "Trigger",
    "UnsetType",
    "UserType",
    "View",
    "aio",
    "connect",
    "exceptions",
    "policies",
    "sync",
]
__all__ += _exceptions


def _show_as_ours() -> None:
    """Let reprs and tracebacks name the place where users import from."""
    public = (Authenticator, Batch, BatchKind, ClusterConnections, Column, Consistency, ManyResult)
    topology = (Node, NodeConnections, SchemaChange, ShardConnections, SocketOptions)
    routes = (ClientRoute, ClientRoutes)
    for cls in (*public, *topology, *routes, TLS, Metrics):
        cls.__module__ = __name__


_show_as_ours()

_TRACES = ("Trace", "TraceEvent")
_SCHEMA = (
    "Aggregate",
    "ColumnInfo",
    "Function",
    "Index",
    "Keyspace",
    "Schema",
    "Table",
    "Tablets",
    "Trigger",
    "UserType",
    "View",
)
_LATER = {
    **dict.fromkeys(_SCHEMA, "._shared.schema.model"),
    **dict.fromkeys(_TRACES, "._shared.traces"),
}
"""Where names are that few programs use, and that take a while to import."""


def __getattr__(name: str) -> Any:
    import importlib

    # Blocking programs need no asyncio.
    if name == "aio":
        return importlib.import_module(".aio", __name__)
    if name in _LATER:
        value = getattr(importlib.import_module(_LATER[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

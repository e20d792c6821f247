"""Policies: how requests are tried, and where. See ``docs/policies.md`` for how to choose."""

from __future__ import annotations

from ._shared.load_balancing import (
    ClusterView,
    LoadBalancing,
    LoadBalancingPolicy,
    RequestInfo,
)
from ._shared.nodes import NodeEvent, NodeFilter
from ._shared.profiles import ExecutionProfile
from ._shared.retry import (
    DefaultRetry,
    DowngradingConsistencyRetry,
    ExponentialBackoffRetry,
    FailedAttempt,
    FallthroughRetry,
    RetryDecision,
    RetryPolicy,
)
from ._shared.speculation import ConstantSpeculation, PercentileSpeculation

__all__ = [
    "ClusterView",
    "ConstantSpeculation",
    "DefaultRetry",
    "DowngradingConsistencyRetry",
    "ExecutionProfile",
    "ExponentialBackoffRetry",
    "FailedAttempt",
    "FallthroughRetry",
    "LoadBalancing",
    "LoadBalancingPolicy",
    "NodeEvent",
    "NodeFilter",
    "PercentileSpeculation",
    "RequestInfo",
    "RetryDecision",
    "RetryPolicy",
]


def _show_as_ours() -> None:
    """Let reprs and pickles name the place where users import from."""
    for name in __all__:
        globals()[name].__module__ = __name__


_show_as_ours()

"""Shard-aware access to ScyllaDB and Cassandra."""

from __future__ import annotations

__version__ = "0.1.0"

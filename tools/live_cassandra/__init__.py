"""A real Apache Cassandra node for tests, from Maven artifacts: no Docker, no installation.

Needs Java 17 and Maven. The first start fetches the artifacts, once::

    with Node() as node:
        session = shardlane.connect(node.address, port=node.port)

or from a shell: ``PYTHONPATH=tools python -m live_cassandra``.
"""

from __future__ import annotations

from .artifacts import DownloadFailed, LiveError, MissingTool, find_java, find_maven, libraries
from .node import CREDENTIALS, Node, StartFailed
from .ring import Ring

__all__ = [
    "CREDENTIALS",
    "DownloadFailed",
    "LiveError",
    "MissingTool",
    "Node",
    "Ring",
    "StartFailed",
    "find_java",
    "find_maven",
    "libraries",
]

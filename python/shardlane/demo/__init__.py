"""The demo: requests on their way to the node and the shard that own the key, three ways.

It starts an embedded cluster, loads rows, reads them back and checks every value: without shard
awareness, with the legacy algorithm, and through the shard-aware port. Where requests arrived is
counted by the servers, not by the driver.
"""

from __future__ import annotations

from .main import main

__all__ = ["main"]

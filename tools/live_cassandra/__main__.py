"""Run a node until Ctrl-C: ``PYTHONPATH=tools python -m live_cassandra``."""

from __future__ import annotations

import contextlib
import signal
import sys

from . import LiveError, Node


def main() -> int:
    """Start a node, say where it is, and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Node() as node:
            print(f"Cassandra is up at {node.address}:{node.port}; Ctrl-C ends it", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except LiveError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

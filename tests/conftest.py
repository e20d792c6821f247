"""What all tests share: running pytest inside of a test.

The fixtures over the embedded cluster are those of shardlane's own pytest plugin.
"""

from __future__ import annotations

import signal

pytest_plugins = ["pytester"]

# Shells start background jobs with Ctrl-C ignored, and that is inherited:
# tests of Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

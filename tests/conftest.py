"""What all tests share: running pytest inside of a test.

The fixtures over the embedded cluster are those of shardlane's own pytest plugin.
"""

from __future__ import annotations

pytest_plugins = ["pytester"]

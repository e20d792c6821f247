from __future__ import annotations

import pytest

from benchmarks import environments
from benchmarks.drivers import DRIVERS, is_peer


@pytest.mark.parametrize("name", [*environments.PEERS, "acsylla"])
def test_peers(name: str) -> None:
    assert is_peer(name)


def test_a_failure_of_anything_else_is_ours() -> None:
    bounds = [name for name, driver in DRIVERS.items() if driver.is_limit]
    assert bounds
    for name in (*bounds, "shardlane-aio", "shardlane", "-"):
        assert not is_peer(name)

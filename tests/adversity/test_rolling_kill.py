"""Every node of a cluster is killed and restarted in turn under load, again and again.

`SHARDLANE_KILL_ROUNDS` says how often each of them: ten times, and in `make soak` a hundred.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from cluster_help import create_table, eventually, wait_for_coverage
from load import EXPECTED, check_values, running
from shardlane.testing import Cluster

ROUNDS = int(os.environ.get("SHARDLANE_KILL_ROUNDS", "10"))
SEED = int(os.environ.get("SHARDLANE_SOAK_SEED", "7"))
NODES, SHARDS, WORKERS = 3, 8, 24
TIMEOUT = 2.0
# Arenas of the allocator fill up during the first round or two; a leak per request or connection
# would be many times this in the rounds after.
GROWTH_BYTES_MAX = 16 << 20

LOG = logging.getLogger(__name__)


def resident_bytes() -> int:
    """Memory of this process, the embedded cluster included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(60 + 60 * ROUNDS)
@pytest.mark.parametrize("face", ["sync", "aio"])
def test_each_node_is_killed_and_restarted_in_turn(face):
    options = {
        "consistency": "QUORUM",
        "timeout": TIMEOUT,
        "reconnect_delay_min": 0.01,
        "reconnect_delay_max": 0.2,
    }
    with Cluster(NODES, SHARDS, seed=SEED) as server:
        with server.connect() as admin:
            create_table(admin, NODES)
        points = server.contact_points
        with running(face, points, SEED, WORKERS, **options) as (load, session):
            sizes = []
            for _ in range(ROUNDS):
                for node in server.nodes:
                    load.await_progress(300)
                    node.kill()
                    load.await_progress(300)
                    node.start()
                    wait_for_coverage(session, NODES * SHARDS)
                    # By the servers' count: one for each shard, and the control connection.
                    eventually(
                        "exactly one connection for each shard",
                        lambda: server.stats().connections == NODES * SHARDS + 1,
                    )
                load.await_progress(300)
                sizes.append(resident_bytes())
            assert load.slowest < TIMEOUT + 1, "nothing outlasts its deadline"
        strange = [repr(error) for error in load.failures if not isinstance(error, EXPECTED)]
        assert strange == []
        # Only what was under way to the node that was killed may fail.
        assert len(load.failures) <= WORKERS * NODES * ROUNDS
        with server.connect("app", consistency="QUORUM") as admin:
            check_values(admin, load)
        megabytes = [size >> 20 for size in sizes]
        LOG.info(
            "%s: %d writes, %d failures, slowest %.2f s, MB after each round: %s",
            *(face, load.progress, len(load.failures), load.slowest, megabytes),
        )
        if ROUNDS > 2:
            assert sizes[-1] - sizes[1] <= GROWTH_BYTES_MAX, megabytes


@pytest.mark.timeout(60)
def test_a_node_is_killed_faster_than_it_is_reached():
    """Restarts follow each other so quickly that pools never fill between them."""
    with Cluster(NODES, SHARDS, seed=SEED) as server:
        with server.connect() as admin:
            create_table(admin, NODES)
        options = {"consistency": "QUORUM", "timeout": TIMEOUT}
        with running("sync", server.contact_points, SEED, 8, **options) as (load, session):
            ends_at = time.monotonic() + 2
            while time.monotonic() < ends_at:
                for node in server.nodes:
                    load.await_progress(3)
                    node.kill()
                    node.start()
            wait_for_coverage(session, NODES * SHARDS, 20)
            # The control connection may be at its longest pause between two rounds, which is 10 s.
            eventually(
                "exactly one connection for each shard",
                lambda: server.stats().connections == NODES * SHARDS + 1,
                30,
            )
        with server.connect("app", consistency="QUORUM") as admin:
            check_values(admin, load)

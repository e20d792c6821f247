"""What is logged, where, and that nothing is done for logs that nobody reads."""

from __future__ import annotations

import logging
import threading

import pytest

from cluster_help import eventually
from shardlane import exceptions
from shardlane._shared import logs
from shardlane.testing import Cluster, faults

PING = "SELECT key FROM system.local"


@pytest.fixture
def lines(caplog):
    """Logger, level and message of what was logged below ``shardlane``."""
    caplog.set_level(logging.INFO, "shardlane")

    def found(logger, part, level=None):
        return [
            record.getMessage()
            for record in list(caplog.records)
            if record.name == f"shardlane.{logger}"
            and part in record.getMessage()
            and level in (None, record.levelno)
        ]

    return found


async def test_nodes_and_the_control_connection(face, lines):
    with Cluster(2, 2) as own:
        address = own.contact_points[1]
        quick = {"reconnect_delay_min": 0.01, "reconnect_delay_max": 0.02}
        async with face.connect(own.contact_points[0], keyspace=None, **quick) as session:
            eventually("up", lambda: len(lines("nodes", "is up", logging.INFO)) == 2)
            assert len(lines("nodes", "has joined", logging.INFO)) == 2
            assert len(lines("control", "control connection to", logging.INFO)) == 1
            own.nodes[1].kill()
            eventually("down", lambda: lines("nodes", f"node {address}", logging.WARNING))
            eventually(
                "refused", lambda: lines("connections", f"no connection to {address}: could not")
            )
            # Tried again and again, told once.
            while session.metrics().connections_failed < 6:
                await session.execute(PING)
            refused = lines("connections", f"no connection to {address}:")
            assert len(refused) == len(set(refused))
            own.nodes[1].start()
            eventually("up again", lambda: len(lines("nodes", f"node {address}")) == 4)
    assert not lines("control", "has ended")


async def test_a_shard_aware_port_that_refuses(face, lines):
    with Cluster(1, 4) as own:
        own.nodes[0].set_shard_aware_port("refused")
        async with face.connect(own.contact_points, keyspace=None):
            found = eventually(
                "told", lambda: lines("connections", "shard-aware port", logging.WARNING)
            )
            assert "not used for 300s" in found[0]


async def test_secrets_and_line_breaks_stay_out(face, lines):
    with Cluster(2, 1, username="ada", password="hunter2") as own:
        message = "no\nCRITICAL:root:all is lost"
        refusal = faults.error(exceptions.Overloaded, message)
        login = {"username": "ada", "password": "hunter2", "pool_wait": 0}
        with own.fault(faults.opcode("STARTUP") & faults.node(1), refusal):
            async with face.connect(own.contact_points[0], keyspace=None, **login):
                found = eventually("told", lambda: lines("connections", "all is lost"))
    assert "no\\nCRITICAL" in found[0]
    for logger in logs.TOPICS:
        for line in lines(logger, ""):
            assert "\n" not in line
            assert "hunter2" not in line


async def test_nothing_is_started_for_nobody(face, monkeypatch):
    monkeypatch.setattr(logs, "wanted", lambda: None)

    def helpers():
        return [t for t in threading.enumerate() if t.name == "shardlane-log"]

    before = len(helpers())
    with Cluster(1, 1) as own:
        async with face.cluster(own.contact_points) as cluster:
            await face.open(cluster)
            assert len(helpers()) == before
            # Logging is set up later: the next session finds out.
            monkeypatch.setattr(logs, "wanted", lambda: "info")
            await face.open(cluster)
            assert len(helpers()) == before + 1
    eventually("it ends with the cluster object", lambda: len(helpers()) == before)


def test_what_is_wanted_goes_by_handlers_and_levels(monkeypatch):
    top = logging.getLogger("shardlane")
    monkeypatch.setattr(top, "propagate", False)
    monkeypatch.setattr(top, "handlers", [])
    top.setLevel(logging.NOTSET)
    assert logs.wanted() is None, "there is no handler"
    monkeypatch.setattr(top, "handlers", [logging.NullHandler()])
    assert logs.wanted() is None
    monkeypatch.setattr(top, "handlers", [logging.StreamHandler()])
    try:
        for level, wanted in [
            (logging.DEBUG, "info"),
            (logging.INFO, "info"),
            (logging.WARNING, "warning"),
            (logging.ERROR, None),
        ]:
            top.setLevel(level)
            assert logs.wanted() == wanted
        logging.getLogger("shardlane.nodes").setLevel(logging.INFO)
        assert logs.wanted() == "info"
    finally:
        logging.getLogger("shardlane.nodes").setLevel(logging.NOTSET)
        top.setLevel(logging.NOTSET)

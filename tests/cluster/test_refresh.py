"""Nodes are read again from time to time: an event that was lost is not lost for ever."""

from __future__ import annotations

import pytest

from cluster_help import eventually
from shardlane.testing import Cluster, faults
from wire_proxy import EVENT, WireProxy

# An event that tells nothing: a node that nobody knows is down.
NOTHING = b"\x00\x0dSTATUS_CHANGE\x00\x04DOWN\x04\x7f\x00\x00\xfe\x00\x00\x00\x01"


def without_events(opcode: int, body: bytes) -> bytes:
    return NOTHING if opcode == EVENT else body


@pytest.mark.parametrize("interval", [0.05, None])
def test_a_node_that_left_unheard(face, interval):
    with (
        Cluster(3, 2) as server,
        WireProxy(server, without_events) as proxy,
        face.connect(
            proxy.contact_points[0], refresh_interval=interval, reconnect_delay_min=0.001
        ) as session,
    ):
        assert len(session.session.cluster.nodes()) == 3
        server.nodes[2].remove()
        if interval is None:
            # Its connections are lost, which tells nothing of its having left.
            eventually("it is down", lambda: session.shards().covered == 4)
            assert len(session.session.cluster.nodes()) == 3
        else:
            eventually("it is forgotten", lambda: len(session.session.cluster.nodes()) == 2)
        assert session.execute("SELECT key FROM system.local").scalar() == "local"


def test_only_nodes_are_read(face):
    with Cluster(2, 2) as server:
        nodes = server.fault(faults.text("FROM system.peers"), faults.delay(0))
        schema = server.fault(faults.text("FROM system_schema."), faults.delay(0))
        with face.connect(server.contact_points, refresh_interval=0.01) as session:
            read = schema.hits
            eventually("read many times", lambda: nodes.hits > 20)
            assert schema.hits == read, "the schema is read once"
            assert session.shards().connections == 4, "and connections are left alone"

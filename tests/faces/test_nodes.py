"""The application's say about nodes, and what it hears of them."""

from __future__ import annotations

import threading
import uuid

import pytest

import shardlane
from cluster_help import eventually
from shardlane import exceptions
from shardlane._shared.nodes import NodeHandler
from shardlane.policies import LoadBalancing, NodeFilter
from shardlane.testing import Cluster

INSERT = "INSERT INTO t (k, v) VALUES (?, ?)"
SELECT = "SELECT v FROM t WHERE k = ?"


def node(**changes):
    described = {
        "host_id": uuid.UUID(int=7),
        "address": "10.0.0.5:9042",
        "datacenter": "dc1",
        "rack": "r1",
        "release_version": "3.0.8",
    }
    return shardlane.Node(**{**described, **changes})


async def test_only_some_nodes(face):
    nodes = face.server.contact_points
    asked = []

    def not_the_last(node):
        asked.append((node, threading.current_thread().name))
        return node.address != nodes[-1]

    async with face.connect(node_filter=not_the_last) as session:
        assert [pool.address for pool in session.shards()] == nodes[:-1]
        assert session.shards().is_fully_covered
        assert len(session.cluster.nodes()) == len(nodes), "it is known all the same"
        hosts = {(await session.execute("SELECT key FROM system.local")).host_id for _ in range(10)}
        assert len(hosts) == len(nodes) - 1
        last = session.cluster.nodes()[-1]
        with pytest.raises(exceptions.NoHostAvailable):
            await session.execute("SELECT key FROM system.local", node=last)
    assert {name for _, name in asked} == {"shardlane-nodes"}
    async with face.connect(node_filter=NodeFilter(deny=[nodes[0]])) as session:
        assert [pool.address for pool in session.shards()] == nodes[1:]


@pytest.mark.parametrize(
    ("choice", "used"),
    [
        (NodeFilter(), True),
        (NodeFilter(allow=["10.0.0.5"]), True),
        (NodeFilter(allow=["10.0.0.5:9042", "x"]), True),
        (NodeFilter(allow=["10.0.0.5:9043"]), False),
        (NodeFilter(allow=[str(uuid.UUID(int=7))]), True),
        (NodeFilter(deny=["10.0.0.5"]), False),
        (NodeFilter(allow=["10.0.0.5"], deny=[str(uuid.UUID(int=7))]), False),
        (NodeFilter(datacenters=["dc1"]), True),
        (NodeFilter(datacenters=["dc2"]), False),
    ],
)
def test_filters(choice, used):
    assert choice(node()) is used


def test_filters_know_version_6_addresses():
    assert NodeFilter(allow=["::1"])(node(address="[::1]:9042"))
    assert not NodeFilter(deny=["[::1]:9042"])(node(address="[::1]:9042"))


TRANSLATIONS = [
    ({}, ("10.0.0.5", 9042)),
    ({"10.0.0.6": "1.2.3.4"}, ("10.0.0.5", 9042)),
    ({"10.0.0.5": "1.2.3.4"}, ("1.2.3.4", 9042)),
    ({"10.0.0.5": "1.2.3.4:19"}, ("1.2.3.4", 19)),
    ({"10.0.0.5:9042": "1.2.3.4:19", "10.0.0.5": "5.6.7.8"}, ("1.2.3.4", 19)),
    ({"10.0.0.5:9043": "1.2.3.4"}, ("10.0.0.5", 9042)),
    ({"10.0.0.5": "::1"}, ("::1", 9042)),
    ({"10.0.0.5": "[::1]:5"}, ("::1", 5)),
    (lambda node: "1.2.3.4", ("1.2.3.4", 9042)),
    (lambda node: node.rack, ("10.0.0.5", 9042)),
    (lambda node: 1 // 0, ("10.0.0.5", 9042)),
]


@pytest.mark.parametrize(("translation", "address"), TRANSLATIONS)
def test_translations(translation, address, caplog):
    described = {
        "host_id": str(uuid.UUID(int=7)),
        "address": "10.0.0.5",
        "port": 9042,
        "datacenter": "dc1",
        "rack": "r1",
        "release_version": "3.0.8",
        "is_reached": False,
    }
    handler = NodeHandler(None, translation)
    assert handler({"nodes": [described]}) == [address]
    failed = callable(translation) and address[0] == "10.0.0.5"
    assert ("address_translation" in caplog.text) == failed
    reached = {**described, "is_reached": True}
    assert handler({"nodes": [reached]}) == [("10.0.0.5", 9042)], "it is where it was reached"


async def test_nodes_are_somewhere_else_than_the_servers_say(face):
    """Node 1 is told to be where node 2 is: the client notices that it reached another one."""
    first, second, third = face.server.contact_points
    translation = {second: third, third: second}
    options = {"address_translation": translation, "pool_wait": 0.0}
    async with face.connect(first, **options) as session:
        told = {node.host_id: node.address for node in session.cluster.nodes()}
    async with face.connect(first) as session:
        real = {node.host_id: node.address for node in session.cluster.nodes()}
    swapped = {first: first, second: third, third: second}
    assert {host: swapped[address] for host, address in real.items()} == told


BAD_OPTIONS = [
    ({"node_filter": "10.0.0.5"}, "node_filter="),
    ({"node_filter": NodeFilter}, "node_filter="),
    ({"address_translation": "10.0.0.5"}, "address_translation="),
    ({"address_translation": {"db": "10.0.0.5"}}, "'db' is not an address"),
    ({"address_translation": {"10.0.0.5": "db:9042"}}, "'db:9042' is not an address"),
    ({"remote_nodes_per_datacenter": -1}, "remote_nodes_per_datacenter=-1"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(exceptions.ConfigurationError, match=message):
        shardlane.connect("127.0.0.1", port=1, **options)
    with pytest.raises(exceptions.ConfigurationError, match="allow="):
        NodeFilter(allow="10.0.0.5")


async def test_remote_nodes_by_number(face):
    with Cluster(4, 1, datacenters=[2, 2]) as server:
        options = {"local_datacenter": "datacenter1", "keyspace": None}
        for count in (0, 1, 2):
            async with face.connect(
                server.contact_points, remote_nodes_per_datacenter=count, **options
            ) as session:
                datacenters = [pool.datacenter for pool in session.shards()]
                assert datacenters.count("datacenter1") == 2
                assert datacenters.count("datacenter2") == count


async def test_a_local_consistency_stays_at_home(face):
    with Cluster(2, 1, datacenters=[1, 1]) as server:
        options = {"local_datacenter": "datacenter1", "keyspace": None, "idempotent": True}
        async with face.connect(server.contact_points, **options) as session:
            local = next(n for n in session.shards() if n.datacenter == "datacenter1")
            server.nodes[server.contact_points.index(local.address)].kill()
            query = "SELECT key FROM system.local"
            await session.execute(query, consistency="ONE")
            eventually("its connections are gone", lambda: session.shards().connections == 1)
            with pytest.raises(exceptions.NoHostAvailable, match="'datacenter1'") as caught:
                await session.execute(query, consistency="LOCAL_ONE")
            assert "LOCAL_" in caught.value.hint
            assert "'datacenter2'" in str(caught.value), "what there is instead"
        always = LoadBalancing(remote="always", datacenter="datacenter1")
        async with face.connect(server.contact_points, load_balancing=always, **options) as session:
            await session.execute(query, consistency="LOCAL_ONE")


async def test_a_local_datacenter_that_does_not_exist(face):
    async with face.connect(local_datacenter="dattacenter1", consistency="LOCAL_ONE") as session:
        with pytest.raises(exceptions.NoHostAvailable, match="'dattacenter1'") as caught:
            await session.execute("SELECT key FROM system.local")
        assert "'datacenter1'" in str(caught.value)
        assert "spelled" in caught.value.hint


async def test_the_local_rack_comes_first(face):
    with Cluster(4, 1, racks=2) as server:
        async with face.connect(server.contact_points, keyspace=None) as session:
            racks = {node.rack for node in session.cluster.nodes()}
        assert len(racks) == 2
        for rack in racks:
            options = {"load_balancing": LoadBalancing(rack=rack), "keyspace": None}
            async with face.connect(server.contact_points, **options) as session:
                found = {
                    (await session.execute("SELECT key FROM system.local")).host_id
                    for _ in range(10)
                }
                assert found == {n.host_id for n in session.cluster.nodes() if n.rack == rack}


# --- events -------------------------------------------------------------------------------------


class Heard:
    """Events, and a way to wait for them."""

    def __init__(self):
        self.events = []
        self._arrived = threading.Condition()

    def __call__(self, event):
        with self._arrived:
            self.events.append(event)
            self._arrived.notify_all()

    def of(self, address):
        return [event.kind for event in self.events if event.node.address == address]

    def wait_for(self, address, kinds):
        with self._arrived:
            self._arrived.wait_for(lambda: self.of(address) == kinds, 10)
        assert self.of(address) == kinds


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_events_of_nodes(kind):
    import asyncio

    with Cluster(2, 1) as server:
        heard, failing = Heard(), []

        def fails(event):
            failing.append(event)
            raise KeyError("a bug")

        module = shardlane.sync if kind == "sync" else shardlane.aio
        cluster = module.Cluster(server.contact_points)
        # Outside of a loop both call on a thread of the driver.
        cluster.on_event(fails)
        stop = cluster.on_event(heard)
        loop = asyncio.new_event_loop() if kind == "aio" else None

        async def connect():
            return await cluster.connect()

        session = loop.run_until_complete(connect()) if loop else cluster.connect()
        first, second = server.contact_points
        heard.wait_for(first, ["added", "up"])
        heard.wait_for(second, ["added", "up"])
        server.nodes[1].kill()
        heard.wait_for(second, ["added", "up", "down"])
        server.nodes[1].start()
        heard.wait_for(second, ["added", "up", "down", "up"])
        added = server.add_node()
        address = server.contact_points[-1]
        assert added.alive
        heard.wait_for(address, ["added", "up"])
        assert {type(event.node) for event in heard.events} == {shardlane.Node}
        assert len(failing) == len(heard.events)
        stop()
        stop()
        count = len(heard.events)
        server.nodes[1].kill()
        server.nodes[1].start()
        if loop is None:
            session.close()
            cluster.close()
        else:
            loop.run_until_complete(session.close())
            loop.run_until_complete(cluster.close())
            loop.close()
        assert len(heard.events) == count


async def test_events_come_in_the_loop(face):
    import asyncio

    with Cluster(2, 1) as server:
        heard = []
        cluster = face.cluster(server.contact_points)
        async with cluster:
            if not face.is_blocking:
                arrived = asyncio.Event()

                def listen(event):
                    assert asyncio.get_running_loop() is not None
                    heard.append(event)
                    if len([e for e in heard if e.kind == "up"]) == 2:
                        arrived.set()

                cluster.on_event(listen)
                await face.open(cluster)
                await asyncio.wait_for(arrived.wait(), 10)
            for wrong in (7, None, test_events_come_in_the_loop):
                with pytest.raises(exceptions.ConfigurationError, match="not a callback"):
                    cluster.on_event(wrong)


async def test_latencies_are_known(face, session):
    await session.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
    await session.execute_many(INSERT, ([key, "x"] for key in range(100)))
    cluster = session.cluster
    median, most = cluster.latency(50), cluster.latency(100)
    assert 0 < median <= most < 60
    for wrong in (0, 101, -1):
        with pytest.raises(exceptions.ConfigurationError, match="percentile="):
            cluster.latency(wrong)
    assert face.cluster().latency(50) is None

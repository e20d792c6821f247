"""Nodes behind proxies, which `system.client_routes` leads to."""

from __future__ import annotations

import contextlib
import socket

import pytest
from tcp_gate import Gate

import shardlane
from cluster_help import eventually
from shardlane import TLS, ClientRoute, ClientRoutes, exceptions
from shardlane.testing import Cluster, NodeRoute, ServerTLS

LOCAL = "SELECT key FROM system.local"
ROUTES = ClientRoutes(["vpc-1"])
# One that is not there shows where each connection went.
LONELY = {"keyspace": None, "pool_wait": 0.5}


@contextlib.contextmanager
def gates(server: Cluster, address: str, *, tls: bool = False):
    """A gate to each node."""
    port = server.tls_port if tls else server.port
    with contextlib.ExitStack() as stack:
        targets = [(node.address, port) for node in server.nodes]
        yield [stack.enter_context(Gate(target, address)) for target in targets]


def routes(gates, connection_id="vpc-1", host=None):
    return [
        NodeRoute(connection_id, node, host or gate.address, gate.port)
        for node, gate in enumerate(gates)
    ]


def aware_connections(server: Cluster) -> list[int]:
    """Per node, those over the shard-aware port so far."""
    nodes = server.stats().nodes
    return [sum(s.shard_aware_connections_opened for s in node.shards) for node in nodes]


def connections(server: Cluster) -> list[int]:
    """Per node; those to the shard-aware port do not pass through any gate."""
    assert not any(aware_connections(server))
    return [sum(s.connections for s in node.shards) for node in server.stats().nodes]


async def hosts(session, count=30):
    found = [(await session.execute(LOCAL)).host_id for _ in range(count)]
    return set(found)


async def test_every_connection_goes_through_the_proxy_of_its_node(face):
    with Cluster(3, 2) as server, gates(server, "127.0.9.1") as proxies:
        server.set_client_routes(routes(proxies))
        options = {"client_routes": ROUTES, "keyspace": None}
        async with face.connect(proxies[0].contact_point, **options) as session:
            pools = session.shards()
            assert pools.is_fully_covered, str(pools)
            assert len(await hosts(session)) == 3
            # Both ends of each; and the control connection's.
            assert [gate.open // 2 for gate in proxies] == connections(server)
            # Nodes are called by the addresses that they call themselves.
            told = [node.address.rpartition(":")[0] for node in session.cluster.nodes()]
            assert sorted(told) == [node.address for node in server.nodes]
            assert not any(pool.shard_aware_port_blocked for pool in pools)


async def test_a_route_that_changes_leads_new_connections_elsewhere(face):
    with (
        Cluster(2, 2) as server,
        gates(server, "127.0.9.1") as old,
        gates(server, "127.0.9.2") as new,
    ):
        server.set_client_routes(routes(old))
        options = {"client_routes": ROUTES, "keyspace": None, "reconnect_delay_max": 0.1}
        async with face.connect(old[0].contact_point, **options) as session:
            known = {node.host_id for node in session.cluster.nodes()}
            server.set_client_routes([routes(old)[0], routes(new)[1]])
            assert new[1].accepted == 0, "those that are up stay where they are"
            assert len(await hosts(session)) == 2
            old[1].close()
            eventually("through the new proxy", lambda: new[1].open == 2 * 2)
            eventually("all are back", lambda: session.shards().is_fully_covered)
            assert len(await hosts(session)) == 2
            assert new[0].accepted == 0
            assert {node.host_id for node in session.cluster.nodes()} == known


async def test_a_route_that_is_set_late_is_used_at_once(face):
    with Cluster(2, 1) as server, gates(server, "127.0.9.1") as proxies:
        server.set_client_routes(routes(proxies)[:1])
        # No attempt is repeated within the test of its own accord.
        delays = {"reconnect_delay_min": 50.0, "reconnect_delay_max": 50.0}
        options = {"client_routes": ROUTES, **LONELY, **delays}
        async with face.connect(proxies[0].contact_point, **options) as session:
            (with_one, without) = sorted(session.shards(), key=lambda n: n.last_error or "")
            assert with_one.connections == 1
            assert without.connections == 0
            assert "system.client_routes has none" in without.last_error
            assert "vpc-1" in without.last_error
            assert proxies[1].accepted == 0
            server.set_client_routes(routes(proxies))
            eventually("both are connected", lambda: session.shards().is_fully_covered)
            assert {node.last_error for node in session.shards()} == {None}
            assert len(await hosts(session)) == 2
            # A route that is taken away again ends nothing that works.
            server.set_client_routes(routes(proxies)[:1])
            eventually("it is known", lambda: any(n.last_error for n in session.shards()))
            assert len(await hosts(session)) == 2


async def test_attempts_at_where_a_node_no_longer_is_are_given_up(face):
    with (
        Cluster(2, 1) as server,
        gates(server, "127.0.9.1") as proxies,
        socket.create_server(("127.0.9.3", 0)) as deaf,
    ):
        rows = routes(proxies)
        port = deaf.getsockname()[1]
        server.set_client_routes([rows[0], rows[1]._replace(address="127.0.9.3", port=port)])
        # The attempt would outlast the test.
        options = {"client_routes": ROUTES, **LONELY, "connect_timeout": 50.0}
        async with face.connect(proxies[0].contact_point, **options) as session:
            assert not session.shards().is_fully_covered
            server.set_client_routes(rows)
            eventually("both are connected", lambda: session.shards().is_fully_covered)
            closed = [node.connections_closed for node in session.shards()]
            assert closed == [0, 0], "what never came up is not closed"


async def test_a_node_without_any_route_is_not_reached_by_its_own_address(face):
    with Cluster(1, 1) as server:
        options = {"client_routes": ROUTES, **LONELY}
        async with face.connect(server.contact_points, **options) as session:
            with pytest.raises(exceptions.NoHostAvailable, match="client route"):
                await session.execute(LOCAL)
            assert connections(server) == [1], "the control connection"


async def test_names_addresses_of_ones_own_and_another_connection(face):
    with (
        Cluster(2, 1) as server,
        gates(server, "127.0.0.1") as first,
        gates(server, "127.0.9.2") as second,
    ):
        # The name may have addresses where nobody listens.
        a, b = routes(first, "a", "no-such-host.invalid"), routes(second, "b")
        both = ClientRoutes([ClientRoute("a", "localhost"), "b"])
        server.set_client_routes([*a, *b])
        options = {"client_routes": both, "keyspace": None, "reconnect_delay_max": 0.1}
        async with face.connect(first[0].contact_point, **options) as session:
            eventually("by name", lambda: session.shards().is_fully_covered)
            assert [gate.accepted for gate in second] == [0, 0], "the first comes first"
            server.set_client_routes([a[0], *b])
            first[1].close()
            eventually("over the other", lambda: second[1].open == 2)
            eventually("up again", lambda: session.shards().is_fully_covered)
            assert len(await hosts(session)) == 2
            assert second[0].accepted == 0


async def test_a_name_that_is_not_there(face):
    with Cluster(2, 1) as server, gates(server, "127.0.9.1") as proxies:
        rows = routes(proxies)
        server.set_client_routes([rows[0], rows[1]._replace(address="no-such-host.invalid")])
        options = {"client_routes": ROUTES, **LONELY}
        async with face.connect(proxies[0].contact_point, **options) as session:

            def errors():
                return [node.last_error for node in session.shards() if node.last_error]

            (error,) = eventually("it fails", errors)
            assert "cannot resolve the name: no-such-host.invalid" in error
            assert len(await hosts(session)) == 1
            server.set_client_routes(rows)
            eventually("it is found", lambda: session.shards().is_fully_covered)


async def test_certificates_are_those_of_nodes(face):
    """The proxy is at 127.0.9.1, and no certificate is for that."""
    with Cluster(2, 1, tls=ServerTLS()) as server, gates(server, "127.0.9.1", tls=True) as proxies:
        rows = [row._replace(port=1, tls_port=row.port) for row in routes(proxies)]
        server.set_client_routes(rows)
        ca = {"ca_data": server.ca_pem}
        options = {"client_routes": ROUTES, "keyspace": None}
        points = [gate.contact_point for gate in proxies]
        with pytest.raises(exceptions.NoHostAvailable, match=r"not for 127\.0\.9\.1"):
            async with face.connect(points, tls=TLS(**ca), **options):
                pass
        named = TLS(**ca, server_name="cluster.shardlane.test")
        async with face.connect(points, tls=named, **options) as session:
            assert session.shards().is_fully_covered
            assert len(await hosts(session)) == 2
        server.set_client_routes([row._replace(tls_port=None) for row in rows])
        lonely = {**options, "pool_wait": 0.1}
        async with face.connect(points, tls=named, **lonely) as session:
            assert all("has no tls_port" in node.last_error for node in session.shards())


async def test_the_shard_aware_port_where_proxies_lead_to_it(face):
    """Nodes are their own proxies: what is passed on one to one is as good as nothing."""
    with Cluster(2, 3) as server:
        rows = [NodeRoute("vpc-1", node.index, node.address, server.port) for node in server.nodes]
        server.set_client_routes(rows)
        aware = ClientRoutes(["vpc-1"], shard_aware_port=True)
        options = {"keyspace": None, "client_routes": aware}
        async with face.connect(server.contact_points, **options) as session:
            assert session.shards().is_fully_covered
        assert aware_connections(server) == [2, 2]


async def test_a_cluster_without_client_routes_is_refused(face):
    refused = pytest.raises(exceptions.NoHostAvailable, match="CLIENT_ROUTES_CHANGE")
    with Cluster(1, 0) as server, refused:
        async with face.connect(server.contact_points, client_routes=ROUTES, keyspace=None):
            pass


async def test_the_control_connection_moves_through_proxies(face):
    with Cluster(2, 1) as server, gates(server, "127.0.9.1") as proxies:
        server.set_client_routes(routes(proxies))
        options = {"client_routes": ROUTES, "keyspace": None, "reconnect_delay_max": 0.1}
        async with face.connect(proxies[0].contact_point, **options) as session:
            known = {node.host_id for node in session.cluster.nodes()}
            opened = [node.connections_opened for node in session.shards()]
            server.nodes[0].kill()
            # Its own connection to a node it never had for a contact point.
            eventually("it has moved", lambda: connections(server)[1] == 2)
            assert {node.host_id for node in session.cluster.nodes()} == known
            server.nodes[0].start()
            eventually("all are back", lambda: session.shards().is_fully_covered)
            # No node was taken for another one: the one that stayed up kept its connection.
            after = [node.connections_opened for node in session.shards()]
            assert sorted(after) == [opened[0], opened[1] + 1]


BAD_ROUTES = [
    (lambda: ClientRoutes([]), "connections is empty"),
    (lambda: ClientRoutes("vpc-1"), "connections='vpc-1' is not a list"),
    (lambda: ClientRoutes(7), "connections=7 is not a list"),
    (lambda: ClientRoutes([7]), "connections: 7 "),
    (lambda: ClientRoutes([""]), "connection_id='' is not a name"),
    (lambda: ClientRoutes(["a", ClientRoute("a")]), "twice"),
    (lambda: ClientRoutes(["a"], shard_aware_port=1), "shard_aware_port=1 is not understood"),
    (lambda: ClientRoute("a", ""), "address='' is not a name"),
    (lambda: ClientRoute("a", "db:9042"), "has a port"),
    (lambda: ClientRoute("a", "[::1]"), "has a port or brackets"),
    (lambda: ClientRoute("a", "http://db"), "is not a host"),
    (lambda: shardlane.connect("127.0.0.1", client_routes="vpc-1"), "client_routes='vpc-1'"),
    (
        lambda: shardlane.connect("127.0.0.1", client_routes=ROUTES, address_translation={}),
        "both say where nodes are",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD_ROUTES)
def test_options_that_make_no_sense(make, message):
    with pytest.raises(exceptions.ConfigurationError, match=message.replace("[", r"\[")):
        make()


def test_addresses_that_make_sense():
    assert ClientRoutes(["a"]) == ClientRoutes([ClientRoute("a")])
    for address in ("db.example", "10.0.0.1", "fe80::1"):
        assert ClientRoute("a", address).address == address


def test_routes_that_the_embedded_cluster_cannot_have():
    with Cluster(1, 1) as server:
        row = NodeRoute("a", 0, "127.0.0.1", 1)
        for rows in ([row, row], [row._replace(node=1)], [row._replace(port=0)]):
            with pytest.raises(RuntimeError):
                server.set_client_routes(rows)

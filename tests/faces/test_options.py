"""Options are checked where they are given; messages name what is wrong and what would be right."""

from __future__ import annotations

import ipaddress

import pytest

import shardlane
from shardlane import Consistency, aio
from shardlane._shared.contact_points import parse
from shardlane.exceptions import ConfigurationError

GOOD = {
    "db": [("db", 9042)],
    " db ": [("db", 9042)],
    "db:9043": [("db", 9043)],
    "a,b:1, c": [("a", 9042), ("b", 1), ("c", 9042)],
    "127.0.0.1": [("127.0.0.1", 9042)],
    "::1": [("::1", 9042)],
    "[::1]": [("::1", 9042)],
    "[::1]:9043": [("::1", 9043)],
    ("db", 9043): [("db", 9043)],
    ("a", "b"): [("a", 9042), ("b", 9042)],
    ("a", "a", "a:9042"): [("a", 9042)],
    (("a", 1), "b:2", "[::2]:3"): [("a", 1), ("b", 2), ("::2", 3)],
    (ipaddress.ip_address("::1"), ipaddress.ip_address("10.0.0.1")): [
        ("::1", 9042),
        ("10.0.0.1", 9042),
    ],
    ipaddress.ip_address("10.0.0.1"): [("10.0.0.1", 9042)],
}


@pytest.mark.parametrize(("given", "points"), GOOD.items(), ids=str)
def test_contact_points(given, points):
    assert list(parse(given)) == points
    assert list(parse(iter([given]) if isinstance(given, str) else given)) == points


def test_the_port_is_for_those_that_name_none():
    assert parse(["a", "b:1", ("c", 2)], 7) == (("a", 7), ("b", 1), ("c", 2))


BAD_POINTS = {
    "": "empty",
    (): "empty",
    " , ": "empty",
    "db:": "'' is not a port",
    "db:http": "'http' is not a port",
    "db:0": "0 is not a port",
    "db:65536": "65536 is not a port",
    "db:-1": "'-1' is not a port",
    ":9042": "no host",
    "a b": "no host",
    "[::1": "not understood",
    "[::1]9042": "not understood",
    "[nope]:1": "no IPv6 address",
    "a:b:c": "no IPv6 address",
    "scylla://user:secret@db": "looks like a URL",
    "http://db": "looks like a URL",
    ("db", 0): "0 is not a port",
    ("db", 99999): "99999 is not a port",
    (5, 9042): "no host",
    (("db", "x", "y"),): "not understood",
    7: "not understood",
    b"db": "not understood",
    (b"db",): "not understood",
    None: "not understood",
}


@pytest.mark.parametrize(("given", "message"), BAD_POINTS.items(), ids=repr)
def test_what_is_no_contact_point(given, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        shardlane.connect(given)
    assert caught.value.hint or "empty" in message
    assert "secret" not in str(caught.value)


BAD_OPTIONS = [
    ({"port": 0}, "port=0"),
    ({"port": "9042"}, "port='9042'"),
    ({"port": True}, "port=True"),
    ({"keyspace": ""}, "keyspace=''"),
    ({"keyspace": 5}, "keyspace=5"),
    ({"username": "ada"}, "both username= and password="),
    ({"password": "secret"}, "both username= and password="),
    ({"username": "ada", "password": b"secret"}, "password is a bytes"),
    ({"timeout": 0}, "timeout=0"),
    ({"timeout": -1}, "timeout=-1"),
    ({"timeout": "10"}, "timeout='10'"),
    ({"timeout": float("nan")}, "timeout=nan"),
    ({"timeout": float("inf")}, "timeout=inf"),
    ({"consistency": "MOST"}, "consistency='MOST'"),
    ({"consistency": None}, "consistency=None"),
    ({"serial_consistency": "QUORUM"}, "serial_consistency='QUORUM'"),
    ({"page_size": 0}, "page_size=0"),
    ({"page_size": 2.5}, "page_size=2.5"),
    ({"idempotent": "yes"}, "idempotent='yes'"),
    ({"row_factory": "list"}, "row_factory='list'"),
    ({"row_factory": 5}, "row_factory=5"),
    ({"compression": "zip"}, "compression='zip'"),
    ({"shard_awareness": "half"}, "shard_awareness='half'"),
    ({"connections_per_shard": 0}, "connections_per_shard=0"),
    ({"connections_per_host": -1}, "connections_per_host=-1"),
    ({"connections_per_shard": 1, "connections_per_host": 1}, "not both"),
    ({"source_ports": 5}, "source_ports=5"),
    ({"source_ports": (5, 4)}, "source_ports="),
    ({"source_ports": (0, 4)}, "source_ports: the port=0"),
    ({"connect_timeout": 0}, "connect_timeout=0"),
    ({"keepalive_interval": None}, "keepalive_interval=None"),
    ({"statement_cache_size": 0}, "statement_cache_size=0"),
    ({"in_flight_per_connection_max": 100_000}, "in_flight_per_connection_max"),
    ({"application_name": 5}, "application_name is a int"),
    ({"local_datacenter": 5}, "local_datacenter is a int"),
]


@pytest.mark.parametrize("connect", [shardlane.connect, aio.connect], ids=["sync", "aio"])
@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=str)
def test_bad_options_are_refused_before_anything_is_sent(connect, options, message):
    with pytest.raises(ConfigurationError) as caught:
        # The asyncio face, too, tells at once and not when it is awaited.
        connect("192.0.2.1", **options)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("cls", [shardlane.Cluster, aio.Cluster], ids=["sync", "aio"])
def test_bad_options_of_cluster_objects(cls):
    with pytest.raises(ConfigurationError, match="unknown option 'retries'"):
        cls("db", retries=5)
    cluster = cls("db")
    with pytest.raises(ConfigurationError, match="unknown option 'size'"):
        cluster.connect(size=5)
    with pytest.raises(ConfigurationError, match="keyspace"):
        cluster.connect(keyspace=5)


def test_consistency_levels_are_strings():
    assert Consistency.LOCAL_QUORUM == "LOCAL_QUORUM"
    assert str(Consistency.ONE) == f"{Consistency.ONE}" == "ONE"
    assert len(Consistency) == 11


def test_cluster_objects_do_nothing_before_the_first_session():
    cluster = shardlane.Cluster(["db1", ("db2", 9043)], username="ada", password="secret")
    assert repr(cluster) == "<shardlane.sync.Cluster at db1:9042, db2:9043: not connected yet>"
    assert (cluster.nodes(), cluster.keyspaces(), len(cluster.shards())) == ((), {}, 0)
    assert cluster.name is None
    assert "secret" not in repr(vars(cluster))
    cluster.close()
    assert cluster.closed
    with pytest.raises(shardlane.SessionClosed):
        cluster.connect()

from __future__ import annotations

import copy
import gc
import pickle
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Any
from uuid import UUID, SafeUUID, uuid1, uuid4

import pytest

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import BadValue, DecodeError

ID = UUID("123e4567-e89b-12d3-a456-426614174000")


def test_uuid() -> None:
    for value in (ID, uuid4(), UUID(int=0), UUID(int=2**128 - 1)):
        assert encode("uuid", value) == value.bytes
        assert decode("uuid", value.bytes) == value


@pytest.mark.parametrize("text", [str(ID), str(ID).upper(), ID.hex, f"{{{ID}}}", f"urn:uuid:{ID}"])
def test_uuid_as_a_str(text: str) -> None:
    assert encode("uuid", text) == ID.bytes


def test_decoded_uuids_are_like_any_other() -> None:
    value = decode("uuid", ID.bytes)
    assert type(value) is UUID
    assert (value, hash(value), repr(value), str(value)) == (ID, hash(ID), repr(ID), str(ID))
    assert value.is_safe is SafeUUID.unknown
    assert value in {ID}
    assert value < UUID(int=2**128 - 1)
    assert pickle.loads(pickle.dumps(value)) == ID
    assert copy.deepcopy(value) == ID
    with pytest.raises(TypeError, match="immutable"):
        value.int = 1
    assert not gc.is_tracked(value)


@pytest.mark.parametrize("value", ["", "zz", str(ID)[:-1], str(ID)[:-1] + "g", ID.bytes, ID.int, 1])
@pytest.mark.parametrize("cql_type", ["uuid", "timeuuid"])
def test_uuid_refuses_the_rest(cql_type: str, value: Any) -> None:
    with pytest.raises(BadValue, match=r"expected a uuid\.UUID"):
        encode(cql_type, value)


def test_timeuuid_is_of_version_1() -> None:
    value = uuid1()
    assert encode("timeuuid", value) == encode("timeuuid", str(value)) == value.bytes
    assert decode("timeuuid", value.bytes) == value
    for wrong in (uuid4(), UUID(int=0)):
        with pytest.raises(BadValue, match="version 1"):
            encode("timeuuid", wrong)


@pytest.mark.parametrize("text", ["127.0.0.1", "255.255.255.255", "::1", "2001:db8::ff00:42:8329"])
def test_inet(text: str) -> None:
    address = ip_address(text)
    assert encode("inet", address) == encode("inet", text) == address.packed
    assert decode("inet", address.packed) == address


def test_a_mapped_address_stays_ipv6() -> None:
    address = IPv6Address("::ffff:1.2.3.4")
    assert decode("inet", encode("inet", address)) == address
    assert decode("inet", bytes(4)) == IPv4Address(0)


@pytest.mark.parametrize(
    "value", ["", "localhost", "1.2.3", "fe80::1%eth0", IPv4Network("10.0.0.0/8"), 1]
)
def test_inet_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match="expected an IPv4 or IPv6 address"):
        encode("inet", value)


def test_inet_refuses_a_scope() -> None:
    with pytest.raises(BadValue, match="scope"):
        encode("inet", IPv6Address("fe80::1%eth0"))


@pytest.mark.parametrize("cql_type", ["uuid", "timeuuid", "inet"])
def test_only_the_right_length_decodes(cql_type: str) -> None:
    assert decode(cql_type, b"") is None
    for length in (1, 5, 15, 17):
        with pytest.raises(DecodeError, match="bytes, got"):
            decode(cql_type, bytes(length))

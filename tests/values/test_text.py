from __future__ import annotations

import array
import enum
from typing import Any

import pytest

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import BadValue, DecodeError


class Name(str, enum.Enum):
    ANN = "ann"


@pytest.mark.parametrize("text", ["", "a", "snow ☃", "\U0001f600", "\0", "é" * 1000])
def test_text(text: str) -> None:
    assert encode("text", text) == text.encode()
    assert decode("text", text.encode()) == text
    assert encode("varchar", text) == text.encode()


def test_texts_of_every_length_with_anything_but_ascii_at_every_place() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    for length in range(len(letters) + 1):
        ascii_text = letters[:length]
        decoded = decode("text", ascii_text.encode())
        assert decoded == ascii_text
        assert decoded.isascii()
        assert hash(decoded) == hash(ascii_text)
        for place in range(length):
            other = f"{ascii_text[:place]}é{ascii_text[place:]}"
            assert decode("text", other.encode()) == other
            broken = bytearray(ascii_text.encode())
            broken[place] |= 0x80
            with pytest.raises(DecodeError, match="not UTF-8"):
                decode("text", bytes(broken))


def test_str_subclasses_are_their_text() -> None:
    assert encode("text", Name.ANN) == b"ann"


@pytest.mark.parametrize("cql_type", ["text", "ascii"])
@pytest.mark.parametrize("value", [b"a", bytearray(b"a"), 1, ["a"], Name])
def test_text_refuses_what_is_no_str(cql_type: str, value: Any) -> None:
    with pytest.raises(BadValue, match="expected a str"):
        encode(cql_type, value)


def test_bytes_for_text_get_a_hint() -> None:
    with pytest.raises(BadValue) as caught:
        encode("text", b"a")
    assert "decode" in str(caught.value.hint)


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(BadValue, match="surrogate"):
        encode("text", "\ud800")


def test_ascii() -> None:
    assert encode("ascii", "hello\x7f") == b"hello\x7f"
    assert decode("ascii", b"hello") == "hello"
    with pytest.raises(BadValue, match="ASCII"):
        encode("ascii", "é")


def test_text_that_is_not_utf8_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="not UTF-8") as caught:
        decode("text", b"\xff")
    assert isinstance(caught.value.__cause__, UnicodeDecodeError)


@pytest.mark.parametrize(
    "value",
    [
        b"\0\xff",
        bytearray(b"\0\xff"),
        memoryview(b"\0\xff"),
        memoryview(b"\0-\xff-")[::2],
        array.array("B", [0, 255]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_blob_takes_any_buffer(value: Any) -> None:
    assert encode("blob", value) == b"\0\xff"


def test_empty_blobs() -> None:
    for value in (b"", bytearray(), memoryview(b"")):
        assert encode("blob", value) == b""
    assert decode("blob", b"") == b""


def test_wide_buffers_are_their_bytes() -> None:
    wide = array.array("d", [1.5, 2.5])
    assert encode("blob", wide) == wide.tobytes()


@pytest.mark.parametrize("value", ["a", 1, [1, 2], None.__class__])
def test_blob_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match="expected bytes"):
        encode("blob", value)


def test_custom_types_are_bytes_as_they_are() -> None:
    assert encode("'org.example.Shape'", bytearray(b"\1\2")) == b"\1\2"
    assert decode("'org.example.Shape'", b"\1\2") == b"\1\2"
    with pytest.raises(BadValue) as caught:
        encode("'org.example.Shape'", 1)
    assert caught.value.cql_type == "'org.example.Shape'"

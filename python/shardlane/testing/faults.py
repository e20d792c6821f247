"""What may go wrong on the embedded cluster: a *condition* says when, a *reaction* says what.

Conditions are asked when a request has arrived, and can be combined with ``&``, ``|`` and ``~``::

    cluster.fault(faults.opcode("EXECUTE") & faults.node(1) & faults.first(3), faults.silence())

`first` and `probability` have a memory, which moves only when they are asked: put them last in an
``&``. The first fault whose condition holds is applied, in the order they were added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from shardlane._shared.errors import CODES

if TYPE_CHECKING:
    from shardlane import exceptions

__all__ = [
    "ERRORS",
    "OPCODES",
    "Condition",
    "Reaction",
    "always",
    "close",
    "connection",
    "delay",
    "error",
    "first",
    "garbage",
    "half_frame_then_close",
    "half_frame_then_silence",
    "node",
    "on_shard_aware_port",
    "opcode",
    "oversized_length",
    "probability",
    "shard",
    "silence",
    "text",
    "wrong_host",
    "wrong_shard",
    "wrong_stream",
    "wrong_tablet",
]

OPCODES: Final = (
    "STARTUP",
    "OPTIONS",
    "QUERY",
    "PREPARE",
    "EXECUTE",
    "REGISTER",
    "BATCH",
    "AUTH_RESPONSE",
)
"""The kinds of requests."""

ERRORS: Final = CODES
"""The error code of each exception class that has one."""


class Condition:
    """When a fault applies. Made by the functions of this module."""

    __slots__ = ("_rule",)

    def __init__(self, kind: str, **fields: Any) -> None:
        self._rule: dict[str, Any] = {"kind": kind, **fields}

    @property
    def rule(self) -> dict[str, Any]:
        """What the embedded cluster is told."""
        return self._rule

    def __and__(self, other: Condition) -> Condition:
        return Condition("and", conditions=[*self._parts("and"), *other._parts("and")])

    def __or__(self, other: Condition) -> Condition:
        return Condition("or", conditions=[*self._parts("or"), *other._parts("or")])

    def __invert__(self) -> Condition:
        return Condition("not", condition=self._rule)

    def _parts(self, kind: str) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = self._rule["conditions"] if self._rule["kind"] == kind else []
        return parts or [self._rule]

    def __repr__(self) -> str:
        return f"<condition {self._rule}>"


class Reaction:
    """What a fault does. Made by the functions of this module."""

    __slots__ = ("_rule",)

    def __init__(self, kind: str, **fields: Any) -> None:
        self._rule: dict[str, Any] = {"kind": kind, **fields}

    @property
    def rule(self) -> dict[str, Any]:
        """What the embedded cluster is told."""
        return self._rule

    def __repr__(self) -> str:
        return f"<reaction {self._rule}>"


def always() -> Condition:
    """Every request."""
    return Condition("always")


def opcode(name: str) -> Condition:
    """Requests of this kind.

    Args:
        name: one of ``OPCODES``.

    Raises:
        ValueError: there is no such kind.
    """
    if name.upper() not in OPCODES:
        raise ValueError(f"opcode {name!r} is not one of {', '.join(OPCODES)}")
    return Condition("opcode", opcode=name.upper())


def node(index: int) -> Condition:
    """Requests to this node, counted from 0."""
    return Condition("node", node=index)


def shard(number: int) -> Condition:
    """Requests on connections that a shard of this number serves, on any node."""
    return Condition("shard", shard=number)


def connection(number: int) -> Condition:
    """Requests on this connection, counted from 1 in the order in which a node accepted them."""
    return Condition("connection", number=number)


def on_shard_aware_port() -> Condition:
    """Requests on connections that came in by the shard-aware port."""
    return Condition("shard_aware_port")


def text(part: str) -> Condition:
    """Requests whose CQL contains this; for EXECUTE and BATCH that of the prepared statements."""
    return Condition("text", text=part)


def first(count: int) -> Condition:
    """Only the first ``count`` times that this is asked."""
    return Condition("first", count=count)


def probability(of_one: float, *, seed: int = 0) -> Condition:
    """With this probability, from 0.0 to 1.0; the same seed gives the same answers."""
    return Condition("probability", probability=of_one, seed=seed)


def half_frame_then_close() -> Reaction:
    """The first half of the answer, then the connection is closed."""
    return Reaction("half_frame_then_close")


def half_frame_then_silence() -> Reaction:
    """The first half of the answer, then nothing more on this connection, which stays open."""
    return Reaction("half_frame_then_silence")


def silence() -> Reaction:
    """The request is carried out, but there is no answer."""
    return Reaction("silence")


def delay(seconds: float) -> Reaction:
    """The answer comes so many seconds later."""
    return Reaction("delay", seconds=seconds)


def close() -> Reaction:
    """The connection is closed at once; the request is not carried out."""
    return Reaction("close")


def error(
    code: int | type[exceptions.ServerError], message: str | None = None, **fields: Any
) -> Reaction:
    """An error is the answer; the request is not carried out.

    Args:
        code: the error code of the protocol, or the exception class: ``WriteTimeout``.
        message: the server's words.
        **fields: fields of the error: ``required``, ``alive``, ``received``, ``block_for``,
            ``data_present``, ``write_type``, ``id``; there are plausible defaults.

    Raises:
        ValueError: the exception class has no code of its own.
    """
    if isinstance(code, type):
        if code not in ERRORS:
            raise ValueError(f"{code.__name__} has no error code of its own")
        code = ERRORS[code]
    if message is not None:
        fields["message"] = message
    return Reaction("error", code=code, **fields)


def wrong_shard(number: int) -> Reaction:
    """SUPPORTED says that this shard serves the connection. For other requests, nothing."""
    return Reaction("wrong_shard", shard=number)


def wrong_host() -> Reaction:
    """SUPPORTED says that another node has been reached. For other requests, nothing."""
    return Reaction("wrong_host")


def garbage() -> Reaction:
    """Bytes that are no frame, then the connection is closed."""
    return Reaction("garbage")


def oversized_length() -> Reaction:
    """The header announces a body of almost 4 GiB."""
    return Reaction("oversized_length")


def wrong_stream(offset: int = 1) -> Reaction:
    """The answer comes on another stream: its id plus ``offset``."""
    return Reaction("wrong_stream", offset=offset)


def wrong_tablet(
    lie: Literal["next_shard", "unknown_nodes", "no_replicas", "garbage"] = "next_shard",
) -> Reaction:
    """What the answer tells of the tablet is not true, even if the request met the right shard.

    For tables without tablets, and for clients that have not asked to be told, nothing.

    Args:
        lie: each replica is one shard further on; the replicas are on nodes that nobody knows;
            there are none; the bytes are no tablet.
    """
    return Reaction("wrong_tablet", lie=lie)

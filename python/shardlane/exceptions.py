"""The exceptions of shardlane, by blame.

::

    ShardlaneError
    ├── UsageError                     the caller's mistake, found before anything was sent
    │   ├── ConfigurationError         options that make no sense (also ValueError)
    │   │   └── UnknownKeyspace
    │   ├── BadValue                   a value that does not fit (also TypeError, ValueError)
    │   ├── MultiplePages              plain iteration over a result that has more pages
    │   ├── TraceUnavailable           there is no trace of the execution, or not yet
    │   ├── SessionClosed
    │   └── ForkError
    ├── RequestError                   a request that failed: statement, attempts
    │   ├── ServerError                the server's answer was an error: code, node, shard
    │   │   ├── StatementError         the statement is at fault; the same again fails again
    │   │   │   ├── CqlSyntaxError     0x2000
    │   │   │   ├── Unauthorized       0x2100
    │   │   │   ├── InvalidQuery       0x2200
    │   │   │   ├── ConfigError        0x2300
    │   │   │   ├── AlreadyExists      0x2400
    │   │   │   └── FunctionFailure    0x1400
    │   │   ├── ReplicaError           too few replicas did their part
    │   │   │   ├── Unavailable        0x1000
    │   │   │   ├── WriteTimeout       0x1100
    │   │   │   ├── ReadTimeout        0x1200
    │   │   │   ├── ReadFailure        0x1300
    │   │   │   ├── WriteFailure       0x1500
    │   │   │   └── CasWriteUnknown    0x1700
    │   │   ├── AuthenticationFailed   0x0100
    │   │   ├── Overloaded             0x1001
    │   │   ├── Bootstrapping          0x1002
    │   │   ├── TruncateFailed         0x1003
    │   │   ├── CdcWriteFailure        0x1600
    │   │   ├── UnpreparedStatement    0x2500
    │   │   └── RateLimitReached       ScyllaDB's per-partition rate limit
    │   ├── NetworkError
    │   │   ├── NoHostAvailable        nobody could be asked: reasons
    │   │   │   ├── AuthenticationError  the login was refused, or could not be carried out
    │   │   │   └── TlsError           TLS failed: fault
    │   │   └── ConnectionLost         the connection ended under the request
    │   ├── ClientOverloaded           this client has as much under way as it may have
    │   ├── RequestTimeout             no answer within the timeout (also TimeoutError)
    │   ├── RequestCancelled           somebody called cancel() on a request another one waits for
    │   └── PreparedStatementChanged   the schema changed under a prepared statement
    ├── ProtocolError                  the server did what the protocol does not allow
    │   └── DecodeError                bytes of a result are no value of their type
    └── InternalError                  a bug of shardlane

All of them can be pickled. Where something can be done about it, ``hint`` says what.
"""

# ruff: noqa: N818
# Names say what happened, as in the drivers that users know.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "AlreadyExists",
    "Attempt",
    "AuthenticationError",
    "AuthenticationFailed",
    "BadValue",
    "Bootstrapping",
    "CasWriteUnknown",
    "CdcWriteFailure",
    "ClientOverloaded",
    "ConfigError",
    "ConfigurationError",
    "ConnectionLost",
    "CqlSyntaxError",
    "DecodeError",
    "ForkError",
    "FunctionFailure",
    "InternalError",
    "InvalidQuery",
    "MultiplePages",
    "NetworkError",
    "NoHostAvailable",
    "Overloaded",
    "PreparedStatementChanged",
    "ProtocolError",
    "RateLimitReached",
    "ReadFailure",
    "ReadTimeout",
    "ReplicaError",
    "RequestCancelled",
    "RequestError",
    "RequestTimeout",
    "ServerError",
    "SessionClosed",
    "ShardlaneError",
    "StatementError",
    "TlsError",
    "TraceUnavailable",
    "TruncateFailed",
    "Unauthorized",
    "Unavailable",
    "UnknownKeyspace",
    "UnpreparedStatement",
    "UsageError",
    "WriteFailure",
    "WriteTimeout",
]


class ShardlaneError(Exception):
    """The base of all exceptions of shardlane.

    Args:
        message: what happened.
        hint: what to do about it, if there is something.
    """

    parameter_set: int | None = None
    """For a failure within ``execute_many``: the position of the parameter set, from 0."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = self.message
        if place := self._place():
            text = f"{text} [{place}]"
        return f"{text} (hint: {self.hint})" if self.hint else text

    def _place(self) -> str:
        """Where it happened, for messages."""
        return "" if self.parameter_set is None else f"parameter set {self.parameter_set}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Attributes are set through the state, so that subclasses need no code for pickling.
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(cls: type[ShardlaneError], args: tuple[Any, ...]) -> ShardlaneError:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


# --- the caller's mistakes ---------------------------------------------------------------------


class UsageError(ShardlaneError):
    """The caller's mistake, found before anything was sent to a server."""


class ConfigurationError(UsageError, ValueError):
    """An option has a wrong type or value, or options contradict each other."""


class UnknownKeyspace(ConfigurationError):
    """The keyspace to connect to does not exist.

    Args:
        message: what happened.
        keyspace: the name asked for.
        hint: which there are.
    """

    def __init__(self, message: str, *, keyspace: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.keyspace = keyspace


class BadValue(UsageError, TypeError, ValueError):
    """A Python value does not fit where it is bound, or parameters do not fit their statement.

    Args:
        message: what happened.
        column: the variable, with the way into it: ``tags[3]``, ``addr.zip``.
        cql_type: the CQL type there.
        python_type: the type of the value there.
        hint: what to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        column: str | None = None,
        cql_type: str | None = None,
        python_type: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.column = column
        self.cql_type = cql_type
        self.python_type = python_type


class MultiplePages(UsageError):
    """Plain iteration over a result of the asyncio face that has more than one page."""


class TraceUnavailable(UsageError):
    """There is no trace: the execution was not traced, or the servers have not written it yet."""


class SessionClosed(UsageError):
    """The session, or the cluster object behind it, has been closed."""


class ForkError(UsageError):
    """A session or cluster object made before ``fork()`` is used in the child process."""


# --- requests that failed ----------------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    """One failed try of a request on one node."""

    node: str
    """Address and port: ``127.0.0.1:9042``, ``[::1]:9042``."""
    host_id: str
    """The node's host id, a UUID as text."""
    shard: int | None
    """The shard of the connection; None if the node has none, or nothing was sent."""
    failure: str
    """``"server"``: an error was the answer; ``"connection"``: it ended first; ``"busy"``:
    too many requests in flight; ``"not_connected"``: there was no connection; ``"unanswered"``:
    no answer had come when the request ended."""
    message: str
    """What happened, in the words of the server or of the operating system."""
    written: bool = True
    """Whether the request may have reached the node."""
    code: int | None = None
    """The server's error code, for ``"server"``."""

    def __str__(self) -> str:
        shard = "" if self.shard is None else f" shard {self.shard}"
        return f"{self.node}{shard}: {self.message}"


class RequestError(ShardlaneError):
    """A request failed.

    Args:
        message: what happened.
        statement: the CQL text of the request, without its values.
        attempts: all failed tries, oldest first.
        hint: what to do about it.
    """

    default_hint: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        statement: str | None = None,
        attempts: tuple[Attempt, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint or self.default_hint)
        self.statement = statement
        self.attempts = attempts

    def _place(self) -> str:
        parts = [super()._place()]
        if len(self.attempts) > 1:
            parts.append(f"{len(self.attempts)} attempts")
        return ", ".join(filter(None, parts))


class ServerError(RequestError):
    """The server answered with an error (this class itself: 0x0000, or a code without a class).

    Args:
        message: the server's own words.
        code: the error code of the protocol.
        node: address and port of the coordinator, as in ``Attempt``.
        host_id: its host id.
        shard: the shard that answered; None if the node has no shards.
        statement: the CQL text of the request, without its values.
        attempts: all failed tries, oldest first; the last one is this.
        hint: what to do about it.
        **detail: the fields that the protocol defines for the code; attributes of the exception.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        node: str = "",
        host_id: str = "",
        shard: int | None = None,
        statement: str | None = None,
        attempts: tuple[Attempt, ...] = (),
        hint: str | None = None,
        **detail: Any,
    ) -> None:
        super().__init__(message, statement=statement, attempts=attempts, hint=hint)
        self.code = code
        self.node = node
        self.host_id = host_id
        self.shard = shard
        # Fields that a server leaves out keep the defaults of the class.
        self.__dict__.update(detail)

    def _place(self) -> str:
        shard = "" if self.shard is None else f" shard {self.shard}"
        parts = [
            f"0x{self.code:04x} from {self.node}{shard}" if self.node else "",
            super()._place(),
        ]
        return ", ".join(filter(None, parts))


class StatementError(ServerError):
    """The statement is at fault: the same statement will fail again."""


class CqlSyntaxError(StatementError):
    """0x2000: the statement does not parse."""


class Unauthorized(StatementError):
    """0x2100: the user may not do this."""

    default_hint = "GRANT the permission to the user's role, or log in as another user"


class InvalidQuery(StatementError):
    """0x2200: the statement parses, but is wrong: an unknown table, a missing key, a wrong type."""


class ConfigError(StatementError):
    """0x2300: the statement does not go with the server's configuration."""


class AlreadyExists(StatementError):
    """0x2400: the keyspace or table exists already."""

    default_hint = "add IF NOT EXISTS to the statement"
    keyspace: str = ""
    """The keyspace."""
    table: str = ""
    """The table; empty if it is the keyspace that exists."""


class FunctionFailure(StatementError):
    """0x1400: a user-defined function failed."""

    keyspace: str = ""
    """The function's keyspace."""
    function: str = ""
    """The function's name."""
    argument_types: tuple[str, ...] = ()
    """The CQL types of its arguments."""


class ReplicaError(ServerError):
    """The coordinator did its part, but too few replicas did theirs."""

    consistency: str = ""
    """The consistency asked for."""


class Unavailable(ReplicaError):
    """0x1000: too few replicas are alive; nothing was tried, so nothing was written."""

    default_hint = (
        "bring the missing nodes up, or use a consistency that needs fewer replicas;"
        " the keyspace's replication must have that many nodes to begin with"
    )
    required: int = 0
    """Replicas that the consistency takes."""
    alive: int = 0
    """Replicas alive, as far as the coordinator knows."""


class WriteTimeout(ReplicaError):
    """0x1100: too few replicas acknowledged a write in time. It may be applied all the same."""

    default_hint = "if the write is idempotent, do it again"
    received: int = 0
    """Replicas that acknowledged."""
    block_for: int = 0
    """Acknowledgements that the consistency takes."""
    write_type: str = ""
    """``SIMPLE``, ``BATCH``, ``UNLOGGED_BATCH``, ``BATCH_LOG``, ``COUNTER``, ``CAS``, ..."""


class ReadTimeout(ReplicaError):
    """0x1200: too few replicas answered a read in time."""

    received: int = 0
    """Replicas that answered."""
    block_for: int = 0
    """Answers that the consistency takes."""
    data_present: bool = False
    """Whether the replica that was asked for the data itself was among them."""


class ReadFailure(ReplicaError):
    """0x1300: replicas failed during a read."""

    received: int = 0
    """Replicas that answered."""
    block_for: int = 0
    """Answers that the consistency takes."""
    num_failures: int = 0
    """Replicas that failed."""
    data_present: bool = False
    """Whether the replica that was asked for the data itself answered."""


class WriteFailure(ReplicaError):
    """0x1500: replicas failed during a write. It may be applied on others."""

    received: int = 0
    """Replicas that acknowledged."""
    block_for: int = 0
    """Acknowledgements that the consistency takes."""
    num_failures: int = 0
    """Replicas that failed."""
    write_type: str = ""
    """As in ``WriteTimeout``."""


class CasWriteUnknown(ReplicaError):
    """0x1700: whether a conditional write was applied is not known."""

    default_hint = "read with SERIAL consistency to find out"
    received: int = 0
    """Replicas that acknowledged."""
    block_for: int = 0
    """Acknowledgements that it takes."""


class AuthenticationFailed(ServerError):
    """0x0100: the server did not accept the credentials."""

    default_hint = "check username= and password="


class Overloaded(ServerError):
    """0x1001: the coordinator has too much to do."""

    default_hint = "send less at once, for example with a lower concurrency of execute_many"


class Bootstrapping(ServerError):
    """0x1002: the coordinator is still joining the cluster."""


class TruncateFailed(ServerError):
    """0x1003: TRUNCATE failed, mostly because a replica was down."""


class CdcWriteFailure(ServerError):
    """0x1600: the space for change data capture is used up."""


class UnpreparedStatement(ServerError):
    """0x2500: the server does not know the prepared statement, even after it was prepared again."""

    id: bytes = b""
    """The statement id."""


class RateLimitReached(ServerError):
    """ScyllaDB's per-partition rate limit was reached."""

    operation: str = ""
    """``"read"`` or ``"write"``."""
    rejected_by_coordinator: bool = False
    """Whether the coordinator refused, not a replica."""


class NetworkError(RequestError):
    """No server answered."""


class NoHostAvailable(NetworkError):
    """No node could be reached, or none that was asked could take the request.

    Args:
        message: what happened.
        reasons: per node or contact point, why not.
        statement: the CQL text of the request, without its values.
        attempts: all failed tries, oldest first.
        hint: what to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        reasons: dict[str, str] | None = None,
        statement: str | None = None,
        attempts: tuple[Attempt, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, statement=statement, attempts=attempts, hint=hint)
        self.reasons: dict[str, str] = reasons or {}


class AuthenticationError(NoHostAvailable):
    """The login was refused, or could not be carried out.

    If your own authenticator raised something, that is the ``__cause__``.
    """


class TlsError(NoHostAvailable):
    """TLS failed, or one side speaks it and the other does not."""

    fault: str = "other"
    """What is wrong: ``"unknown_issuer"``, ``"expired"``, ``"not_valid_yet"``, ``"wrong_name"``,
    ``"revoked"``, ``"not_for_servers"``, ``"bad_certificate"`` (all of these: the server's
    certificate), ``"not_tls"`` (the server answered in plain text), ``"tls_wanted"`` (we spoke in
    plain text), ``"client_certificate_wanted"``, ``"client_certificate_refused"``,
    ``"nothing_in_common"`` (versions, ciphers), ``"closed"`` or ``"other"``."""


class ConnectionLost(NetworkError):
    """The connection ended while a request was under way, and repeating it was not safe.

    Args:
        message: what happened.
        node: address and port, as in ``Attempt``.
        shard: the shard of the connection; None if the node has no shards.
        written: whether the request may have reached the server, and so may have been applied.
        statement: the CQL text of the request, without its values.
        attempts: all failed tries, oldest first.
        hint: what to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        node: str = "",
        shard: int | None = None,
        written: bool = True,
        statement: str | None = None,
        attempts: tuple[Attempt, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, statement=statement, attempts=attempts, hint=hint)
        self.node = node
        self.shard = shard
        self.written = written


class ClientOverloaded(RequestError):
    """Nothing was sent: as many requests are under way, or wait, as the client may have.

    Args:
        message: what happened.
        in_flight: requests under way.
        queued: requests that wait for their turn.
        statement: the CQL text of the request, without its values.
        attempts: none.
        hint: what to do about it.
    """

    default_hint = "send less at once, or raise max_in_flight= or max_queued="

    def __init__(
        self,
        message: str,
        *,
        in_flight: int = 0,
        queued: int = 0,
        statement: str | None = None,
        attempts: tuple[Attempt, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, statement=statement, attempts=attempts, hint=hint)
        self.in_flight = in_flight
        self.queued = queued


class RequestTimeout(RequestError, TimeoutError):
    """No answer came within the timeout of the request.

    Args:
        message: what happened.
        timeout: the timeout, in seconds.
        in_flight: whether an attempt was under way, so that the server may have acted.
        statement: the CQL text of the request, without its values.
        attempts: all tries, oldest first; those that were still unanswered come last.
        hint: what to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        timeout: float = 0.0,
        in_flight: bool = False,
        statement: str | None = None,
        attempts: tuple[Attempt, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, statement=statement, attempts=attempts, hint=hint)
        self.timeout = timeout
        self.in_flight = in_flight


class RequestCancelled(RequestError):
    """The request was given up by ``cancel()``, from another thread than the one that waits."""


class PreparedStatementChanged(RequestError):
    """The schema changed under a prepared statement: preparing it again gave another one."""

    default_hint = "prepare the statement again"


# --- the peer, and ourselves -------------------------------------------------------------------


class ProtocolError(ShardlaneError):
    """The server sent something that the protocol does not allow."""


class DecodeError(ProtocolError):
    """Bytes of a result are no value of their column's type.

    Args:
        message: what happened.
        column: the column, with the way into it.
        cql_type: the column's CQL type.
    """

    def __init__(
        self, message: str, *, column: str | None = None, cql_type: str | None = None
    ) -> None:
        super().__init__(message)
        self.column = column
        self.cql_type = cql_type


class InternalError(ShardlaneError):
    """A bug of shardlane; please report it with the traceback."""

"""The native core of shardlane. Private: applications use `shardlane` and `shardlane.aio`.

Every operation is *begin -> wait -> finish*: a method that begins one returns a `Request`; an
asyncio caller awaits it, a blocking caller calls `wait()`. Both finish on the caller's own thread.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import Context
from datetime import timedelta
from types import GenericAlias
from typing import Any, Final, Generic, TypeVar, final

from typing_extensions import Self

from shardlane._shared.sockets import SocketOptions
from shardlane.exceptions import ShardlaneError

__all__ = [
    "EMPTY",
    "UNSET",
    "Callout",
    "Callouts",
    "Cluster",
    "Duration",
    "EmptyType",
    "Many",
    "Page",
    "Prepared",
    "Profile",
    "Request",
    "Server",
    "Session",
    "Slices",
    "Tls",
    "UnsetType",
    "UserTypes",
    "_RowDecoder",
    "_RowEncoder",
    "__version__",
    "_decode_value",
    "_encode_value",
]

_T = TypeVar("_T")

__version__: Final[str]

@final
class UnsetType:
    """The type of `UNSET`."""

UNSET: Final[UnsetType]
"""Bind this to leave a column as it is; None writes null."""

@final
class EmptyType:
    """The type of `EMPTY`."""

EMPTY: Final[EmptyType]
"""The value of no bytes that some CQL types have besides null, left over from Thrift."""

@final
class UserTypes:
    """Classes and conversions for values, shared by all sessions of a cluster object."""

    def __new__(cls, *, udts_as_dicts: bool = False, keeps_empty: bool = False) -> UserTypes: ...
    def register_udt(
        self,
        keyspace: str,
        name: str,
        callable: Callable[..., Any],  # noqa: A002
        accepts: Sequence[str] | None,
        hashable: bool,
    ) -> None:
        """A class for a user-defined type, called with the fields in `accepts`, all if None."""
    def register_codec(
        self,
        cql_type: str,
        encode: Callable[[Any], Any] | None,
        decode: Callable[[Any], Any] | None,
    ) -> None:
        """Conversions for a CQL type wherever it occurs; ValueError if it is not understood."""
    def register_column_codec(
        self,
        keyspace: str,
        table: str,
        column: str,
        encode: Callable[[Any], Any] | None,
        decode: Callable[[Any], Any] | None,
    ) -> None:
        """Conversions for one column."""

@final
class Duration:
    """A CQL duration: months, days and nanoseconds, which do not convert into one another.

    All three are positive or zero, or all are negative or zero. Durations have equality, no order.

    Raises:
        ValueError: the signs differ.
        OverflowError: months or days do not fit 32 bits, or nanoseconds 64.
    """

    def __new__(cls, months: int = 0, days: int = 0, nanoseconds: int = 0) -> Duration: ...
    @property
    def months(self) -> int: ...
    @property
    def days(self) -> int: ...
    @property
    def nanoseconds(self) -> int: ...
    @classmethod
    def from_timedelta(cls, delta: timedelta) -> Duration:
        """The duration of a timedelta: whole days of 24 hours, and the rest."""
    def __neg__(self) -> Duration: ...
    def __bool__(self) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Duration], tuple[int, int, int]]: ...

@final
class Request(Generic[_T]):
    """One operation under way.

    Await it once, on the event loop that was running when it began; or call `wait()`, from any
    thread. An error is raised once, by whichever of them comes first, and then forgotten.
    """

    def __class_getitem__(cls, key: Any) -> GenericAlias: ...
    def __await__(self) -> Generator[Any, None, _T]: ...
    def wait(self) -> _T:
        """Blocks, with the GIL released, until the operation ends; Ctrl-C cancels it."""
    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def cancel(self, msg: object = None) -> bool:
        """Gives the operation up. False if it has ended already."""
    def result(self) -> _T: ...
    @property
    def get_loop(self) -> Callable[[], AbstractEventLoop]:
        """A method of futures; here what is called is the same for all requests of a loop."""
    def add_done_callback(
        self, callback: Callable[[Request[_T]], object], /, *, context: Context | None = None
    ) -> None: ...

@final
class Prepared:
    """A prepared statement: immutable, for all sessions of the cluster object that prepared it."""

    @property
    def cql(self) -> str: ...
    @property
    def id(self) -> bytes: ...
    @property
    def keyspace(self) -> str | None:
        """The keyspace of the statement's table; None if it has neither variables nor columns."""
    @property
    def table(self) -> str | None: ...
    @property
    def variables(self) -> tuple[tuple[str, str], ...]:
        """Name and CQL type of each bind variable."""
    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and CQL type of each result column; empty if it returns no rows."""
    @property
    def partition_key_indexes(self) -> tuple[int, ...]:
        """Which variables make up the partition key; empty if that is not known."""
    @property
    def is_lwt(self) -> bool: ...
    def routing(self, parameters: Sequence[Any] | Mapping[str, Any]) -> tuple[bytes, int] | None:
        """Routing key and token of the partition that these parameters address."""

@final
class Page:
    """What the server answered to one execution: at most one page of rows."""

    @property
    def kind(self) -> str:
        """'rows', 'void', 'set_keyspace' or 'schema_change'."""
    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and CQL type of each column."""
    def __len__(self) -> int:
        """Rows in this page."""
    def rows(self) -> list[Any]:
        """All rows, made by the row factory of the execution; decoded once, at the first call."""
    def slices(self) -> Slices:
        """The rows in one or more lists, each decoded when it is asked for.

        A slice is less than a millisecond of work. If the page is no more than that, or `rows` has
        been called before, there is one, the list of `rows`; otherwise slices are made anew.
        """
    def first(self) -> Any:
        """The first row, or None. Decodes no more than that."""
    def scalar(self) -> Any:
        """First column of the first row, or None."""
    @property
    def was_applied(self) -> bool | None:
        """For a lightweight transaction whether it was applied; None for anything else."""
    @property
    def is_complete(self) -> bool:
        """Whether nothing follows: no further page, no keyspace to go over to."""

    @property
    def has_more(self) -> bool: ...
    @property
    def paging_state(self) -> bytes | None: ...
    @property
    def keyspace(self) -> str | None:
        """For kind 'set_keyspace': which."""
    @property
    def schema_change(self) -> tuple[str, str, str, str | None] | None:
        """For kind 'schema_change': change, target, keyspace, name."""
    @property
    def warnings(self) -> tuple[str, ...]: ...
    @property
    def tracing_id(self) -> bytes | None: ...
    def tracer(self) -> Session | None:
        """A session to read the trace with; None if the execution was not traced."""
    @property
    def custom_payload(self) -> dict[str, bytes | None]: ...
    @property
    def coordinator(self) -> tuple[str, int]:
        """Address and port of the node that answered."""
    @property
    def host_id(self) -> str: ...
    @property
    def shard(self) -> int | None: ...
    @property
    def attempts(self) -> int:
        """How many tries it took."""

@final
class Slices:
    """The rows of a page in several lists."""

    @property
    def has_more(self) -> bool:
        """Whether there is a next one."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> list[Any]: ...

@final
class Tls:
    """TLS options that were looked at, and the sessions that can be resumed. Shows no secrets.

    Raises:
        ValueError: a certificate or a key is not what it should be; the message quotes neither.
    """

    def __new__(
        cls,
        *,
        ca_pem: bytes | None = None,
        ca_der: Sequence[bytes] = ...,
        system_roots: bool = False,
        certificate_pem: bytes | None = None,
        key_pem: bytes | None = None,
        key_password: bytes | None = None,
        server_name: str | None = None,
        verification: str = "full",
        min_version: str = "1.2",
        max_version: str = "1.3",
    ) -> Tls: ...

@final
class Callouts:
    """Where the application's threads get the questions of a cluster object's I/O thread from."""

    def __new__(cls) -> Callouts: ...
    def next(self, lane: str) -> Callout | None:
        """Waits for the next question of a lane, with the GIL released; None once closed."""
    def close(self) -> None:
        """Ends all waiting. Happens by itself when the I/O thread ends."""

@final
class Callout:
    """One question. Dropped without an answer it counts as failed."""

    def info(self) -> dict[str, Any]:
        """What is asked.

        Lane 'login': login, address, port, class_name, step, token. 'retry': advisor, attempt,
        failed_before, idempotent, maybe_executed, consistency. 'nodes': nodes, as `Cluster.nodes`
        has them, with is_reached. 'events': kind, node.
        """
    def answer(self, value: Any) -> None:
        """Answers: a token, or None for "go on".

        A question about a retry: kind ('give_up', 'ignore', 'same_node', 'next_node'), delay in
        seconds, consistency or None. About nodes: a list of address and port, or None for a node
        that is not to be used.
        """
    def fail(self, message: str, cause: int) -> None:
        """Tells that the application's code failed. `cause` comes back with the error; 0: none."""

@final
class Cluster:
    """The I/O thread, the pools and the statement cache. Connecting begins with the constructor."""

    def __new__(
        cls,
        contact_points: Sequence[tuple[str, int]],
        *,
        local_datacenter: str | None = None,
        username: str | None = None,
        password: str | None = None,
        allowed_authenticators: Sequence[str] | None = None,
        compression: str | None = None,
        protocol_version: int | None = None,
        connections_per_shard: int | None = None,
        connections_per_host: int | None = None,
        shard_awareness: str = "full",
        source_ports: tuple[int, int] | None = None,
        socket_options: SocketOptions | None = None,
        connect_timeout: float = 5.0,
        keepalive_interval: float = 30.0,
        keepalive_timeout: float = 30.0,
        reconnect_delay_min: float = 0.05,
        reconnect_delay_max: float = 10.0,
        pool_wait: float = 2.0,
        refresh_interval: float | None = ...,
        schema_events: bool = True,
        metadata_request_timeout: float | None = None,
        tablet_warm_up: bool = False,
        zero_token_nodes: bool = False,
        schema_agreement_timeout: float = 10.0,
        in_flight_per_connection_max: int | None = None,
        max_in_flight: int | None = None,
        max_queued: int = 65536,
        remote_nodes_per_datacenter: int | None = None,
        client_routes: tuple[Sequence[tuple[str, str | None]], bool] | None = None,
        application_name: str | None = None,
        statement_cache_size: int = 1000,
        seed: int | None = None,
        tls: Tls | None = None,
        callouts: Callouts | None = None,
        asks: Sequence[str] = ...,
        log: str | None = None,
        user_types: UserTypes | None = None,
    ) -> Cluster: ...
    def forget_compiled(self) -> None:
        """Forgets prepared statements, as something was registered for values."""
    def listen(self, listens: bool) -> None:
        """Whether events of nodes are told, by callouts of the lane 'events'."""
    def log(self, least: str | None) -> None:
        """Which notices callouts of the lane "log" tell: "info", "warning" (and above) or none."""
    def ready(self) -> Request[None]:
        """Ends when requests can be sent; NoHostAvailable if no contact point can be reached."""
    def close(self, drain: float = 0.0) -> None:
        """Takes no more requests; those under way get `drain` seconds. Returns at once."""
    def join(self) -> None:
        """Blocks until the I/O thread has ended, with the GIL released."""
    def detach_loop(self) -> None:
        """Lets go of the running event loop; call on it after `join()`."""
    @property
    def is_closed(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def partitioner(self) -> str: ...
    @property
    def protocol_version(self) -> int:
        """The version in use; known after `ready()`."""
    def nodes(self) -> list[dict[str, Any]]:
        """host_id, address, port, datacenter, rack, release_version of each node."""
    def keyspaces(self) -> dict[str, dict[str, Any]]:
        """By name: version, replication (dict of str), partition_keys.

        The version grows with every change in the keyspace that is heard of. Partition keys, a dict
        of table to list of columns, are known only in protocol v3.
        """
    def schema_agreement(self, timeout: float) -> Request[None]:
        """Ends when all nodes that are up report one schema version, or with RequestTimeout."""
    def pools(self) -> list[dict[str, Any]]:
        """Per node and shard what the pool holds.

        Per node: host_id, address, port, datacenter, nr_shards (None: not sharded),
        shard_aware_port_blocked, opened_total, closed_total, last_error (None unless the last
        attempt at a connection failed), and shards: a list of dicts with shard (None where not
        sharded), connections, algorithms (list of 'first', 'shard-aware port',
        'legacy'), in_flight, requests, errors.
        """
    @property
    def version(self) -> int:
        """Grows whenever topology, schema or pools have changed."""
    def connected(self) -> list[str]:
        """Host ids of the nodes that take requests."""
    def replicas(self, keyspace: str, token: int) -> list[str]:
        """Host ids of the replicas of a token, by the ring; empty if they are not known."""
    def metrics(self) -> dict[str, Any]:
        """What was done so far, by the fields of `shardlane.Metrics`."""
    def turns(self) -> dict[str, int]:
        """How often the poll loop has turned, by driver: "io_thread", "callers", "event_loops"."""
    def latency(self, percent: float) -> float | None:
        """What `percent` of the latest requests have not exceeded, in seconds."""
    def session(
        self,
        keyspace: str | None,
        profile: Profile,
        profiles: Mapping[str, Profile],
        resolve_retry: Callable[[Any], tuple[Any, ...]],
    ) -> Session:
        """A session; `resolve_retry` makes of a retry policy what `Profile` takes as `retry`."""

@final
class Profile:
    """What requests use that say nothing else.

    `retry`: ('default',), ('fallthrough',), ('downgrading',), ('backoff', retries, min, max) or
    ('advisor', number), who is asked by a callout of the lane 'retry'. `speculation`: ('constant',
    seconds, executions) or ('percentile', percent, executions). `balancing`: datacenter, rack,
    'failover', 'never' or 'always', and 'least-busy' or 'random'. `planner` makes query plans: it
    is given keyspace, table, token, consistency, idempotent and whether it is an LWT, and returns
    nodes, or nodes with shards.
    """

    def __new__(
        cls,
        *,
        consistency: str,
        serial_consistency: str | None,
        timeout: float | None,
        page_size: int | None,
        idempotent: bool,
        client_timestamps: bool,
        row_factory: object,
        retry: tuple[Any, ...],
        speculation: tuple[str, float, int] | None = None,
        balancing: tuple[str | None, str | None, str, str] = ...,
        planner: Callable[..., Iterable[Any]] | None = None,
    ) -> Profile: ...

@final
class Many:
    """Executions of one statement for many parameter sets."""

    def __len__(self) -> int:
        """How many are under way, or have ended and were not taken out."""
    @property
    def count(self) -> int:
        """Parameter sets taken so far."""
    @property
    def results(self) -> list[Any]:
        """What `keep` returned for each parameter set, or None; empty if results are not kept."""
    def add(self, parameters: Sequence[Any] | Mapping[str, Any] | None) -> None:
        """Begins the execution for one parameter set."""
    def fill(self, source: Iterator[Any]) -> bool:
        """Begins executions until enough are under way; true at the end of the source."""
    def some(self) -> Request[None]:
        """A request that ends when a quarter of what is under way has ended."""
    def rest(self) -> Request[None]:
        """A request that ends when all of what is under way has ended."""
    def sweep(self) -> list[tuple[int, ShardlaneError]]:
        """Takes out what has ended; gives the errors since the last time, with their positions."""
    def cancel(self) -> None:
        """Gives up whatever is under way."""

@final
class Session:
    """A keyspace and defaults over a cluster's pools.

    Options of execution, where `UNSET` stands for the session's default: `timeout` in seconds or
    None, `consistency` and `serial_consistency` as names such as 'LOCAL_QUORUM', `page_size` in
    rows or None, `paging_state`, `timestamp` in microseconds, `idempotent`, `tracing`,
    `custom_payload`, `keyspace` of names without one (None: the session's), `now_in_seconds` since
    1970 (v5), `profile` by name, `retry`, `node` (the only one to ask), and `row_factory`: 'named',
    'tuple', 'dict' or a callable that takes a row's columns as keyword arguments.
    """

    keyspace: str | None
    def cached(self, cql: str, keyspace: str | None = None) -> Prepared | None:
        """The statement, if it was prepared in this keyspace (None: the session's) and is kept."""
    def prepare(
        self, cql: str, timeout: float | UnsetType | None = ..., keyspace: str | None = None
    ) -> Request[Prepared]:
        """Prepares and caches. A PREPARE of the same text that is under way is shared."""
    def execute(
        self,
        statement: str | Prepared,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        timeout: float | UnsetType | None = ...,
        consistency: str | UnsetType = ...,
        serial_consistency: str | UnsetType | None = ...,
        page_size: int | UnsetType | None = ...,
        paging_state: bytes | None = None,
        timestamp: int | None = None,
        idempotent: bool | UnsetType = ...,
        tracing: bool = ...,
        custom_payload: Mapping[str, bytes] | None = None,
        keyspace: str | None = None,
        now_in_seconds: int | None = None,
        row_factory: object = ...,
        profile: str | UnsetType = ...,
        retry: object = ...,
        node: object = None,
    ) -> Request[Page] | None:
        """Begins an execution.

        None if `statement` is a text with parameters that is not in the cache: prepare it, and call
        again with the `Prepared`. A text without parameters is sent as it is.
        """
    def many(
        self,
        statement: Prepared,
        concurrency: int,
        stops: bool,
        keep: Callable[[Page, Any], Any] | None = None,
        *,
        timeout: float | UnsetType | None = ...,
        consistency: str | UnsetType = ...,
        serial_consistency: str | UnsetType | None = ...,
        page_size: int | UnsetType | None = ...,
        paging_state: bytes | None = None,
        timestamp: int | None = None,
        idempotent: bool | UnsetType = ...,
        tracing: bool = ...,
        custom_payload: Mapping[str, bytes] | None = None,
        keyspace: str | None = None,
        now_in_seconds: int | None = None,
        row_factory: object = ...,
        profile: str | UnsetType = ...,
        retry: object = ...,
        node: object = None,
    ) -> Many: ...
    def batch(
        self,
        kind: str,
        statements: Sequence[tuple[str | Prepared, Sequence[Any] | Mapping[str, Any] | None]],
        timeout: float | UnsetType | None = ...,
        consistency: str | UnsetType = ...,
        serial_consistency: str | UnsetType | None = ...,
        timestamp: int | None = None,
        idempotent: bool | UnsetType = ...,
        tracing: bool = ...,
        custom_payload: Mapping[str, bytes] | None = None,
        keyspace: str | None = None,
        now_in_seconds: int | None = None,
        profile: str | UnsetType = ...,
        retry: object = ...,
        node: object = None,
    ) -> Request[Page]:
        """Begins a batch: 'logged', 'unlogged' or 'counter'.

        Texts with parameters must have been prepared.
        """

@final
class Server:
    """The embedded cluster; see `shardlane.testing.Cluster`, its only user.

    Nodes are numbered from 0. All methods may be called from any thread; those that wait release
    the GIL.
    """

    def __new__(
        cls,
        *,
        nodes: int = 3,
        shards: int | Sequence[int] = ...,
        port: int = 0,
        shard_aware_port: int | None = ...,
        datacenters: Sequence[int] | None = None,
        racks: int = 1,
        vnodes: int = 16,
        first_address: str = "127.0.0.1",
        random_shard: bool = False,
        users: Sequence[tuple[str, str]] = ...,
        authenticator: str = "plain",
        seed: int = 0,
        tablets_routing: str = "v1",
        lwt_with_tablets: bool = True,
        tls: Mapping[str, Any] | None = None,
    ) -> Server: ...
    @property
    def addresses(self) -> list[str]: ...
    @property
    def port(self) -> int: ...
    @property
    def shard_aware_port(self) -> int | None: ...
    @property
    def tls_port(self) -> int | None: ...
    @property
    def tls_shard_aware_port(self) -> int | None: ...
    @property
    def ca_pem(self) -> str | None: ...
    @property
    def client_pem(self) -> tuple[str, str] | None:
        """A client's certificate and key."""
    def stop(self) -> None: ...
    def stop_node(self, node: int) -> None: ...
    def kill_node(self, node: int) -> None: ...
    def start_node(self, node: int, shards: int | None = None) -> None: ...
    def pause_node(self, node: int) -> None: ...
    def resume_node(self, node: int) -> None: ...
    def add_node(self, shards: int | None = None, vnodes: int | None = None) -> int: ...
    def remove_node(self, node: int) -> None: ...
    def forget_prepared(self, node: int | None = None) -> None: ...
    def tablets(
        self, keyspace: str, table: str
    ) -> list[tuple[int, int, list[tuple[int, int]]]]: ...
    def migrate_tablet(
        self, keyspace: str, table: str, token: int, source: int, target: tuple[int, int]
    ) -> None: ...
    def split_tablets(self, keyspace: str, table: str) -> int: ...
    def set_shard_aware_port(self, node: int, state: str) -> None:
        """Changes what happens to those who connect to the shard-aware port of a node.

        'open', 'refused', 'dropped' (connecting neither succeeds nor fails), 'silent' (connections
        are accepted and never served) or 'nat' (served by another shard than the source port says).
        """
    def add_fault(self, condition: Mapping[str, Any], reaction: Mapping[str, Any]) -> int:
        """Adds a rule and returns its number; see `shardlane.testing.faults` for the vocabulary."""
    def fault_hits(self, rule: int) -> int: ...
    def remove_fault(self, rule: int) -> None: ...
    def clear_faults(self) -> None: ...
    def set_client_routes(
        self, routes: Sequence[tuple[str, int, str, int, int | None]]
    ) -> None: ...
    def set_users(self, users: Sequence[tuple[str, str]]) -> None: ...
    def stats(self) -> dict[str, Any]:
        """Returns the counters since the start, or since `reset_stats()`.

        `nodes`: per node a dict of node, address, host_id, state, alive and shards, a list of dicts
        with shard, requests, right_shard, wrong_shard, wrong_node (requests by where they arrived),
        forwarded, operations, errors, connections, connections_opened, connections_closed,
        shard_aware_connections, shard_aware_connections_opened.
        """
    def reset_stats(self) -> None: ...

# For the package's own tests: conversion of single values and rows, with the types given as CQL
# text or as the bytes of their `[option]`.

def _encode_value(
    cql_type: str | bytes, value: object, user_types: UserTypes | None = None
) -> bytes | None: ...
def _decode_value(
    cql_type: str | bytes, cell: bytes | None, user_types: UserTypes | None = None
) -> Any: ...

@final
class _RowEncoder:
    def __new__(
        cls, columns: Sequence[tuple[str, str | bytes]], key_indexes: Sequence[int] = ...
    ) -> _RowEncoder: ...
    def __len__(self) -> int: ...
    def encode(self, params: object) -> tuple[bytes, int, bool, list[bytes] | None]: ...

@final
class _RowDecoder:
    def __new__(cls, columns: Sequence[tuple[str, str | bytes]]) -> _RowDecoder: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    def decode_rows(
        self, rows_bytes: bytes, rows_count: int, row_factory: object = None
    ) -> list[Any]: ...
    def decode_row(
        self, rows_bytes: bytes, offset: int, row_factory: object = None
    ) -> tuple[Any, int]: ...

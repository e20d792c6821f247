"""What a schema is made of: immutable, and ``as_cql()`` tells how to make it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import cql

if TYPE_CHECKING:
    import uuid

ColumnKind = Literal["partition_key", "clustering", "static", "regular"]


# There may be many of these: a named tuple is made several times faster than a frozen dataclass.
class ColumnInfo(NamedTuple):
    """A column of a table or view."""

    name: str
    type: str
    """The CQL type: ``int``, ``frozen<list<text>>``, ``address`` (a user-defined type)."""
    kind: ColumnKind
    position: int = -1
    """Place in the partition key or among the clustering columns, from 0; -1 for others."""
    descending: bool = False
    """Whether rows are ordered by it from high to low; clustering columns only."""
    mask: str | None = None
    """The function that masks it for those who may not see it (Cassandra 5): ``mask_default()``."""

    @property
    def is_primary_key(self) -> bool:
        """Whether it is part of the primary key."""
        return self.kind in ("partition_key", "clustering")


@dataclass(frozen=True)
class Index:
    """A secondary index."""

    keyspace: str
    table: str
    name: str
    kind: str
    """``COMPOSITES``, ``KEYS`` or ``CUSTOM``, as the server has it."""
    options: Mapping[str, str]
    """As the server has them; ``target`` says what is indexed, ``class_name`` by what."""

    @property
    def target(self) -> str:
        """What is indexed, as CQL: a column, ``keys(column)``, ``(key, column)`` ..."""
        return cql.index_target(self)

    def as_cql(self) -> str:
        """Return the CREATE INDEX statement."""
        return cql.create_index(self)


@dataclass(frozen=True)
class Trigger:
    """A trigger of a table (Cassandra)."""

    keyspace: str
    table: str
    name: str
    options: Mapping[str, str]
    """``class`` names the Java class."""

    def as_cql(self) -> str:
        """Return the CREATE TRIGGER statement."""
        return cql.create_trigger(self)


@dataclass(frozen=True)
class _Relation:
    keyspace: str
    name: str
    id: uuid.UUID | None
    columns: Mapping[str, ColumnInfo]
    """In the order of ``SELECT *``: partition key, clustering, static, then the others."""
    options: Mapping[str, Any] = field(repr=False)
    """Those of WITH, as values: ``gc_grace_seconds``, ``compaction`` (a dict) ..."""

    @property
    def partition_key(self) -> tuple[ColumnInfo, ...]:
        """The columns of the partition key, in their order."""
        return tuple(c for c in self.columns.values() if c.kind == "partition_key")

    @property
    def clustering(self) -> tuple[ColumnInfo, ...]:
        """The clustering columns, in their order."""
        return tuple(c for c in self.columns.values() if c.kind == "clustering")

    @property
    def primary_key(self) -> tuple[ColumnInfo, ...]:
        """Partition key and clustering columns."""
        return self.partition_key + self.clustering


@dataclass(frozen=True)
class View(_Relation):
    """A materialized view."""

    base_table: str
    where_clause: str
    """As CQL, without WHERE."""
    include_all_columns: bool
    """Whether it selects ``*``."""

    def as_cql(self) -> str:
        """Return the CREATE MATERIALIZED VIEW statement."""
        return cql.create_view(self)


@dataclass(frozen=True)
class Table(_Relation):
    """A table."""

    indexes: Mapping[str, Index]
    """Secondary indexes by name."""
    triggers: Mapping[str, Trigger]
    """Triggers by name."""
    views: Mapping[str, View]
    """Materialized views of it by name; those that an index is made of are left out."""
    is_compact: bool = False
    """``WITH COMPACT STORAGE``: made in the days of Thrift."""
    is_virtual: bool = False
    """Not stored: made by the server when it is read."""
    partitioner: str | None = None
    """The table's own partitioner, a Java class name (ScyllaDB: logs of CDC); None for the
    cluster's."""

    @property
    def is_counter(self) -> bool:
        """Whether it holds counters."""
        return any(c.type == "counter" for c in self.columns.values())

    def as_cql(self, *, children: bool = False) -> str:
        """Return the CREATE TABLE statement.

        Args:
            children: with those of its indexes, triggers and views after it.
        """
        return "\n\n".join(self.statements()) if children else cql.create_table(self)

    def statements(self) -> tuple[str, ...]:
        """Return the statements that make the table and all that belongs to it, one by one."""
        return tuple(cql.table_statements(self))


@dataclass(frozen=True)
class UserType:
    """A user-defined type."""

    keyspace: str
    name: str
    fields: Mapping[str, str]
    """CQL types by name, in the order of the fields."""

    def as_cql(self) -> str:
        """Return the CREATE TYPE statement."""
        return cql.create_type(self)


@dataclass(frozen=True)
class Function:
    """A user-defined function."""

    keyspace: str
    name: str
    argument_types: tuple[str, ...]
    argument_names: tuple[str, ...]
    return_type: str
    language: str
    body: str = field(repr=False)
    called_on_null_input: bool = False

    @property
    def signature(self) -> str:
        """Name and argument types: what tells functions of one name apart."""
        return f"{self.name}({', '.join(self.argument_types)})"

    def as_cql(self) -> str:
        """Return the CREATE FUNCTION statement."""
        return cql.create_function(self)


@dataclass(frozen=True)
class Aggregate:
    """A user-defined aggregate."""

    keyspace: str
    name: str
    argument_types: tuple[str, ...]
    state_func: str
    state_type: str
    return_type: str
    final_func: str | None = None
    reduce_func: str | None = None
    """Puts two states together (ScyllaDB)."""
    initcond: str | None = None
    """The first state, a CQL literal; None for null."""

    @property
    def signature(self) -> str:
        """Name and argument types: what tells aggregates of one name apart."""
        return f"{self.name}({', '.join(self.argument_types)})"

    def as_cql(self) -> str:
        """Return the CREATE AGGREGATE statement."""
        return cql.create_aggregate(self)


@dataclass(frozen=True)
class Tablets:
    """How the tables of a ScyllaDB keyspace are spread over tablets."""

    enabled: bool
    initial: int | None = None
    """Tablets of a new table; None leaves it to the server."""


@dataclass(frozen=True)
class Keyspace:
    """A keyspace and what is in it."""

    name: str
    replication: Mapping[str, str]
    """Replication options as the server keeps them; ``class`` is the strategy."""
    durable_writes: bool
    tables: Mapping[str, Table] = field(repr=False)
    views: Mapping[str, View] = field(repr=False)
    """Materialized views; those that an index is made of are left out."""
    types: Mapping[str, UserType] = field(repr=False)
    functions: Mapping[str, Function] = field(repr=False)
    """By signature: ``plus(int, int)``."""
    aggregates: Mapping[str, Aggregate] = field(repr=False)
    """By signature: ``total(int)``."""
    tablets: Tablets | None = None
    """None: the server has no tablets, or the keyspace's strategy takes none."""
    storage: Mapping[str, str] | None = None
    """Where ScyllaDB keeps the data, if not in local files."""
    is_virtual: bool = False
    """Not stored: made by the server when it is read (Cassandra)."""

    @property
    def is_system(self) -> bool:
        """Whether it is the server's own."""
        return self.is_virtual or self.name == "system" or self.name.startswith("system_")

    def as_cql(self, *, children: bool = False) -> str:
        """Return the CREATE KEYSPACE statement.

        Args:
            children: with the statements of all that is in it after it, in an order in which they
                can be executed.
        """
        return "\n\n".join(self.statements()) if children else cql.create_keyspace(self)

    def statements(self) -> tuple[str, ...]:
        """Return the statements that make the keyspace and all that is in it, one by one."""
        return tuple(cql.keyspace_statements(self))


@dataclass(frozen=True)
class Schema(Mapping[str, Keyspace]):
    """Keyspaces by name, as they were when it was read."""

    keyspaces: Mapping[str, Keyspace] = field(repr=False)

    def __getitem__(self, name: str) -> Keyspace:
        return self.keyspaces[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keyspaces)

    def __len__(self) -> int:
        return len(self.keyspaces)

    def __repr__(self) -> str:
        return f"<Schema of {', '.join(self.keyspaces) or 'nothing'}>"

    def as_cql(self) -> str:
        """Return the text of all ``statements()``, for a file or for ``cqlsh``."""
        return "\n\n".join(self.statements())

    def statements(self) -> tuple[str, ...]:
        """Return the statements that make everything again but what is the server's own."""
        own = (keyspace for keyspace in self.values() if not keyspace.is_system)
        return tuple(statement for keyspace in own for statement in keyspace.statements())


# Where users import them from, for reprs and tracebacks: it imports this module when first asked.
for _class in (
    Aggregate,
    ColumnInfo,
    Function,
    Index,
    Keyspace,
    Schema,
    Table,
    Tablets,
    Trigger,
    UserType,
    View,
):
    _class.__module__ = "shardlane"

"""Reading the schema: which rows, from which tables, and no more than has changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from shardlane.exceptions import InvalidQuery, Unauthorized

from . import build
from .model import Keyspace, Schema
from .names import NameMap
from .text import string

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from shardlane import _core
    from shardlane._shared.steps import Deadline, Steps

# In the order in which they are read: what others refer to comes later, so that it is there.
_TABLES = (
    "tables",
    "views",
    "columns",
    "indexes",
    "triggers",
    "types",
    "functions",
    "aggregates",
    "column_masks",
    "scylla_tables",
    "scylla_keyspaces",
    "scylla_aggregates",
    "keyspaces",
)
# Whether a server has the others is asked; Cassandra 3 has all of these.
_ALWAYS = frozenset({*_TABLES[:8], "keyspaces"})
_VIRTUAL_TABLES = ("keyspaces", "tables", "columns")
# So many keyspaces are read by name; for more than that all are read.
_BY_NAME_MAX = 20
# How often to read again what changes while it is read, before it is given out all the same.
_TRIES = 3
# Of a keyspace that has to be read again the next time.
_NO_VERSION = -1
_CONSISTENCY = "LOCAL_ONE"
_PAGE_ROWS = 5000


class SchemaReader:
    """Reads the schema of one cluster object, and remembers keyspaces by their version."""

    def __init__(self, *, remembers: bool) -> None:
        self._remembers = remembers
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, Keyspace]] = {}
        self._tables: tuple[str, ...] | None = None
        self._virtual: dict[str, Keyspace] | None = None
        self._has_tablets = False

    def read(
        self,
        cluster: _core.Cluster,
        session: _core.Session,
        wanted: Collection[str] | None,
        deadline: Deadline,
    ) -> Steps[Schema]:
        """Bring the schema up to date.

        Args:
            cluster: tells the versions of keyspaces.
            session: reads; its rows must be dicts.
            wanted: names of keyspaces; None for all.
            deadline: for everything together.
        """
        if self._tables is None:
            yield from self._look_around(session, deadline)
        if not self._remembers:
            found, _ = yield from self._fetch(session, wanted, deadline)
            return self._schema(found, wanted)
        versions = self._versions(cluster)
        # Asked for by name, but not heard of by the core (yet): not remembered, so that nobody who
        # asks for all sees it come and go.
        unheard: dict[str, Keyspace] = {}
        for _ in range(_TRIES):
            names = set(versions if wanted is None else wanted)
            stale = self._stale(names, versions)
            if not stale:
                break
            is_all = wanted is None and stale == names
            found, torn = yield from self._fetch(session, None if is_all else stale, deadline)
            self._keep(found, stale, versions, torn)
            if wanted is not None:
                unheard = {name: k for name, k in found.items() if name not in versions}
            before, versions = versions, self._versions(cluster)
            if before == versions and not torn:
                break
        with self._lock:
            known = {name: k for name, (_, k) in self._known.items() if name in versions}
        return self._schema({**unheard, **known}, wanted)

    def _versions(self, cluster: _core.Cluster) -> dict[str, int]:
        return {name: keyspace["version"] for name, keyspace in cluster.keyspaces().items()}

    def _stale(self, names: Collection[str], versions: Mapping[str, int]) -> set[str]:
        with self._lock:
            known = {name: version for name, (version, _) in self._known.items()}
        return {name for name in names if name not in known or known[name] != versions.get(name)}

    def _keep(
        self,
        found: Mapping[str, Keyspace],
        stale: Iterable[str],
        versions: Mapping[str, int],
        torn: Collection[str],
    ) -> None:
        with self._lock:
            for name in stale:
                self._known.pop(name, None)
            for name in self._known.keys() - versions.keys():
                del self._known[name]
            for name, keyspace in found.items():
                # The version from before it was read: a change meanwhile makes it stale.
                if name in versions:
                    version = _NO_VERSION if name in torn else versions[name]
                    self._known[name] = version, keyspace

    def _schema(self, known: Mapping[str, Keyspace], wanted: Collection[str] | None) -> Schema:
        everything = {**known, **(self._virtual or {})}
        names = sorted(everything) if wanted is None else [n for n in wanted if n in everything]
        return Schema(NameMap("keyspace", ((name, everything[name]) for name in names)))

    def _look_around(self, session: _core.Session, deadline: Deadline) -> Steps[None]:
        """Find out which system tables the server has."""
        here = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system_schema'"
        tables = {row["table_name"] for row in (yield from _rows(session, here, deadline))}
        if "scylla_keyspaces" in tables:
            columns = (
                "SELECT column_name FROM system_schema.columns"
                " WHERE keyspace_name = 'system_schema' AND table_name = 'scylla_keyspaces'"
            )
            names = {row["column_name"] for row in (yield from _rows(session, columns, deadline))}
            self._has_tablets = "initial_tablets" in names
        try:
            texts = {
                name: f"SELECT * FROM system_virtual_schema.{name}" for name in _VIRTUAL_TABLES
            }
            rows = yield from _all_rows(session, texts, deadline)
            self._virtual = build.keyspaces(rows, has_tablets=False, is_virtual=True)
        except (InvalidQuery, Unauthorized):
            # Before Cassandra 4.0, and ScyllaDB.
            self._virtual = {}
        self._tables = tuple(name for name in _TABLES if name in tables or name in _ALWAYS)

    def _fetch(
        self, session: _core.Session, names: Collection[str] | None, deadline: Deadline
    ) -> Steps[tuple[dict[str, Keyspace], set[str]]]:
        """Read keyspaces; return them, and the names of those that changed while they were read."""
        where = ""
        if names is not None and len(names) <= _BY_NAME_MAX:
            listed = [string(name) for name in sorted(names)]
            where = f" WHERE keyspace_name IN ({', '.join(listed)})"
            if len(listed) == 1:
                where = f" WHERE keyspace_name = {listed[0]}"
        texts = {
            name: f"SELECT * FROM system_schema.{name}{where}" for name in self._tables or _TABLES
        }
        rows = yield from _all_rows(session, texts, deadline)
        found = build.keyspaces(rows, has_tablets=self._has_tablets)
        wanted = {name: k for name, k in found.items() if names is None or name in names}
        return wanted, build.torn(rows)


def _all_rows(
    session: _core.Session, texts: Mapping[str, str], deadline: Deadline
) -> Steps[dict[str, list[Any]]]:
    """Execute queries at the same time; return the rows of each."""
    requests = {name: _execute(session, cql, None, deadline) for name, cql in texts.items()}
    rows: dict[str, list[Any]] = {}
    try:
        for name, request in requests.items():
            page: _core.Page = yield request
            rows[name] = yield from _with_further_pages(session, texts[name], page, deadline)
    finally:
        for request in requests.values():
            request.cancel()
    return rows


def _rows(session: _core.Session, cql: str, deadline: Deadline) -> Steps[list[Any]]:
    page: _core.Page = yield _execute(session, cql, None, deadline)
    return (yield from _with_further_pages(session, cql, page, deadline))


def _with_further_pages(
    session: _core.Session, cql: str, page: _core.Page, deadline: Deadline
) -> Steps[list[Any]]:
    rows = list(page.rows())
    while page.has_more:
        page = yield _execute(session, cql, page.paging_state, deadline)
        rows += page.rows()
    return rows


def _execute(
    session: _core.Session, cql: str, paging_state: bytes | None, deadline: Deadline
) -> _core.Request[_core.Page]:
    request = session.execute(
        cql,
        None,
        deadline.left(),
        _CONSISTENCY,
        page_size=_PAGE_ROWS,
        paging_state=paging_state,
        idempotent=True,
    )
    assert request is not None
    return request

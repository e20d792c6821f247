"""scylla-driver and cassandra-driver: Python and Cython, what most applications use today."""

from __future__ import annotations

from typing import Any

from benchmarks.data import CONSISTENCY, PAGE_ROWS, Row
from benchmarks.drivers.base import BlockingDriver
from benchmarks.load import Job, Parameters

_ROW_FACTORIES = {
    "tuples": "tuple_factory",
    "dicts": "dict_factory",
    "namedtuples": "named_tuple_factory",
}


class ScyllaDriver(BlockingDriver):
    name = "scylla-driver"
    package = "scylla-driver"
    module = "cassandra.cluster"
    modules_besides = ("cassandra.concurrent", "cassandra.policies", "cassandra.query")
    how = {"bulk": "execute_concurrent"}  # noqa: RUF012

    def open(self) -> None:
        from cassandra import ConsistencyLevel, query
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
        from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

        options = {}
        if self.cell.workload == "pages":
            options["row_factory"] = getattr(query, _ROW_FACTORIES[self.cell.shape])
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy()),
            consistency_level=ConsistencyLevel.name_to_value[CONSISTENCY],
            request_timeout=30.0,
            **options,
        )
        self._cluster = Cluster(
            self.endpoint.addresses,
            port=self.endpoint.port,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            # scylla-driver brings lz4 along and would use it; the others do not compress either.
            compression=False,
        )
        self._session = self._cluster.connect()

    def prepare(self, cql: str) -> Any:
        statement = self._session.prepare(cql)
        if self.cell.workload == "pages":
            statement.fetch_size = PAGE_ROWS
        return statement

    def close(self) -> None:
        self._cluster.shutdown()

    def read(self, key: int) -> Any:
        return self._session.execute(self._read, (key,)).one()

    def insert(self, key: int, name: str, score: int) -> None:
        self._session.execute(self._insert, (key, name, score)).one()

    def write_batch(self, part: int, rows: list[Row]) -> None:
        from cassandra.query import BatchStatement, BatchType

        batch = BatchStatement(BatchType.UNLOGGED)
        insert = self._insert
        for row in rows:
            batch.add(insert, (part, *row))
        self._session.execute(batch)

    def read_page(self, part: int) -> list[Any]:
        # A list for some row factories, a generator of Cython for others.
        rows = self._session.execute(self._page, (part,)).current_rows
        return rows if isinstance(rows, list) else list(rows)

    def read_back(self, key: int) -> Any:
        return list(self._session.execute(self._read_back, (key,)))

    def bulk(self, job: Job) -> None:
        from cassandra.concurrent import execute_concurrent_with_args

        reads = self.cell.workload == "select"
        job.begin()
        parameters = Parameters(job)
        outcome = execute_concurrent_with_args(
            self._session,
            self._read if reads else self._insert,
            parameters,
            concurrency=job.in_flight,
        )
        answers = [result.one() for _, result in outcome]
        parameters.done(answers if reads else None, len(answers))


class CassandraDriver(ScyllaDriver):
    name = "cassandra-driver"
    package = "cassandra-driver"


DRIVERS = (ScyllaDriver, CassandraDriver)

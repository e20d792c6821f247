"""scylla-driver: the driver in Python and Cython that most applications use today."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import Any

from benchmarks.data import CONSISTENCY, PAGE_ROWS, SCAN_CQL
from benchmarks.drivers.base import BlockingDriver
from benchmarks.load import Job, run_threads


class ScyllaDriver(BlockingDriver):
    name = "scylla-driver"
    package = "scylla-driver"
    how = "callbacks"
    how_one = "blocking"

    row_factory: str | None = None

    @staticmethod
    def check_import() -> None:
        import cassandra.cluster  # noqa: F401

    def open(self) -> None:
        from cassandra import ConsistencyLevel, query
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
        from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

        level = ConsistencyLevel.name_to_value[CONSISTENCY]
        options = {"row_factory": getattr(query, self.row_factory)} if self.row_factory else {}
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy()),
            consistency_level=level,
            request_timeout=30.0,
            **options,
        )
        self._cluster = Cluster(
            self.endpoint.addresses,
            port=self.endpoint.port,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        )
        self._session = self._cluster.connect()

    def prepare(self, workload: str) -> None:
        session = self._session
        if workload == "select":
            self._read = session.prepare(self.select_cql)
        elif workload == "insert":
            self._write = session.prepare(self.write_cql)
            self._read_back = session.prepare(self.read_back_cql)
        else:
            self._scan = session.prepare(SCAN_CQL)
            self._scan.fetch_size = PAGE_ROWS

    def close(self) -> None:
        self._cluster.shutdown()

    def statement(self, cql: str) -> None:
        self._session.execute(cql)

    def read(self, key: int) -> Any:
        return self._session.execute(self._read, (key,)).one()

    def write(self, key: int, name: str, score: int) -> None:
        self._session.execute(self._write, (key, name, score)).one()

    def read_back(self, key: int) -> Any:
        return self._session.execute(self._read_back, (key,)).one()

    def scan(self, part: int) -> list[Any]:
        return list(self._session.execute(self._scan, (part,)))

    def run(self, workload: str, job: Job) -> None:
        if job.in_flight == 1 or workload == "scan":
            run_threads(job, self.call(workload))
        else:
            statement = self._read if workload == "select" else self._write
            _Chains(job, self._session, statement, reads=workload == "select").run()


class _Chains:
    """A chain of callbacks for each request in flight: the end of one request starts the next.

    It is what the driver's users do for throughput; threads that block cost it about as much, and
    `execute_concurrent_with_args` somewhat more.
    """

    def __init__(self, job: Job, session: Any, statement: Any, *, reads: bool) -> None:
        self._job = job
        self._session = session
        self._statement = statement
        self._reads = reads
        self._finished = threading.Semaphore(0)
        self._failures: list[BaseException] = []

    def run(self) -> None:
        self._job.begin()
        for number in range(self._job.in_flight):
            self._chain(self._job.start_at(number))
        for _ in range(self._job.in_flight):
            self._finished.acquire()
        if self._failures:
            raise self._failures[0]

    def _chain(self, position: int) -> None:
        job, execute_async, statement = self._job, self._session.execute_async, self._statement
        arguments, expected, until, reads = job.arguments, job.expected, job.until, self._reads
        latencies: list[float] = []
        start = position
        last = len(arguments) - 1
        began = perf_counter()

        def end(error: BaseException | None = None) -> None:
            if error is not None:
                self._failures.append(error)
            job.done(start, len(latencies), latencies)
            self._finished.release()

        def answered(rows: Any) -> None:
            nonlocal began, position
            ended = perf_counter()
            latencies.append(ended - began)
            answer = rows[0] if reads else None
            if answer != expected[position]:
                return end(job.wrong(position, answer))
            position = 0 if position == last else position + 1
            if ended >= until:
                return end()
            began = ended
            return send()

        def send() -> None:
            try:
                execute_async(statement, arguments[position]).add_callbacks(answered, end)
            except BaseException as error:
                end(error)

        send()


class ScyllaDriverTuples(ScyllaDriver):
    name = "scylla-driver-tuples"
    how = "callbacks, tuples"
    how_one = "blocking, tuples"
    by_default = False
    row_factory = "tuple_factory"


DRIVERS = (ScyllaDriver, ScyllaDriverTuples)

"""Policies against slow, frozen and vanishing nodes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from cluster_help import (
    INSERT,
    SELECT,
    create_table,
    eventually,
    wait_for_coverage,
)
from shardlane import exceptions
from shardlane.policies import (
    ConstantSpeculation,
    ExponentialBackoffRetry,
    LoadBalancing,
)
from shardlane.testing import Cluster, faults


def test_a_frozen_node_is_overtaken(face):
    """No request waits for it: another replica answers; what it says later is for nobody."""
    speculative = ConstantSpeculation(0.03)
    options = {"consistency": "ONE", "idempotent": True, "speculative": speculative}
    with Cluster(3, 2) as server, face.connect(server, **options) as session:
        create_table(session, 3)
        session.execute_many(INSERT, ([key, f"v{key}"] for key in range(60)), consistency="ALL")
        session.prepare(SELECT)
        with server.nodes[1].paused():
            began = time.monotonic()
            found = session.execute_many(
                SELECT, ([key] for key in range(60)), results=True, timeout=10
            )
            took = time.monotonic() - began
        assert took < 5, "nobody waited for the frozen node"
        assert [result.scalar() for result in found.results] == [f"v{key}" for key in range(60)]
        overtaken = [result for result in found.results if result.attempts == 2]
        assert 3 < len(overtaken) < 57
        # Late answers free their streams, and are given to nobody.
        for _ in range(5):
            again = session.execute_many(SELECT, ([key] for key in range(60)), results=True)
            assert [r.scalar() for r in again.results] == [f"v{key}" for key in range(60)]
        assert [node.connections_closed for node in session.shards()] == [0, 0, 0]
        assert sum(shard.in_flight for node in session.shards() for shard in node.shards) == 0


def test_a_slow_node_gets_less():
    """By the servers' count: of two replicas the less busy one is asked."""
    shares = {}
    for choice in ("least-busy", "random"):
        options = {"consistency": "ONE", "load_balancing": LoadBalancing(choice=choice)}
        with Cluster(3, 1) as server, server.connect(**options) as session:
            create_table(session, 3)
            session.execute(INSERT, [1, "x"], consistency="ALL")
            session.prepare(SELECT)
            server.reset_stats()

            def work(session=session):
                for _ in range(40):
                    session.execute(SELECT, [1])

            slow = faults.opcode("EXECUTE") & faults.node(1)
            # Callers that go on at once: each that waits for the slow node makes it look busier.
            with server.fault(slow, faults.delay(0.1)), ThreadPoolExecutor(8) as pool:
                for done in [pool.submit(work) for _ in range(8)]:
                    done.result()
            arrived = [node.total("requests") for node in server.stats()]
            shares[choice] = arrived[1] / sum(arrived)
    assert shares["random"] > 0.22, shares
    assert shares["least-busy"] < 0.15, shares


def test_backoff_outlasts_a_restart_of_the_whole_cluster(face):
    retry = ExponentialBackoffRetry(retries=15, min_delay=0.02, max_delay=0.3)
    options = {"retry": retry, "idempotent": True, "timeout": 30.0}
    with Cluster(2, 2) as server, face.connect(server, **options) as session:
        create_table(session, 2)
        session.execute(INSERT, [1, "x"])
        session.execute(SELECT, [1])
        for node in server.nodes:
            node.kill()
        eventually("no connection is left", lambda: session.shards().connections == 0)
        with ThreadPoolExecutor(1) as pool:
            started = pool.submit(lambda: [node.start() for node in server.nodes])
            result = session.execute(SELECT, [1])
            started.result()
        assert result.scalar() == "x"
        wait_for_coverage(session, 4)


def test_requests_end_by_their_deadline_whatever_is_done_about_failures(face):
    """Retries with delays, further executions, frozen and killed nodes: each ends, and in time."""
    retry = ExponentialBackoffRetry(retries=15, min_delay=0.01, max_delay=0.1)
    options = {
        "retry": retry,
        "speculative": ConstantSpeculation(0.02, executions=2),
        "idempotent": True,
        "consistency": "ONE",
        "max_in_flight": 40,
    }
    with Cluster(3, 2) as server, face.connect(server, **options) as session:
        create_table(session, 3)
        session.execute(INSERT, [1, "x"], consistency="ALL")
        session.prepare(SELECT)
        server.nodes[2].kill()
        refused = faults.error(exceptions.Overloaded)
        with (
            server.fault(faults.opcode("EXECUTE") & faults.node(1), faults.silence()),
            server.fault(faults.opcode("EXECUTE") & faults.node(0), refused),
        ):
            began = time.monotonic()
            many = session.execute_many(
                SELECT, ([1] for _ in range(100)), timeout=1.0, raise_on_error=False
            )
            took = time.monotonic() - began
        assert took < 2.5
        kinds = {type(error) for _, error in many.errors}
        assert kinds <= {
            exceptions.RequestTimeout,
            exceptions.Overloaded,
            exceptions.NoHostAvailable,
        }
        assert len(many.errors) == 100
        server.nodes[2].start()
        wait_for_coverage(session, 6)
        assert session.execute(SELECT, [1], timeout=10.0).scalar() == "x"


def test_full_connections_send_requests_elsewhere(face):
    options = {"in_flight_per_connection_max": 2, "consistency": "ONE", "idempotent": True}
    with Cluster(2, 1) as server, face.connect(server, **options) as session:
        create_table(session, 2)
        session.execute(INSERT, [1, "x"], consistency="ALL")
        session.prepare(SELECT)
        # It is prepared on the other node in the background, which takes a place, too.
        eventually(
            "nothing is under way",
            lambda: all(s.in_flight == 0 for node in session.shards() for s in node.shards),
        )
        with server.fault(faults.opcode("EXECUTE"), faults.delay(0.3)):
            many = session.execute_many(
                SELECT, ([1] for _ in range(10)), concurrency=10, raise_on_error=False
            )
        # Two on each of two connections; for the others there was no room, and they say so.
        assert len(many.errors) == 6
        for _, error in many.errors:
            assert type(error) is exceptions.NoHostAvailable
            assert {attempt.failure for attempt in error.attempts} == {"busy"}
            assert len(error.attempts) == 2
        assert session.execute(SELECT, [1]).scalar() == "x"

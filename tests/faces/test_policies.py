"""How requests are tried: profiles, retry, speculative execution, targets, bounds."""

from __future__ import annotations

import time
import uuid

import pytest

import shardlane
from shardlane import exceptions, policies
from shardlane.policies import (
    ConstantSpeculation,
    DowngradingConsistencyRetry,
    ExecutionProfile,
    ExponentialBackoffRetry,
    FallthroughRetry,
    LoadBalancing,
    PercentileSpeculation,
    RetryDecision,
)
from shardlane.testing import faults

INSERT = "INSERT INTO t (k, v) VALUES (?, ?)"
SELECT = "SELECT v FROM t WHERE k = ?"


async def table(session, v="text"):
    await session.execute(f"CREATE TABLE IF NOT EXISTS t (k int PRIMARY KEY, v {v})")
    await session.execute(INSERT, [1, "x"])
    await session.execute(SELECT, [1])


# --- profiles -----------------------------------------------------------------------------------


async def test_a_profile_stands_for_options_that_are_left_out(face):
    profiles = {
        "fast": ExecutionProfile(timeout=0.2, consistency="ONE", row_factory="tuple"),
        "rest": ExecutionProfile(),
    }
    async with face.connect(profiles=profiles, timeout=5.0, row_factory="dict") as session:
        await table(session)
        for options, kind in [
            ({}, dict),
            ({"profile": "rest"}, dict),
            ({"profile": "fast"}, tuple),
        ]:
            row = (await session.execute(SELECT, [1], **options)).one()
            assert type(row) is kind
        row = (await session.execute(SELECT, [1], profile="fast", row_factory="scalar")).one()
        assert row == "x", "what the execution says itself comes first"
        with (
            face.server.fault(faults.text("FROM t"), faults.silence()),
            pytest.raises(exceptions.RequestTimeout) as caught,
        ):
            await session.execute(SELECT, [1], profile="fast")
        assert caught.value.timeout == pytest.approx(0.2)


async def test_the_timeout_of_a_profile_counts_preparing_as_well(face):
    profiles = {"fast": ExecutionProfile(timeout=0.2)}
    async with face.connect(profiles=profiles, timeout=20.0) as session:
        await table(session)
        began = time.monotonic()
        with (
            face.server.fault(faults.opcode("PREPARE"), faults.silence()),
            pytest.raises(exceptions.RequestTimeout),
        ):
            await session.execute("SELECT v, k FROM t WHERE k = ?", [1], profile="fast")
        assert time.monotonic() - began < 5


async def test_profiles_of_batches_and_of_many(face):
    async with face.connect(profiles={"p": ExecutionProfile(row_factory="scalar")}) as session:
        await table(session)
        batch = shardlane.Batch().add(INSERT, [2, "y"])
        await session.execute_batch(batch, profile="p")
        found = await session.execute_many(SELECT, [[1], [2]], results=True, profile="p")
        assert [result.one() for result in found.results] == ["x", "y"]


async def test_a_profile_that_is_not_there(face, session):
    await table(session)
    with pytest.raises(exceptions.BadValue, match=r"'nobody'.*profiles= to connect"):
        await session.execute(SELECT, [1], profile="nobody")
    async with face.connect(profiles={"b": ExecutionProfile(), "a": ExecutionProfile()}) as named:
        for wrong in ("nobody", 7, ExecutionProfile()):
            with pytest.raises(exceptions.BadValue, match="one of a, b"):
                await named.execute(SELECT, [1], profile=wrong)


BAD_OPTIONS = [
    ({"profiles": 7}, "profiles=7"),
    ({"profiles": {"p": {"timeout": 3}}}, r"profiles\['p'\] is a dict"),
    ({"profiles": {3: ExecutionProfile()}}, r"profiles\[3\]"),
    ({"profiles": {"p": ExecutionProfile(timeout=-1)}}, r"profiles\['p'\]: timeout=-1"),
    ({"profiles": {"p": ExecutionProfile(retry="never")}}, r"profiles\['p'\]: retry='never'"),
    ({"retry": "never"}, "retry='never'"),
    ({"retry": FallthroughRetry}, r"FallthroughRetry\(\)"),
    ({"speculative": 0.1}, r"speculative=0\.1"),
    ({"load_balancing": "random"}, "load_balancing='random'"),
    ({"load_balancing": LoadBalancing}, r"LoadBalancing\(\)"),
    ({"max_in_flight": 0}, "max_in_flight=0"),
    ({"max_queued": -1}, "max_queued=-1"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(exceptions.ConfigurationError, match=message):
        shardlane.connect("127.0.0.1", port=1, **options)


BAD_POLICIES = [
    (lambda: ExponentialBackoffRetry(retries=0), "retries=0"),
    (lambda: ExponentialBackoffRetry(retries=16), "retries=16"),
    (lambda: ExponentialBackoffRetry(min_delay=-1), "min_delay=-1"),
    (lambda: ExponentialBackoffRetry(min_delay=2, max_delay=1), "min_delay=2"),
    (lambda: ConstantSpeculation(-0.1), r"delay=-0\.1"),
    (lambda: ConstantSpeculation(0.1, executions=0), "executions=0"),
    (lambda: PercentileSpeculation(100), "percentile=100"),
    (lambda: PercentileSpeculation(True), "percentile=True"),
    (lambda: LoadBalancing(datacenter=""), "datacenter=''"),
    (lambda: LoadBalancing(rack=7), "rack=7"),
    (lambda: LoadBalancing(remote="sometimes"), "remote='sometimes'"),
    (lambda: LoadBalancing(choice="best"), "choice='best'"),
    (lambda: RetryDecision.next_node(delay=-1), "delay=-1"),
    (lambda: RetryDecision.same_node(consistency="MOST"), "consistency='MOST'"),
]


@pytest.mark.parametrize(("make", "message"), BAD_POLICIES)
def test_policies_that_make_no_sense(make, message):
    with pytest.raises(exceptions.ConfigurationError, match=message):
        make()


def test_what_is_public_can_be_imported_and_pickled():
    import pickle

    for name in policies.__all__:
        assert getattr(policies, name).__module__ == "shardlane.policies"
    for policy in (
        FallthroughRetry(),
        ExponentialBackoffRetry(),
        ConstantSpeculation(0.1),
        LoadBalancing(rack="r1"),
    ):
        assert pickle.loads(pickle.dumps(policy)) == policy


# --- retry --------------------------------------------------------------------------------------


async def test_retry_per_execution_profile_and_session(face):
    first = faults.opcode("EXECUTE") & faults.text("FROM t")
    profiles = {"never": ExecutionProfile(retry=FallthroughRetry())}
    async with face.connect(idempotent=True, profiles=profiles) as session:
        await table(session)
        refused = faults.error(exceptions.Overloaded)
        with face.server.fault(first & faults.first(1), refused):
            result = await session.execute(SELECT, [1])
        assert result.attempts == 2
        for options in ({"profile": "never"}, {"retry": FallthroughRetry()}):
            with (
                face.server.fault(first & faults.first(1), refused),
                pytest.raises(exceptions.Overloaded) as caught,
            ):
                await session.execute(SELECT, [1], **options)
            assert len(caught.value.attempts) == 1
    async with face.connect(idempotent=True, retry=FallthroughRetry()) as session:
        with (
            face.server.fault(first & faults.first(1), refused),
            pytest.raises(exceptions.Overloaded),
        ):
            await session.execute(SELECT, [1])
        with face.server.fault(first & faults.first(1), refused):
            result = await session.execute(SELECT, [1], retry=policies.DefaultRetry())
        assert result.attempts == 2


async def test_backoff_waits_and_tries_again(face):
    retry = ExponentialBackoffRetry(retries=4, min_delay=0.02, max_delay=0.05)
    async with face.connect(idempotent=True, retry=retry) as session:
        await table(session)
        wrong = faults.opcode("EXECUTE") & faults.text("FROM t") & faults.first(4)
        with face.server.fault(wrong, faults.error(exceptions.Overloaded)) as fault:
            began = time.monotonic()
            result = await session.execute(SELECT, [1])
            took = time.monotonic() - began
        assert (result.attempts, fault.hits) == (5, 4)
        assert took >= 0.85 * (0.02 + 0.04 + 0.05 + 0.05)
        # More than it has patience for; and less time than the next delay.
        always = faults.opcode("EXECUTE") & faults.text("FROM t")
        with face.server.fault(always, faults.error(exceptions.Overloaded)):
            with pytest.raises(exceptions.Overloaded) as caught:
                await session.execute(SELECT, [1])
            assert len(caught.value.attempts) == 5
            slow = ExponentialBackoffRetry(min_delay=5.0)
            with pytest.raises(exceptions.Overloaded) as caught:
                await session.execute(SELECT, [1], retry=slow, timeout=3.0)
            assert len(caught.value.attempts) == 1, "its error, and at once"


async def test_downgrading(face):
    async with face.connect(consistency="QUORUM") as session:
        await table(session)
        unavailable = faults.error(exceptions.Unavailable, required=2, alive=1)
        wrong = faults.opcode("EXECUTE") & faults.text("FROM t") & faults.first(1)
        with face.server.fault(wrong, unavailable):
            result = await session.execute(SELECT, [1], retry=DowngradingConsistencyRetry())
        assert result.scalar() == "x"
        assert result.attempts == 2
        late = faults.error(exceptions.WriteTimeout, write_type="SIMPLE", received=1, block_for=2)
        wrong = faults.opcode("EXECUTE") & faults.text("INSERT") & faults.first(1)
        retry = DowngradingConsistencyRetry()
        with face.server.fault(wrong, late):
            await session.execute(INSERT, [5, "y"], retry=retry, idempotent=True)
        with face.server.fault(wrong, late), pytest.raises(exceptions.WriteTimeout):
            await session.execute(INSERT, [5, "y"], retry=retry)


class Recording:
    """A retry policy that answers what it is told to."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.failures = []

    def decide(self, failure):
        self.failures.append(failure)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


async def test_a_retry_policy_of_ones_own(face):
    policy = Recording(
        RetryDecision.same_node(),
        RetryDecision.next_node(delay=0.01),
        RetryDecision.next_node(consistency="ONE"),
    )
    async with face.connect(retry=policy, consistency="QUORUM") as session:
        await table(session)
        wrong = faults.opcode("EXECUTE") & faults.text("FROM t") & faults.first(3)
        with face.server.fault(wrong, faults.error(exceptions.ReadTimeout, received=0)):
            result = await session.execute(SELECT, [1])
        assert (result.scalar(), result.attempts) == ("x", 4)
        first, second, third = policy.failures
        assert [f.failed_before for f in policy.failures] == [0, 1, 2]
        assert type(first.error) is exceptions.ReadTimeout
        assert first.error.received == 0
        assert (first.consistency, first.idempotent, first.maybe_executed) == (
            "QUORUM",
            False,
            True,
        )
        assert not first.is_safe
        assert first.attempt.node == second.attempt.node, "the same node"
        assert third.attempt.node != second.attempt.node, "another one"


@pytest.mark.parametrize("answer", [None, RetryDecision.give_up(), "nonsense", KeyError("a bug")])
async def test_a_retry_policy_of_ones_own_that_does_not_retry(face, answer, caplog):
    policy = Recording(answer)
    async with face.connect() as session:
        await table(session)
        wrong = faults.opcode("EXECUTE") & faults.text("FROM t") & faults.first(1)
        with (
            face.server.fault(wrong, faults.error(exceptions.ReadTimeout)),
            pytest.raises(exceptions.ReadTimeout),
        ):
            await session.execute(SELECT, [1], retry=policy, idempotent=True)
        assert len(policy.failures) == 1
        is_bug = answer is not None and not isinstance(answer, RetryDecision)
        assert ("the retry policy" in caplog.text) == is_bug


async def test_a_retry_policy_may_call_it_a_success(face):
    async with face.connect(retry=Recording(RetryDecision.ignore())) as session:
        await table(session)
        wrong = faults.opcode("EXECUTE") & faults.text("INSERT") & faults.first(1)
        with face.server.fault(wrong, faults.error(exceptions.WriteTimeout)):
            result = await session.execute(INSERT, [3, "z"])
        assert await result.all() == []


async def test_a_retry_policy_that_hangs_does_not_outlast_the_deadline(face):
    import threading

    class Hanging:
        released = threading.Event()

        def decide(self, failure):
            self.released.wait(20)

    async with face.connect(retry=Hanging(), timeout=0.3) as session:
        await session.execute("SELECT key FROM system.local")
        wrong = faults.text("system.local") & faults.first(1)
        with face.server.fault(wrong, faults.error(exceptions.Overloaded)):
            with pytest.raises(exceptions.RequestTimeout) as caught:
                await session.execute("SELECT key FROM system.local")
            assert not caught.value.in_flight
            assert [attempt.failure for attempt in caught.value.attempts] == ["server"]
        Hanging.released.set()


# --- speculative execution ----------------------------------------------------------------------


async def test_a_slow_answer_is_not_waited_for(face):
    async with face.connect(speculative=ConstantSpeculation(0.02), consistency="ONE") as session:
        await table(session)
        slow = faults.opcode("EXECUTE") & faults.text("FROM t") & faults.first(1)
        with face.server.fault(slow, faults.delay(10)):
            began = time.monotonic()
            result = await session.execute(SELECT, [1], idempotent=True)
            assert time.monotonic() - began < 5
        assert (result.scalar(), result.attempts) == ("x", 2)
        with (
            face.server.fault(slow, faults.silence()),
            pytest.raises(exceptions.RequestTimeout) as caught,
        ):
            await session.execute(SELECT, [1], timeout=0.3)
        (attempt,) = caught.value.attempts
        assert attempt.failure == "unanswered", "not idempotent: executed once"


async def test_further_executions_go_to_different_nodes_and_all_are_told(face):
    speculative = ConstantSpeculation(0.01, executions=2)
    executing = faults.opcode("EXECUTE") & faults.text("FROM t")
    async with face.connect(speculative=speculative, idempotent=True, timeout=0.5) as session:
        await table(session)
        with (
            face.server.fault(executing, faults.silence()) as fault,
            pytest.raises(exceptions.RequestTimeout) as caught,
        ):
            await session.execute(SELECT, [1])
        assert fault.hits == 3
        assert len({attempt.node for attempt in caught.value.attempts}) == 3
        assert caught.value.in_flight


async def test_percentile_speculation_learns_what_is_slow(face):
    speculative = PercentileSpeculation(90)
    async with face.connect(speculative=speculative, idempotent=True, consistency="ONE") as session:
        await table(session)
        await session.execute_many(SELECT, ([1] for _ in range(300)), concurrency=4)
        slow = faults.opcode("EXECUTE") & faults.text("FROM t") & faults.first(1)
        with face.server.fault(slow, faults.delay(10)):
            began = time.monotonic()
            result = await session.execute(SELECT, [1])
            assert time.monotonic() - began < 5
        assert result.attempts >= 2


# --- where requests go --------------------------------------------------------------------------


async def test_one_node_only(face, session):
    await table(session)
    cluster = session.cluster
    for node in cluster.nodes():
        address, _, _ = node.address.rpartition(":")
        names = [node, node.host_id, str(node.host_id), node.address, address]
        for name in [*names, (node, 0), (node.address, None)]:
            for _ in range(3):
                result = await session.execute(SELECT, [1], node=name)
                assert result.host_id == node.host_id
        for shard in (0, 1):
            result = await session.execute("SELECT key FROM system.local", node=(node, shard))
            assert result.shard == shard
    batch = shardlane.Batch().add(INSERT, [1, "x"])
    node = cluster.nodes()[1]
    assert (await session.execute_batch(batch, node=node)).host_id == node.host_id


BAD_NODES = [
    (uuid.UUID(int=7), r"UUID.*address of: 127\.0\.0\.1"),
    ("10.1.2.3", r"'10\.1\.2\.3' is not a node of this cluster"),
    (5, "5 is not a node"),
    (("127.0.0.1", "x"), "'x' is not a shard"),
    (("127.0.0.1", 70000), "70000 is not a shard"),
]


@pytest.mark.parametrize(("node", "message"), BAD_NODES)
async def test_a_node_that_is_not_there(face, session, node, message):
    await table(session)
    with pytest.raises(exceptions.BadValue, match=message):
        await session.execute(SELECT, [1], node=node)


class Ordered:
    """A load balancing that asks nodes in the order of their addresses, the last one first."""

    def __init__(self):
        self.requests = []
        self.views = []

    def plan(self, request, cluster):
        self.requests.append(request)
        self.views.append(cluster)
        for node in reversed(cluster.nodes):
            yield (node, 1)


async def test_a_load_balancing_of_ones_own(face):
    policy = Ordered()
    profiles = {"ordered": ExecutionProfile(load_balancing=policy)}
    async with face.connect(profiles=profiles, idempotent=True) as session:
        await table(session)
        last = session.cluster.nodes()[-1]
        for _ in range(5):
            result = await session.execute(SELECT, [1], profile="ordered")
            assert (result.host_id, result.shard) == (last.host_id, 1)
        request, view = policy.requests[0], policy.views[0]
        assert (request.keyspace, request.table) == (face.keyspace, "t")
        assert request.token is not None
        assert (request.consistency, request.idempotent) == ("LOCAL_QUORUM", True)
        assert view.nodes == session.cluster.nodes()
        assert view.connected == {node.host_id for node in view.nodes}
        assert view.replicas
        assert set(view.replicas) <= view.connected
        # The next one of the plan.
        wrong = faults.opcode("EXECUTE") & faults.first(1)
        with face.server.fault(wrong, faults.error(exceptions.Overloaded)):
            result = await session.execute(SELECT, [1], profile="ordered")
        assert result.host_id == session.cluster.nodes()[-2].host_id


async def test_a_load_balancing_of_ones_own_that_fails(face):
    class Failing:
        answer = None

        def plan(self, request, cluster):
            if self.answer is None:
                raise KeyError("a bug")
            return self.answer

    policy = Failing()
    profiles = {"p": ExecutionProfile(load_balancing=policy)}
    async with face.connect(profiles=profiles) as session:
        await table(session)
        with pytest.raises(KeyError, match="a bug"):
            await session.execute(SELECT, [1], profile="p")
        policy.answer = ["10.1.2.3"]
        with pytest.raises(exceptions.BadValue, match=r"10\.1\.2\.3"):
            await session.execute(SELECT, [1], profile="p")
        policy.answer = []
        with pytest.raises(exceptions.NoHostAvailable):
            await session.execute(SELECT, [1], profile="p")
        await session.execute(SELECT, [1])


# --- how much at a time -------------------------------------------------------------------------


async def test_more_than_may_be_under_way_waits_or_is_refused(face):
    async with face.connect(max_in_flight=2, max_queued=3) as session:
        await table(session)
        many = await session.execute_many(
            SELECT, ([1] for _ in range(200)), concurrency=5, results=True
        )
        assert [result.scalar() for result in many.results] == ["x"] * 200
        assert sum(s.in_flight for n in session.shards() for s in n.shards) == 0
        with face.server.fault(faults.text("FROM t"), faults.delay(0.2)):
            many = await session.execute_many(
                SELECT, ([1] for _ in range(8)), concurrency=8, raise_on_error=False
            )
        refused = [error for _, error in many.errors]
        assert [type(error) for error in refused] == [exceptions.ClientOverloaded] * 3
        assert {(error.in_flight, error.queued) for error in refused} == {(2, 3)}
        assert "max_in_flight" in str(refused[0])
        assert (await session.execute(SELECT, [1])).scalar() == "x"
    async with face.connect(max_in_flight=1, max_queued=0) as session:
        with face.server.fault(faults.text("FROM t"), faults.delay(0.1)):
            many = await session.execute_many(
                SELECT, ([1] for _ in range(3)), concurrency=3, raise_on_error=False
            )
        assert [position for position, _ in many.errors] == [1, 2]

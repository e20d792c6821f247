"""A load on both faces that knows which values each key may have, for as long as it runs.

Its keys are few, so that what a test holds and what the servers hold stays the same size however
long it runs: a key whose last write ended in an error has two possible values from then on, is
written no more, and is replaced by a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

from cluster_help import INSERT, SELECT, eventually
from shardlane import aio, exceptions, sync

# What a write or read is, and what came of it.
Step = tuple[str, list[Any]]
Outcome = Any

# What a request may end with when the node it was sent to is killed under it.
EXPECTED = (
    exceptions.ConnectionLost,
    exceptions.NoHostAvailable,
    exceptions.RequestTimeout,
    exceptions.ReplicaError,
)

KEYS_PER_WORKER = 50
WORKERS_MAX = 64
_loads = itertools.count()


class Load:
    """Workers that write and read back until told to end."""

    def __init__(self, seed: int, pause: float = 0.0) -> None:
        self._seed = seed
        # Between two steps of a worker, where full speed would leave the servers no time to start.
        self._pause = pause
        self._first_worker = next(_loads) * WORKERS_MAX
        self._ends = threading.Event()
        self.possible: dict[int, set[str | None]] = {}
        self.failures: list[exceptions.RequestError] = []
        self.unclassified: list[BaseException] = []
        self.progress = 0
        self.slowest = 0.0

    def steps(self, number: int) -> Generator[Step, Outcome, None]:
        """What one worker asks for; it is sent the result, or the error, of each."""
        chance = random.Random(self._seed * 1000 + number)
        # Loads on one table have keys of their own.
        first = (self._first_worker + number) * 100_000
        keys = list(range(first, first + KEYS_PER_WORKER))
        fresh = keys[-1] + 1
        count = 0
        while not self._ends.is_set():
            count += 1
            at = chance.randrange(len(keys))
            key, value = keys[at], f"{number} {count}"
            outcome = yield INSERT, [key, value]
            if isinstance(outcome, BaseException):
                # Perhaps written, perhaps not; a repetition may even come later.
                self.possible.setdefault(key, {None}).add(value)
                keys[at] = fresh
                fresh += 1
                continue
            self.possible[key] = {value}
            outcome = yield SELECT, [key]
            if not isinstance(outcome, BaseException):
                found = outcome.scalar()
                assert found == value, f"key {key}: {found!r} instead of {value!r}"
            self.progress += 1

    def _note(self, began: float, error: BaseException | None) -> None:
        self.slowest = max(self.slowest, time.monotonic() - began)
        if isinstance(error, exceptions.RequestError):
            self.failures.append(error)
        elif error is not None:
            raise error

    def run_worker(self, session: Any, number: int) -> None:
        """A worker on the blocking face."""
        steps = self.steps(number)
        try:
            step = next(steps)
            while True:
                began, outcome = time.monotonic(), None
                try:
                    outcome = session.execute(*step)
                    error = None
                except BaseException as caught:
                    error = outcome = caught
                self._note(began, error)
                if self._pause:
                    self._ends.wait(self._pause)
                step = steps.send(outcome)
        except StopIteration:
            pass
        except BaseException as error:
            self.unclassified.append(error)

    async def run_task(self, session: Any, number: int) -> None:
        """A worker on the asyncio face."""
        steps = self.steps(number)
        try:
            step = next(steps)
            while True:
                began, outcome = time.monotonic(), None
                try:
                    outcome = await session.execute(*step)
                    error = None
                except Exception as caught:
                    error = outcome = caught
                self._note(began, error)
                if self._pause:
                    await asyncio.sleep(self._pause)
                step = steps.send(outcome)
        except StopIteration:
            pass
        except BaseException as error:
            self.unclassified.append(error)

    def await_progress(self, more: int, seconds: float = 30.0) -> None:
        """Wait until so many more writes have been made and read back."""
        target = self.progress + more
        eventually(
            f"{more} more writes and reads",
            lambda: self.progress >= target or self.unclassified,
            seconds,
        )
        assert self.unclassified == [], self.unclassified

    def end(self) -> None:
        self._ends.set()


@contextlib.contextmanager
def running(
    face: str,
    contact_points: list[str],
    seed: int,
    workers: int,
    *,
    pause: float = 0.0,
    **options: Any,
) -> Iterator[tuple[Load, Any]]:
    """A load over one session of that face, in threads or tasks of its own, and the session."""
    load = Load(seed, pause)
    ready = threading.Event()
    sessions: list[Any] = []
    problems: list[BaseException] = []

    def with_threads() -> None:
        with sync.connect(contact_points, keyspace="app", **options) as session:
            sessions.append(session)
            ready.set()
            threads = [
                threading.Thread(target=load.run_worker, args=(session, number), daemon=True)
                for number in range(workers)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    async def with_tasks() -> None:
        async with aio.connect(contact_points, keyspace="app", **options) as session:
            sessions.append(session)
            ready.set()
            await asyncio.gather(*(load.run_task(session, number) for number in range(workers)))

    def run() -> None:
        try:
            if face == "sync":
                with_threads()
            else:
                asyncio.run(with_tasks())
        except BaseException as error:
            problems.append(error)
        finally:
            ready.set()

    driver = threading.Thread(target=run, daemon=True)
    driver.start()
    try:
        assert ready.wait(20), "it does not connect"
        assert problems == [], problems
        yield load, sessions[0]
    finally:
        load.end()
        driver.join(30)
    assert not driver.is_alive(), "requests that never end"
    assert problems == [], problems
    assert load.unclassified == [], load.unclassified


def check_values(session: Any, load: Load) -> None:
    """Each key has one of its possible values; nothing that was acknowledged is lost."""
    keys = sorted(load.possible)
    found = session.execute_many(SELECT, ([key] for key in keys), results=True)
    values = {key: result.scalar() for key, result in zip(keys, found.results, strict=True)}
    wrong = {key: values[key] for key in keys if values[key] not in load.possible[key]}
    assert wrong == {}, f"{len(wrong)} of {len(keys)} keys: acknowledged writes are lost"

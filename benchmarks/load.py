"""Load: keep requests in flight, note how long each took, check each answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

Call = Callable[..., Any]
AsyncCall = Callable[..., Awaitable[Any]]


class WrongAnswerError(Exception):
    """A driver returned something else than what is in the database."""


class Job:
    """One stretch of load: which calls, how many in flight, for how long.

    Args:
        arguments: what each call gets, in order, over and over.
        expected: the answer that belongs to each of them.
        in_flight: how many calls are under way at once.
        seconds: how long to go on starting calls.
    """

    def __init__(
        self, arguments: list[tuple[Any, ...]], expected: list[Any], in_flight: int, seconds: float
    ) -> None:
        self.arguments = arguments
        self.expected = expected
        self.in_flight = in_flight
        self.seconds = seconds
        self.latencies: list[float] = []
        self.spans: list[tuple[int, int]] = []
        self.count = 0
        self.until = 0.0
        self.unchecked: Sequence[Any] = ()
        """Answers that came all at once, from the first position on; checked when time is up."""

    def start_at(self, worker: int) -> int:
        """Workers start at different places, so that they do not ask for the same key at once."""
        return worker * len(self.arguments) // self.in_flight

    def begin(self) -> None:
        self.until = perf_counter() + self.seconds

    def done(self, start: int, count: int, latencies: Sequence[float] = ()) -> None:
        """Note what one worker did: `count` calls from position `start` on."""
        self.latencies += latencies
        self.count += count
        self.spans.append((start, count))

    def positions(self) -> set[int]:
        """Positions of all arguments that were used."""
        size = len(self.arguments)
        return {
            (start + step) % size for start, count in self.spans for step in range(min(count, size))
        }

    def check_rest(self) -> None:
        """Check what could not be checked as it came, at a time that nobody measures."""
        size = len(self.expected)
        for number, answer in enumerate(self.unchecked):
            if answer != self.expected[number % size]:
                raise self.wrong(number % size, answer)

    def wrong(self, position: int, answer: Any) -> WrongAnswerError:
        return WrongAnswerError(f"expected {self.expected[position]!r}, got {answer!r}")


async def run_tasks(job: Job, call: AsyncCall) -> None:
    """As an asyncio application does it: a task for each request in flight."""

    async def worker(number: int) -> None:
        arguments, expected, until = job.arguments, job.expected, job.until
        last = len(arguments) - 1
        latencies: list[float] = []
        start = position = job.start_at(number)
        began = perf_counter()
        while began < until:
            answer = await call(*arguments[position])
            ended = perf_counter()
            latencies.append(ended - began)
            if answer != expected[position]:
                raise job.wrong(position, answer)
            position = 0 if position == last else position + 1
            began = ended
        job.done(start, len(latencies), latencies)

    job.begin()
    async with asyncio.TaskGroup() as group:
        for number in range(job.in_flight):
            group.create_task(worker(number))


def run_threads(job: Job, call: Call) -> None:
    """As a threaded application does it: a thread for each request in flight."""
    failures: list[BaseException] = []

    def worker(number: int) -> None:
        arguments, expected, until = job.arguments, job.expected, job.until
        last = len(arguments) - 1
        latencies: list[float] = []
        start = position = job.start_at(number)
        try:
            began = perf_counter()
            while began < until:
                answer = call(*arguments[position])
                ended = perf_counter()
                latencies.append(ended - began)
                if answer != expected[position]:
                    raise job.wrong(position, answer)
                position = 0 if position == last else position + 1
                began = ended
        except BaseException as error:
            failures.append(error)
        job.done(start, len(latencies), latencies)

    job.begin()
    if job.in_flight == 1:
        worker(0)
    else:
        threads = [
            threading.Thread(target=worker, args=(number,)) for number in range(job.in_flight)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


class Parameters:
    """Parameter sets until the time is up, for calls that take many at once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.taken = 0

    def __iter__(self) -> Iterator[Any]:
        arguments, until = self._job.arguments, self._job.until
        size = len(arguments)
        while perf_counter() < until:
            position = self.taken % size
            self.taken += 1
            yield arguments[position]

    def done(self, answers: Sequence[Any] | None, count: int) -> None:
        """Note what was done; `answers` in the order of the parameter sets, None for writes."""
        if count != self.taken:
            raise WrongAnswerError(f"{count} results for {self.taken} parameter sets")
        self._job.unchecked = answers or ()
        self._job.done(0, self.taken)

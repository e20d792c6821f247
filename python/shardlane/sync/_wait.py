"""How this face waits: all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from shardlane._shared.steps import Steps

T = TypeVar("T")


def wait(steps: Steps[T]) -> T:
    """Carry out an operation, with the GIL released while nothing can be done."""
    try:
        request = next(steps)
        while True:
            try:
                answer = request.wait()
            except BaseException as error:  # noqa: PERF203
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        outcome: T = end.value
        return outcome

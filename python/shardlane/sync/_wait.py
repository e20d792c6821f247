"""How this face waits: all of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from shardlane._shared.steps import Pause

if TYPE_CHECKING:
    from shardlane._shared.steps import Steps

T = TypeVar("T")


def wait(steps: Steps[T]) -> T:
    """Carry out an operation, with the GIL released while nothing can be done."""
    try:
        request = next(steps)
        answer: Any
        while True:
            try:
                if isinstance(request, Pause):
                    # Other threads do not have to be given their turn.
                    if request.seconds > 0:
                        time.sleep(request.seconds)
                    answer = None
                else:
                    answer = request.wait()
            except BaseException as error:  # noqa: PERF203
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        outcome: T = end.value
        return outcome

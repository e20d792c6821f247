"""How this face waits for operations of several requests; single ones are simply awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from shardlane._shared.steps import Pause

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from shardlane._shared.steps import Steps

T = TypeVar("T")


async def drive(steps: Steps[T]) -> T:
    """Carry out an operation. Cancelling reaches it at the request it waits for."""
    try:
        request = next(steps)
        answer: Any
        while True:
            try:
                if isinstance(request, Pause):
                    await asyncio.sleep(request.seconds)
                    answer = None
                else:
                    answer = await request
            except BaseException as error:  # noqa: PERF203
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        outcome: T = end.value
        return outcome


def run(awaitable: Awaitable[T]) -> T:
    """Run what the application's code has returned on a loop of its own, in a helper thread."""

    async def wait() -> T:
        return await awaitable

    return asyncio.run(wait())

"""Progress on standard error: a bar of rich if that is installed, plain text otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PLAIN_INTERVAL_S = 0.2
_WATCH_INTERVAL_S = 0.1


class Progress(Protocol):
    """Where progress is told."""

    def expect(self, steps: int) -> None:
        """Set how many steps there will be in all, as far as known by now."""

    def phase(self, title: str) -> None:
        """Begin a part of the work."""

    def advance(self, steps: int) -> None:
        """Tell of steps that are done."""


class Silent:
    """Tells nobody."""

    def expect(self, steps: int) -> None:
        """Do nothing."""

    def phase(self, title: str) -> None:
        """Do nothing."""

    def advance(self, steps: int) -> None:
        """Do nothing."""


class Plain:
    """One line: rewritten on a terminal; elsewhere a new one for each part of the work."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rewrites = out.isatty()
        self._expected = 0
        self._done = 0
        self._title = ""
        self._drawn_at = 0.0

    def expect(self, steps: int) -> None:
        """Set how many steps there will be in all."""
        self._expected = steps

    def phase(self, title: str) -> None:
        """Begin a part of the work."""
        self._title = title
        self._draw()

    def advance(self, steps: int) -> None:
        """Tell of steps that are done."""
        self._done += steps
        if self._rewrites and time.monotonic() - self._drawn_at > _PLAIN_INTERVAL_S:
            self._draw()

    def clear(self) -> None:
        """Leave the terminal as it was."""
        if self._rewrites:
            self._out.write("\r\x1b[K")
            self._out.flush()

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        percent = min(100, 100 * self._done // self._expected) if self._expected else 0
        line = f"{percent:3d} %  {self._title}"
        self._out.write(f"\r\x1b[K{line}" if self._rewrites else f"{line}\n")
        self._out.flush()


class _Rich:
    def __init__(self, bar: RichProgress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def expect(self, steps: int) -> None:
        self._bar.update(self._task, total=steps)

    def phase(self, title: str) -> None:
        self._bar.update(self._task, description=title)

    def advance(self, steps: int) -> None:
        self._bar.advance(self._task, steps)


@contextlib.contextmanager
def showing(*, quiet: bool, out: TextIO | None = None) -> Iterator[Progress]:
    """Show progress as long as the context lasts, and take it off the terminal afterwards."""
    stream = sys.stderr if out is None else out
    if quiet:
        yield Silent()
        return
    rich = _rich(stream) if stream.isatty() else None
    if rich is None:
        plain = Plain(stream)
        try:
            yield plain
        finally:
            plain.clear()
        return
    with rich:
        yield _Rich(rich, rich.add_task("starting", total=None))


def _rich(stream: TextIO) -> RichProgress | None:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed
    except ImportError:
        return None
    return Progress(
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        Elapsed(),
        TextColumn("{task.description}"),
        console=Console(file=stream),
        # Drawing takes the GIL from what is measured.
        refresh_per_second=5,
        transient=True,
    )


@contextlib.asynccontextmanager
async def watching(progress: Progress, done: Callable[[], int]) -> AsyncIterator[None]:
    """Tell now and then how far the work in the context has come: free of cost to each step."""
    told = 0

    def tell() -> None:
        nonlocal told
        now = done()
        progress.advance(now - told)
        told = now

    async def look() -> None:
        while True:
            await asyncio.sleep(_WATCH_INTERVAL_S)
            tell()

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        tell()

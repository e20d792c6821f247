"""The application's own code, called by threads of its own.

The I/O thread never runs Python. Where the application has a say, the core puts a question into a
lane; a thread for that lane takes it out, calls a handler and hands the answer back. The thread
holds the GIL only while the handler runs. Questions of one lane are answered one at a time.

Threads are Python's own, and daemons: a handler that hangs keeps nobody from ending the process.
"""

from __future__ import annotations

import atexit
import collections
import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any

from shardlane import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Handler = Callable[[dict[str, Any]], Any]
    """Takes what is asked, returns the answer, or raises."""

CAUSES_MAX = 64
"""Exceptions of handlers kept for the errors that follow from them; the oldest go first."""

JOIN_TIMEOUT = 1.0
"""Seconds that the end of the process gives to a handler that is running."""

_causes: collections.OrderedDict[int, BaseException] = collections.OrderedDict()
_numbers = itertools.count(1)
_live: weakref.WeakSet[Helpers] = weakref.WeakSet()


class Helpers:
    """The threads that answer for one cluster object. They end when its I/O thread does."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.core = _core.Callouts()
        self.lanes = list(handlers)
        self._lock = threading.Lock()
        self._handlers = dict(handlers)
        self._threads: dict[str, threading.Thread] = {}

    def start(self) -> None:
        """Begin to answer."""
        for lane, handler in self._handlers.items():
            self.serve(lane, handler)

    def serve(self, lane: str, handler: Handler) -> None:
        """Answer the questions of a lane from now on, unless that is done already."""
        with self._lock:
            if lane in self._threads:
                return
            thread = threading.Thread(
                target=_serve,
                args=(self.core, lane, handler),
                name=f"shardlane-{lane}",
                daemon=True,
            )
            self._threads[lane] = thread
            thread.start()
        _live.add(self)

    def stop(self) -> None:
        """End all that do not run a handler, and give those that do a moment."""
        self.core.close()
        for thread in list(self._threads.values()):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(JOIN_TIMEOUT)


def _serve(core: _core.Callouts, lane: str, handler: Handler) -> None:
    while (callout := core.next(lane)) is not None:
        try:
            callout.answer(handler(callout.info()))
        except BaseException as error:
            # KeyboardInterrupt goes to the main thread; SystemExit would end this one unnoticed.
            callout.fail(_described(error), _keep(error))
            del error
        # Not while waiting for the next one: it may hold a secret.
        del callout


def _described(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _keep(error: BaseException) -> int:
    number = next(_numbers)
    _causes[number] = error
    while len(_causes) > CAUSES_MAX:
        _causes.popitem(last=False)
    return number


def cause(number: int) -> BaseException | None:
    """Return what a handler raised, by the number in the error; None if it is gone."""
    return _causes.pop(number, None)


@atexit.register
def _stop_all() -> None:
    """No thread may come back from the core when the interpreter is half gone."""
    for helpers in list(_live):
        helpers.stop()

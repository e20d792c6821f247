"""What servers have written down about a traced request."""

from __future__ import annotations

import datetime
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shardlane.exceptions import TraceUnavailable

from .steps import Pause

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address, IPv6Address

    from shardlane import _core

    from .steps import Steps

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.2
_SHARD = re.compile(r"shard (\d+)")
_UUID_EPOCH = datetime.datetime(1582, 10, 15, tzinfo=datetime.timezone.utc)

_SESSION = (
    "SELECT request, command, client, coordinator, duration, started_at, parameters"
    " FROM system_traces.sessions WHERE session_id = {}"
)
_EVENTS = (
    "SELECT event_id, activity, source, source_elapsed, thread"
    " FROM system_traces.events WHERE session_id = {}"
)


@dataclass(frozen=True)
class TraceEvent:
    """Something that a server did for a traced request."""

    activity: str
    """In the server's words."""
    source: IPv4Address | IPv6Address | None
    """The node that did it."""
    shard: int | None
    """The shard that did it; None on nodes without shards."""
    thread: str | None
    """The thread that did it, as the node calls it."""
    at: datetime.datetime
    """When, by the clock of that node, in UTC."""
    elapsed: datetime.timedelta | None
    """Since that node heard of the request."""


@dataclass(frozen=True)
class Trace:
    """What the servers did for one request. ``print()`` it to see a table."""

    id: uuid.UUID
    """The id of the session in ``system_traces``."""
    request: str | None
    """What sort of request it was, in the server's words."""
    command: str | None
    """``QUERY`` for requests of clients."""
    client: IPv4Address | IPv6Address | None
    """Where the request came from."""
    coordinator: IPv4Address | IPv6Address | None
    """The node that received it."""
    started_at: datetime.datetime | None
    """When, by the clock of the coordinator, in UTC."""
    duration: datetime.timedelta | None
    """How long it took the coordinator; None if that is not known yet."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Such as ``query`` and ``consistency_level``."""
    events: tuple[TraceEvent, ...] = ()
    """In the order in which they happened, as far as the nodes' clocks agree."""

    @property
    def shards(self) -> frozenset[tuple[IPv4Address | IPv6Address | None, int | None]]:
        """The nodes that took part, with their shards."""
        return frozenset((event.source, event.shard) for event in self.events)

    def __str__(self) -> str:
        took = "unknown" if self.duration is None else f"{_microseconds(self.duration)} us"
        head = f"{self.request} at {self.coordinator}, {took}"
        rows = [
            (
                "-" if event.elapsed is None else str(_microseconds(event.elapsed)),
                str(event.source),
                event.thread or "-",
                event.activity,
            )
            for event in self.events
        ]
        rows.insert(0, ("us", "node", "thread", "activity"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [us.rjust(widths[0]), node.ljust(widths[1]), thread.ljust(widths[2]), activity]
            )
            for us, node, thread, activity in rows
        ]
        return "\n".join([head, *lines])


def fetch(page: _core.Page, wait: float) -> Steps[Trace]:
    """Read the trace of an execution, again and again until it is complete.

    It is when the coordinator has written down how long it took, and a further look finds no more
    events: those of other nodes come later.

    Args:
        page: what the execution brought.
        wait: seconds to wait for the trace at most.

    Raises:
        TraceUnavailable: the execution was not traced, or nothing was written down in time.
        RequestError: the trace could not be read.
    """
    session, tracing_id = page.tracer(), page.tracing_id
    if session is None or tracing_id is None:
        raise TraceUnavailable("the execution was not traced", hint="execute(..., tracing=True)")
    trace_id = uuid.UUID(bytes=tracing_id)
    ends_at = time.monotonic() + wait
    pause, found = _FIRST_PAUSE, -1
    while True:
        answer: _core.Page = yield _asked(session, _SESSION.format(trace_id))
        described = answer.first()
        is_late = time.monotonic() >= ends_at
        if described is not None and (described[4] is not None or is_late):
            answer = yield _asked(session, _EVENTS.format(trace_id))
            events = answer.rows()
            if len(events) == found or is_late:
                return _trace(trace_id, described, events)
            # No events at all is not what a complete trace looks like.
            found = len(events) or -1
        elif is_late:
            raise TraceUnavailable(
                f"no trace {trace_id} within {wait:g} s",
                hint="servers write traces on the side: give trace() more time",
            )
        yield Pause(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _asked(session: _core.Session, cql: str) -> _core.Request[_core.Page]:
    request = session.execute(cql)
    assert request is not None
    return request


def _trace(trace_id: uuid.UUID, described: tuple[Any, ...], events: list[Any]) -> Trace:
    request, command, client, coordinator, duration, started_at, parameters = described
    return Trace(
        id=trace_id,
        request=request,
        command=command,
        client=client,
        coordinator=coordinator,
        started_at=started_at,
        duration=_elapsed(duration),
        parameters=dict(parameters or {}),
        events=tuple(_event(*event) for event in events),
    )


def _event(
    event_id: uuid.UUID, activity: str, source: Any, elapsed: int | None, thread: str | None
) -> TraceEvent:
    shard = _SHARD.match(thread or "")
    return TraceEvent(
        activity=activity,
        source=source,
        shard=int(shard[1]) if shard else None,
        thread=thread,
        at=_UUID_EPOCH + datetime.timedelta(microseconds=event_id.time // 10),
        elapsed=_elapsed(elapsed),
    )


def _elapsed(microseconds: int | None) -> datetime.timedelta | None:
    return None if microseconds is None else datetime.timedelta(microseconds=microseconds)


def _microseconds(delta: datetime.timedelta) -> int:
    return delta // datetime.timedelta(microseconds=1)


# As in schema/model.py.
for _class in (Trace, TraceEvent):
    _class.__module__ = "shardlane"

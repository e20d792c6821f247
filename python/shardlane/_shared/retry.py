"""Retry policies: what follows a failed attempt of a request."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from shardlane.exceptions import ConfigurationError

from .checks import positive, seconds
from .consistency import Consistency, checked_consistency
from .errors import build

if TYPE_CHECKING:
    from shardlane.exceptions import Attempt, RequestError

    from .callouts import Helpers

RETRIES_MAX = 15
"""The most retries of one request: it may have 16 attempts."""

ADVISORS_MAX = 1000
"""Retry policies of the application that one cluster object knows."""

_log = logging.getLogger("shardlane")


@dataclass(frozen=True)
class DefaultRetry:
    """Retry where it is safe and likely to help. This is what is used if nothing is said.

    Another node is asked after an error that left nothing done (a lost connection before anything
    was sent, a node that is still starting) and, if the statement is idempotent, after a lost
    connection, an overloaded node, or an error of the server's own. Once, another node is asked
    after `Unavailable`, and the same after a `ReadTimeout` that lacked only the data, or
    a `WriteTimeout` of the batch log.
    """


@dataclass(frozen=True)
class FallthroughRetry:
    """Never retry: the first error is the request's."""


@dataclass(frozen=True)
class DowngradingConsistencyRetry:
    """As `DefaultRetry`, and once more with a lower consistency where too few replicas answered.

    After `Unavailable`, a `ReadTimeout`, or a `WriteTimeout` of an idempotent unlogged batch the
    request is repeated with ``ONE``, ``TWO`` or ``THREE``: what the replicas that did answer
    suffice for. An idempotent write that some replica has taken counts as done. Use it only if you
    are content with less than you ask for: reads may be stale, writes may be lost.
    """


@dataclass(frozen=True)
class ExponentialBackoffRetry:
    """Retry whatever may be different next time, after longer and longer delays.

    Args:
        retries: retries at most, from 1 to 15.
        min_delay: seconds before the first retry; doubled each time, give or take 15 %.
        max_delay: seconds at most between two attempts.

    Delays count against the request's timeout: where one would not fit, the error is raised at
    once. While no node at all is connected it waits, too. Statements that are not idempotent are
    retried only after errors that left nothing done.

    Raises:
        ConfigurationError: an argument makes no sense.
    """

    retries: int = 5
    min_delay: float = 0.1
    max_delay: float = 10.0

    def __post_init__(self) -> None:
        positive("retries", self.retries, RETRIES_MAX)
        seconds("min_delay", self.min_delay)
        seconds("max_delay", self.max_delay)
        if self.min_delay > self.max_delay:
            raise ConfigurationError(
                f"min_delay={self.min_delay!r} is more than max_delay={self.max_delay!r}",
                hint="give the shorter delay as min_delay=",
            )


@dataclass(frozen=True)
class FailedAttempt:
    """What a retry policy of your own decides upon."""

    attempt: Attempt
    """The attempt that has failed."""
    error: RequestError
    """What would be raised if it was the last one; its class and fields tell what happened."""
    failed_before: int
    """Attempts of the request that have failed before this one."""
    idempotent: bool
    """Whether the statement may be repeated although it may have taken effect."""
    maybe_executed: bool
    """Whether it may have taken effect."""
    consistency: str
    """The consistency asked for."""

    @property
    def is_safe(self) -> bool:
        """Whether another attempt can do no harm."""
        return self.idempotent or not self.maybe_executed


@dataclass(frozen=True)
class RetryDecision:
    """What follows a failed attempt. Made by the class's own functions."""

    kind: str
    delay: float = 0.0
    consistency: str | None = None

    @classmethod
    def give_up(cls) -> RetryDecision:
        """The error is the request's."""
        return cls("give_up")

    @classmethod
    def ignore(cls) -> RetryDecision:
        """The request counts as done; its result has no rows."""
        return cls("ignore")

    @classmethod
    def same_node(
        cls, *, delay: float = 0.0, consistency: Consistency | str | None = None
    ) -> RetryDecision:
        """Another attempt on the same node.

        Args:
            delay: seconds to wait before.
            consistency: instead of the request's.

        Raises:
            ConfigurationError: an argument makes no sense.
        """
        return cls._again("same_node", delay, consistency)

    @classmethod
    def next_node(
        cls, *, delay: float = 0.0, consistency: Consistency | str | None = None
    ) -> RetryDecision:
        """Another attempt on the next node of the query plan. Arguments are as in `same_node`.

        When all nodes have been tried that is the end, unless there is a delay: then it begins
        anew.
        """
        return cls._again("next_node", delay, consistency)

    @classmethod
    def _again(cls, kind: str, delay: float, consistency: Any) -> RetryDecision:
        seconds("delay", delay, zero=True)
        level = None if consistency is None else checked_consistency(consistency)
        return cls(kind, float(delay), level)


@runtime_checkable
class RetryPolicy(Protocol):
    """A retry policy of your own.

    It is called on a thread of the driver, never on an event loop, one failure at a time for each
    cluster object; requests that succeed know nothing of it. The request's timeout goes on. If
    it raises, that is logged and the error stands.
    """

    def decide(self, failure: FailedAttempt) -> RetryDecision | None:
        """Return what follows; None means that the error stands."""
        ...


AnyRetry = (
    DefaultRetry
    | FallthroughRetry
    | DowngradingConsistencyRetry
    | ExponentialBackoffRetry
    | RetryPolicy
)

_NAMES: dict[type, str] = {
    type(None): "default",
    DefaultRetry: "default",
    FallthroughRetry: "fallthrough",
    DowngradingConsistencyRetry: "downgrading",
}


def checked_retry(retry: Any) -> None:
    """Raise ConfigurationError unless ``retry`` is a retry policy, or None for the default one."""
    if retry is None:
        return
    is_class = isinstance(retry, type)
    if not is_class and isinstance(retry, (*_NAMES, ExponentialBackoffRetry, RetryPolicy)):
        return
    raise ConfigurationError(
        f"retry={retry!r} is not a retry policy",
        hint=f"give an object: {retry.__name__}()"
        if is_class
        else "give one of shardlane.policies, or an object with decide(failure)",
    )


class Advisors:
    """The retry policies of the application that a cluster object's core may ask for.

    Args:
        helpers: the threads of the cluster object.
    """

    def __init__(self, helpers: Helpers) -> None:
        self._helpers = helpers
        self._lock = threading.Lock()
        self._policies: list[RetryPolicy] = []

    def describe(self, retry: Any) -> tuple[Any, ...]:
        """Return what the core makes a policy of.

        Raises:
            ConfigurationError: it is no retry policy, or there are too many.
        """
        checked_retry(retry)
        if name := _NAMES.get(type(retry)):
            return (name,)
        if isinstance(retry, ExponentialBackoffRetry):
            return ("backoff", retry.retries, float(retry.min_delay), float(retry.max_delay))
        with self._lock:
            for number, known in enumerate(self._policies):
                if known is retry:
                    return ("advisor", number)
            if len(self._policies) >= ADVISORS_MAX:
                raise ConfigurationError(
                    f"{ADVISORS_MAX} retry policies are in use",
                    hint="make one object and use it for many requests",
                )
            self._policies.append(retry)
            self._helpers.serve("retry", self._decide)
            return ("advisor", len(self._policies) - 1)

    def _decide(self, info: dict[str, Any]) -> tuple[str, float, str | None]:
        policy = self._policies[info["advisor"]]
        try:
            decision = policy.decide(_failure(info))
            if decision is not None and not isinstance(decision, RetryDecision):
                raise TypeError(
                    f"decide() returned a {type(decision).__name__}:"
                    " it has to return a RetryDecision, or None"
                )
        except Exception:
            # The request ends with its own error; this one would be lost.
            _log.exception("the retry policy %r has failed; the request is not retried", policy)
            decision = None
        decision = decision or RetryDecision.give_up()
        return decision.kind, decision.delay, decision.consistency


def _failure(info: dict[str, Any]) -> FailedAttempt:
    error: Any = build({"kind": "attempt", "attempts": [info["attempt"]]})
    return FailedAttempt(
        attempt=error.attempts[0],
        error=error,
        failed_before=info["failed_before"],
        idempotent=info["idempotent"],
        maybe_executed=info["maybe_executed"],
        consistency=info["consistency"],
    )

"""Execution profiles: sets of options that have a name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from shardlane import _core
from shardlane.exceptions import ConfigurationError

from .load_balancing import LoadBalancing, Planner
from .speculation import describe_speculation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .clusters import BaseCluster
    from .consistency import Consistency
    from .load_balancing import AnyLoadBalancing
    from .options import SessionOptions
    from .retry import AnyRetry
    from .row_types import AnyRowFactory
    from .speculation import AnySpeculation


@dataclass(frozen=True)
class ExecutionProfile:
    """Options of requests under a name: ``execute(..., profile="analytics")``.

    Give profiles to ``connect(profiles={"analytics": ExecutionProfile(timeout=60.0), ...})``. What
    a profile leaves out is as the session has it; what an ``execute`` says itself comes first.

    Args:
        timeout: as in ``shardlane.connect``.
        consistency: as in ``shardlane.connect``.
        serial_consistency: as in ``shardlane.connect``.
        page_size: as in ``shardlane.connect``.
        idempotent: as in ``shardlane.connect``.
        client_timestamps: as in ``shardlane.connect``.
        row_factory: as in ``shardlane.connect``. Type checkers do not know of it.
        retry: as in ``shardlane.connect``.
        speculative: as in ``shardlane.connect``.
        load_balancing: as in ``shardlane.connect``.
    """

    timeout: float | _core.UnsetType | None = _core.UNSET
    consistency: Consistency | str | _core.UnsetType = _core.UNSET
    serial_consistency: Consistency | str | _core.UnsetType | None = _core.UNSET
    page_size: int | _core.UnsetType | None = _core.UNSET
    idempotent: bool | _core.UnsetType = _core.UNSET
    client_timestamps: bool | _core.UnsetType = _core.UNSET
    row_factory: AnyRowFactory | _core.UnsetType = _core.UNSET
    retry: AnyRetry | _core.UnsetType | None = _core.UNSET
    speculative: AnySpeculation | _core.UnsetType | None = _core.UNSET
    load_balancing: AnyLoadBalancing | _core.UnsetType | None = _core.UNSET


def checked_profiles(given: Any, defaults: SessionOptions) -> dict[str, SessionOptions]:
    """Return each profile by name, the session's defaults filled in.

    Raises:
        ConfigurationError: they are no profiles by name, or one makes no sense; the message names
            the profile.
    """
    if given is None:
        return {}
    try:
        profiles: Mapping[Any, Any] = dict(given)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"profiles={given!r} is not understood",
            hint="give a dict of names and ExecutionProfile objects",
        ) from None
    found = {}
    for name, profile in profiles.items():
        if not isinstance(name, str) or not isinstance(profile, ExecutionProfile):
            raise ConfigurationError(
                f"profiles[{name!r}] is a {type(profile).__name__}",
                hint="give names and ExecutionProfile objects",
            )
        said = {
            option.name: value
            for option in fields(profile)
            if not isinstance(value := getattr(profile, option.name), _core.UnsetType)
        }
        options = {option.name: getattr(defaults, option.name) for option in fields(defaults)}
        try:
            found[name] = type(defaults).make(**{**options, **said, "profiles": None})
        except ConfigurationError as error:
            raise ConfigurationError(
                f"profiles[{name!r}]: {error.message}", hint=error.hint
            ) from None
    return found


def resolve(options: SessionOptions, cluster: BaseCluster) -> _core.Profile:
    """Make of checked options what the core keeps at hand."""
    balancing, planner = LoadBalancing(), None
    if isinstance(options.load_balancing, LoadBalancing):
        balancing = options.load_balancing
    elif options.load_balancing is not None:
        planner = Planner(options.load_balancing, cluster)
    return _core.Profile(
        consistency=options.consistency,
        serial_consistency=options.serial_consistency,
        timeout=options.timeout,
        page_size=options.page_size,
        idempotent=options.idempotent,
        client_timestamps=options.client_timestamps,
        row_factory=options.row_factory,
        retry=cluster._advisors.describe(options.retry),
        speculation=describe_speculation(options.speculative),
        balancing=(balancing.datacenter, balancing.rack, balancing.remote, balancing.choice),
        planner=planner,
    )


def open_session(
    core: _core.Cluster, keyspace: str | None, options: SessionOptions, cluster: BaseCluster
) -> _core.Session:
    """Open a session of the core; nothing is sent."""
    named = checked_profiles(options.profiles, options)
    return core.session(
        keyspace,
        resolve(options, cluster),
        {name: resolve(profile, cluster) for name, profile in named.items()},
        cluster._advisors.describe,
    )

"""Logins that the application carries out itself."""

from __future__ import annotations

import collections
import inspect
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from shardlane.exceptions import ConfigurationError

from .errors import address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOGINS_MAX = 512
"""Logins under way that are remembered. A process has some 64 at a time; ended ones go first."""


@runtime_checkable
class Authenticator(Protocol):
    """One login, step by step (SASL).

    The methods are called on a thread of the driver, never on an event loop and never two at a
    time for one cluster object. They may block, or, with ``shardlane.aio``, be coroutine functions:
    those are run on a loop of their own. ``connect_timeout`` counts all of it. Whatever they raise
    ends the login, and is the cause of the `AuthenticationError` that follows.
    """

    def initial_response(self, class_name: str) -> bytes | Awaitable[bytes]:
        """Return what to say first.

        Args:
            class_name: the server's authenticator, like
                ``"org.apache.cassandra.auth.PasswordAuthenticator"``. Raise if it is not one that
                may have your secrets.
        """
        ...

    def challenge(self, token: bytes) -> bytes | Awaitable[bytes]:
        """Return the answer to a challenge of the server. There may be several, or none."""
        ...

    def success(self, token: bytes) -> Awaitable[None] | None:
        """Look at what the server has sent last; raise if it does not prove what it should."""
        ...


if TYPE_CHECKING:
    AuthProvider = Authenticator | Callable[[str], Authenticator]
    """An authenticator for all connections (one that remembers nothing from step to step), or a
    callable that is given the node's address and port and returns one for each connection."""

    RunAwaitable = Callable[[Awaitable[Any]], Any]
    """Runs an awaitable to its end, on a thread without an event loop."""


class LoginHandler:
    """Answers the core's questions with the application's authenticators."""

    def __init__(self, auth: AuthProvider, run: RunAwaitable | None) -> None:
        self._auth = auth
        self._run = run
        self._logins: collections.OrderedDict[int, Any] = collections.OrderedDict()

    def __call__(self, info: dict[str, Any]) -> bytes | None:
        """Return the bytes to send; None after the last step."""
        step = info["step"]
        if step == "start":
            authenticator = self._begin(info)
            token = authenticator.initial_response(info["class_name"])
            return self._bytes(token, "initial_response")
        authenticator = self._logins[info["login"]]
        if step == "challenge":
            return self._bytes(authenticator.challenge(info["token"]), "challenge")
        del self._logins[info["login"]]
        self._result(authenticator.success(info["token"]), "success")
        return None

    def _begin(self, info: dict[str, Any]) -> Any:
        auth: Any = self._auth
        if not hasattr(auth, "initial_response"):
            auth = auth(address(info["address"], info["port"]))
            if not isinstance(auth, Authenticator):
                raise TypeError(
                    f"auth= returned a {type(auth).__name__}: it has to return an object with"
                    " initial_response(), challenge() and success()"
                )
        self._logins[info["login"]] = auth
        while len(self._logins) > LOGINS_MAX:
            self._logins.popitem(last=False)
        return auth

    def _bytes(self, returned: Any, method: str) -> bytes:
        token = self._result(returned, method)
        if not isinstance(token, (bytes, bytearray, memoryview)):
            # Never the value itself: it may be a secret.
            raise TypeError(f"{method}() returned a {type(token).__name__}: it has to return bytes")
        return bytes(token)

    def _result(self, returned: Any, method: str) -> Any:
        if not inspect.isawaitable(returned):
            return returned
        if self._run is None:
            if inspect.iscoroutine(returned):
                returned.close()
            raise TypeError(
                f"{method}() is a coroutine function: shardlane.aio takes those, this is the"
                " blocking face"
            )
        return self._run(returned)


def checked_auth(auth: Any) -> None:
    """Raise ConfigurationError unless ``auth`` can log in."""
    if auth is None or isinstance(auth, Authenticator):
        return
    if isinstance(auth, type) and issubclass(auth, Authenticator):
        return
    if callable(auth):
        return
    raise ConfigurationError(
        f"auth= is a {type(auth).__name__}",
        hint="give an object with initial_response(), challenge() and success(), or a callable"
        " that returns one for each connection",
    )


def checked_authenticators(classes: Any) -> None:
    """Raise ConfigurationError unless ``classes`` are names of classes, or None."""
    if classes is None:
        return
    if isinstance(classes, str) or not all(isinstance(c, str) and c for c in list(classes)):
        raise ConfigurationError(
            f"allowed_authenticators={classes!r} is not understood",
            hint="give a list of class names, or ['*'] for any",
        )

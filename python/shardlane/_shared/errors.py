"""From the core's description of a failure to the exception that users catch.

The core calls `build` with a dict, because errors are rare and wording is easier to change here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shardlane import exceptions as exc

from . import callouts

if TYPE_CHECKING:
    from collections.abc import Callable

# Error codes of the protocol (native_protocol_v4.spec, section 9). 0x000A is the server saying that
# we broke the protocol; ServerError carries it with its code.
_BY_CODE: dict[int, type[exc.ServerError]] = {
    0x0100: exc.AuthenticationFailed,
    0x1000: exc.Unavailable,
    0x1001: exc.Overloaded,
    0x1002: exc.Bootstrapping,
    0x1003: exc.TruncateFailed,
    0x1100: exc.WriteTimeout,
    0x1200: exc.ReadTimeout,
    0x1300: exc.ReadFailure,
    0x1400: exc.FunctionFailure,
    0x1500: exc.WriteFailure,
    0x1600: exc.CdcWriteFailure,
    0x1700: exc.CasWriteUnknown,
    0x2000: exc.CqlSyntaxError,
    0x2100: exc.Unauthorized,
    0x2200: exc.InvalidQuery,
    0x2300: exc.ConfigError,
    0x2400: exc.AlreadyExists,
    0x2500: exc.UnpreparedStatement,
}

CODES = {cls: code for code, cls in _BY_CODE.items()}
"""The error code of each exception class that has one."""

_FORK_HINT = "make the cluster object and its sessions in the child process, after fork()"


def address(host: str, port: int) -> str:
    """Return address and port as one text, IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def build(info: dict[str, Any]) -> exc.ShardlaneError:
    """Return the exception for a failure that the core describes.

    Args:
        info: ``kind``, and by kind ``message``, ``attempts``, ``statement``, ``timeout``,
            ``in_flight``, ``unreachable``, ``unconnected``.
    """
    kind = info.get("kind", "internal")
    make = _KINDS.get(kind)
    if make is None:
        return exc.InternalError(f"unknown kind of failure: {kind!r}")
    return make(info)


def closed() -> exc.SessionClosed:
    """Return the exception for the use of a closed session."""
    return exc.SessionClosed("the session is closed", hint="connect() again")


def _request(info: dict[str, Any]) -> dict[str, Any]:
    """The fields that all failed requests have."""
    return {
        "statement": info.get("statement"),
        "attempts": tuple(map(_attempt, info.get("attempts") or ())),
    }


def _attempt(info: dict[str, Any]) -> exc.Attempt:
    return exc.Attempt(
        node=address(info["address"], info["port"]),
        host_id=info["host_id"],
        shard=info.get("shard"),
        failure=info["failure"],
        message=info["message"],
        written=info.get("written", True),
        code=info.get("code"),
    )


def _of_attempt(info: dict[str, Any]) -> exc.ShardlaneError:
    """The last attempt decided."""
    request = _request(info)
    if not request["attempts"]:
        return exc.InternalError("a request failed without a failed attempt")
    last: exc.Attempt = request["attempts"][-1]
    if last.failure == "server":
        return _of_server(info["attempts"][-1], last, request)
    if last.failure == "connection":
        outcome = "it may have been applied" if last.written else "it was not sent"
        return exc.ConnectionLost(
            f"{last}; {outcome}",
            node=last.node,
            shard=last.shard,
            written=last.written,
            hint="mark the statement idempotent=True if it may be repeated"
            if last.written
            else None,
            **request,
        )
    return exc.NoHostAvailable(
        f"no node could take the request: {last}", reasons=_reasons(request), **request
    )


def _of_server(
    info: dict[str, Any], attempt: exc.Attempt, request: dict[str, Any]
) -> exc.ServerError:
    code = attempt.code or 0
    detail = dict(info.get("detail") or {})
    if "argument_types" in detail:
        detail["argument_types"] = tuple(detail["argument_types"])
    # The rate limit's code is the server's own choice; only its fields tell.
    fallback = exc.RateLimitReached if "rejected_by_coordinator" in detail else exc.ServerError
    cls = _BY_CODE.get(code, fallback)
    return cls(
        attempt.message or cls.__name__,
        code=code,
        node=attempt.node,
        host_id=attempt.host_id,
        shard=attempt.shard,
        **request,
        **detail,
    )


def _no_node(info: dict[str, Any]) -> exc.ShardlaneError:
    request = _request(info)
    reasons = _reasons(request)
    if not reasons:
        # Why the pools' last attempts to connect have failed, as far as they have.
        why: dict[str, str] = info.get("unconnected") or {}
        return exc.NoHostAvailable(
            f"no node is connected: {_listed(why)}" if why else "no node is connected",
            reasons=why,
            hint="is the cluster up? session.shards() shows what is connected",
            **request,
        )
    return exc.NoHostAvailable(
        f"no node could take the request: {_listed(reasons)}", reasons=reasons, **request
    )


def _unreachable(info: dict[str, Any]) -> exc.ShardlaneError:
    unreached: list[dict[str, Any]] = info.get("unreachable") or []
    reasons = {point["point"]: point["message"] for point in unreached}
    listed = _listed(reasons) or "there is none"
    for point in unreached:
        if point["is_login"]:
            return _no_login(info, reasons, listed, point.get("cause", 0))
    for point in unreached:
        if fault := point.get("tls"):
            return _no_tls(info, reasons, listed, fault)
    hint = "check the addresses, port= and whether the server is up"
    if any(point.get("hung_up") for point in unreached):
        hint = "does the server want TLS on this port (tls=), or a client certificate?"
    return exc.NoHostAvailable(
        f"no contact point could be reached: {listed}",
        reasons=reasons,
        hint=hint,
        **_request(info),
    )


def _no_login(
    info: dict[str, Any], reasons: dict[str, str], listed: str, cause: int
) -> exc.AuthenticationError:
    error = exc.AuthenticationError(
        f"the login failed: {listed}",
        reasons=reasons,
        hint="look at what auth= does" if cause else "check username= and password=",
        **_request(info),
    )
    if cause:
        error.__cause__ = callouts.cause(cause)
    return error


# What to do about each fault of TLS.
_TLS_HINTS = {
    "unknown_issuer": "give the CA of the cluster: tls=shardlane.TLS(ca_file=...)",
    "expired": "renew the server's certificate; is this machine's clock right?",
    "not_valid_yet": "is this machine's clock right?",
    "wrong_name": "connect by a name or address that the certificate is for, or give"
    " tls=shardlane.TLS(server_name=...) if all nodes share a name",
    "revoked": "give the server a new certificate",
    "not_for_servers": "give the server a certificate that its CA has issued for servers",
    "bad_certificate": "look at the server's certificate: openssl s_client -connect host:port",
    "not_tls": "leave out tls=, or give the port= on which the server speaks TLS (9142?)",
    "tls_wanted": "give tls=, or the port= on which the server speaks plain text",
    "client_certificate_wanted": "give one: tls=shardlane.TLS(cert_file=..., key_file=...)",
    "client_certificate_refused": "is the CA of cert_file= among those that the server trusts?",
    "nothing_in_common": "look at the versions of TLS and the ciphers that the server allows; or"
    " does it want a client certificate?",
    "closed": "does the server speak TLS on this port, and does it want a client certificate?",
}


def _no_tls(info: dict[str, Any], reasons: dict[str, str], listed: str, fault: str) -> exc.TlsError:
    error = exc.TlsError(
        f"no contact point could be reached: {listed}",
        reasons=reasons,
        hint=_TLS_HINTS.get(fault),
        **_request(info),
    )
    error.fault = fault
    return error


def _reasons(request: dict[str, Any]) -> dict[str, str]:
    return {attempt.node: attempt.message for attempt in request["attempts"]}


def _listed(reasons: dict[str, str], shown_max: int = 5) -> str:
    shown = [f"{node}: {reason}" for node, reason in list(reasons.items())[:shown_max]]
    if len(reasons) > shown_max:
        shown.append(f"and {len(reasons) - shown_max} more")
    return "; ".join(shown)


def _timeout(info: dict[str, Any]) -> exc.ShardlaneError:
    timeout, in_flight = info.get("timeout", 0.0), info.get("in_flight", False)
    outcome = "the server may have acted" if in_flight else "nothing was under way"
    return exc.RequestTimeout(
        f"no answer within {timeout:g} s; {outcome}",
        timeout=timeout,
        in_flight=in_flight,
        hint="raise timeout=, or look at the servers' load",
        **_request(info),
    )


def _no_local_node(info: dict[str, Any]) -> exc.ShardlaneError:
    local, others = info.get("datacenter", ""), info.get("others") or ()
    return exc.NoHostAvailable(
        f"no node of datacenter {local!r} is connected, and this request may not leave it;"
        f" connected are nodes of {', '.join(map(repr, others)) or 'none'}",
        hint="is local_datacenter= spelled right? A consistency that is not a LOCAL_ one may go"
        " elsewhere; LoadBalancing(remote=...) has the rules",
        **_request(info),
    )


def _client_overloaded(info: dict[str, Any]) -> exc.ShardlaneError:
    in_flight, queued = info.get("in_flight", 0), info.get("queued", 0)
    waiting = f", and {queued} wait for their turn" if queued else ""
    return exc.ClientOverloaded(
        f"{in_flight} requests are under way{waiting}: as many as this client may have",
        in_flight=in_flight,
        queued=queued,
        **_request(info),
    )


def _cancelled(info: dict[str, Any]) -> exc.ShardlaneError:
    return exc.RequestCancelled("the request was cancelled", **_request(info))


def _closed(info: dict[str, Any]) -> exc.ShardlaneError:
    return closed()


def _prepared_changed(info: dict[str, Any]) -> exc.ShardlaneError:
    message = "the schema has changed under the prepared statement; nothing was executed"
    hint = "execute it again: values are encoded for what it is now"
    return exc.PreparedStatementChanged(message, hint=hint, **_request(info))


def _fork(info: dict[str, Any]) -> exc.ShardlaneError:
    message = info.get("message") or "this session was made before fork(), in the parent process"
    return exc.ForkError(message, hint=_FORK_HINT)


def _protocol(info: dict[str, Any]) -> exc.ShardlaneError:
    return exc.ProtocolError(info.get("message") or "the server broke the protocol")


def _internal(info: dict[str, Any]) -> exc.ShardlaneError:
    return exc.InternalError(info.get("message") or "something impossible happened")


_KINDS: dict[str, Callable[[dict[str, Any]], exc.ShardlaneError]] = {
    "attempt": _of_attempt,
    "no_node": _no_node,
    "no_local_node": _no_local_node,
    "client_overloaded": _client_overloaded,
    "timeout": _timeout,
    "cancelled": _cancelled,
    "closed": _closed,
    "prepared_changed": _prepared_changed,
    "unreachable": _unreachable,
    "fork": _fork,
    "protocol": _protocol,
    "internal": _internal,
}

"""How to speak TLS."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from shardlane import _core
from shardlane.exceptions import ConfigurationError

from .ssl_contexts import options_of

if TYPE_CHECKING:
    import ssl

    FilePath = str | os.PathLike[str]
    TlsVersion = Literal["1.2", "1.3"]

VERSIONS = ("1.2", "1.3")


@dataclass(frozen=True)
class TLS:
    """How to speak TLS. The defaults verify certificates by the system's CAs, and names.

    Which name is verified: ``server_name`` if given; else the contact point's name, for addresses
    that it resolves to; else the node's address. Nodes that are discovered are known by their
    addresses, so their certificates need these among their alternative names, unless
    ``server_name`` is given. Behind client routes the certificates are still those of nodes: give
    ``server_name`` there.

    Args:
        ca_file: PEM file with the CA certificates to trust; None for those of the system.
        ca_data: the same as text or bytes; both may be given.
        cert_file: PEM file with the client's own certificate and those that lead to its CA.
        key_file: PEM file with its key: PKCS#8 (encrypted or not), PKCS#1 or SEC1. None if it is in
            ``cert_file``.
        cert_data: instead of ``cert_file``, as text or bytes.
        key_data: instead of ``key_file``.
        key_password: what the key is encrypted with.
        server_name: verify this name on every node, and send it (SNI): for clusters whose nodes
            share a certificate.
        min_version: ``"1.2"`` or ``"1.3"``.
        max_version: likewise.
        dangerously_disable_name_check: accept any certificate of a CA that is trusted, whoever it
            was issued to.
        dangerously_disable_verification: accept any certificate, so that anybody can pose as the
            server.

    Raises:
        ConfigurationError: the options make no sense.
    """

    ca_file: FilePath | None = None
    ca_data: str | bytes | None = field(default=None, repr=False)
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    cert_data: str | bytes | None = field(default=None, repr=False)
    key_data: str | bytes | None = field(default=None, repr=False)
    key_password: str | bytes | None = field(default=None, repr=False)
    server_name: str | None = None
    min_version: TlsVersion = "1.2"
    max_version: TlsVersion = "1.3"
    dangerously_disable_name_check: bool = False
    dangerously_disable_verification: bool = False

    def __post_init__(self) -> None:
        for name in ("ca_file", "cert_file", "key_file"):
            _checked(name, getattr(self, name), (str, os.PathLike), "a path")
        for name in ("ca_data", "cert_data", "key_data", "key_password"):
            _checked(name, getattr(self, name), (str, bytes), "str or bytes")
        _checked("server_name", self.server_name, (str,), "a host name")
        for name in ("min_version", "max_version"):
            if getattr(self, name) not in VERSIONS:
                raise ConfigurationError(
                    f"{name}={getattr(self, name)!r} is not understood",
                    hint="give '1.2' or '1.3'; older ones are broken",
                )
        for name in ("dangerously_disable_name_check", "dangerously_disable_verification"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(
                    f"{name}={getattr(self, name)!r} is not understood", hint="give True or False"
                )
        self._check_pairs()

    def _check_pairs(self) -> None:
        for one, other in (("cert_file", "cert_data"), ("key_file", "key_data")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ConfigurationError(f"give {one}= or {other}=, not both")
        has_certificate = self.cert_file is not None or self.cert_data is not None
        has_key = self.key_file is not None or self.key_data is not None
        if has_key and not has_certificate:
            raise ConfigurationError(
                "there is a key, but no certificate", hint="give cert_file= or cert_data="
            )
        if self.key_password is not None and not has_certificate:
            raise ConfigurationError("key_password= is given without a certificate and a key")
        if self.dangerously_disable_verification and (self.ca_file or self.ca_data):
            raise ConfigurationError(
                "CA certificates are given, and verification is disabled",
                hint="leave out dangerously_disable_verification=, or the certificates",
            )

    def _core_options(self) -> dict[str, Any]:
        """Read the files."""
        certificate = _content("cert_file", self.cert_file, self.cert_data)
        key = _content("key_file", self.key_file, self.key_data)
        authorities = [
            _content("ca_file", self.ca_file, None),
            _content("ca_data", None, self.ca_data),
        ]
        trusted = b"\n".join(pem for pem in authorities if pem is not None)
        verification = "any_name" if self.dangerously_disable_name_check else "full"
        return {
            "ca_pem": trusted,
            "system_roots": not any(authorities),
            "certificate_pem": certificate,
            # One file may hold both.
            "key_pem": certificate if key is None else key,
            "key_password": _bytes(self.key_password),
            "server_name": self.server_name,
            "verification": "nothing" if self.dangerously_disable_verification else verification,
            "min_version": self.min_version,
            "max_version": self.max_version,
        }


def prepared(tls: bool | TLS | ssl.SSLContext | None) -> _core.Tls | None:
    """Read certificates and keys; None for plain text.

    Raises:
        ConfigurationError: it is none of these, or a file is not what it should be.
    """
    if tls is None or tls is False:
        return None
    if tls is True:
        tls = TLS()
    if isinstance(tls, TLS):
        options = tls._core_options()
    elif (found := options_of(tls)) is not None:
        options = found
    else:
        raise ConfigurationError(
            f"tls= is a {type(tls).__name__}",
            hint="give True, a shardlane.TLS, an ssl.SSLContext, or None",
        )
    try:
        return _core.Tls(**options)
    except ValueError as error:
        # Neither keys nor passwords are in the message, and the traceback shows no values.
        raise ConfigurationError(f"tls=: {error}") from None


def _checked(name: str, value: Any, kinds: tuple[type, ...], wanted: str) -> None:
    if value is not None and (not isinstance(value, kinds) or not value):
        # Never the value itself: it may be a key.
        what = "empty" if isinstance(value, kinds) else f"a {type(value).__name__}"
        raise ConfigurationError(f"{name}= is {what}", hint=f"give {wanted}, or None")


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _content(name: str, path: FilePath | None, data: str | bytes | None) -> bytes | None:
    if path is None:
        return _bytes(data)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"{name}={os.fspath(path)!r} cannot be read: {error}") from error

"""What can be read from an ``ssl.SSLContext``.

The driver's TLS is its own, not OpenSSL's, so a context is only a bundle of options. Whatever would
be lost in a way that matters is an error that names it. One thing cannot be noticed at all: a
client certificate that was loaded into a context cannot be read back.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from shardlane.exceptions import ConfigurationError

if TYPE_CHECKING:
    import ssl

# The cipher suites of the driver, by OpenSSL's names.
CIPHERS = {
    "1.2": {
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    },
    "1.3": {
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
    },
}


def options_of(context: Any) -> dict[str, Any] | None:
    """Return the core's options for a context; None if it is not one.

    Raises:
        ConfigurationError: it asks for something that the driver's TLS does not do.
    """
    # Who has made a context has imported ssl.
    ssl = sys.modules.get("ssl")
    if ssl is None or not isinstance(context, ssl.SSLContext):
        return None
    if context.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise _cannot("it is for servers", "make it with ssl.PROTOCOL_TLS_CLIENT")
    revoking = ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF | ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
    if context.verify_flags & revoking:
        raise _cannot("it asks for revocation lists (verify_flags)", "which are not supported")
    low, high = _versions(ssl, context)
    _check_ciphers(context, low, high)
    verifies = context.verify_mode != ssl.CERT_NONE
    authorities = context.get_ca_certs(binary_form=True) if verifies else []
    if verifies and not authorities:
        raise _cannot(
            "no CA certificates can be read from it (those of a directory cannot)",
            "give tls=True for the system's, or shardlane.TLS(ca_file=...)",
        )
    named = "full" if context.check_hostname else "any_name"
    return {
        "ca_der": authorities,
        "verification": named if verifies else "nothing",
        "min_version": low,
        "max_version": high,
    }


def _versions(ssl: Any, context: ssl.SSLContext) -> tuple[str, str]:
    newest = (ssl.TLSVersion.MAXIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3)
    allowed = {
        "1.2": context.minimum_version != ssl.TLSVersion.TLSv1_3
        and context.maximum_version in (*newest, ssl.TLSVersion.TLSv1_2)
        and not context.options & ssl.OP_NO_TLSv1_2,
        "1.3": context.maximum_version in newest and not context.options & ssl.OP_NO_TLSv1_3,
    }
    versions = [version for version, is_allowed in allowed.items() if is_allowed]
    if not versions:
        raise _cannot("it allows neither TLS 1.2 nor 1.3", "older versions are broken")
    return versions[0], versions[-1]


def _check_ciphers(context: ssl.SSLContext, low: str, high: str) -> None:
    allowed = {str(cipher["name"]) for cipher in context.get_ciphers()}
    for version in {low, high}:
        if not CIPHERS[version] <= allowed:
            raise _cannot(
                "it was given ciphers of its own (set_ciphers)",
                "which cannot be taken over; the driver's are few and all of them strong",
            )


def _cannot(what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"this ssl.SSLContext cannot be used: {what}", hint=remedy)

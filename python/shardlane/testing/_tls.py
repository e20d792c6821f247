"""TLS of the embedded cluster."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    Flaw = Literal["expired", "not_valid_yet", "wrong_name", "other_issuer"]


@dataclass(frozen=True)
class ServerTLS:
    """Encrypted ports of the embedded cluster, beside the plain ones.

    A CA is made at the start, and a certificate for each node: for its address, ``localhost`` and
    ``cluster.shardlane.test``, valid for a day.
    """

    port: int = 0
    """Of the CQL protocol with TLS, the same on all nodes; 0 for one that is free."""
    shard_aware_port: int | None = 0
    """Likewise; None for a cluster that has none."""
    client_certificates: bool = False
    """Whether clients need a certificate of the CA, like that of ``cluster.client_tls``."""
    flaw: Flaw | None = None
    """What is wrong with the nodes' certificates, for tests of clients."""
    version: Literal["1.2", "1.3"] | None = None
    """The only version of TLS that is spoken; None for both."""

    def _rule(self) -> dict[str, Any]:
        return asdict(self)

"""The command ``shardlane``: ``dev`` runs an embedded cluster, ``demo`` shows shard awareness."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .testing import Cluster, ServerTLS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments, without the program's name; None for those of the process.

    Returns:
        The exit status: 0, or 1 if it failed; wrong arguments exit with 2.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["demo"]:
        # It has options of its own.
        from .demo import main as demo

        return int(demo(arguments[1:]))
    options = _parser().parse_args(arguments)
    return _dev(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shardlane", description="A shard-aware ScyllaDB and Cassandra driver."
    )
    parser.add_argument("--version", action="version", version=f"shardlane {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", add_help=False, help="see requests reach the right node and shard")
    dev = commands.add_parser(
        "dev",
        help="run a ScyllaDB-like cluster until Ctrl-C",
        description="Runs a ScyllaDB-like cluster in memory, until Ctrl-C. For development only.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    dev.add_argument("--nodes", type=int, default=3, help="how many nodes")
    dev.add_argument(
        "--shards", type=int, default=4, help="of each node; 0 behaves like Apache Cassandra"
    )
    dev.add_argument("--port", type=int, default=9042, help="of the CQL protocol; 0: a free one")
    dev.add_argument(
        "--shard-aware-port", type=int, default=19042, help="0: a free one; -1: have none"
    )
    dev.add_argument(
        "--first-address", default="127.0.0.1", help="of the first node; the others follow"
    )
    dev.add_argument("--datacenters", type=int, default=1, help="nodes are spread over them")
    dev.add_argument("--racks", type=int, default=1, help="of each datacenter")
    dev.add_argument("--vnodes", type=int, default=16, help="tokens of each node")
    dev.add_argument(
        "--random-shard", action="store_true", help="connections to --port land on any shard"
    )
    dev.add_argument("--username", help="clients have to log in as this user")
    dev.add_argument("--password", help="with this password")
    dev.add_argument("--tls", action="store_true", help="have ports with TLS as well")
    dev.add_argument("--tls-port", type=int, default=9142, help="with --tls; 0: a free one")
    dev.add_argument(
        "--tls-shard-aware-port", type=int, default=19142, help="0: a free one; -1: have none"
    )
    dev.add_argument(
        "--tls-client-certificates", action="store_true", help="clients need a certificate"
    )
    dev.add_argument(
        "--tls-directory",
        default="shardlane-tls",
        help="where to write ca.pem, client.pem and client.key, for clients",
    )
    dev.add_argument("--seed", type=int, default=0, help="of tokens and host ids")
    return parser


def _dev(options: argparse.Namespace) -> int:
    from .testing import Cluster

    try:
        cluster = Cluster(
            options.nodes,
            options.shards,
            port=options.port,
            shard_aware_port=None if options.shard_aware_port < 0 else options.shard_aware_port,
            datacenters=_spread(options.nodes, options.datacenters),
            racks=options.racks,
            vnodes=options.vnodes,
            first_address=options.first_address,
            random_shard=options.random_shard,
            username=options.username,
            password=options.password,
            tls=_tls(options),
            seed=options.seed,
        )
    except (ConfigurationError, OSError) as error:
        print(f"shardlane dev: {error}", file=sys.stderr)
        if isinstance(error, OSError):
            print("Is another server running? Try --port 0 --shard-aware-port 0.", file=sys.stderr)
        return 1

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with cluster:
        shards = f"{options.shards} shards each" if options.shards else "no shards"
        print(f"{options.nodes} nodes, {shards}; Ctrl-C stops them")
        print(f"contact points    {', '.join(cluster.contact_points)}")
        print(f"shard-aware port  {cluster.shard_aware_port or 'none'}")
        login = f", username={options.username!r}, password=..." if options.username else ""
        if options.tls:
            _show_tls(cluster, Path(options.tls_directory))
        print(f"connect           shardlane.connect({cluster.contact_points[0]!r}{login})")
        sys.stdout.flush()
        stop.wait()
    print("stopped")
    return 0


def _tls(options: argparse.Namespace) -> ServerTLS | bool:
    from .testing import ServerTLS

    aware = options.tls_shard_aware_port
    return options.tls and ServerTLS(
        port=options.tls_port,
        shard_aware_port=None if aware < 0 else aware,
        client_certificates=options.tls_client_certificates,
    )


def _show_tls(cluster: Cluster, directory: Path) -> None:
    """Write down what clients need, and say how to use it."""
    directory.mkdir(parents=True, exist_ok=True)
    tls = cluster.client_tls
    for name, content in (
        ("ca.pem", tls.ca_data),
        ("client.pem", tls.cert_data),
        ("client.key", tls.key_data),
    ):
        # The key is for the user's eyes only, whoever wrote the file before.
        (directory / name).unlink(missing_ok=True)
        with open(directory / name, "w", opener=_opener_of_secrets) as file:
            file.write(str(content))
    print(f"with TLS          {', '.join(cluster.tls_contact_points)}")
    print(f"  shard-aware     {cluster.tls_shard_aware_port or 'none'}")
    print(f"  certificates    {directory}/ca.pem client.pem client.key")
    print(
        f"  connect         shardlane.connect({cluster.tls_contact_points[0]!r},"
        f" tls=shardlane.TLS(ca_file={str(directory / 'ca.pem')!r}))"
    )


def _opener_of_secrets(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _spread(nodes: int, datacenters: int) -> list[int] | None:
    """How many nodes each datacenter has; None for a single one."""
    if datacenters <= 1:
        return None
    return [nodes // datacenters + (index < nodes % datacenters) for index in range(datacenters)]

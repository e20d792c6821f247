"""The command line: what is refused, and how."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

import shardlane
from shardlane import __version__, cli


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"shardlane {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["sing"], ["dev", "--nodes", "many"], ["dev", "--color"]]
)
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: shardlane" in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert "dev" in shown
    assert "demo" in shown


def test_options_that_make_no_sense(capsys):
    assert cli.main(["dev", "--nodes", "0", "--port", "0", "--shard-aware-port", "0"]) == 1
    assert "1 to" in capsys.readouterr().err


def test_a_port_that_is_taken(capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert cli.main(["dev", "--nodes", "1", "--port", port, "--shard-aware-port", "0"]) == 1
    complaint = capsys.readouterr().err
    assert port in complaint
    assert "--port 0" in complaint


def test_nodes_are_spread_over_datacenters():
    assert cli._spread(3, 1) is None
    assert cli._spread(5, 2) == [3, 2]


def test_tls(tmp_path):
    """`shardlane dev --tls` writes down what clients need."""
    arguments = [
        *("dev", "--nodes", "1", "--shards", "2", "--port", "0", "--shard-aware-port", "0"),
        *("--tls", "--tls-port", "0", "--tls-shard-aware-port", "0", "--tls-client-certificates"),
        *("--tls-directory", str(tmp_path / "tls")),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "shardlane", *arguments], stdout=subprocess.PIPE, text=True
    ) as dev:
        printed = {}
        for line in dev.stdout:
            name, _, value = line.strip().partition("  ")
            printed[name] = value.strip()
            if name == "connect" and "tls" not in value:
                break
        directory = tmp_path / "tls"
        assert (directory / "client.key").stat().st_mode & 0o077 == 0
        tls = shardlane.TLS(
            ca_file=directory / "ca.pem",
            cert_file=directory / "client.pem",
            key_file=directory / "client.key",
        )
        with shardlane.connect(printed["with TLS"], tls=tls) as session:
            assert session.shards().connections == 2
        dev.terminate()
        assert dev.wait(20) == 0

"""The README's Python works as it stands: it is executed against the embedded cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shardlane import sync

README = Path(__file__).parent.parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture
def keyspace(shardlane_client):
    """The keyspace and the table that the README supposes."""
    with shardlane_client.connect() as session:
        session.execute(
            "CREATE KEYSPACE ks WITH replication ="
            " {'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"
        )
        session.execute("CREATE TABLE ks.users (id int PRIMARY KEY, name text)")
        yield
        session.execute("DROP KEYSPACE ks")


def test_there_are_blocks():
    assert len(BLOCKS) >= 3


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_blocks_run(number, keyspace, shardlane_cluster, capsys):
    block = BLOCKS[number]
    # The README's cluster is at the default port; this one is wherever there was a free one.
    program = block.replace('"127.0.0.1"', repr(shardlane_cluster.contact_points[0]))
    exec(compile(program, f"README.md block {number}", "exec"), {"__name__": "__main__"})
    if "print" in block:
        assert capsys.readouterr().out


def test_blocks_do_what_they_say(keyspace, shardlane_cluster, capsys):
    writes = next(block for block in BLOCKS if "INSERT" in block)
    point = repr(shardlane_cluster.contact_points[0])
    exec(compile(writes.replace('"127.0.0.1"', point), "README.md", "exec"), {})
    assert capsys.readouterr().out == "1\n"
    with sync.connect(shardlane_cluster.contact_points, keyspace="ks") as session:
        assert session.execute("SELECT id, name FROM users").all() == [(42, "Ada")]

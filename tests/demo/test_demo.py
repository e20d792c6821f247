from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shardlane.demo import main, visit
from shardlane.demo.options import Options, parse
from shardlane.demo.progress import Plain, Silent, showing, watching
from shardlane.demo.work import Checked

SMALL = ["--nodes", "2", "--shards", "2", "--rows", "60", "--seconds", "0.05"]


def test_the_demo_from_beginning_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main([*SMALL, "--json", "--html", str(page)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["nodes"], told["shards"], told["rows_verified"]) == (2, 2, 180)
    blind, legacy, port = told["ways"]
    assert blind["pool_connections"] == 2
    assert blind["connections_opened"] == 3
    assert blind["seconds_to_full_coverage"] is None
    assert 0 < blind["right_shard_percent"] < 100
    for way in (legacy, port):
        assert way["pool_connections"] == 4
        assert way["connections_opened"] - way["connections_closed"] == 5
        assert 0 < way["seconds_to_full_coverage"] < 10
        assert way["right_shard_percent"] == 100.0
    assert (port["connections_opened"], port["connections_closed"]) == (5, 0)
    for way in told["ways"]:
        assert way["right_node_percent"] == 100.0
        assert way["requests_per_second"] > 0
        assert 0 < way["p50_us"] <= way["p99_us"]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_with_replicas_the_owner_may_be_any_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--rf", "2", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"arrived at right shard +\d+\.\d % +100\.0 % +100\.0 %", out)
    assert "60 rows, 32 requests in flight" in out
    assert err == ""


def test_one_shard_can_only_be_right(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--nodes", "1", "--shards", "1", "--rows", "20", "--seconds", "0.05", "--json"]
    assert main(arguments) == 0
    for way in json.loads(capsys.readouterr().out)["ways"]:
        assert way["right_shard_percent"] == 100.0
        assert way["seconds_to_full_coverage"] is not None


def test_a_wrong_value_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = visit.verify

    async def spoilt(session: Any, statement: Any, rows: Any, *rest: Any) -> Checked:
        await session.execute(
            "UPDATE shardlane_demo.rows_legacy SET score = 0.5 WHERE region = ? AND id = ?",
            rows(7)[:2],
        )
        return await original(session, statement, rows, *rest)

    monkeypatch.setattr(visit, "verify", spoilt)
    assert main([*SMALL, "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["rows_verified"] == 179
    assert re.search(r"FAILED  legacy: \d+ reads did not bring what was written: row 7: score", err)


def test_an_interrupt_ends_it_without_a_traceback() -> None:
    arguments = ["--rows", "10000000"]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "shardlane", "demo", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if "loading" in line:
                demo.send_signal(signal.SIGINT)
                break
        out, err = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rf", "4"], "--rf 4 needs as many nodes, there are 3"),
        (["--nodes", "0"], "0 is not from 1 to 50"),
        (["--shards", "x"], "invalid whole_number value: 'x'"),
        (["--seconds", "0"], "is not above 0"),
        (["--seconds", "nan"], "is not above 0"),
        (["--html", "no/such/directory/page.html"], "there is no directory"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(arguments)
    assert refused.value.code == 2
    assert message in capsys.readouterr().err


def test_options_that_make_sense() -> None:
    assert parse([]) == Options()
    assert parse(["--shards", "8", "--rf", "3", "--json"]) == Options(
        shards=8, replication_factor=3, json=True
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_progress_is_a_line_for_each_phase_in_a_file() -> None:
    out = io.StringIO()
    plain = Plain(out)
    plain.expect(200)
    plain.phase("loading")
    plain.advance(100)
    plain.phase("reading")
    plain.clear()
    assert out.getvalue() == "  0 %  loading\n 50 %  reading\n"


def test_plain_progress_rewrites_its_line_on_a_terminal() -> None:
    out = Terminal()
    plain = Plain(out)
    plain.phase("loading")
    plain.clear()
    assert out.getvalue() == "\r\x1b[K  0 %  loading\r\x1b[K"


def test_rich_draws_a_bar_on_a_terminal() -> None:
    pytest.importorskip("rich")
    out = Terminal()
    with showing(quiet=False, out=out) as progress:
        progress.expect(10)
        progress.phase("loading the rows")
        progress.advance(5)
    assert "loading the rows" in out.getvalue()


def test_quiet_is_quiet() -> None:
    out = Terminal()
    with showing(quiet=True, out=out) as progress:
        progress.phase("loading")
    assert isinstance(progress, Silent)
    assert out.getvalue() == ""


def test_watching_tells_every_step_once() -> None:
    told: list[int] = []

    class Listener(Silent):
        def advance(self, steps: int) -> None:
            told.append(steps)

    async def work() -> None:
        done = 0
        async with watching(Listener(), lambda: done):
            done = 7
            await asyncio.sleep(0)
            done = 12

    asyncio.run(work())
    assert sum(told) == 12

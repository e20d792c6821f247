"""What takes a process of its own: Ctrl-C, fork, the end of the interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

LIMIT_SECONDS = 20
"""A child that takes longer hangs."""

HEADER = """
import asyncio, gc, os, signal, sys, threading
import shardlane
from shardlane import aio, exceptions
points = sys.argv[1].split(",")
PING = "SELECT key FROM system.local"
"""


@pytest.fixture
def python(shardlane_cluster):
    """Runs a program in a new interpreter against the embedded cluster; returns what it printed."""

    def start(program, *options):
        return subprocess.Popen(
            [
                *(sys.executable, *options, "-c"),
                HEADER + textwrap.dedent(program),
                ",".join(shardlane_cluster.contact_points),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )

    def run(program, *options, status=0):
        child = start(program, *options)
        try:
            printed, complaints = child.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            pytest.fail(f"the child hangs: {child.communicate()}")
        assert child.returncode == status, complaints
        return printed, complaints

    run.start = start
    return run


@pytest.fixture(params=["adaptive", "others"])
def driver(request, monkeypatch):
    """In the child the I/O thread drives at first, or callers and loops do from the beginning."""
    monkeypatch.setenv("SHARDLANE_DRIVER", request.param)


INTERRUPTED = {
    "one request": "session.execute(PING, timeout=None)",
    "execute_many": 'session.execute_many("SELECT key FROM system.local WHERE key = ?",'
    ' (["local"] for _ in range(10**9)), timeout=None)',
    "closing": "session.execute(PING, timeout=None)",
}


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("what", INTERRUPTED)
def test_control_c_interrupts_a_blocking_call(python, what):
    """The signal is sent when the server, which never answers, has the request."""
    printed, _ = python(
        f"""
        from shardlane.testing import Cluster, faults
        with Cluster(1, 1) as server:
            session = server.connect()
            session.prepare("SELECT key FROM system.local WHERE key = ?")
            with server.fault(faults.text("system.local"), faults.silence()) as fault:
                def interrupt():
                    while not fault.hits:
                        pass
                    os.kill(os.getpid(), signal.SIGINT)
                threading.Thread(target=interrupt).start()
                try:
                    {INTERRUPTED[what]}
                except KeyboardInterrupt:
                    print("interrupted")
            print(session.execute(PING).scalar())
            session.close()
        """
    )
    assert printed.split() == ["interrupted", "local"]


@pytest.mark.usefixtures("driver")
def test_control_c_ends_asyncio_run(python):
    printed, _ = python(
        """
        from shardlane.testing import Cluster, faults
        with Cluster(1, 1) as server:
            async def main():
                async with server.aio_connect() as session:
                    with server.fault(faults.text("system.local"), faults.silence()) as fault:
                        task = asyncio.ensure_future(session.execute(PING, timeout=None))
                        while not fault.hits:
                            await asyncio.sleep(0)
                        signal.raise_signal(signal.SIGINT)
                        await task
            try:
                asyncio.run(main())
            except KeyboardInterrupt:
                print("interrupted")
        """
    )
    assert printed.split() == ["interrupted"]


@pytest.mark.usefixtures("driver")
def test_a_signal_handler_runs_while_a_call_waits(python):
    printed, _ = python(
        """
        from shardlane.testing import Cluster, faults
        seen = threading.Event()
        signal.signal(signal.SIGUSR1, lambda *_: seen.set())
        with Cluster(1, 1) as server, server.connect() as session:
            with server.fault(faults.text("system.local"), faults.delay(0.5)) as fault:
                def send():
                    while not fault.hits:
                        pass
                    os.kill(os.getpid(), signal.SIGUSR1)
                threading.Thread(target=send).start()
                print(session.execute(PING).scalar(), seen.is_set())
        """
    )
    assert printed.split() == ["local", "True"]


FORKED = {
    "session": "session.execute(PING)",
    "prepared": 'session.execute(statement, ["local"])',
    "prepare": "session.prepare(PING)",
    "batch": "session.batch().add(PING).execute()",
    "many": "session.execute_many(statement, [['local']])",
    "cluster": "session.cluster.connect()",
    "shards": "session.shards()",
}


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("what", FORKED)
def test_a_session_in_a_forked_child_gives_an_error_at_once(python, what):
    printed, complaints = python(
        f"""
        session = shardlane.connect(points)
        statement = session.prepare("SELECT key FROM system.local WHERE key = ?")
        if child := os.fork():
            print(os.waitpid(child, 0)[1], flush=True)
            print(session.execute(PING).scalar())
            session.close()
        else:
            try:
                {FORKED[what]}
            except exceptions.ForkError as error:
                print("refused", "fork" in str(error), flush=True)
            assert repr(session)
            session.close()
        """
    )
    assert printed.split() == ["refused", "True", "0", "local"], complaints


@pytest.mark.usefixtures("driver")
def test_a_request_under_way_in_a_forked_child(python):
    """It is the parent's: nobody would answer it in the child, which must not take its answer."""
    printed, complaints = python(
        """
        from shardlane.testing import Cluster, faults
        with Cluster(1, 1) as server:
            session = server.connect()
            for _ in range(50):
                session.execute(PING)
            with server.fault(faults.text("system.local"), faults.delay(0.2)):
                request = session._core.execute(PING)
                if child := os.fork():
                    print(os.waitpid(child, 0)[1], flush=True)
                    request.wait()
                    print("answered")
                    session.close()
                else:
                    try:
                        request.wait()
                    except exceptions.ForkError:
                        print("refused", flush=True)
                    os._exit(0)
        """
    )
    assert printed.split() == ["refused", "0", "answered"], complaints


def test_a_new_session_in_a_forked_child(python):
    printed, _ = python(
        """
        cluster = shardlane.Cluster(points)
        if child := os.fork():
            status = os.waitpid(child, 0)[1]
            with cluster, cluster.connect() as session:
                print(session.execute(PING).scalar(), status)
        else:
            with cluster, cluster.connect() as session:
                print(session.execute(PING).scalar(), flush=True)
        """
    )
    assert printed.split() == ["local", "local", "0"]


def test_a_child_of_a_program_with_a_session_connects_anew(python):
    printed, _ = python(
        """
        session = shardlane.connect(points)
        if child := os.fork():
            status = os.waitpid(child, 0)[1]
            print(session.execute(PING).scalar(), status)
            session.close()
        else:
            with shardlane.connect(points) as other:
                print(other.execute(PING).scalar(), flush=True)
        """
    )
    assert printed.split() == ["local", "local", "0"]


ENDS = {
    "blocking": "session = shardlane.connect(points); print(session.execute(PING).scalar())",
    "a cluster object": "cluster = shardlane.Cluster(points); session = cluster.connect()",
    "asyncio": """
async def main():
    global session
    session = await aio.connect(points)
    print((await session.execute(PING)).scalar())
asyncio.run(main())
""",
    "in a cycle": """
session = shardlane.connect(points)
session.itself = session
""",
    "a daemon thread in a call": """
from shardlane.testing import Cluster, faults
server = Cluster(1, 1)
session = server.connect()
fault = server.fault(faults.text("system.local"), faults.silence())
threading.Thread(target=session.execute, args=[PING], daemon=True).start()
while not fault.hits:
    pass
""",
}


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("how", ENDS)
def test_the_interpreter_ends_with_a_session_open(python, how):
    _, complaints = python(ENDS[how], "-X", "dev")
    assert "Fatal" not in complaints
    assert "Traceback" not in complaints


def test_blocking_programs_do_not_import_the_asyncio_face():
    program = "import sys, shardlane; print('shardlane.aio' in sys.modules); shardlane.aio.connect"
    printed = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    ).stdout
    assert printed.split() == ["False"]


def test_the_development_cluster(python):
    """`shardlane dev` runs until it is told to stop, and others can use it meanwhile."""
    command = [sys.executable, "-m", "shardlane", "dev"]
    options = ["--nodes", "2", "--shards", "3", "--port", "0", "--shard-aware-port", "0"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(4)]
            points = lines[1].removeprefix("contact points").strip()
            printed, _ = python(
                f"""
                with shardlane.connect("{points}") as session:
                    shards = session.shards()
                    print(len(shards), shards.total, session.execute(PING).scalar())
                """
            )
            assert printed.split() == ["2", "6", "local"]
            child.send_signal(signal.SIGINT)
            rest, complaints = child.communicate(timeout=LIMIT_SECONDS)
        finally:
            child.kill()
    assert (rest, complaints, child.returncode) == ("stopped\n", "", 0)

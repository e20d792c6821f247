"""Logging in: with a password, and with authenticators of the application's own."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import pytest

from shardlane import exceptions
from shardlane.testing import Cluster

SECRET = "correct horse"
PLAIN = b"\0ada\0" + SECRET.encode()


@pytest.fixture(scope="module")
def guarded():
    with Cluster(2, 2, username="ada", password=SECRET) as server:
        yield server


class Plain:
    """Says what a user name and a password would say; writes down what it was asked."""

    def __init__(self, token=PLAIN):
        self.token = token
        self.calls = []
        self.threads = set()

    def initial_response(self, class_name):
        self.threads.add(threading.current_thread().name)
        self.calls.append(class_name)
        return self.token

    def challenge(self, token):
        raise AssertionError("there is none")

    def success(self, token):
        self.calls.append(token)


class Coroutines(Plain):
    async def initial_response(self, class_name):
        return super().initial_response(class_name)

    async def success(self, token):
        return super().success(token)


CLASS = "org.apache.cassandra.auth.PasswordAuthenticator"


@pytest.mark.parametrize("kind", [Plain, Coroutines])
async def test_an_authenticator_of_ones_own(face, guarded, kind):
    if kind is Coroutines and face.name == "sync":
        with pytest.raises(exceptions.AuthenticationError, match=r"shardlane\.aio takes those"):
            async with face.connect(guarded.contact_points, auth=kind(), keyspace=None):
                pass
        return
    auth = kind()
    async with face.connect(guarded.contact_points, auth=auth, keyspace=None) as session:
        assert (await session.execute("SELECT key FROM system.local")).one()
        connections = session.shards().connections
    assert auth.threads == {"shardlane-login"}, "neither the caller's thread nor the I/O thread"
    # One login for each connection, and one for the control connection.
    assert auth.calls.count(CLASS) == connections + 1
    assert auth.calls.count(b"") == connections + 1
    for thread in threading.enumerate():
        if thread.name == "shardlane-login":
            thread.join(10)
            assert not thread.is_alive(), "it ends with the session"


async def test_a_factory_gives_each_connection_an_authenticator(face, guarded):
    made = []

    def factory(node):
        made.append((node, Plain()))
        return made[-1][1]

    async with face.connect(guarded.contact_points, auth=factory, keyspace=None) as session:
        connections = session.shards().connections
    assert len(made) == connections + 1
    assert all(auth.calls == [CLASS, b""] for _, auth in made)
    ports = {guarded.port, guarded.shard_aware_port}
    assert {int(node.rpartition(":")[2]) for node, _ in made} == ports


class Failing(Plain):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def initial_response(self, class_name):
        raise self.error


class Suspicious(Plain):
    def success(self, token):
        raise ConnectionAbortedError("this server did not prove itself")


FAILING = [
    (Failing(LookupError("no ticket")), LookupError, "LookupError: no ticket"),
    (Failing(SystemExit(3)), SystemExit, "SystemExit: 3"),
    (Plain("text"), TypeError, "has to return bytes"),
    (Suspicious(), ConnectionAbortedError, "did not prove itself"),
    (lambda node: object(), TypeError, "initial_response"),
    (lambda: None, TypeError, "takes 0 positional arguments"),
]


@pytest.mark.parametrize(("auth", "cause", "words"), FAILING, ids=[w for _, _, w in FAILING])
async def test_what_an_authenticator_raises_is_the_cause(face, guarded, auth, cause, words):
    with pytest.raises(exceptions.AuthenticationError, match=words) as caught:
        async with face.connect(guarded.contact_points, auth=auth, keyspace=None):
            pass
    assert isinstance(caught.value.__cause__, cause)
    assert isinstance(caught.value, exceptions.NoHostAvailable)


async def test_an_authenticator_that_hangs_meets_the_connect_timeout(face, guarded):
    release = threading.Event()

    class Hanging(Plain):
        def initial_response(self, class_name):
            release.wait(30)
            return b""

    try:
        with pytest.raises(exceptions.NoHostAvailable, match="no connection within"):
            async with face.connect(
                guarded.contact_points[:1], auth=Hanging(), keyspace=None, connect_timeout=0.1
            ):
                pass
    finally:
        release.set()


WRONG = {
    "a wrong password": ({"username": "ada", "password": "wrong"}, "refused the login"),
    "a wrong user": ({"username": "bob", "password": SECRET}, "refused the login"),
    "no login": ({}, "no credentials were given"),
    "a wrong token": ({"auth": Plain(b"nonsense")}, "refused the login"),
    "a class that is not allowed": (
        {"username": "ada", "password": SECRET, "allowed_authenticators": ["Other"]},
        "none was sent",
    ),
}


@pytest.mark.parametrize(("options", "words"), WRONG.values(), ids=WRONG)
async def test_a_login_that_fails_says_so_at_once(face, guarded, options, words):
    # No timeout is waited for: this one would last longer than the test may.
    with pytest.raises(exceptions.AuthenticationError, match=words) as caught:
        async with face.connect(
            guarded.contact_points, keyspace=None, connect_timeout=600, **options
        ):
            pass
    assert set(caught.value.reasons) == set(guarded.contact_points)
    assert caught.value.hint


async def test_no_text_shows_a_secret(face, guarded):
    login = {"username": "ada", "password": SECRET, "keyspace": None}
    texts = []
    async with face.connect(guarded.contact_points, **login) as session:
        texts += [repr(session), repr(session.__dict__), str(session.shards())]
    wrong = {**login, "username": "bob"}
    for options in (wrong, {**wrong, "allowed_authenticators": []}, {**login, "port": -1}):
        with pytest.raises(exceptions.ShardlaneError) as caught:
            async with face.connect(guarded.contact_points, **options):
                pass
        error = caught.value
        texts += [str(error), repr(error), repr(error.__dict__), repr(pickle.dumps(error))]
        texts += traceback.format_exception(error)
    for text in texts:
        assert SECRET not in text


class Exchange:
    """The client's side of the embedded cluster's exchange of challenges."""

    def __init__(self, password=SECRET):
        self.password = password.encode()
        self.challenges = []

    def initial_response(self, class_name):
        assert class_name == "com.shardlane.ChallengeAuthenticator"
        return b"ada"

    def challenge(self, token):
        self.challenges.append(token)
        return hashlib.md5(token + self.password).digest()

    def success(self, token):
        if token != hashlib.md5(self.password + self.challenges[-1]).digest():
            raise ValueError("the server does not know the password")


class Distrustful(Exchange):
    def success(self, token):
        return super().success(token[::-1])


@pytest.fixture(scope="module")
def challenging():
    with Cluster(2, 2, users={"ada": SECRET}, authenticator="challenge") as server:
        yield server


async def test_a_login_of_several_steps(face, challenging):
    exchanges = []

    def factory(node):
        exchanges.append(Exchange())
        return exchanges[-1]

    async with face.connect(challenging.contact_points, auth=factory, keyspace=None) as session:
        assert session.shards().connections == 4
    assert len(exchanges) == 5
    # Logins of several connections go on at the same time; each keeps to its own.
    assert all(len(exchange.challenges) == 2 for exchange in exchanges)
    assert len({token for exchange in exchanges for token in exchange.challenges}) == 10


async def test_a_login_of_several_steps_that_fails(face, challenging):
    for auth, words in [
        (lambda node: Exchange("wrong"), "refused the login"),
        (lambda node: Distrustful(), "does not know the password"),
        (lambda node: Plain(), "refused the login"),
    ]:
        with pytest.raises(exceptions.AuthenticationError, match=words):
            async with face.connect(challenging.contact_points, auth=auth, keyspace=None):
                pass
    password = {"username": "ada", "password": SECRET, "allowed_authenticators": ["*"]}
    with pytest.raises(exceptions.AuthenticationError):
        async with face.connect(challenging.contact_points, keyspace=None, **password):
            pass


async def test_a_refused_login_is_tried_once_at_each_contact_point(face):
    # Servers of its own: what other tests have left behind may still knock at theirs.
    with Cluster(2, 2, username="ada", password=SECRET) as server:
        with pytest.raises(exceptions.AuthenticationError):
            async with face.connect(
                server.contact_points, username="ada", password="wrong", keyspace=None
            ):
                pass
        assert server.stats().total("connections_opened") == len(server.contact_points)


async def test_a_password_that_was_changed_is_not_repeated_quickly(face):
    """The session stays open, and its pools try to log in again, but seldom."""
    with Cluster(2, 2, users={"ada": "old"}) as server:
        async with face.connect(
            server.contact_points,
            username="ada",
            password="old",
            keyspace=None,
            reconnect_delay_min=0.001,
            reconnect_delay_max=30,
        ) as session:
            server.set_users({"ada": "new"})
            server.reset_stats()
            server.nodes[1].kill()
            server.nodes[1].start()
            refusals, deadline = 0, None
            # At the quick rate there would be ten attempts in this time.
            while deadline is None or time.monotonic() < deadline:
                with contextlib.suppress(exceptions.NoHostAvailable):
                    await session.execute("SELECT key FROM system.local", idempotent=True)
                refusals = server.stats().nodes[1].total("errors")
                if refusals and deadline is None:
                    deadline = time.monotonic() + 1
            assert refusals <= 3, "one login for the pool, and one or two for control"
            assert session.shards().connections == 2


HEADER = """
import contextlib, os, sys, threading, time
import shardlane
from shardlane import exceptions

class Plain:
    def initial_response(self, class_name):
        return TOKEN
    def challenge(self, token):
        return b""
    def success(self, token):
        pass

session = None
def hang(node):
    if session is None:
        return Plain()
    hanging.set()
    while True:
        time.sleep(0.01)

points, hanging = sys.argv[1].split(","), threading.Event()
session = shardlane.connect(points, auth=hang)
"""

PROGRAMS = {
    "ends without closing": "",
    "ends while an authenticator hangs": """
        def connect():
            # The end of the process gives it a moment, in which it is told.
            with contextlib.suppress(exceptions.SessionClosed):
                shardlane.connect(points, auth=hang)

        threading.Thread(target=connect, daemon=True).start()
        assert hanging.wait(10)
    """,
    "forks": """
        child = os.fork()
        if child == 0:
            try:
                session.execute("SELECT key FROM system.local")
            except exceptions.ForkError:
                with shardlane.connect(points, auth=lambda node: Plain()) as mine:
                    mine.execute("SELECT key FROM system.local")
                sys.exit(0)
            sys.exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        session.execute("SELECT key FROM system.local")
        session.close()
    """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_processes_end_as_they_should(guarded, program):
    text = HEADER.replace("TOKEN", repr(PLAIN)) + textwrap.dedent(program)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text, ",".join(guarded.contact_points)],
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr


async def test_any_authenticator_may_be_allowed(face, guarded):
    for allowed in (["*"], ["PasswordAuthenticator"], [CLASS]):
        login = {"username": "ada", "password": SECRET, "allowed_authenticators": allowed}
        async with face.connect(guarded.contact_points, keyspace=None, **login):
            pass

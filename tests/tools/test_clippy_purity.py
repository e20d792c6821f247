"""The pure crates' clippy.toml makes clippy refuse clocks, sockets, threads and randomness."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parent.parent.parent
PURE = ["wire", "routing", "proto"]

MANIFEST = '[package]\nname = "planted"\nversion = "0.0.0"\nedition = "2024"\n'

VIOLATIONS = {
    "std::time::Instant::now": "let _ = std::time::Instant::now();",
    "std::time::SystemTime::now": "let _ = std::time::SystemTime::now();",
    "std::thread::spawn": "drop(std::thread::spawn(|| ()));",
    "std::thread::sleep": "std::thread::sleep(std::time::Duration::ZERO);",
    "std::net::TcpStream": 'let _ = std::net::TcpStream::connect("a:1");',
    "std::net::TcpListener": 'let _ = std::net::TcpListener::bind("a:1");',
    "std::net::UdpSocket": 'let _ = std::net::UdpSocket::bind("a:1");',
    "std::net::ToSocketAddrs::to_socket_addrs": (
        'let _ = std::net::ToSocketAddrs::to_socket_addrs("a:1");'
    ),
    "std::sync::Mutex": "let _ = std::sync::Mutex::new(());",
    "std::hash::RandomState": "let _ = std::hash::RandomState::new();",
    "std::env::var": 'let _ = std::env::var("A");',
}

ALLOWED = """
//! Values are welcome.
/// An address is a value, and so is a span of time.
pub fn allowed(ip: std::net::IpAddr, after: std::time::Duration) -> (std::net::SocketAddr, u128) {
    (std::net::SocketAddr::new(ip, 9042), after.as_micros())
}
"""


def run_clippy(workspace: Path, crate: str, body: str) -> subprocess.CompletedProcess[str]:
    """Lint a crate of a workspace, laid out as ours is: clippy.toml beside the crate's manifest."""
    member = workspace / "crates" / "planted"
    (member / "src").mkdir(parents=True)
    (workspace / "Cargo.toml").write_text('[workspace]\nresolver = "3"\nmembers = ["crates/*"]\n')
    (member / "Cargo.toml").write_text(MANIFEST)
    (member / "src" / "lib.rs").write_text(body)
    shutil.copy(ROOT / f"crates/shardlane-{crate}/clippy.toml", member)
    return subprocess.run(
        ["cargo", "clippy", "--quiet", "--offline", "-p", "planted", "--", "-D", "warnings"],
        cwd=workspace,
        env=clean_environment(workspace / "target"),
        capture_output=True,
        text=True,
    )


def clean_environment(target: Path) -> dict[str, str]:
    return {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_TERM_COLOR": "never"}


@pytest.fixture(scope="module", autouse=True)
def _clippy_is_installed() -> None:
    answer = subprocess.run(["cargo", "clippy", "--version"], capture_output=True)
    if answer.returncode != 0:
        pytest.skip("clippy is not installed: rustup component add clippy")


@pytest.mark.parametrize("crate", PURE)
def test_every_impurity_is_refused(tmp_path: Path, crate: str) -> None:
    body = "\n".join(
        f"/// f\npub fn f{i}() {{ {code} }}" for i, code in enumerate(VIOLATIONS.values())
    )
    answer = run_clippy(tmp_path, crate, body)
    assert answer.returncode != 0
    missed = [path for path in VIOLATIONS if f"`{path}`" not in answer.stderr]
    assert missed == [], answer.stderr


@pytest.mark.parametrize("crate", PURE)
def test_values_are_not_refused(tmp_path: Path, crate: str) -> None:
    answer = run_clippy(tmp_path, crate, ALLOWED)
    assert answer.returncode == 0, answer.stderr

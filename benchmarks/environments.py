"""A Python environment for each peer: two of them are packages of the same name, `cassandra`.

`prepare` makes what is missing with the newest versions on PyPI, and says what could not be had.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / ".venv-bench"

PEERS = ("scylla-driver", "cassandra-driver", "acsylla", "scylladb-rs-driver", "scyllapy")
"""Distributions on PyPI; each has an environment of the same name."""

OURS = "shardlane"
"""Lives in the environment that runs the harness."""

# None of the peers needs it, all of those for asyncio are measured on it as well.
_UVLOOP = "uvloop"


class InstallError(Exception):
    """A peer cannot be installed here."""


def python(package: str) -> str:
    """The interpreter that has a package."""
    return sys.executable if package == OURS else str(_directory(package) / "bin" / "python")


def prepare(
    packages: Iterable[str], say: Callable[[str], None], *, upgrade: bool = False
) -> dict[str, str]:
    """Make the environments of peers; return why some could not be made, by name.

    Args:
        packages: distributions to be there, some of `PEERS`.
        say: told what takes long.
        upgrade: look for newer versions of what is installed already.
    """
    missing = {}
    for package in packages:
        try:
            _prepare(package, say, upgrade=upgrade)
        except InstallError as error:
            missing[package] = str(error)
    return missing


def version(package: str) -> str | None:
    """The installed version of a package in its own environment; None if it is not there."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python(package), "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def _directory(package: str) -> Path:
    return ENVIRONMENTS / package


def _prepare(package: str, say: Callable[[str], None], *, upgrade: bool) -> None:
    directory = _directory(package)
    # What it was made with: another interpreter has other wheels.
    stamp, made_with = directory / "made-with", f"{sys.version}\n"
    if stamp.exists() and stamp.read_text() == made_with:
        if not upgrade:
            return
    else:
        shutil.rmtree(directory, ignore_errors=True)
        say(f"installing {package} (once)")
        _call([sys.executable, "-m", "venv", str(directory)])
    pip = [python(package), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    # A source distribution would need compilers and libraries of the system.
    _call([*pip, "--upgrade", "--prefer-binary", package])
    _call([*pip, "--upgrade", "--only-binary", ":all:", _UVLOOP], needed=False)
    stamp.write_text(made_with)


def _call(command: list[str], *, needed: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and needed:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise InstallError(lines[-1] if lines else f"status {done.returncode}")

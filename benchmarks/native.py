"""The programs in Rust: clients without Python, the responder, the counter of allocations."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).parent / "native"
_BUILT = _PACKAGE / "target" / "release"

PROGRAM = _BUILT / "shardlane-bench-native"
COUNTER = _BUILT / "libshardlane_bench_counter.so"


def build() -> str | None:
    """Build them; return why they cannot be built, None if they were."""
    if not _PACKAGE.exists():
        return "benchmarks/native is not there"
    command = ["cargo", "build", "--quiet", "--release", "--manifest-path"]
    try:
        done = subprocess.run(
            [*command, str(_PACKAGE / "Cargo.toml")], capture_output=True, text=True
        )
    except OSError as error:
        return f"cargo: {error}"
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    return errors[0] if errors else "cargo failed"

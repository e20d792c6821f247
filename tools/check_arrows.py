"""Fail when a dependency arrow of docs/architecture.md that must never exist does exist.

Arrows between crates are read from ``cargo metadata``; those between the modules of
shardlane-proto, from value conversion to sockets and clocks, and from the Python layers to the
package root are read from the sources. import-linter keeps the other Python arrows
(pyproject.toml), clippy keeps clocks and sockets out of the pure crates (their clippy.toml).
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# Which crates of the workspace each crate may depend on, in tests too. What lies under tests/ is
# free: an oracle or a simulation has to see both sides.
ALLOWED: Mapping[str, frozenset[str]] = {
    "shardlane-wire": frozenset(),
    "shardlane-routing": frozenset(),
    "shardlane-proto": frozenset({"shardlane-wire", "shardlane-routing"}),
    "shardlane-io": frozenset({"shardlane-wire", "shardlane-routing", "shardlane-proto"}),
    "shardlane-server": frozenset({"shardlane-wire", "shardlane-routing"}),
    "shardlane-python": frozenset(
        {
            "shardlane-wire",
            "shardlane-routing",
            "shardlane-proto",
            "shardlane-io",
            "shardlane-server",
        }
    ),
}

PURE = ("shardlane-wire", "shardlane-routing", "shardlane-proto")

# Crates that would bring sockets, threads, a clock, an executor or ambient randomness along,
# however indirectly.
IMPURE = frozenset(
    {
        "async-io",
        "async-std",
        "chrono",
        "crossbeam-channel",
        "fastrand",
        "futures-executor",
        "getrandom",
        "libc",
        "mio",
        "nix",
        "parking_lot",
        "polling",
        "rand",
        "rayon",
        "rustix",
        "smol",
        "socket2",
        "time",
        "tokio",
        "windows-sys",
    }
)

PYTHON_BINDING = re.compile(r"^(pyo3|cpython$|python3-sys$)")

# Inside proto an outer layer uses the inner ones, never the reverse.
PROTO_LAYERS = ("connection", "pool", "cluster", "request")

# What value conversion must not name: it turns bytes into values and waits for nothing.
NOT_IN_VALUES = re.compile(
    r"\b(TcpStream|TcpListener|UdpSocket|Instant|SystemTime|mio|socket2|shardlane_io"
    r"|std::thread|shardlane_proto::(?:connection|pool|cluster|request))\b"
)

# The parts of the Python package that must not import from its root.
PYTHON_LAYERS = ("_shared", "aio", "sync")

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def crate_violations(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence for each forbidden arrow between crates."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    names = {package_id: package["name"] for package_id, package in packages.items()}
    members = [member for member in metadata["workspace_members"] if not _is_test(packages[member])]
    workspace = {names[member] for member in metadata["workspace_members"]}

    for member in sorted(members, key=names.__getitem__):
        name = names[member]
        if name not in ALLOWED:
            yield f"{name}: a crate without a rule; add it to tools/check_arrows.py"
            continue
        direct = {names[dependency["pkg"]] for dependency in nodes[member]["deps"]}
        for other in sorted((direct & workspace) - ALLOWED[name]):
            yield f"{name} -> {other}"

        reached = {names[package_id]: path for package_id, path in _reach(member, nodes).items()}
        if name != "shardlane-python":
            for other, path in sorted(reached.items()):
                if PYTHON_BINDING.match(other):
                    yield f"{name} -> {other} (via {_via(path, names)})"
        if name in PURE:
            for other, path in sorted(reached.items()):
                if other in IMPURE:
                    yield f"{name} -> {other} (via {_via(path, names)})"


def _is_test(package: Mapping[str, Any]) -> bool:
    return Path(package["manifest_path"]).parent.parent.name == "tests"


def _reach(start: str, nodes: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Everything reached over normal and build dependencies, each with one path to it."""
    found: dict[str, tuple[str, ...]] = {}
    queue: list[tuple[str, tuple[str, ...]]] = [(start, (start,))]
    while queue:
        current, path = queue.pop()
        for dependency in nodes[current]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if kinds == {"dev"} or dependency["pkg"] in found:
                continue
            found[dependency["pkg"]] = path
            queue.append((dependency["pkg"], (*path, dependency["pkg"])))
    return found


def _via(path: tuple[str, ...], names: Mapping[str, str]) -> str:
    return " -> ".join(names[package_id] for package_id in path)


def proto_violations(source_root: Path) -> Iterator[str]:
    """Yield each use of an outer layer of shardlane-proto from an inner one."""
    for depth, layer in enumerate(PROTO_LAYERS):
        outer = set(PROTO_LAYERS[depth + 1 :])
        for path in _sources(source_root, layer):
            for used in sorted(_crate_modules(path.read_text(encoding="utf-8")) & outer):
                yield f"shardlane-proto: {layer} -> {used} ({path.relative_to(source_root)})"


def _sources(source_root: Path, module: str) -> list[Path]:
    return [
        path
        for path in (
            *sorted((source_root / module).rglob("*.rs")),
            source_root / f"{module}.rs",
        )
        if path.is_file()
    ]


def _crate_modules(text: str) -> set[str]:
    """The top-level modules named through ``crate::`` (grouped imports included)."""
    text = COMMENT.sub("", text)
    found = set(re.findall(r"\bcrate::(\w+)", text))
    for group in re.finditer(r"\bcrate::\{", text):
        level, segment = 0, ""
        for character in text[group.end() :]:
            if character in "},":
                if level == 0:
                    found.add(re.split(r"::|\s", segment.strip())[0])
                    segment = ""
                    if character == "}":
                        break
                elif character == "}":
                    level -= 1
            elif character == "{":
                level += 1
            elif level == 0:
                segment += character
    return found - {""}


def value_violations(source_root: Path) -> Iterator[str]:
    """Yield each socket, clock or thread named by the value conversion of shardlane-python."""
    for module in ("encode", "decode"):
        for path in _sources(source_root, module):
            code = COMMENT.sub("", path.read_text(encoding="utf-8"))
            for name in sorted(set(NOT_IN_VALUES.findall(code))):
                yield f"shardlane-python: {module} -> {name} ({path.relative_to(source_root)})"


def root_import_violations(package: Path) -> Iterator[str]:
    """Yield each name that a layer of the Python package takes from the package root.

    The root re-exports the faces: whoever imports from it depends on both without saying so.
    """
    submodules = {path.stem for path in package.iterdir()} | {"_core"}
    for layer in PYTHON_LAYERS:
        for path in sorted((package / layer).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = _names_from_root(node, len(path.relative_to(package).parts))
                for name in names:
                    if name not in submodules:
                        yield f"shardlane.{layer} -> shardlane.{name} ({path.name})"


def _names_from_root(node: ast.AST, depth: int) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        absolute = node.level == 0 and node.module == "shardlane"
        relative = node.level == depth and node.module is None
        return [alias.name for alias in node.names] if absolute or relative else []
    if isinstance(node, ast.Import):
        return ["*" for alias in node.names if alias.name == "shardlane"]
    return []


def cargo_metadata(root: Path = ROOT) -> dict[str, Any]:
    """Ask cargo for the resolved dependency graph of the workspace."""
    answer = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--quiet"],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
    )
    metadata: dict[str, Any] = json.loads(answer.stdout)
    return metadata


def main() -> int:
    """Check the tree this file lies in."""
    found = [
        *crate_violations(cargo_metadata()),
        *proto_violations(ROOT / "crates/shardlane-proto/src"),
        *value_violations(ROOT / "crates/shardlane-python/src"),
        *root_import_violations(ROOT / "python/shardlane"),
    ]
    for violation in found:
        print(f"forbidden arrow: {violation}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

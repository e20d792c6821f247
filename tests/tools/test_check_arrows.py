"""Each forbidden arrow between crates or modules is found when it is planted."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

import check_arrows

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def real_metadata() -> dict[str, Any]:
    return check_arrows.cargo_metadata()


def plant(metadata: dict[str, Any], from_name: str, to_name: str, kind: str | None) -> Any:
    """A copy of the metadata with one more dependency; an unknown crate is invented."""
    planted = copy.deepcopy(metadata)
    ids = {package["name"]: package["id"] for package in planted["packages"]}
    if to_name not in ids:
        ids[to_name] = f"registry+planted#{to_name}@1.0.0"
        planted["packages"].append(
            {"id": ids[to_name], "name": to_name, "manifest_path": "registry/planted/Cargo.toml"}
        )
        planted["resolve"]["nodes"].append({"id": ids[to_name], "deps": []})
    node = next(node for node in planted["resolve"]["nodes"] if node["id"] == ids[from_name])
    node["deps"].append(
        {"name": to_name, "pkg": ids[to_name], "dep_kinds": [{"kind": kind, "target": None}]}
    )
    return planted


def test_the_tree_has_no_forbidden_arrow(real_metadata: dict[str, Any]) -> None:
    assert list(check_arrows.crate_violations(real_metadata)) == []


@pytest.mark.parametrize(
    ("from_name", "to_name"),
    [
        ("shardlane-wire", "shardlane-routing"),
        ("shardlane-routing", "shardlane-wire"),
        ("shardlane-proto", "shardlane-io"),
        ("shardlane-proto", "shardlane-server"),
        ("shardlane-io", "shardlane-server"),
        ("shardlane-io", "shardlane-python"),
        ("shardlane-server", "shardlane-proto"),
        ("shardlane-server", "shardlane-io"),
    ],
)
@pytest.mark.parametrize("kind", [None, "build", "dev"])
def test_an_arrow_inside_the_workspace(
    real_metadata: dict[str, Any], from_name: str, to_name: str, kind: str | None
) -> None:
    planted = plant(real_metadata, from_name, to_name, kind)
    assert f"{from_name} -> {to_name}" in list(check_arrows.crate_violations(planted))


@pytest.mark.parametrize("crate", check_arrows.PURE)
@pytest.mark.parametrize("impure", ["tokio", "mio", "socket2", "getrandom"])
def test_a_pure_crate_with_an_impure_dependency(
    real_metadata: dict[str, Any], crate: str, impure: str
) -> None:
    planted = plant(real_metadata, crate, impure, None)
    found = list(check_arrows.crate_violations(planted))
    assert any(line.startswith(f"{crate} -> {impure} (via") for line in found), found


def test_an_impure_dependency_that_comes_in_indirectly(real_metadata: dict[str, Any]) -> None:
    planted = plant(real_metadata, "shardlane-wire", "harmless", None)
    planted = plant(planted, "harmless", "tokio", None)
    found = list(check_arrows.crate_violations(planted))
    assert "shardlane-wire -> tokio (via shardlane-wire -> harmless)" in found


def test_pure_crates_may_test_with_impure_tools(real_metadata: dict[str, Any]) -> None:
    planted = plant(real_metadata, "shardlane-wire", "rand", "dev")
    assert list(check_arrows.crate_violations(planted)) == []


@pytest.mark.parametrize("crate", sorted(set(check_arrows.ALLOWED) - {"shardlane-python"}))
def test_pyo3_outside_the_python_crate(real_metadata: dict[str, Any], crate: str) -> None:
    planted = plant(real_metadata, crate, "pyo3-ffi", None)
    found = list(check_arrows.crate_violations(planted))
    assert any(line.startswith(f"{crate} -> pyo3-ffi") for line in found), found


def test_a_crate_without_a_rule(real_metadata: dict[str, Any]) -> None:
    planted = plant(real_metadata, "shardlane-io", "shardlane-new", None)
    added = planted["packages"][-1]
    added["manifest_path"] = "crates/shardlane-new/Cargo.toml"
    planted["workspace_members"].append(added["id"])
    found = list(check_arrows.crate_violations(planted))
    assert any(line.startswith("shardlane-new: a crate without a rule") for line in found), found


@pytest.mark.parametrize(
    "code",
    [
        "use crate::pool::Pool;",
        "use crate::{error::Error, pool::{Pool, Slot}};",
        "use crate::{\n    config::{Config, Limits},\n    pool,\n};",
        "fn f() { crate::pool::grow() }",
    ],
)
def test_an_inner_layer_of_proto_that_uses_an_outer_one(tmp_path: Path, code: str) -> None:
    (tmp_path / "connection").mkdir()
    (tmp_path / "connection" / "mod.rs").write_text(code)
    assert list(check_arrows.proto_violations(tmp_path)) == [
        "shardlane-proto: connection -> pool (connection/mod.rs)"
    ]


def test_an_outer_layer_may_use_inner_ones_and_comments_may_name_all(tmp_path: Path) -> None:
    (tmp_path / "request.rs").write_text("use crate::{cluster::A, pool, connection::{B, C}};")
    (tmp_path / "connection.rs").write_text("//! Driven by [`crate::pool`].\nuse crate::error::E;")
    assert list(check_arrows.proto_violations(tmp_path)) == []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("use std::net::TcpStream;", "TcpStream"),
        ("let now = std::time::Instant::now();", "Instant"),
        ("use shardlane_io::Handle;", "shardlane_io"),
    ],
)
@pytest.mark.parametrize("module", ["encode", "decode"])
def test_value_conversion_with_a_socket_or_a_clock(
    tmp_path: Path, module: str, code: str, name: str
) -> None:
    (tmp_path / module).mkdir()
    (tmp_path / module / "temporal.rs").write_text(code)
    assert list(check_arrows.value_violations(tmp_path)) == [
        f"shardlane-python: {module} -> {name} ({module}/temporal.rs)"
    ]


def test_value_conversion_may_use_addresses_as_values(tmp_path: Path) -> None:
    (tmp_path / "encode.rs").write_text("use std::net::IpAddr; // not a TcpStream")
    assert list(check_arrows.value_violations(tmp_path)) == []


@pytest.mark.parametrize(
    ("file", "code", "name"),
    [
        ("aio/session.py", "from shardlane import connect", "connect"),
        ("aio/session.py", "from .. import connect", "connect"),
        ("_shared/deep/a.py", "from ... import Session", "Session"),
        ("sync/__init__.py", "import shardlane", "*"),
    ],
)
def test_a_python_layer_that_imports_from_the_package_root(
    tmp_path: Path, file: str, code: str, name: str
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    layer = file.split("/")[0]
    assert list(check_arrows.root_import_violations(tmp_path)) == [
        f"shardlane.{layer} -> shardlane.{name} ({path.name})"
    ]


def test_python_layers_may_import_the_extension_and_each_other(tmp_path: Path) -> None:
    for layer in ("aio", "_shared", "testing"):
        (tmp_path / layer).mkdir()
    (tmp_path / "aio" / "session.py").write_text(
        "from shardlane import _core, _shared\nfrom . import connect\nfrom .._shared import x\n"
    )
    (tmp_path / "testing" / "plugin.py").write_text("from shardlane import connect\n")
    assert list(check_arrows.root_import_violations(tmp_path)) == []

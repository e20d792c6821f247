"""The two faces are one interface, spelled twice."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import shardlane
from shardlane import aio, sync
from shardlane._shared.options import (
    ClusterOptions,
    ConnectKeywords,
    ExecuteKeywords,
    RequestKeywords,
    SessionOptions,
)

CLASSES = ["Cluster", "Result", "Session", "SessionBatch"]
TWINS = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}


def public(cls):
    names = {name for name in dir(cls) if not name.startswith("_")}
    return names | {TWINS.get(name, name) for name in dir(cls) if name in {*TWINS, *TWINS.values()}}


def parameters(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", CLASSES)
def test_same_names_same_parameters(name):
    blocking, awaiting = getattr(sync, name), getattr(aio, name)
    assert public(blocking) == public(awaiting)
    for method in public(blocking):
        if inspect.isfunction(getattr(blocking, method)) and not method.startswith("_"):
            ours, theirs = getattr(blocking, method), getattr(awaiting, method)
            assert parameters(ours) == parameters(theirs), method
            assert ours.__doc__, method
            assert theirs.__doc__, method


def test_connect_takes_the_same_and_documents_it():
    assert parameters(sync.connect) == parameters(aio.connect)
    assert set(sync.__all__) | {"Connecting"} == set(aio.__all__)
    for function in (sync.connect, aio.connect):
        for name in inspect.signature(function).parameters:
            assert f"        {name}: " in inspect.getdoc(function).replace(
                "    ", "        ", 1
            ) or (f"    {name}: " in inspect.getdoc(function))


def test_defaults_are_the_same_everywhere():
    options = {
        field.name: field.default
        for cls in (ClusterOptions, SessionOptions)
        for field in dataclasses.fields(cls)
        if field.name != "contact_points"
    }
    given = {p.name: p.default for p in inspect.signature(sync.connect).parameters.values()}
    assert given == {**options, "contact_points": "127.0.0.1", "port": 9042, "keyspace": None}
    assert set(ConnectKeywords.__annotations__) == given.keys() - {"contact_points", "row_factory"}


def test_keywords_are_those_of_the_core():
    execute = set(inspect.signature(shardlane._core.Session.execute).parameters)
    named = {*ExecuteKeywords.__annotations__, "row_factory"}
    assert named == execute - {"self", "statement", "parameters"}
    batch = set(inspect.signature(shardlane._core.Session.batch).parameters)
    assert set(RequestKeywords.__annotations__) == batch - {"self", "kind", "statements"}


@pytest.mark.parametrize("cls", [sync.Session, aio.Session])
def test_keywords_are_documented(cls):
    documented = inspect.getdoc(cls.execute)
    for name in (*ExecuteKeywords.__annotations__, "row_factory"):
        assert f"\n    {name}: " in documented, name


def test_what_users_see_is_where_they_import_it_from():
    assert f"{sync.Session}" == "<class 'shardlane.sync.Session'>"
    assert f"{aio.Session}" == "<class 'shardlane.aio.Session'>"
    assert f"{shardlane.Batch}" == "<class 'shardlane.Batch'>"
    for name in shardlane.__all__:
        value = getattr(shardlane, name)
        if inspect.isclass(value):
            assert "._" not in value.__module__ or value is shardlane.Prepared
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        shardlane.nothing  # noqa: B018


def test_both_versions_agree():
    assert shardlane.__version__ == shardlane._core.__version__

"""Documents as a run of the benchmarks makes them, of figures that a test gives."""

from __future__ import annotations

from typing import Any

from benchmarks.plan import Cell
from benchmarks.summary import spread, summarise


def a_round(**changes: Any) -> dict[str, Any]:
    """What a client process measured in one round: 1000 requests in a second."""
    return {
        "requests": 1000,
        "wall_s": 1.0,
        "user_s": 0.006,
        "system_s": 0.004,
        "thread_s": 0.002,
        "voluntary": 50,
        "involuntary": 10,
        "allocations": None,
        "p50_us": 100.0,
        "p99_us": 200.0,
        "p999_us": 300.0,
        "rss_mb": 30.0,
        "rss_peak_mb": 31.0,
        "connections": 25,
        "whole_turn_s": 0.011,
        "server_s": 0.005,
        "arrived": {"right_shard": 1000, "wrong_shard": 0, "wrong_node": 0},
        "others_busy": 0.01,
        **changes,
    }


def entry(driver: str, units: int = 1, **changes: Any) -> dict[str, Any]:
    """One driver in a cell."""
    rounds = [a_round(**changes)]
    return {
        "driver": driver,
        "how": "",
        "answers_checked": 1000,
        **summarise(rounds, units),
    }


def cell(of: Cell, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """A cell with the figures of several drivers."""
    return {
        "workload": of.workload,
        "mode": of.mode,
        "in_flight": of.in_flight,
        "shape": of.shape,
        "title": of.title,
        "per": of.per,
        "drivers": entries,
    }


def connects(shards: int, covered_ms: dict[str, float], opened: int) -> dict[str, Any]:
    """Figures of connecting to 3 nodes."""
    return {
        "nodes": 3,
        "shards": shards,
        "drivers": [
            {
                "driver": driver,
                "open_ms": spread([milliseconds / 2], 2),
                "open_cpu_ms": spread([milliseconds / 4], 2),
                "covered_ms": spread([milliseconds], 2),
                "shards_covered": 3 * shards,
                "shards": 3 * shards,
                "opened": spread([opened], 2),
                "closed": spread([0], 2),
                "connected_rss_mb": spread([30.0], 2),
            }
            for driver, milliseconds in covered_ms.items()
        ],
    }


def document(cells: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A whole run, on the embedded cluster."""
    return {
        "machine": {
            "time": "2026-01-01T00:00:00+00:00",
            "commit": "0123456789",
            "system": "Linux",
            "cpu": "a processor",
            "cpus": 2,
            "python": "CPython 3.11.7",
        },
        "versions": {"shardlane": "0.1.0"},
        "plan": {
            "rounds": 5,
            "seconds": 0.4,
            "nodes": 3,
            "shards": 8,
            "client_cpus": [0],
            "server_cpus": [1],
        },
        "servers": [{"kind": "embedded", "name": "the embedded cluster", "cells": cells}],
        "connects": [],
        "imports": [],
        "allocations": [],
        "memory": None,
        "failures": [],
        "missing": {},
        "took_s": 100.0,
        **changes,
    }

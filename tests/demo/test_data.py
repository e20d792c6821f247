from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from shardlane.demo import data

ROW = data.row(1, "rows_legacy", 42)


def test_rows_follow_from_seed_table_and_number_alone() -> None:
    assert data.row(1, "rows_legacy", 42) == ROW
    for other in (
        data.row(2, "rows_legacy", 42),
        data.row(1, "rows_other", 42),
    ):
        assert other[:2] == ROW[:2] == data.key(42)
        changed = sum(a != b for a, b in zip(other, ROW, strict=True))
        assert changed >= 6


def test_every_column_has_a_value_of_its_type() -> None:
    kinds = [str, int, str, bool, float, Decimal, uuid.UUID, dt.datetime, bytes, set, list, dict]
    assert len(ROW) == len(data.COLUMNS)
    assert [type(value) for value in ROW] == kinds


def test_values_survive_what_cql_can_hold() -> None:
    for number in range(500):
        row = dict(zip(data.NAMES, data.row(7, "t", number), strict=True))
        assert row["seen"].microsecond % 1000 == 0
        assert row["seen"].tzinfo is dt.timezone.utc
        assert row["tags"]
        assert all(-(2**31) <= reading < 2**31 for reading in row["readings"])
        assert all(-(2**63) <= limit < 2**63 for limit in row["limits"].values())


def test_the_short_row_has_the_columns_that_are_selected() -> None:
    assert data.short(ROW) == tuple(
        ROW[data.NAMES.index(name)] for name in ("name", "score", "seen")
    )
    assert data.select("t", data.SHORT_COLUMNS).startswith("SELECT name, score, seen FROM ")


@pytest.mark.parametrize("position", range(len(ROW)))
def test_a_changed_value_is_named(position: int) -> None:
    found = (*ROW[:position], None, *ROW[position + 1 :])
    difference = data.difference(ROW, found)
    assert difference is not None
    assert difference.startswith(f"{data.NAMES[position]} is None, written was ")


def test_a_missing_row_and_missing_columns_are_told() -> None:
    assert data.difference(ROW, ROW) is None
    assert data.difference(ROW, None) == "the row is missing"
    assert data.difference(ROW, ROW[:3]) == "3 columns instead of 12"

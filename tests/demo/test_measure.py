from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardlane.demo.measure import Latencies, median, percentile


@pytest.mark.parametrize(
    ("per_mille", "expected"),
    [(0, 1), (10, 1), (11, 2), (500, 50), (501, 51), (990, 99), (991, 100), (1000, 100)],
)
def test_percentiles_are_nearest_ranks(per_mille: int, expected: int) -> None:
    assert percentile(range(1, 101), per_mille) == expected


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(0, 1000))
def test_a_percentile_bounds_its_part(values: list[int], per_mille: int) -> None:
    found = percentile(sorted(values), per_mille)
    within = sum(value <= found for value in values)
    below = sum(value < found for value in values)
    assert found in values
    assert 1000 * within >= per_mille * len(values)
    assert below == 0 or 1000 * below < per_mille * len(values)


@pytest.mark.parametrize(("values", "per_mille"), [([], 500), ([1], -1), ([1], 1001)])
def test_no_percentile_of_nothing_or_beyond_all(values: list[int], per_mille: int) -> None:
    with pytest.raises(ValueError, match=r"no values|is no part"):
        percentile(values, per_mille)


def test_the_median_of_two_is_the_lower_one() -> None:
    assert median([3.0, 1.0]) == 1.0
    assert median([9.0, 1.0, 5.0]) == 5.0


def test_latencies_are_summed_up_in_microseconds() -> None:
    latencies = Latencies.of([n * 1000 for n in range(1000, 0, -1)])
    assert latencies.count == 1000
    assert (latencies.p50_us, latencies.p90_us, latencies.p99_us) == (500, 900, 990)
    assert (latencies.p999_us, latencies.max_us) == (999, 1000)
    assert latencies.curve[0] == (0.0, 1)
    assert latencies.curve[-1] == (100.0, 1000)
    assert list(latencies.curve) == sorted(latencies.curve)

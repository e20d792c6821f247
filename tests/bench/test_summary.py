from __future__ import annotations

import pytest

from benchmarks import trust
from benchmarks.load import Job, Parameters, WrongAnswerError
from benchmarks.plan import SERVERS, Cell, cells
from benchmarks.summary import in_figures, spread, summarise
from benchmarks.worker import PERCENTILES, percentile

from .documents import a_round, cell, document, entry


def test_a_figure_is_the_median_with_its_ends() -> None:
    assert spread([3.0, 1.04, 2.0, None], 1) == {
        "median": 2.0,
        "least": 1.0,
        "most": 3.0,
        "all": [3.0, 1.0, 2.0],
    }


def test_numbers_are_never_powers_of_ten() -> None:
    assert [in_figures(each) for each in (47_720.4, 12.3456, 0.07)] == ["47,720", "12.35", "0.07"]


def test_no_figure_is_none_and_not_nought() -> None:
    assert spread([None, None], 1) is None


def test_costs_are_for_each_unit() -> None:
    of_requests = summarise([a_round()], 1)
    assert of_requests["cpu_us"]["median"] == 10.0
    assert of_requests["thread_us"]["median"] == 2.0
    assert of_requests["per_second"]["median"] == 1000
    assert of_requests["voluntary"]["median"] == 0.05
    of_rows = summarise([a_round()], 5000)
    assert of_rows["cpu_us"]["median"] == 0.002
    assert of_rows["per_second"]["median"] == 5_000_000
    assert of_rows["p50_us"]["median"] == 100.0, "of a call, whatever it counts for"


def test_what_many_threads_paid_is_no_figure_of_one() -> None:
    assert summarise([a_round(thread_s=None)], 1)["thread_us"] is None


def test_the_right_shard_is_a_share_of_all_rounds() -> None:
    rounds = [
        a_round(arrived={"right_shard": 900, "wrong_shard": 100, "wrong_node": 0}),
        a_round(arrived={"right_shard": 100, "wrong_shard": 0, "wrong_node": 0}),
    ]
    assert summarise(rounds, 1)["right_shard_percent"] == pytest.approx(90.91)


def test_a_server_that_does_not_count_arrivals_leaves_no_figure() -> None:
    assert summarise([a_round(arrived=None)], 1)["right_shard_percent"] is None


def test_percentiles_of_a_thousand() -> None:
    ordered = [number / 1e6 for number in range(1000)]
    found = {name: percentile(ordered, share) for name, share in PERCENTILES.items()}
    assert found == {"p50": 500.0, "p99": 990.0, "p999": 999.0}


def test_percentiles_of_one_and_of_none() -> None:
    assert percentile([1e-6], 0.999) == 1.0
    assert percentile([], 0.5) is None


def test_a_busy_machine_is_told_first() -> None:
    quiet = document([cell(Cell("select", "tasks", 1), [entry("acsylla")])])
    assert not trust.statements(quiet)[0].startswith("NOT QUIET")
    busy = document([cell(Cell("select", "tasks", 1), [entry("acsylla", others_busy=0.5)])])
    assert trust.statements(busy)[0].startswith("NOT QUIET")


def test_rounds_that_lie_apart_are_noise() -> None:
    rounds = [a_round(user_s=0.006), a_round(user_s=0.012)]
    noisy = {"cpu_us": summarise(rounds, 1)["cpu_us"], "others_busy": None}
    assert trust.noise_share([noisy]) == pytest.approx(6 / 13)
    assert trust.others_busy([noisy]) is None


def test_a_run_of_nothing_says_so() -> None:
    assert trust.statements(document([])) == ["Nothing was measured that could be trusted or not."]


@pytest.mark.parametrize("server", SERVERS)
def test_cells_are_told_apart_by_their_titles(server: str) -> None:
    for quick in (True, False):
        titles = [cell.title for cell in cells(server, quick=quick)]
        assert len(set(titles)) == len(titles)


def test_answers_that_come_at_once_are_checked_when_time_is_up() -> None:
    job = Job([(1,), (2,)], ["one", "two"], 2, 10.0)
    job.begin()
    parameters = Parameters(job)
    taken = [next(iter(parameters)) for _ in range(3)]
    assert taken == [(1,), (2,), (1,)]
    parameters.done(["one", "two", "one"], 3)
    job.check_rest()
    assert job.positions() == {0, 1}
    job.unchecked = ["one", "one"]
    with pytest.raises(WrongAnswerError, match="expected 'two', got 'one'"):
        job.check_rest()


def test_a_call_that_lost_parameters_is_told() -> None:
    job = Job([(1,)], ["one"], 1, 10.0)
    job.begin()
    parameters = Parameters(job)
    next(iter(parameters))
    with pytest.raises(WrongAnswerError, match="0 results for 1 parameter sets"):
        parameters.done([], 0)

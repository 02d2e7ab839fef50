"""What is far from usual, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.settings import Alerts
from concord.steps.usual import Measures, is_far, oddities

ALERTS = Alerts()
SMALL = st.builds(Measures, st.floats(0, 59), st.integers(0, 49), st.integers(0, 49))


def kinds(now: Measures, past: list[Measures]) -> list[str]:
    return [one.kind for one in oddities(now, past, ALERTS)]


def steady(runs: int = 8, rows: int = 1000) -> list[Measures]:
    return [Measures(10 + run % 3, rows + run, run % 4) for run in range(runs)]


@given(now=SMALL, past=st.lists(SMALL, max_size=15))
def test_a_small_lake_is_never_odd(now: Measures, past: list[Measures]) -> None:
    assert kinds(now, past) == []


def test_nothing_is_odd_before_there_is_something_to_compare_with() -> None:
    assert kinds(Measures(9999, 0, 9999), steady(ALERTS.least_runs - 1)) == []


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (Measures(12, 1010, 5), []),
        (Measures(900, 1010, 5), ["slow"]),
        (Measures(1, 1010, 5), []),
        (Measures(12, 500, 5), ["volume"]),
        (Measures(12, 2000, 5), ["volume"]),
        (Measures(12, 1010, 900), ["volume"]),
        (Measures(900, 0, 1000), ["slow", "volume"]),
    ],
)
def test_what_is_far_from_the_last_runs_is_odd(now: Measures, found: list[str]) -> None:
    assert kinds(now, steady()) == found


def test_a_measure_that_always_varied_may_vary() -> None:
    past = [Measures(10, rows, 0) for rows in (1000, 3000, 2000, 1500, 2600, 1200, 2900)]
    assert kinds(Measures(10, 4000, 0), past) == []


def test_odd_runs_become_usual_once_they_are_most_of_the_last() -> None:
    past = steady(8)
    rounds = 0
    while kinds(Measures(10, 3000, 0), past):
        past = [*past, Measures(10, 3000, 0)][-15:]
        rounds += 1
    assert 1 < rounds <= 9


@given(
    past=st.lists(st.floats(0, 1e6), min_size=5, max_size=15),
    wild=st.floats(-1e9, 1e9),
    value=st.floats(0, 1e6),
)
def test_one_wild_run_makes_no_value_odd_that_lies_among_the_others(
    past: list[float], wild: float, value: float
) -> None:
    spread = max(past) - min(past)
    inside = min(past) + (value / 1e6) * spread
    assert not is_far(inside, [*past, wild], 5, spread + 1)


@given(st.builds(Measures, st.floats(0, 1e6), st.none() | st.integers(0, 9), st.none()))
def test_measures_survive_a_commit_record(one: Measures) -> None:
    back = Measures.from_json(one.to_json())
    assert (back.rows, back.changed) == (one.rows, one.changed)
    assert abs(back.wall_s - one.wall_s) <= 0.051

"""ops/runs read as runs, steps and seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.errors import UsageError
from concord.steps.run_report import SUMS, named, run_named, runs, slowest, steps_of
from concord.steps.tables import INSTANT

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
TEXTS = ("run_step", "run", "whole_run", "step", "platform", "dataset", "outcome")
COUNTS = (
    *("version", "rows", "upserted", "deleted", "rows_in", "quarantined"),
    *("reads", "writes", "calls", "retries", "bytes_in"),
)
SCHEMA = {
    "at": INSTANT,
    **dict.fromkeys(TEXTS, pl.String()),
    **dict.fromkeys(COUNTS, pl.Int64()),
    **dict.fromkeys(("wall_s", "cpu_s", "throttled_s", "batch_s"), pl.Float64()),
}


def step(at_s: float, wall_s: float = 1.0, **said: Any) -> dict[str, Any]:
    run = said.pop("run", f"clean_crm/{at_s}/clean/-1")
    known = {"run": run, "run_step": f"{run}/1/0", "step": "clean", "platform": "crm"}
    known |= {"outcome": "unchanged", "wall_s": wall_s, "at": NOON + timedelta(seconds=at_s)}
    return {**known, **said}


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return named(pl.DataFrame(list(rows), schema=SCHEMA, orient="row"))


def test_rows_that_carry_a_run_are_of_it_however_long_they_pause() -> None:
    rows = table(step(1, whole_run="a"), step(3, whole_run="b"), step(5000, whole_run="a"))
    assert [one["name"] for one in runs(rows, last=9)] == ["b", "a"]


def test_other_rows_are_one_run_until_a_pause_of_more_than_two_minutes() -> None:
    rows = table(step(1), step(200, 100), step(321, 1), step(1000, 1), step(900, 450))
    assert [one["name"] for one in runs(rows, last=9)] == [
        "2026-11-25T12:07:30",
        "2026-11-25T12:00:00",
    ]


def test_a_step_that_is_still_at_work_leaves_no_pause() -> None:
    rows = table(step(900, 899), step(10, 1), step(500, 1))
    assert [one["steps"] for one in runs(rows, last=9)] == [3]


def test_a_task_whose_last_try_came_good_is_retried_and_one_whose_did_not_is_failed() -> None:
    first = step(1, run="clean_crm/r/clean/-1", outcome="failed", whole_run="a")
    again = step(2, run="clean_crm/r/clean/-1", whole_run="a")
    other = step(3, run="clean_x/r/clean/-1", outcome="failed", whole_run="b")
    told = runs(table(first, again, other), last=9)
    assert {one["name"]: (one["outcome"], one["steps"]) for one in told} == {
        "a": ("retried", 1),
        "b": ("failed", 1),
    }


def test_changed_rows_are_those_written_and_quarantine_counts_as_it_ended() -> None:
    rows = table(
        step(1, outcome="written", upserted=3, deleted=1, quarantined=7, whole_run="a"),
        step(2, outcome="already", upserted=9, deleted=0, quarantined=2, whole_run="a"),
    )
    (told,) = runs(rows, last=1)
    assert (told["changed"], told["quarantined"]) == (4, 2)


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 60), st.integers(0, 99)), min_size=1))
def test_no_row_is_lost_or_counted_twice(said: list[tuple[int, float, int]]) -> None:
    rows = table(
        *(
            step(place * 50.0, wall, run=f"d/{number}/clean/-1", writes=writes)
            for number, (place, wall, writes) in enumerate(said)
        )
    )
    told = runs(rows, last=99)
    assert sum(one["writes"] for one in told) == sum(writes for *_, writes in said)
    assert sum(len(steps_of(run_named(rows, one["name"]))) for one in told) == len(said)
    assert set(SUMS) <= set(told[0])


def test_a_run_is_found_by_the_beginning_of_its_name_and_the_newest_as_last() -> None:
    rows = table(step(1, whole_run="2026-01"), step(2, whole_run="2027-01"))
    assert set(run_named(rows, "2026")["name"]) == {"2026-01"}
    assert set(run_named(rows, "last")["name"]) == {"2027-01"}
    with pytest.raises(UsageError, match="several runs begin so"):
        run_named(rows, "20")
    with pytest.raises(UsageError, match="no run has that name"):
        run_named(rows, "1999")


def test_shares_of_the_slowest_add_up_to_all_and_the_slowest_comes_first() -> None:
    rows = table(
        step(1, 3.0, whole_run="a", batch_s=1.5),
        step(5, 1.0, whole_run="a", batch_s=1.0),
        step(6, 1.0, whole_run="a", step="plan"),
        step(9, 99.0, whole_run="0"),
    )
    told = slowest(rows.filter(pl.col("name") == "a"), last=1)
    assert [(one["step"], one["median_s"], one["max_s"], one["times"]) for one in told] == [
        ("clean", 2.0, 3.0, 2),
        ("plan", 1.0, 1.0, 1),
    ]
    assert [one["percent"] for one in told] == pytest.approx([80.0, 20.0])
    assert told[0]["calling_percent"] == pytest.approx(62.5)


def test_nothing_ran_is_no_run() -> None:
    assert runs(table(), last=3) == []
    assert slowest(table(), last=3) == []

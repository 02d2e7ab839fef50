"""The closing table adds up what the steps told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from concord.cli.closing import closing_rows, stood_in, writes_of
from concord.project import load

PROJECT = load(Path(__file__).parents[2], "demo")


def told(step: str, platform: str | None, *published: tuple[str, int, str, int]) -> dict[str, Any]:
    return {
        "step": step,
        "platform": platform,
        "published": [
            {
                "dataset": dataset,
                "version": version,
                "outcome": outcome,
                "rows": 10,
                "upserted": upserted,
                "deleted": 0,
            }
            for dataset, version, outcome, upserted in published
        ],
        "reads": 1,
        "writes": 2,
        "rows_in": 3,
        "quarantined": 4,
        "notes": [],
        "seconds": 0.5,
    }


def test_a_dataset_written_twice_is_one_row_with_both_changes() -> None:
    results = [
        told("clean", "crm", ("quarantine/crm", 1, "written", 4), ("clean/crm", 1, "written", 6)),
        told("extract", "crm", ("raw/crm", 1, "written", 10)),
        told("clean", "crm", ("quarantine/crm", 1, "heartbeat", 0), ("clean/crm", 2, "written", 1)),
    ]
    raw, clean = closing_rows(PROJECT, results)
    assert (raw["dataset"], raw["reads"], raw["changed"]) == ("raw/crm", 1, 10)
    assert (clean["dataset"], clean["version"], clean["changed"]) == ("clean/crm", 2, 7)
    assert (clean["quarantined"], clean["seconds"]) == (4, 1.0)


def test_what_an_earlier_try_published_is_not_counted_again() -> None:
    (row,) = closing_rows(PROJECT, [told("extract", "crm", ("raw/crm", 1, "already", 10))])
    assert row["changed"] == 0


def test_writes_are_those_of_all_steps() -> None:
    assert writes_of([told("deliver", "crm"), told("deliver", "newsletter")]) == 4


def test_a_failed_platform_is_told_to_be_stood_in_for_once() -> None:
    failed = [("extract", "crm"), ("clean", "crm"), ("deliver", "newsletter")]
    assert stood_in(failed) == ["crm: nothing new was taken in; golden uses its last good snapshot"]

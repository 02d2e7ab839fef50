"""A dataset's versions, and what differs between two of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from concord.assets.commit import Position, RunId
from concord.assets.dataset import Dataset
from concord.assets.evolution import create_table
from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake, Table
from concord.errors import UsageError
from concord.steps.history import differences, history, snapshots_after

SCHEMA = {"record_id": pl.String(), "town": pl.String(), "_row_hash": pl.Int64()}


def write(to: Table, version: int, *rows: tuple[str, str], gone: tuple[str, ...] = ()) -> None:
    frame = pl.DataFrame(list(rows), schema=["record_id", "town"], orient="row") if rows else None
    change = Change(frame, pl.Series(gone, dtype=pl.String))
    upto = {"raw/crm": Position(version, "raw")}
    publish(to, lambda *_: change, upto=upto, run=RunId(f"r{version}", "clean.crm"))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A snapshot, two heartbeats, a snapshot, a heartbeat, a snapshot: versions 1 to 6."""
    lake, dataset = Lake(str(tmp_path)), Dataset("clean/crm", "record_id", ("raw/crm",))
    create_table(lake, dataset, SCHEMA, run=RunId("deploy", "deploy"))
    made = lake.open(dataset)
    write(made, 1, ("a", "Anna"), ("b", "Bea"))
    write(made, 2)
    write(made, 3)
    write(made, 4, ("b", "Beate"), ("c", "Cem"))
    write(made, 5)
    write(made, 6, gone=("a",))
    return made


def test_snapshots_come_newest_first_and_fold_the_heartbeats_after_them(table: Table) -> None:
    told = history(table, last=9)
    assert [(one["version"], one["folded"], one["run"]) for one in told] == [
        (6, 0, "r6"),
        (4, 1, "r4"),
        (1, 2, "r1"),
    ]
    assert [(one["rows"], one["upserted"], one["deleted"]) for one in told] == [
        (2, 0, 1),
        (3, 2, 0),
        (2, 2, 0),
    ]
    assert told[0]["inputs"] == ["raw/crm 5..6"]
    assert [one["version"] for one in history(table, last=2)] == [6, 4]


def test_every_commit_is_told_when_asked_for(table: Table) -> None:
    told = history(table, last=9, every=True)
    assert [(one["version"], one["kind"]) for one in told[-3:]] == [
        (2, "heartbeat"),
        (1, "snapshot"),
        (0, "schema"),
    ]
    assert len(told) == 7


@pytest.mark.parametrize(("cursor", "count"), [(-1, 3), (0, 3), (1, 2), (3, 2), (5, 1), (6, 0)])
def test_only_snapshots_count_as_behind(table: Table, cursor: int, count: int) -> None:
    assert snapshots_after(table, cursor) == count


def test_two_versions_differ_in_rows_that_are_new_changed_and_gone(table: Table) -> None:
    found = differences(table, 1, 6, contract=None, rows=9)
    assert (found.new, found.changed, found.removed) == (1, 1, 1)
    told = {one["record_id"]: (one["change"], one["columns"]) for one in found.rows}
    assert told == {
        "a": ("removed", {"town": {"before": "A***", "after": None}}),
        "b": ("changed", {"town": {"before": "B**", "after": "B****"}}),
        "c": ("new", {"town": {"before": None, "after": "C**"}}),
    }
    assert "Beate" not in json.dumps(asdict(found))
    assert "Beate" not in repr(found)


def test_no_more_rows_are_shown_than_asked_for_and_all_are_counted(table: Table) -> None:
    found = differences(table, 1, 6, contract=None, rows=1)
    assert (len(found.rows), found.new + found.changed + found.removed) == (1, 3)


@pytest.mark.parametrize(("after", "upto"), [(3, 3), (4, 1), (-1, 2), (1, 7)])
def test_versions_that_are_not_there_are_a_mistake_of_the_command(
    table: Table, after: int, upto: int
) -> None:
    with pytest.raises(UsageError, match="name two versions from 0 to 6"):
        differences(table, after, upto, contract=None, rows=1)


def test_a_version_that_vacuum_took_is_told_as_such(table: Table) -> None:
    for file in table.files(1):
        Path(file).unlink()
    with pytest.raises(UsageError, match="version 1 is no longer kept"):
        differences(table, 1, 6, contract=None, rows=1)

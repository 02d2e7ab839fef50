"""Tables are kept small, and nothing that a reader starts from goes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.assets.changes import changes
from concord.assets.commit import RunId
from concord.assets.dataset import Dataset
from concord.assets.snapshot import Change, append, newest_snapshot, publish
from concord.assets.table import Table
from concord.assets.upkeep import Freed, expire, floor_of, keep_since, upkeep

Fresh = Callable[..., Table]
Contacts = Callable[[Mapping[str, Any]], pl.DataFrame]
RUN = RunId("maintain/run", "maintain")
MONTH = timedelta(days=30)
RECEIPTS = Dataset("sync/crm/receipts", "record_id", append_only=True, feed=False)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def write(table: Table, rows: pl.DataFrame, deletes: pl.Series | None = None) -> None:
    publish(table, lambda *_: Change(rows, deletes), upto={}, run=RUN)


def aged(table: Table, days: int = 90) -> None:
    """Let everything that is there have happened long ago."""

    def earlier(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2]) - days * 86_400_000}"

    numbers = re.compile(r'("(?:timestamp|deletionTimestamp|modificationTime)":)(\d+)')
    at = re.compile(r'("at":")([^"]+)')
    for file in sorted(Path(table.uri).rglob("*")):
        if file.suffix == ".json":
            text = numbers.sub(earlier, file.read_text())
            file.write_text(
                at.sub(
                    lambda m: m[1] + (datetime.fromisoformat(m[2]) - timedelta(days)).isoformat(),
                    text,
                )
            )
        os.utime(file, (time.time() - days * 86400,) * 2)
    table.refresh()


def kept(table: Table, readers: Mapping[str, int] | None = None, **more: Any) -> Freed:
    return upkeep(table, readers or {}, retention=MONTH, now=datetime.now(UTC), run=RUN, **more)


def data_files(table: Table) -> set[str]:
    found = Path(table.uri).rglob("*.parquet")
    return {str(one.relative_to(table.uri)) for one in found if "_delta_log" not in one.parts}


def reopened(table: Table) -> Table:
    return Table(table.dataset, table.uri, {})


@given(st.lists(st.integers(-1, 50)), st.integers(0, 50))
def test_the_floor_is_below_every_reader_that_starts_somewhere(cursors, newest):
    floor = floor_of(cursors, newest)
    assert 0 <= floor <= newest
    assert all(floor <= one for one in cursors if one >= 0)
    assert floor in {*cursors, newest}


@given(st.timedeltas(timedelta(0), MONTH * 12), st.none() | st.timedeltas(timedelta(0), MONTH * 12))
def test_files_are_kept_for_the_retention_and_for_who_is_behind_longer(retention, behind_for):
    needed_at = None if behind_for is None else NOW - behind_for
    since = keep_since(NOW, retention, needed_at)
    assert since <= NOW - retention
    assert needed_at is None or since <= needed_at


def test_old_versions_and_files_of_killed_tries_go_and_young_ones_stay(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    for name in "xyz":
        write(table, contacts({"a": name}))
    Path(table.uri, "part-killed.parquet").write_bytes(b"half a file")
    aged(table)
    write(table, contacts({"a": "young"}))
    Path(table.uri, "part-running.parquet").write_bytes(b"half a file")
    before = data_files(table)
    assert kept(table, dry_run=True).files == 5  # two old images, two of the feed, the killed try's
    assert data_files(table) == before
    freed = kept(table)
    assert (freed.files, freed.held_by) == (5, None)
    assert freed.size > 100
    assert "part-running.parquet" in data_files(table)
    assert "part-killed.parquet" not in data_files(table)
    assert reopened(table).frame(columns=["name"]).collect()["name"].to_list() == ["young"]
    assert kept(table).files == 0


def test_a_reader_that_is_behind_keeps_its_versions(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for name in "vwxyz":
        write(table, contacts({"a": name, "b": name}))
    write(table, contacts({"a": "last"}))
    behind = 2
    expected = changes(table, behind, table.version).sort("record_id")
    aged(table)
    freed = kept(table, {"billing": behind, "golden/contacts": table.version})
    assert freed.held_by == "billing"
    assert changes(reopened(table), behind, 6).sort("record_id").equals(expected)
    freed = kept(table, {"billing": 6})
    assert (freed.held_by, freed.files > 0) == (None, True)


def test_what_a_reader_needs_stays_though_the_table_forgot_that_it_ever_had_it(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    write(table, contacts({"a": "x"}))
    oldest = table.files()
    write(table, contacts({"b": "x"}))
    behind = 2
    write(table, contacts({"a": "y", "b": "y"}))
    for name in "xyz":
        write(table, contacts({"a": name, "c": name}))
    expected = changes(table, behind, table.version).sort("record_id")
    aged(table, days=40)
    os.utime(oldest[0], (time.time() - 90 * 86400,) * 2)  # when "b" came, it was old already
    table.delta.create_checkpoint()  # tombstones over the retention are not in it
    table.refresh()
    kept(table, {"billing": behind})
    found = reopened(table)
    assert changes(found, behind, 6).sort("record_id").equals(expected)
    assert found.frame(behind).collect().height == 2


def test_the_log_goes_up_to_the_oldest_reader_and_its_version_stays_readable(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    for number in range(24):
        write(table, contacts({"a": str(number)}))
    aged(table)
    reader = newest_snapshot(table)
    write(table, contacts({"b": "new"}))
    assert kept(table, {"golden/contacts": reader}).log_files > 20
    found = reopened(table)
    assert changes(found, reader, found.newest_snapshot())["record_id"].to_list() == ["b"]
    assert found.record(reader) is not None


def test_an_append_only_dataset_is_read_on_after_its_log_went(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh(RECEIPTS)
    for number in range(24):
        append(table, contacts({str(number): "x"}), run=RUN, marker=str(number))
    aged(table)
    reader = newest_snapshot(table)
    assert kept(table, {"sync/crm/base": reader}).log_files > 0
    append(table, contacts({"new": "x"}), run=RUN, marker="new")
    found = reopened(table)
    assert changes(found, reader, found.version)["record_id"].to_list() == ["new"]


def test_what_a_table_knows_of_its_past_outlives_its_log(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for number in range(24):
        rows = contacts({"a": str(number)})
        publish(table, lambda *_: Change(rows, extra={"reading": "r1"}), upto={}, run=RUN)  # noqa: B023
    aged(table)
    before = table.newest_record()
    kept(table)
    after = reopened(table).newest_record()
    assert before is not None
    assert after is not None
    assert (after.kind, after.snapshot, after.extra) == (
        "maintenance",
        before.snapshot,
        before.extra,
    )
    assert reopened(table).newest_snapshot() == before.version


def test_maintenance_is_no_snapshot_and_the_second_time_does_nothing(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    for name in "xy":
        write(table, contacts({"a": name}))
    aged(table)
    position = table.position()
    kept(table)
    assert reopened(table).position() == position
    head = reopened(table).version
    assert kept(table) == Freed(table.dataset.name)
    assert reopened(table).version == head


def test_writers_do_not_clean_the_log_by_age(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for number in range(8):
        write(table, contacts({"a": str(number)}))
    aged(table)
    for number in range(8):
        write(table, contacts({"b": str(number)}))
    assert table.record(0) is not None


@pytest.mark.parametrize("needed", [[], ["k1"]])
def test_receipts_expire_without_a_snapshot_and_readers_see_no_change(
    fresh: Fresh, contacts: Contacts, needed: list[str]
) -> None:
    table = fresh(RECEIPTS)
    for number in range(4):
        append(table, contacts({f"k{number}": "x"}), run=RUN, marker=str(number))
    reader = newest_snapshot(table)

    def old(at: Table) -> pl.Series:
        keys = at.frame(columns=["record_id"]).collect()["record_id"]
        return keys.filter(keys.is_in(["k0", "k1"]) & ~keys.is_in(needed))

    assert expire(table, old, run=RUN) == 2 - len(needed)
    assert newest_snapshot(reopened(table)) == reader
    append(table, contacts({"new": "x"}), run=RUN, marker="new")
    found = reopened(table)
    assert changes(found, reader, found.version)["record_id"].to_list() == ["new"]
    assert found.count() == 3 + len(needed)
    assert expire(table, old, run=RUN) == 0


def test_a_reader_of_expired_rows_keeps_the_files_that_tell_new_rows_from_old(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh(RECEIPTS)
    for number in range(4):
        append(table, contacts({f"k{number}": "x"}), run=RUN, marker=str(number))
    reader = newest_snapshot(table)
    expire(table, lambda _: pl.Series(["k0"]), run=RUN)
    aged(table)
    assert kept(table, {"sync/crm/base": reader}).held_by == "sync/crm/base"
    append(table, contacts({"new": "x"}), run=RUN, marker="new")
    found = reopened(table)
    assert changes(found, reader, found.version)["record_id"].to_list() == ["new"]

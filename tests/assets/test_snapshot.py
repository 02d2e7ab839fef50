from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.assets import race
from concord.assets.commit import Input, Position, RunId
from concord.assets.dataset import ContractRef, Dataset
from concord.assets.snapshot import (
    Change,
    Published,
    append,
    cursors,
    newest_snapshot,
    publish,
)
from concord.assets.table import Lake, Table
from concord.errors import (
    LostRace,
    NotWritten,
    Overtaken,
    SchemaDrift,
    StaleContract,
    UsageError,
)

Fresh = Callable[..., Table]
Contacts = Callable[[Mapping[str, Any]], pl.DataFrame]
State = Callable[..., dict[str, Any]]

CLEAN = Dataset("clean/crm", "record_id", inputs=("raw/crm",), feedback=("sync/crm/receipts",))
RECEIPTS = Dataset("sync/crm/receipts", "record_id", append_only=True, feed=False)
RUN = RunId("r1", "clean.crm")


def at(version: int) -> dict[str, Position]:
    return {"raw/crm": Position(version, "id-of-raw")}


def saying(change: Change | None) -> Callable[[Table, Mapping[str, int]], Change | None]:
    return lambda _table, _cursors: change


def never(_table: Table, _cursors: Mapping[str, int]) -> Change | None:
    raise AssertionError("asked, although no cursor is behind")


def reopened(table: Table) -> Table:
    return Lake(table.uri.removesuffix(f"/{table.dataset.name}")).open(table.dataset)


# -- rows

keys = st.sampled_from("abcdef")
steps = st.lists(
    st.tuples(
        st.dictionaries(keys, st.none() | st.sampled_from(["x", "y", ""]), max_size=4),
        st.sets(keys, max_size=3),
    ),
    max_size=6,
)


@given(steps=steps)
def test_any_sequence_of_publishes_leaves_what_a_dict_would_hold(
    fresh: Fresh,
    contacts: Contacts,
    state: State,
    steps: list[tuple[dict[str, Any], set[str]]],
) -> None:
    table, held = fresh(), dict[str, Any]()
    for upserts, gone in steps:
        deletes = gone - set(upserts)
        changed = {k: v for k, v in upserts.items() if k not in held or held[k] != v}
        removed = deletes & set(held)
        change = Change(contacts(upserts), pl.Series(sorted(deletes), dtype=pl.String))
        done = publish(table, saying(change), upto={}, run=RunId("r", "j"))
        held = {k: v for k, v in {**held, **upserts}.items() if k not in deletes}
        assert state(reopened(table)) == held
        assert (done.rows, done.upserted, done.deleted) == (
            len(held),
            *((len(changed), len(removed)) if done.outcome == "written" else (0, 0)),
        ) or done.outcome == "already"
        assert (done.outcome == "written") == bool(changed or removed)


def test_rows_equal_to_the_tables_are_no_snapshot(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    rows = contacts({"a": {"name": "x", "emails": [{"value": "x@y", "preferred": None}]}, "b": {}})
    assert publish(table, saying(Change(rows)), upto={}, run=RUN).outcome == "written"
    again = publish(table, saying(Change(rows)), upto={}, run=RunId("r2", "clean.crm"))
    assert (again.outcome, again.version, again.rows) == ("unchanged", 1, 2)
    assert reopened(table).version == 1


def test_a_row_that_differs_in_an_unhashed_column_only_is_not_published(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    first = contacts({"a": {"name": "x", "version": "1"}})
    publish(table, saying(Change(first)), upto={}, run=RUN)
    second = contacts({"a": {"name": "x", "version": "2"}})
    done = publish(table, saying(Change(second)), upto={}, run=RunId("r2", "clean.crm"))
    assert done.outcome == "unchanged"


def test_rows_that_are_only_new_rewrite_no_file(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    publish(table, saying(Change(contacts({"a": "x"}))), upto={}, run=RUN)
    before = set(table.files())
    publish(table, saying(Change(contacts({"a": "x", "b": "y"}))), upto={}, run=RUN)
    assert before < set(reopened(table).files())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: pl.concat([f, f]), "1 rows have a record_id that another row has"),
        (lambda f: f.with_columns(record_id=pl.lit(None, pl.String)), "record_id is null in 1"),
        (lambda f: f.with_columns(nmae=pl.lit("")), "differs from the table in nmae"),
        (lambda f: f.drop("name"), "differs from the table in name"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_shown_to_nobody(
    fresh: Fresh, contacts: Contacts, spoil: Callable[[pl.DataFrame], pl.DataFrame], reason: str
) -> None:
    table = fresh()
    rows = spoil(contacts({"canary": "Canary"}))
    with pytest.raises(SchemaDrift, match=reason) as caught:
        publish(table, saying(Change(rows)), upto=at(1), run=RUN)
    assert "anary" not in str(caught.value)
    assert reopened(table).version == 0


def test_a_row_both_written_and_deleted_is_refused(fresh: Fresh, contacts: Contacts) -> None:
    change = Change(contacts({"a": "x", "b": "y"}), pl.Series(["b", "c"]))
    with pytest.raises(SchemaDrift, match="clean/crm: 1 rows are both written and deleted"):
        publish(fresh(), saying(change), upto={}, run=RUN)


# -- cursors


def test_cursors_move_with_the_rows_in_one_commit(fresh: Fresh, contacts: Contacts) -> None:
    table, seen = fresh(), []

    def work(_table: Table, found: Mapping[str, int]) -> Change:
        seen.append(dict(found))
        return Change(contacts({"a": f"x{len(seen)}"}))

    publish(table, work, upto=at(0) | {"rules": 11}, run=RUN)
    done = publish(table, work, upto=at(4) | {"rules": 11}, run=RunId("r2", "clean.crm"))
    assert seen == [{"raw/crm": -1, "rules": -1}, {"raw/crm": 0, "rules": 11}]
    assert reopened(table).version == 2
    assert cursors(reopened(table)) == {"raw/crm": 4, "rules": 11}
    assert done.record is not None
    assert done.record.inputs == (
        Input("raw/crm", "id-of-raw", 0, 4),
        Input("rules", None, 11, 11),
    )


def test_version_and_marker_zero_are_real(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    assert publish(table, saying(None), upto=at(0), run=RUN).outcome == "heartbeat"
    assert publish(table, never, upto=at(0), run=RunId("r2", "clean.crm")).outcome == "unchanged"
    assert cursors(table) == {"raw/crm": 0}


def test_an_input_without_a_snapshot_is_nothing_to_weigh(fresh: Fresh) -> None:
    table, raw = fresh(), fresh()
    assert raw.position().version == -1
    done = publish(table, never, upto={"raw/crm": raw.position()}, run=RUN)
    assert (done.outcome, done.version, table.version) == ("unchanged", -1, 0)


@pytest.mark.parametrize("ahead", [{"rules": 2}, {"raw/dav": Position(4, "id-of-dav")}])
def test_what_another_run_has_weighed_is_not_computed_from_an_older_reading(
    fresh: Fresh, contacts: Contacts, ahead: dict[str, Position | int]
) -> None:
    table = fresh()
    publish(table, saying(Change(contacts({"a": "x"}))), upto=at(7) | {"rules": 1}, run=RUN)
    later = saying(Change(contacts({"a": "y"})))
    with pytest.raises(Overtaken, match=r"clean/crm: another run .* later version of raw/crm"):
        publish(table, later, upto={**at(3), **ahead}, run=RunId("r2", "clean.crm"))
    assert cursors(table) == {"raw/crm": 7, "rules": 1}


def test_a_table_made_anew_is_read_from_the_start(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    publish(table, saying(Change(contacts({"a": "x"}))), upto=at(7), run=RUN)
    seen: list[int] = []

    def work(_table: Table, found: Mapping[str, int]) -> None:
        seen.append(found["raw/crm"])

    publish(table, work, upto={"raw/crm": Position(2, "id-of-new-raw")}, run=RUN)
    assert seen == [-1]


def test_cursors_without_rows_are_a_heartbeat_and_no_snapshot(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    publish(table, saying(Change(contacts({"a": "x"}))), upto=at(1), run=RUN)
    for version in (2, 3):
        done = publish(table, saying(None), upto=at(version), run=RunId("r2", "clean.crm"))
        assert (done.outcome, done.version, done.rows) == ("heartbeat", 1, 1)
    assert reopened(table).version == 3
    assert newest_snapshot(reopened(table)) == 1
    assert reopened(table).position() == Position(1, table.id)


def test_another_jobs_cursors_stay_in_the_record(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh(CLEAN)
    publish(table, saying(Change(contacts({"a": "x"}))), upto=at(1), run=RUN)
    feedback = {"sync/crm/receipts": Position(5, "id-of-receipts")}
    done = publish(table, saying(None), upto=feedback, run=RunId("r2", "acknowledge.crm"))
    assert done.record is not None
    assert done.record.inputs == (
        Input("sync/crm/receipts", "id-of-receipts", -1, 5, feedback=True),
        Input("raw/crm", "id-of-raw", 1, 1),
    )


def test_the_newest_snapshot_is_told_for_every_version(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for version in range(1, 5):
        rows = Change(contacts({"a": str(version)})) if version in (2, 4) else None
        publish(table, saying(rows), upto=at(version), run=RUN)
    found = reopened(table)
    assert [newest_snapshot(found, v) for v in (-1, 0, 1, 2, 3, 4)] == [-1, -1, -1, 2, 2, 4]


def test_the_newest_snapshot_outlives_the_log(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    publish(table, saying(Change(contacts({"a": "x"}))), upto=at(1), run=RUN)
    for version in range(2, 15):
        publish(table, saying(None), upto=at(version), run=RUN)
    table.delta.create_checkpoint()
    for file in Path(table.uri, "_delta_log").glob("*.json"):
        if int(file.stem) < table.version:
            file.unlink()
    found = reopened(table)
    assert newest_snapshot(found) == 1
    assert cursors(found) == {"raw/crm": 14}
    assert publish(found, never, upto=at(14), run=RUN).outcome == "unchanged"
    with pytest.raises(UsageError, match="clean/crm: the log no longer holds version 0"):
        newest_snapshot(found, 0)


# -- what else makes a commit


def test_without_cursors_the_work_is_always_asked(fresh: Fresh) -> None:
    table = fresh()
    first = publish(table, saying(Change(extra={"reading": "1"})), upto={}, run=RUN)
    again = publish(table, saying(Change(extra={"reading": "1"})), upto={}, run=RUN)
    moved = publish(table, saying(Change(extra={"reading": "2"})), upto={}, run=RUN)
    assert [one.outcome for one in (first, again, moved)] == ["heartbeat", "unchanged", "heartbeat"]
    assert moved.record is not None
    assert moved.record.extra == {"reading": "2"}


def test_an_extra_left_out_keeps_its_last_value(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    publish(table, saying(Change(extra={"reading": "1"})), upto={}, run=RUN)
    done = publish(table, saying(Change(contacts({"a": "x"}))), upto={}, run=RUN)
    assert done.record is not None
    assert done.record.extra == {"reading": "1"}


def test_a_forced_snapshot_needs_no_row(fresh: Fresh) -> None:
    table = fresh()
    done = publish(table, saying(Change(force=True)), upto=at(0), run=RUN)
    assert (done.outcome, done.version, done.rows) == ("written", 1, 0)


def contract(version: str) -> ContractRef:
    return ContractRef("contacts", version, version.ljust(64, "0"))


@pytest.mark.parametrize(
    ("version", "outcome"), [("1.2.9", "heartbeat"), ("1.3.0", "written"), ("2.0.0", "written")]
)
def test_only_a_higher_minor_or_major_contract_is_a_snapshot_by_itself(
    fresh: Fresh, contacts: Contacts, version: str, outcome: str
) -> None:
    table = fresh()
    first = Change(contacts({"a": "x"}), contract=contract("1.2.3"))
    publish(table, saying(first), upto={"rules": 1}, run=RUN)
    later = Change(contract=contract(version))
    done = publish(table, saying(later), upto={"rules": 2}, run=RunId("r2", "clean.crm"))
    assert done.outcome == outcome
    assert done.record is not None
    assert done.record.contract == contract(version)


def test_an_older_contract_is_refused_as_transient(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    publish(
        table, saying(Change(contacts({"a": "x"}), contract=contract("1.10.0"))), upto={}, run=RUN
    )
    older = saying(Change(contacts({"a": "y"}), contract=contract("1.9.0")))
    with pytest.raises(StaleContract, match=r"published under contract 1\.10\.0") as caught:
        publish(table, older, upto={}, run=RUN)
    assert caught.value.transient


def test_rules_and_definitions_stand_in_the_record(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    change = Change(
        contacts({"a": "x"}), rules={"emails.value.pattern": 3}, definitions={"mapping": "ab12"}
    )
    publish(table, saying(change), upto={}, run=replace(RUN, ol_run="ol-1"))
    record = reopened(table).record(1)
    assert record is not None
    assert (record.run, record.job, record.ol_run) == ("r1", "clean.crm", "ol-1")
    assert (record.rules, record.definitions) == (change.rules, change.definitions)
    assert record.rows == {"live": 1, "upserted": 1, "deleted": 0}


# -- killed, raced, failed


def test_a_run_killed_after_its_commit_says_already(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    first = publish(table, saying(Change(contacts({"a": "x"}))), upto=at(1), run=RUN)
    retried = publish(reopened(table), never, upto=at(1), run=replace(RUN, try_number=2))
    assert (retried.outcome, retried.version) == ("already", first.version)
    assert (retried.rows, retried.upserted, retried.record) == (1, 1, first.record)


def test_a_retried_extract_says_already_though_its_work_finds_nothing(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    change = Change(contacts({"a": "x"}), extra={"reading": "1"})
    publish(table, saying(change), upto={}, run=RUN)
    assert publish(table, saying(change), upto={}, run=RUN).outcome == "already"


def test_another_job_of_the_same_run_is_not_taken_for_this_one(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    publish(table, saying(Change(contacts({"a": "x"}))), upto=at(1), run=RUN)
    other = replace(RUN, job="acknowledge.crm")
    assert publish(table, never, upto=at(1), run=other).outcome == "unchanged"


def test_a_commit_that_landed_and_raised_counts_as_written(
    fresh: Fresh, contacts: Contacts, state: State
) -> None:
    table = fresh()
    for version in range(1, 9):
        publish(table, saying(None), upto=at(version), run=RUN)
    Path(table.uri, "_delta_log", f"{9:020d}.checkpoint.parquet").mkdir()
    done = publish(table, saying(Change(contacts({"a": "x"}))), upto=at(9), run=RUN)
    assert (done.outcome, done.version) == ("written", 9)
    assert state(table) == {"a": "x"}


def test_a_refusal_of_the_storage_is_told_by_its_code_and_loses_nothing(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    publish(table, saying(Change(contacts({"canary": "Canary"}))), upto=at(1), run=RUN)
    Path(table.uri, "_change_data").write_text("a file where a folder should be")
    change = saying(Change(contacts({"canary": "Canary 2"})))
    with pytest.raises(NotWritten, match=r"clean/crm: could not be written.*\[E\w+\]") as caught:
        publish(table, change, upto=at(2), run=RUN)
    assert "anary" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert cursors(reopened(table)) == {"raw/crm": 1}


def test_the_work_is_done_anew_when_another_writer_won(
    fresh: Fresh, contacts: Contacts, state: State
) -> None:
    table, seen = fresh(), []

    def work(at_work: Table, found: Mapping[str, int]) -> Change:
        held = state(at_work)
        seen.append((held, dict(found)))
        if len(seen) == 1:
            theirs = saying(Change(contacts({"b": "theirs"})))
            publish(reopened(table), theirs, upto={"other": 5}, run=RunId("r9", "other"))
        return Change(contacts({"a": f"beside {len(held)}"}))

    done = publish(table, work, upto=at(1), run=RUN)
    assert [held for held, _ in seen] == [{}, {"b": "theirs"}]
    assert (done.outcome, done.version, done.upserted) == ("written", 2, 1)
    assert state(reopened(table)) == {"a": "beside 1", "b": "theirs"}


def test_a_winner_with_the_same_cursors_ends_the_work(fresh: Fresh, contacts: Contacts) -> None:
    table, calls = fresh(), []

    def work(_table: Table, _cursors: Mapping[str, int]) -> Change:
        calls.append(1)
        change = Change(contacts({"a": "x"}))
        publish(reopened(table), saying(change), upto=at(1), run=RunId("r9", "clean.crm"))
        return change

    assert publish(table, work, upto=at(1), run=RUN).outcome == "unchanged"
    assert (len(calls), reopened(table).version) == (1, 1)


def test_losing_every_race_is_transient_and_writes_nothing(
    fresh: Fresh, contacts: Contacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race, "_LONGEST_S", 0.0)
    table, calls = fresh(), []

    def work(_table: Table, _cursors: Mapping[str, int]) -> Change:
        calls.append(1)
        publish(reopened(table), saying(None), upto={"other": len(calls)}, run=RunId("r9", "other"))
        return Change(contacts({"a": "x"}))

    with pytest.raises(LostRace, match="clean/crm: another writer won 12 times") as caught:
        publish(table, work, upto=at(1), run=RUN)
    assert caught.value.transient
    assert reopened(table).count() == 0


# -- append


def receipts(contacts: Contacts, *keys: str) -> pl.DataFrame:
    return pl.concat([contacts({key: "sent"}) for key in keys])


def test_an_append_happens_once_under_its_marker(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh(RECEIPTS)
    rows = receipts(contacts, "a", "a", "b")
    first = append(table, rows, run=RUN, marker="run-1/1")
    again = append(reopened(table), rows, run=replace(RUN, try_number=2), marker="run-1/1")
    other = append(table, rows, run=RUN, marker="run-1/2")
    assert [(one.outcome, one.rows) for one in (first, again, other)] == [
        ("written", 3),
        ("already", 3),
        ("written", 6),
    ]
    assert newest_snapshot(table) == 2


def test_appending_nothing_is_no_commit(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh(RECEIPTS)
    done = append(table, contacts({}), run=RUN, marker="m")
    assert (done.outcome, table.version) == ("unchanged", 0)


def test_only_an_append_only_dataset_is_appended_to(fresh: Fresh, contacts: Contacts) -> None:
    with pytest.raises(UsageError, match=r"clean/crm is not append-only; publish\(\) writes it"):
        append(fresh(), contacts({"a": "x"}), run=RUN, marker="m")


def test_nothing_is_deleted_from_an_append_only_dataset(fresh: Fresh, contacts: Contacts) -> None:
    change = Change(contacts({"a": "x"}), pl.Series(["b"]))
    with pytest.raises(SchemaDrift, match="1 deletes from an append-only table"):
        publish(fresh(RECEIPTS), saying(change), upto={}, run=RUN)


def test_a_publish_to_an_append_only_dataset_appends_with_its_cursors(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh(RECEIPTS)
    change = saying(Change(receipts(contacts, "a", "a")))
    done: list[Published] = [publish(table, change, upto=at(n), run=RUN) for n in (1, 2, 2)]
    assert [(one.outcome, one.rows) for one in done] == [
        ("written", 2),
        ("written", 4),
        ("already", 4),
    ]

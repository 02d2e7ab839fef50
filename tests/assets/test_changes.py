from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from concord.assets.changes import CHANGE, changes
from concord.assets.commit import RunId
from concord.assets.dataset import Dataset
from concord.assets.evolution import add_columns
from concord.assets.snapshot import Change, append, newest_snapshot, publish
from concord.assets.table import Lake, Table
from concord.errors import UsageError

Fresh = Callable[..., Table]
Contacts = Callable[[Mapping[str, Any]], pl.DataFrame]
State = Callable[..., dict[str, Any]]
Step = dict[str, str | None]

WITHOUT_FEED = Dataset("clean/crm", "record_id", feed=False, unhashed=("version",))
RECEIPTS = Dataset("sync/crm/receipts", "record_id", append_only=True, feed=False)
RUN = RunId("r1", "clean.crm")


def reopened(table: Table) -> Table:
    return Lake(table.uri.removesuffix(f"/{table.dataset.name}")).open(table.dataset)


def write(table: Table, contacts: Contacts, step: Mapping[str, str | None]) -> None:
    """Publish one step: key to name, None deletes."""
    upserts = contacts({key: name for key, name in step.items() if name is not None})
    deletes = pl.Series([key for key, name in step.items() if name is None], dtype=pl.String)
    publish(table, lambda _t, _c: Change(upserts, deletes), upto={}, run=RUN)


def replayed(state: dict[str, Any], change: pl.DataFrame) -> dict[str, Any]:
    for key, name, kind in change.select("record_id", "name", CHANGE).iter_rows():
        if kind == "delete":
            del state[key]  # a delete names a key that was there
        else:
            state[key] = name
    return state


steps = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["x", "y", None]), max_size=4),
    max_size=6,
)


@given(steps=steps)
def test_changes_from_any_version_to_any_later_one_lead_from_state_to_state(
    fresh: Fresh, contacts: Contacts, state: State, steps: list[Step]
) -> None:
    table = fresh()
    for step in steps:
        write(table, contacts, step)
    states = {version: state(table, version) for version in range(table.version + 1)}
    for upto in states:
        for after in range(-1, upto):
            net = changes(table, after, upto)
            assert net["record_id"].is_unique().all()
            before = states.get(after, {})
            assert replayed(dict(before), net) == states[upto]
            moved = {k for k in {*before, *states[upto]} if _at(before, k) != _at(states[upto], k)}
            assert set(net["record_id"]) == moved


def _at(state: dict[str, Any], key: str) -> tuple[bool, Any]:
    return key in state, state.get(key)


@given(steps=steps)
def test_the_comparison_of_snapshots_says_what_the_feed_says(
    fresh: Fresh, contacts: Contacts, steps: list[Step]
) -> None:
    fed, plain = fresh(), fresh(WITHOUT_FEED)
    for step in steps:
        write(fed, contacts, step)
        write(plain, contacts, step)
    for after in range(-1, fed.version):
        assert_frame_equal(
            changes(fed, after, fed.version),
            changes(plain, after, plain.version),
            check_row_order=False,
        )


actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("produce"),
            st.dictionaries(
                st.sampled_from("abc"), st.sampled_from(["x", "y", None]), min_size=1, max_size=3
            ),
        ),
        st.tuples(
            st.sampled_from(["pin", "consume", "consume what was pinned", "die before the commit"]),
            st.just({}),
        ),
        st.tuples(
            st.just("produce while consuming"),
            st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y", None]), min_size=1),
        ),
    ),
    max_size=8,
)


class Killed(Exception):
    pass


class Pair:
    """A producer's table, and a consumer's that is to hold the same rows."""

    def __init__(self, source: Table, copy: Table, contacts: Contacts) -> None:
        self.source, self.copy, self.contacts = source, copy, contacts
        self.pinned = source.position()

    def act(self, action: str, step: Step) -> None:
        if action == "produce":
            write(self.source, self.contacts, step)
        elif action == "pin":
            self.pinned = reopened(self.source).position()
        elif action == "consume what was pinned":
            self.consume(pinned=True)
        elif action == "die before the commit":
            with contextlib.suppress(Killed):
                self.consume(then=Killed())
        else:
            self.consume(meanwhile=step)

    def consume(
        self, *, pinned: bool = False, meanwhile: Step | None = None, then: Exception | None = None
    ) -> str:
        source = reopened(self.source)
        position = self.pinned if pinned else source.position()

        def work(_table: Table, cursors: Mapping[str, int]) -> Change:
            if meanwhile:
                write(reopened(self.source), self.contacts, meanwhile)
            if then is not None:
                raise then
            net = changes(source, cursors["raw"], position.version)
            gone = net.filter(pl.col(CHANGE) == "delete")["record_id"]
            return Change(net.filter(pl.col(CHANGE) == "upsert").drop(CHANGE), gone)

        return publish(self.copy, work, upto={"raw": position}, run=RUN).outcome


@given(actions=actions)
def test_a_consumer_misses_nothing_however_commits_and_runs_interleave(
    fresh: Fresh, contacts: Contacts, state: State, actions: list[tuple[str, Step]]
) -> None:
    pair = Pair(fresh(), fresh(), contacts)
    for action, step in actions:
        pair.act(action, step)
    pair.consume()
    assert state(reopened(pair.copy)) == state(reopened(pair.source))
    version = reopened(pair.copy).version
    assert pair.consume() in ("already", "unchanged")
    assert reopened(pair.copy).version == version


def test_a_row_that_came_and_went_is_left_out(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for step in ({"a": "x"}, {"b": "y"}, {"b": None}):
        write(table, contacts, step)
    assert changes(table, 1, 3).is_empty()


def test_a_row_that_ended_as_it_began_is_left_out(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for step in ({"a": "x", "b": "x"}, {"a": "y", "b": None}, {"a": "x", "b": "x"}):
        write(table, contacts, step)
    assert changes(table, 1, 3).is_empty()


def test_a_delete_carries_its_key_only(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    write(table, contacts, {"a": "Canary"})
    write(table, contacts, {"a": None})
    [row] = changes(table, 1, 2).to_dicts()
    assert {name for name, value in row.items() if value is not None} == {"record_id", CHANGE}


def test_the_schema_is_the_tables_whatever_changed(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    write(table, contacts, {"a": "x"})
    write(table, contacts, {"a": "y"})
    expected = {**table.schema, CHANGE: pl.String()}
    for after, upto in ((-1, 0), (-1, 2), (0, 1), (1, 2), (2, 2), (2, 1)):
        assert dict(changes(table, after, upto).schema) == expected


def test_columns_are_chosen_and_the_key_always_comes(fresh: Fresh, contacts: Contacts) -> None:
    fed, plain = fresh(), fresh(WITHOUT_FEED)
    for table in (fed, plain):
        write(table, contacts, {"a": "x"})
        write(table, contacts, {"a": "y"})
        for after in (-1, 0, 1, 2):
            found = changes(table, after, 2, columns=["name"])
            assert found.columns == ["record_id", "name", CHANGE]


def test_changes_reach_over_a_column_that_was_added(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    write(table, contacts, {"a": "x"})
    add_columns(table, {"tier": pl.String()}, run=RUN)
    rows = contacts({"b": "y"}).with_columns(tier=pl.lit("gold"))
    publish(table, lambda _t, _c: Change(rows), upto={}, run=RUN)
    net = changes(table, 0, 3, columns=["tier"]).sort("record_id")
    assert net.rows() == [("a", None, "upsert"), ("b", "gold", "upsert")]


def aged(table: Table) -> None:
    old = time.time() - 90 * 86400
    for file in Path(table.uri).rglob("*"):
        os.utime(file, (old, old))


def test_a_vacuumed_feed_is_replaced_by_comparing_snapshots(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    for step in ({"a": "x", "b": "x"}, {"a": "y"}, {"b": None, "c": "z"}):
        write(table, contacts, step)
    expected = changes(table, 1, 3)
    for file in Path(table.uri, "_change_data").iterdir():
        file.unlink()
    assert_frame_equal(changes(reopened(table), 1, 3), expected, check_row_order=False)


def test_a_version_no_longer_kept_is_said_so(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for number in range(13):
        write(table, contacts, {"a": str(number), "b": "x"})
    aged(table)
    table.refresh()
    table.delta.create_checkpoint()
    table.delta.cleanup_metadata()
    table.delta.vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True
    )
    found = reopened(table)
    with pytest.raises(UsageError, match=r"clean/crm: version 5 is no longer kept.*--full-refresh"):
        changes(found, 5, newest_snapshot(found))
    assert changes(found, -1, newest_snapshot(found)).height == 2


def test_a_vacuumed_snapshot_is_said_so(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for step in ({"a": "x"}, {"a": "y"}, {"a": "z"}):
        write(table, contacts, step)
    table.delta.vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True
    )
    with pytest.raises(UsageError, match="clean/crm: version 1 is no longer kept"):
        changes(reopened(table), 1, 3)


def test_an_append_only_dataset_gives_every_row_appended(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh(RECEIPTS)
    rows = pl.concat([contacts({"a": "sent"}), contacts({"a": "sent"}), contacts({"b": "sent"})])
    for number in range(4):
        append(table, rows.tail(number), run=RUN, marker=str(number))
    assert [changes(table, after, 3).height for after in (-1, 0, 1, 2, 3)] == [6, 6, 5, 3, 0]
    table.delta.optimize.compact()
    compacted = reopened(table)
    upto = compacted.version
    assert [changes(compacted, after, upto).height for after in (-1, 0, 1, 2, 3)] == [6, 6, 5, 3, 0]
    assert set(changes(compacted, 0, upto)[CHANGE]) == {"upsert"}

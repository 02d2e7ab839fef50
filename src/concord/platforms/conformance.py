"""What every kind of platform must do, as tests: subclass, and give a `bench`.

A *bench* is a platform seen from its own side: what its users do there while Concord does not
look. A new kind's test is the bench and three lines::

    class TestFilesConformance(SourceSinkConformance):
        @pytest.fixture
        def bench(self, tmp_path):
            return FilesBench(tmp_path)

Only tests import this module; it needs pytest.
"""

# ruff: noqa: D102 (a test's name is its sentence)

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from concord.errors import ConcordError, PlatformRefused
from concord.platforms.base import (
    CreateKey,
    Delta,
    ListPatch,
    Native,
    Operation,
    Outcome,
    Page,
    Receipt,
    Record,
    Verb,
)
from concord.platforms.bench import Bench, Connector, Trouble, assert_tells_nothing
from concord.platforms.conformance_trouble import InTrouble

__all__ = ["Bench", "Connector", "SourceSinkConformance", "Trouble", "assert_tells_nothing"]

_TEXTS = (
    "Zoë Müller",
    "日本語 العربية",
    "👩‍👧 family",
    'Anne-Marie O\'Neill, "Annie"; née Ångström',
    "two\nlines",
    "back\\slash, comma; semicolon: colon",
    "tab\there",
    "=1+1",
    "NULL",
    "0049",
)


@dataclass
class _Known:
    """What a reader that keeps the last image of every record knows."""

    records: dict[str, Record] = field(default_factory=dict)
    cursor: str = ""

    def take(self, pages: Iterable[Page]) -> tuple[dict[str, Record], set[str], int]:
        """Fold a reading in; returns what is new, what is gone, and the calls it took."""
        new: dict[str, Record] = {}
        gone: set[str] = set()
        seen: set[str] = set()
        full, calls = False, 0
        for page in pages:
            calls += page.calls
            full = full or page.full
            self.cursor = page.cursor or self.cursor
            for record in page.records:
                assert record.remote_id is not None
                seen.add(record.remote_id)
                if record.deleted:
                    assert not record.fields
                    if self.records.pop(record.remote_id, None):
                        gone.add(record.remote_id)
                elif self.records.get(record.remote_id) != record:
                    new[record.remote_id] = self.records[record.remote_id] = record
        if full:
            for absent in self.records.keys() - seen:
                gone.add(absent)
                del self.records[absent]
        return new, gone, calls


class SourceSinkConformance(InTrouble):
    """The suite; see the module's docstring."""

    @pytest.fixture
    def bench(self) -> Bench:
        """The platform under test, empty."""
        raise NotImplementedError

    @pytest.mark.parametrize("text", _TEXTS)
    def test_a_text_that_was_written_reads_back_as_it_was(self, bench: Bench, text: str) -> None:
        receipt = _one(bench, _create("p1", {bench.first: text, bench.second: "x"}))
        assert receipt.outcome is Outcome.OK
        assert receipt.record is not None
        assert receipt.record.fields[bench.first] == text
        known = _read_everything(bench)
        assert [record.fields[bench.first] for record in known.records.values()] == [text]

    @pytest.mark.parametrize("text", _TEXTS)
    def test_a_text_that_a_user_wrote_is_read(self, bench: Bench, text: str) -> None:
        remote_id = bench.add({bench.first: text, bench.second: None})
        assert _stored(bench, remote_id)[bench.first] == text

    def test_an_empty_field_is_null_and_null_empties_a_field(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        receipt = _one(bench, _update(remote_id, {bench.second: None}, {bench.second: "x"}))
        assert receipt.outcome is Outcome.OK
        assert _stored(bench, remote_id) == _fields(bench, first="Ann", second=None)

    def test_every_mapped_field_is_present_in_every_record(self, bench: Bench) -> None:
        bench.add({bench.first: "Ann", bench.second: None})
        (record,) = _read_everything(bench).records.values()
        assert {bench.first, bench.second} <= set(record.fields)

    def test_a_call_takes_as_many_operations_as_the_kind_says(self, bench: Bench) -> None:
        assert bench.connector.batch == bench.connector.capabilities.batch

    def test_more_records_than_a_page_holds_come_each_once(self, bench: Bench) -> None:
        count = bench.connector.capabilities.page + 1
        bench.fill(count)
        pages = list(bench.connector.listing())
        seen = [record.remote_id for page in pages for record in page.records]
        assert len(seen) == len(set(seen)) == count
        assert len(pages) > 1
        assert all(page.full for page in pages)
        assert max(len(page.records) for page in pages) <= bench.connector.capabilities.page

    def test_an_empty_platform_lists_nothing_but_gives_a_cursor(self, bench: Bench) -> None:
        known = _Known()
        assert known.take(bench.connector.listing())[0] == {}
        assert known.cursor
        added = bench.add({bench.first: "Ann", bench.second: None})
        assert set(known.take(bench.connector.changes(known.cursor))[0]) == {added}

    def test_nothing_changed_is_one_call_without_news_and_the_same_cursor(
        self, bench: Bench
    ) -> None:
        bench.fill(3)
        known = _read_everything(bench)
        known.take(bench.connector.changes(known.cursor))
        before = known.cursor
        pages = list(bench.connector.changes(known.cursor))
        if bench.connector.capabilities.delta is not Delta.WATERMARK:
            assert [record for page in pages for record in page.records] == []
        if bench.connector.capabilities.delta is Delta.SNAPSHOT:
            assert not any(page.full for page in pages)
        assert known.take(pages) == ({}, set(), 1)
        assert known.cursor == before

    def test_after_an_edit_only_the_edited_record_is_new(self, bench: Bench) -> None:
        bench.fill(3)
        known = _read_everything(bench)
        edited = sorted(known.records)[1]
        bench.edit(edited, {bench.first: "changed"})
        new, gone, _ = known.take(bench.connector.changes(known.cursor))
        assert {name: record.fields[bench.first] for name, record in new.items()} == {
            edited: "changed"
        }
        assert gone == set()

    def test_our_own_write_comes_back_as_the_receipt_said(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        known = _read_everything(bench)
        receipt = _one(bench, _update(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"}))
        assert receipt.record is not None
        known.take(bench.connector.changes(known.cursor))
        assert known.records[remote_id].fields == receipt.record.fields
        assert known.records[remote_id].version == receipt.record.version

    def test_a_deleted_record_is_told_by_a_tombstone_or_by_absence(self, bench: Bench) -> None:
        bench.fill(3)
        known = _read_everything(bench)
        removed = sorted(known.records)[1]
        bench.remove(removed)
        _, gone, _ = known.take(bench.connector.changes(known.cursor))
        if gone == set():
            assert not bench.connector.capabilities.tombstones
            _, gone, _ = known.take(bench.connector.listing())
        assert gone == {removed}

    def test_reading_by_id_keeps_the_order_and_names_what_is_not_there(self, bench: Bench) -> None:
        one = bench.add({bench.first: "one", bench.second: None})
        two = bench.add({bench.first: "two", bench.second: None})
        bench.remove(one)
        found = bench.connector.read([two, one, "never-was"])
        assert [record.remote_id for record in found] == [two, one, "never-was"]
        assert [record.deleted for record in found] == [False, True, True]
        assert bench.connector.read([]) == []

    def test_a_created_record_is_found_by_its_person(self, bench: Bench) -> None:
        if bench.connector.capabilities.create_key is CreateKey.NONE:
            with pytest.raises(PlatformRefused, match="external id"):
                bench.connector.find(["p1"])
            return
        created = _one(bench, _create("p1", {bench.first: "Ann", bench.second: "x"})).record
        assert created is not None
        assert created.external_id == "p1"
        (found,) = bench.connector.find(["p1", "p2"])
        assert (found.remote_id, found.external_id) == (created.remote_id, "p1")
        assert found.fields == created.fields
        assert found.remote_id is not None
        bench.remove(found.remote_id)
        assert list(bench.connector.find(["p1"])) == []

    def test_a_repeated_create_answers_exists_and_overwrites_nothing(self, bench: Bench) -> None:
        if bench.connector.capabilities.create_key is CreateKey.NONE:
            pytest.skip("this platform cannot tell a repeated create")
        first = _create("p1", {bench.first: "Ann", bench.second: "x"})
        again = _create("p1", {bench.first: "Bob", bench.second: "y"})
        created, repeated = bench.connector.write([first, again])
        assert (created.outcome, repeated.outcome) == (Outcome.OK, Outcome.EXISTS)
        repeated = _one(bench, again)
        assert repeated.outcome is Outcome.EXISTS
        assert repeated.record is not None
        assert repeated.record.fields[bench.first] == "Ann"
        assert len(_read_everything(bench).records) == 1

    def test_a_value_that_changed_since_the_plan_is_a_conflict_and_nothing_is_written(
        self, bench: Bench
    ) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        bench.edit(remote_id, {bench.first: "Bob"})
        values = {bench.first: "Cid", bench.second: "y"}
        receipt = _one(bench, _update(remote_id, values, {bench.first: "Ann", bench.second: "x"}))
        assert receipt.outcome is Outcome.CONFLICT
        assert receipt.record is not None
        assert receipt.record.fields[bench.first] == "Bob"
        assert _stored(bench, remote_id) == _fields(bench, first="Bob", second="x")

    def test_a_delete_of_a_record_that_changed_since_the_plan_is_a_conflict(
        self, bench: Bench
    ) -> None:
        remote_id = bench.add({bench.first: "Bob", bench.second: "x"})
        receipt = _one(bench, _delete(remote_id, {bench.first: "Ann"}))
        assert receipt.outcome is Outcome.CONFLICT
        assert _stored(bench, remote_id) == _fields(bench, first="Bob", second="x")

    def test_what_we_do_not_map_survives_our_write_also_when_just_changed(
        self, bench: Bench
    ) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        bench.annotate(remote_id, "met in Graz")
        list(bench.connector.listing())
        bench.annotate(remote_id, "met in Linz")
        receipt = _one(bench, _update(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"}))
        assert receipt.outcome is Outcome.OK
        assert bench.annotation(remote_id) == "met in Linz"
        assert _stored(bench, remote_id) == _fields(bench, first="Bob", second="x")

    def test_two_operations_on_one_record_follow_each_other(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        receipts = bench.connector.write(
            [
                _update(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"}, op_id="1"),
                _update(remote_id, {bench.second: "y"}, {bench.second: "x"}, op_id="2"),
            ]
        )
        assert [(one.op_id, one.outcome) for one in receipts] == [
            ("1", Outcome.OK),
            ("2", Outcome.OK),
        ]
        assert _stored(bench, remote_id) == _fields(bench, first="Bob", second="y")

    def test_a_repeated_update_never_harms(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        update = _update(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"})
        assert _one(bench, update).outcome is Outcome.OK
        again = _one(bench, update)
        assert again.outcome in (Outcome.OK, Outcome.CONFLICT)
        assert again.record is not None
        assert again.record.fields[bench.first] == "Bob"

    def test_a_record_that_is_gone_is_neither_updated_nor_deleted(self, bench: Bench) -> None:
        bench.add({bench.first: "Zoe", bench.second: None})
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        bench.remove(remote_id)
        receipts = bench.connector.write(
            [
                _update(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"}, op_id="1"),
                _delete(remote_id, {bench.first: "Ann"}, op_id="2"),
            ]
        )
        assert [one.outcome for one in receipts] == [Outcome.GONE, Outcome.GONE]
        assert all(one.record and one.record.deleted for one in receipts)

    def test_a_delete_leaves_a_tombstone_and_nothing_else(self, bench: Bench) -> None:
        bench.add({bench.first: "Zoe", bench.second: None})
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        receipt = _one(bench, _delete(remote_id, {bench.first: "Ann"}))
        assert receipt.outcome is Outcome.OK
        assert receipt.record is not None
        assert receipt.record.deleted
        assert not receipt.record.fields
        assert bench.connector.read([remote_id])[0].deleted
        assert len(_read_everything(bench).records) == 1

    def test_receipts_come_in_the_order_of_the_operations(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        operations = [
            _create("p2", {bench.first: "two", bench.second: None}, op_id="a"),
            _update("never-was", {bench.first: "x"}, {}, op_id="b"),
            _update(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"}, op_id="c"),
            _create("p1", {bench.first: "one", bench.second: None}, op_id="d"),
        ]
        receipts = bench.connector.write(operations)
        assert [one.op_id for one in receipts] == ["a", "b", "c", "d"]
        assert [one.outcome for one in receipts] == [
            Outcome.OK,
            Outcome.GONE,
            Outcome.OK,
            Outcome.OK,
        ]
        assert bench.connector.write([]) == []

    def test_poison_is_refused_without_its_neighbours(self, bench: Bench) -> None:
        if bench.poison is None:
            pytest.skip("this platform takes every value")
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        receipts = bench.connector.write(
            [
                _create("p1", {bench.first: "one", bench.second: None}),
                _update(remote_id, bench.poison, {bench.first: "Ann"}),
                _create("p2", {bench.first: "x", bench.second: None, **bench.poison}),
                _create("p3", {bench.first: "three", bench.second: None}),
            ]
        )
        assert [one.outcome for one in receipts] == [
            Outcome.OK,
            Outcome.REJECTED,
            Outcome.REJECTED,
            Outcome.OK,
        ]
        assert _stored(bench, remote_id)[bench.first] == "Ann"
        assert len(_read_everything(bench).records) == 3
        for value in bench.poison.values():
            assert str(value) not in repr(receipts[1:3])

    def test_a_list_is_patched_and_what_is_not_named_stays(self, bench: Bench) -> None:
        if bench.listed is None:
            pytest.skip("this platform has no lists")
        elements: list[Mapping[str, Any]] = [
            {"value": "a@example.org", "type": "work", "preferred": True},
            {"value": "b@example.org", "type": None, "preferred": False},
        ]
        values: dict[str, Native | ListPatch] = {
            bench.first: "Ann",
            bench.second: None,
            bench.listed: ListPatch(add=elements),
        }
        created = _one(bench, _create("p1", values)).record
        assert created is not None
        assert created.remote_id is not None
        found = created.fields[bench.listed]
        assert isinstance(found, list)
        assert {one["value"] for one in found} == {"a@example.org", "b@example.org"}
        new = {"value": "c@example.org", "type": None, "preferred": False}
        patch = ListPatch(add=[new], remove=["a@example.org"])
        patched = _update(created.remote_id, {bench.listed: patch}, {bench.listed: found})
        assert _one(bench, patched).outcome is Outcome.OK
        stored = _stored(bench, created.remote_id)[bench.listed]
        assert isinstance(stored, list)
        assert {one["value"] for one in stored} == {"b@example.org", "c@example.org"}

    def test_the_check_tells_of_the_platform_and_shows_at_most_five_records(
        self, bench: Bench
    ) -> None:
        bench.fill(7)
        report = bench.connector.check()
        assert report.readable
        assert report.writable is not False
        assert report.server
        assert 0 < len(report.sample) <= 5

    def test_a_platform_that_is_not_there_is_an_error_of_ours_that_tells_nothing(
        self, bench: Bench
    ) -> None:
        broken = bench.broken()
        create = _create("p1", {bench.first: "Ann Canary"})
        for call in (
            broken.check,
            lambda: list(broken.listing()),
            lambda: broken.write([create]),
        ):
            with pytest.raises(ConcordError, match=r"\w") as caught:
                call()
            assert_tells_nothing(caught.value, bench.secret, "Ann Canary")


def _create(
    person_id: str, values: Mapping[str, Native | ListPatch], *, op_id: str | None = None
) -> Operation:
    return Operation(op_id or f"create {person_id}", Verb.CREATE, None, person_id, values)


def _update(
    remote_id: str,
    values: Mapping[str, Native | ListPatch],
    expect: Mapping[str, Native],
    *,
    op_id: str = "update",
) -> Operation:
    return Operation(op_id, Verb.UPDATE, remote_id, "p0", values, expect)


def _delete(remote_id: str, expect: Mapping[str, Native], *, op_id: str = "delete") -> Operation:
    return Operation(op_id, Verb.DELETE, remote_id, "p0", {}, expect)


def _one(bench: Bench, operation: Operation) -> Receipt:
    receipts: Sequence[Receipt] = bench.connector.write([operation])
    assert [one.op_id for one in receipts] == [operation.op_id]
    return receipts[0]


def _read_everything(bench: Bench) -> _Known:
    known = _Known()
    known.take(bench.connector.listing())
    return known


def _stored(bench: Bench, remote_id: str) -> Mapping[str, Native]:
    (record,) = bench.connector.read([remote_id])
    assert not record.deleted
    assert record.fault is None
    return record.fields


def _fields(bench: Bench, *, first: str | None, second: str | None) -> Mapping[str, Native]:
    lists: dict[str, Native] = {} if bench.listed is None else {bench.listed: []}
    return {bench.first: first, bench.second: second, **lists}

"""The conformance suite's part on reading: everything, what changed, and by id."""

# ruff: noqa: D102 (a test's name is its sentence)

from __future__ import annotations

import pytest

from concord.platforms.base import Delta
from concord.platforms.bench import Bench
from concord.platforms.conformance_kit import TEXTS, Known, read_everything, stored_in

__all__ = ["InReading"]


class InReading:
    """The tests; `SourceSinkConformance` brings them to every kind."""

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_text_that_a_user_wrote_is_read(self, bench: Bench, text: str) -> None:
        remote_id = bench.add({bench.first: text, bench.second: None})
        assert stored_in(bench, remote_id)[bench.first] == text

    def test_every_mapped_field_is_present_in_every_record(self, bench: Bench) -> None:
        bench.add({bench.first: "Ann", bench.second: None})
        (record,) = read_everything(bench).records.values()
        assert {bench.first, bench.second} <= set(record.fields)

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
        known = Known()
        assert known.take(bench.connector.listing())[0] == {}
        assert known.cursor
        added = bench.add({bench.first: "Ann", bench.second: None})
        assert set(known.take(bench.connector.changes(known.cursor))[0]) == {added}

    def test_nothing_changed_is_one_call_without_news_and_the_same_cursor(
        self, bench: Bench
    ) -> None:
        bench.fill(3)
        known = read_everything(bench)
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
        known = read_everything(bench)
        edited = sorted(known.records)[1]
        bench.edit(edited, {bench.first: "changed"})
        new, gone, _ = known.take(bench.connector.changes(known.cursor))
        assert {name: record.fields[bench.first] for name, record in new.items()} == {
            edited: "changed"
        }
        assert gone == set()

    def test_a_deleted_record_is_told_by_a_tombstone_or_by_absence(self, bench: Bench) -> None:
        bench.fill(3)
        known = read_everything(bench)
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

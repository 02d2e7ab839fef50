"""The conformance suite's part on writing: what an operation does, and what it leaves alone."""

# ruff: noqa: D102 (a test's name is its sentence)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from concord.errors import PlatformRefused
from concord.platforms.base import CreateKey, ListPatch, Native, Outcome
from concord.platforms.bench import Bench
from concord.platforms.conformance_kit import (
    TEXTS,
    create_of,
    delete_of,
    fields_with,
    one_receipt,
    read_everything,
    stored_in,
    update_of,
)

__all__ = ["InWriting"]


class InWriting:
    """The tests; `SourceSinkConformance` brings them to every kind."""

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_text_that_was_written_reads_back_as_it_was(self, bench: Bench, text: str) -> None:
        receipt = one_receipt(bench, create_of("p1", {bench.first: text, bench.second: "x"}))
        assert receipt.outcome is Outcome.OK
        assert receipt.record is not None
        assert receipt.record.fields[bench.first] == text
        known = read_everything(bench)
        assert [record.fields[bench.first] for record in known.records.values()] == [text]

    def test_an_empty_field_is_null_and_null_empties_a_field(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        receipt = one_receipt(
            bench, update_of(remote_id, {bench.second: None}, {bench.second: "x"})
        )
        assert receipt.outcome is Outcome.OK
        assert stored_in(bench, remote_id) == fields_with(bench, first="Ann", second=None)

    def test_our_own_write_comes_back_as_the_receipt_said(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        known = read_everything(bench)
        receipt = one_receipt(
            bench, update_of(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"})
        )
        assert receipt.record is not None
        known.take(bench.connector.changes(known.cursor))
        assert known.records[remote_id].fields == receipt.record.fields
        assert known.records[remote_id].version == receipt.record.version

    def test_a_created_record_is_found_by_its_person(self, bench: Bench) -> None:
        if bench.connector.capabilities.create_key is CreateKey.NONE:
            with pytest.raises(PlatformRefused, match="external id"):
                bench.connector.find(["p1"])
            return
        created = one_receipt(
            bench, create_of("p1", {bench.first: "Ann", bench.second: "x"})
        ).record
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
        first = create_of("p1", {bench.first: "Ann", bench.second: "x"})
        again = create_of("p1", {bench.first: "Bob", bench.second: "y"})
        created, repeated = bench.connector.write([first, again])
        assert (created.outcome, repeated.outcome) == (Outcome.OK, Outcome.EXISTS)
        repeated = one_receipt(bench, again)
        assert repeated.outcome is Outcome.EXISTS
        assert repeated.record is not None
        assert repeated.record.fields[bench.first] == "Ann"
        assert len(read_everything(bench).records) == 1

    def test_a_value_that_changed_since_the_plan_is_a_conflict_and_nothing_is_written(
        self, bench: Bench
    ) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        bench.edit(remote_id, {bench.first: "Bob"})
        values = {bench.first: "Cid", bench.second: "y"}
        receipt = one_receipt(
            bench, update_of(remote_id, values, {bench.first: "Ann", bench.second: "x"})
        )
        assert receipt.outcome is Outcome.CONFLICT
        assert receipt.record is not None
        assert receipt.record.fields[bench.first] == "Bob"
        assert stored_in(bench, remote_id) == fields_with(bench, first="Bob", second="x")

    def test_a_delete_of_a_record_that_changed_since_the_plan_is_a_conflict(
        self, bench: Bench
    ) -> None:
        remote_id = bench.add({bench.first: "Bob", bench.second: "x"})
        receipt = one_receipt(bench, delete_of(remote_id, {bench.first: "Ann"}))
        assert receipt.outcome is Outcome.CONFLICT
        assert stored_in(bench, remote_id) == fields_with(bench, first="Bob", second="x")

    def test_what_we_do_not_map_survives_our_write_also_when_just_changed(
        self, bench: Bench
    ) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        bench.annotate(remote_id, "met in Graz")
        list(bench.connector.listing())
        bench.annotate(remote_id, "met in Linz")
        receipt = one_receipt(
            bench, update_of(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"})
        )
        assert receipt.outcome is Outcome.OK
        assert bench.annotation(remote_id) == "met in Linz"
        assert stored_in(bench, remote_id) == fields_with(bench, first="Bob", second="x")

    def test_two_operations_on_one_record_follow_each_other(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        receipts = bench.connector.write(
            [
                update_of(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"}, op_id="1"),
                update_of(remote_id, {bench.second: "y"}, {bench.second: "x"}, op_id="2"),
            ]
        )
        assert [(one.op_id, one.outcome) for one in receipts] == [
            ("1", Outcome.OK),
            ("2", Outcome.OK),
        ]
        assert stored_in(bench, remote_id) == fields_with(bench, first="Bob", second="y")

    def test_a_repeated_update_never_harms(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: "x"})
        update = update_of(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"})
        assert one_receipt(bench, update).outcome is Outcome.OK
        again = one_receipt(bench, update)
        assert again.outcome in (Outcome.OK, Outcome.CONFLICT)
        assert again.record is not None
        assert again.record.fields[bench.first] == "Bob"

    def test_a_record_that_is_gone_is_neither_updated_nor_deleted(self, bench: Bench) -> None:
        bench.add({bench.first: "Zoe", bench.second: None})
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        bench.remove(remote_id)
        receipts = bench.connector.write(
            [
                update_of(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"}, op_id="1"),
                delete_of(remote_id, {bench.first: "Ann"}, op_id="2"),
            ]
        )
        assert [one.outcome for one in receipts] == [Outcome.GONE, Outcome.GONE]
        assert all(one.record and one.record.deleted for one in receipts)

    def test_a_delete_leaves_a_tombstone_and_nothing_else(self, bench: Bench) -> None:
        bench.add({bench.first: "Zoe", bench.second: None})
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        receipt = one_receipt(bench, delete_of(remote_id, {bench.first: "Ann"}))
        assert receipt.outcome is Outcome.OK
        assert receipt.record is not None
        assert receipt.record.deleted
        assert not receipt.record.fields
        assert bench.connector.read([remote_id])[0].deleted
        assert len(read_everything(bench).records) == 1

    def test_receipts_come_in_the_order_of_the_operations(self, bench: Bench) -> None:
        remote_id = bench.add({bench.first: "Ann", bench.second: None})
        operations = [
            create_of("p2", {bench.first: "two", bench.second: None}, op_id="a"),
            update_of("never-was", {bench.first: "x"}, {}, op_id="b"),
            update_of(remote_id, {bench.first: "Bob"}, {bench.first: "Ann"}, op_id="c"),
            create_of("p1", {bench.first: "one", bench.second: None}, op_id="d"),
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
                create_of("p1", {bench.first: "one", bench.second: None}),
                update_of(remote_id, bench.poison, {bench.first: "Ann"}),
                create_of("p2", {bench.first: "x", bench.second: None, **bench.poison}),
                create_of("p3", {bench.first: "three", bench.second: None}),
            ]
        )
        assert [one.outcome for one in receipts] == [
            Outcome.OK,
            Outcome.REJECTED,
            Outcome.REJECTED,
            Outcome.OK,
        ]
        assert stored_in(bench, remote_id)[bench.first] == "Ann"
        assert len(read_everything(bench).records) == 3
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
        created = one_receipt(bench, create_of("p1", values)).record
        assert created is not None
        assert created.remote_id is not None
        found = created.fields[bench.listed]
        assert isinstance(found, list)
        assert {one["value"] for one in found} == {"a@example.org", "b@example.org"}
        new = {"value": "c@example.org", "type": None, "preferred": False}
        patch = ListPatch(add=[new], remove=["a@example.org"])
        patched = update_of(created.remote_id, {bench.listed: patch}, {bench.listed: found})
        assert one_receipt(bench, patched).outcome is Outcome.OK
        stored = stored_in(bench, created.remote_id)[bench.listed]
        assert isinstance(stored, list)
        assert {one["value"] for one in stored} == {"b@example.org", "c@example.org"}

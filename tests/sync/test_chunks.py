"""Splitting a plan among writers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.sync.chunks import EVERY_SLOT, SLOTS, chunks_for, slot_of, slots_of
from concord.sync.operations import PlannedOperation, new_record


def op(kind: str, record_id: str) -> PlannedOperation:
    return PlannedOperation("o", "c", 1, kind, record_id, None, "p")


def updates(count: int) -> Sequence[PlannedOperation]:
    return [op("update", str(number)) for number in range(count)]


@given(of=st.integers(1, SLOTS))
def test_the_chunks_together_have_every_slot_once(of: int) -> None:
    slots = [slot for chunk in range(of) for slot in slots_of(chunk, of)]
    assert sorted(slots) == sorted(EVERY_SLOT)


@given(of=st.integers(1, SLOTS))
def test_no_chunk_is_without_a_slot(of: int) -> None:
    assert all(slots_of(chunk, of) for chunk in range(of))


@given(record_id=st.text(min_size=1))
def test_all_operations_of_one_record_are_in_one_slot(record_id: str) -> None:
    assert len({slot_of(op(kind, record_id)) for kind in ("withdraw", "update", "grant")}) == 1


def test_a_slot_is_the_same_in_every_process_and_for_ever() -> None:
    assert [slot_of(op("create", new_record(name))) for name in "abc"] == [2, 0, 6]


def test_records_spread_over_all_slots() -> None:
    assert {slot_of(one) for one in updates(200)} == EVERY_SLOT


@pytest.mark.parametrize(
    ("ops", "batch", "writers", "chunks"),
    [
        (0, 10, 8, 0),
        (1, 10, 8, 1),
        (10, 10, 8, 1),
        (11, 10, 8, 2),
        (999, 10, 4, 4),
        (999, 1, 99, 8),
    ],
)
def test_there_are_only_as_many_chunks_as_calls_and_writers(
    ops: int, batch: int, writers: int, chunks: int
) -> None:
    assert chunks_for(updates(ops), batch=batch, writers=writers) == chunks


def test_what_needs_no_call_needs_one_writer() -> None:
    agreed = [op("agree", str(number)) for number in range(100)]
    assert chunks_for(agreed, batch=10, writers=8) == 1
    assert chunks_for([*agreed, *updates(11)], batch=10, writers=8) == 2

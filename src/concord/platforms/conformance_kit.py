"""What the parts of the conformance suite share: operations, and a reader that remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from concord.platforms.base import ListPatch, Native, Operation, Page, Receipt, Record, Verb
from concord.platforms.bench import Bench

__all__ = [
    "TEXTS",
    "Known",
    "create_of",
    "delete_of",
    "fields_with",
    "one_receipt",
    "read_everything",
    "stored_in",
    "update_of",
]

TEXTS = (
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
"""Texts that files, databases and servers are known to change."""


@dataclass
class Known:
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


def create_of(
    person_id: str, values: Mapping[str, Native | ListPatch], *, op_id: str | None = None
) -> Operation:
    """A create of one person."""
    return Operation(op_id or f"create {person_id}", Verb.CREATE, None, person_id, values)


def update_of(
    remote_id: str,
    values: Mapping[str, Native | ListPatch],
    expect: Mapping[str, Native],
    *,
    op_id: str = "update",
) -> Operation:
    """An update of one record."""
    return Operation(op_id, Verb.UPDATE, remote_id, "p0", values, expect)


def delete_of(remote_id: str, expect: Mapping[str, Native], *, op_id: str = "delete") -> Operation:
    """A delete of one record."""
    return Operation(op_id, Verb.DELETE, remote_id, "p0", {}, expect)


def one_receipt(bench: Bench, operation: Operation) -> Receipt:
    """The receipt of one operation, carried out alone."""
    receipts: Sequence[Receipt] = bench.connector.write([operation])
    assert [one.op_id for one in receipts] == [operation.op_id]
    return receipts[0]


def read_everything(bench: Bench) -> Known:
    """What a full listing tells."""
    known = Known()
    known.take(bench.connector.listing())
    return known


def stored_in(bench: Bench, remote_id: str) -> Mapping[str, Native]:
    """The fields of one sound record, read by its id."""
    (record,) = bench.connector.read([remote_id])
    assert not record.deleted
    assert record.fault is None
    return record.fields


def fields_with(bench: Bench, *, first: str | None, second: str | None) -> Mapping[str, Native]:
    """What a record with these two texts and no list holds."""
    lists: dict[str, Native] = {} if bench.listed is None else {bench.listed: []}
    return {bench.first: first, bench.second: second, **lists}

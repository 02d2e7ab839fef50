"""Fold one reading of one record into its raw row: the only place where evidence is made.

Used by extract (what was read), settle (what was perhaps sent) and acknowledge (what a write
returned). Rules 1 to 8 of the sync rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from concord.sync.cells import Cell, Claim, Key, Stamp, Stamps, cells_of, structs
from concord.sync.mapped import Mapped
from concord.sync.values import Json, Values, alike, dump, load

__all__ = ["Reading", "Row", "Sent", "observe", "same_row"]

Row = dict[str, Any]
"""A row of raw/<platform>: ``cells`` as structs, ``fields`` as JSON text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One record as read just now.

    Attributes:
        seen_at: when it was read; the same for every record of one reading.
        version: ETag, row version or digest, if the platform has one.
        modified_at: the platform's own date of the last change, if it has one.
        fields: mapped native fields; None for a tombstone, or when the record is not there.
        values: the canonical value of every mapped column, from *fields*.
        before: the same, from the fields of the known row; empty when there is none.
        claims: what the record says of consent now, by claim column.
        fault: why the record could not be read whole; then nothing is concluded from it.
        person_id: what a write of ours left in the record's external id.
    """

    record_id: str
    remote_id: str | None
    seen_at: datetime
    version: str | None = None
    modified_at: datetime | None = None
    fields: Values | None = None
    values: Values = field(default_factory=dict)
    before: Values = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    fault: str | None = None
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """An operation of ours on the record that raw does not know of yet.

    Attributes:
        kind: create, update, delete, grant or withdraw.
        payload: canonical values; a list column of an update is ``{"add": …, "remove": …}``.
        stamps: of the golden values it copies.
        sure: the platform said ``ok``; false when we only may have sent it.
    """

    kind: str
    person_id: str | None
    payload: Values
    stamps: Stamps
    sure: bool = False


def observe(
    row: Row | None, reading: Reading, mapped: Mapped, *, ops: Sequence[Sent] = ()
) -> Row | None:
    """Fold *reading* into the record's known *row*.

    Args:
        row: the known raw row; None for a record never seen.
        reading: the record as it is now.
        mapped: the platform's mapping.
        ops: every operation of ours on this record that *row* does not know of yet, together:
            one by one, the image of the first would make the second look like a user's edit.

    Returns:
        The new raw row, without its hash; None when a record never seen is not there either.
    """
    if reading.fault is not None:
        return _damaged(row, reading)
    if reading.fields is None:
        return None if row is None else _tombstone(row, reading, ops)
    return _Look(row, reading, mapped, ops).row()


def same_row(one: Row | None, other: Row | None) -> bool:
    """Whether two rows say the same of a record; its version and date alone say nothing.

    No step reads a stored version: writes are guarded by the values being written. A row that
    differs in nothing else need not be written.
    """
    return _told(one) == _told(other)


_UNTOLD = ("version", "modified_at", "_row_hash")


def _told(row: Row | None) -> Row:
    return {name: value for name, value in (row or {}).items() if name not in _UNTOLD}


def _damaged(row: Row | None, reading: Reading) -> Row:
    known = row or {"person_id": None, "fields": "{}", "cells": []}
    return {
        "record_id": reading.record_id,
        "remote_id": reading.remote_id,
        "version": reading.version,
        "modified_at": reading.modified_at,
        "deleted_at": None,
        "deleted_by": None,
        "fault": reading.fault,
        "person_id": reading.person_id or known["person_id"],
        "fields": known["fields"],
        "cells": known["cells"],
    }


def _tombstone(row: Row, reading: Reading, ops: Sequence[Sent]) -> Row:
    by_us = any(op.kind == "delete" for op in ops)
    return {
        "record_id": row["record_id"],
        "remote_id": None,
        "version": None,
        "modified_at": reading.modified_at or reading.seen_at,
        "deleted_at": row["deleted_at"] or reading.seen_at,
        "deleted_by": row["deleted_by"] or ("us" if by_us else "them"),
        "fault": None,
        "person_id": row["person_id"],
        "fields": "{}",
        "cells": [],
    }


class _Look:
    """One reading of one live record, compared with what is known of it."""

    def __init__(
        self, row: Row | None, reading: Reading, mapped: Mapped, ops: Sequence[Sent]
    ) -> None:
        self.known = row
        self.reading = reading
        self.mapped = mapped
        self.ops = ops
        self.native: Values = reading.fields or {}
        self.fresh = row is None or row["deleted_at"] is not None
        self.before_native: Values = {} if row is None or self.fresh else load(row["fields"])
        self.cells = {} if row is None or self.fresh else cells_of(row["cells"])
        self.creates = [op for op in ops if op.kind == "create"]

    def row(self) -> Row:
        reading = self.reading
        person_id = next((op.person_id for op in self.creates), None) or reading.person_id
        return {
            "record_id": reading.record_id,
            "remote_id": reading.remote_id,
            "version": reading.version,
            "modified_at": reading.modified_at,
            "deleted_at": None,
            "deleted_by": None,
            "fault": None,
            "person_id": person_id or (self.known["person_id"] if self.known else None),
            "fields": dump(dict(self.native)),
            "cells": structs(self._cells()),
        }

    def _cells(self) -> Iterator[Cell]:
        for column, natives in self.mapped.natives.items():
            if column in self.mapped.lists:
                yield from self._elements(column, natives)
            else:
                yield self._scalar(column, natives)
        for claim in self.mapped.claims:
            cell = self._claim(claim.column)
            if cell is not None:
                yield cell

    def _scalar(self, column: str, natives: Sequence[str]) -> Cell:
        value = self.reading.values.get(column)
        cell = self.cells.get((column, None))
        if cell is not None and self._stands(column, natives):
            return cell
        ours = next((op for op in self.ops if _copies(op, column, value)), None)
        if ours is not None:
            return self._ours(ours, (column, None))
        if self._read_before(natives) or self._proven(column, value):
            return self._edit((column, None))
        return self._found((column, None))

    def _stands(self, column: str, natives: Sequence[str]) -> bool:
        """Whether the value is as before: natively, or in what it means."""
        before = {native: self.before_native.get(native) for native in natives}
        if before == {native: self.native.get(native) for native in natives}:
            return self._read_before(natives)
        value = self.reading.values.get(column)
        return value is not None and value == self.reading.before.get(column)

    def _read_before(self, natives: Sequence[str]) -> bool:
        return not self.fresh and all(native in self.before_native for native in natives)

    def _proven(self, column: str, value: Json) -> bool:
        """Whether a create of ours sent another value than stands here, so somebody edited it."""
        return self.fresh and value is not None and any(column in op.payload for op in self.creates)

    def _elements(self, column: str, natives: Sequence[str]) -> Iterator[Cell]:
        now = self.mapped.elements(column, self.reading.values.get(column))
        before = self.mapped.elements(column, self.reading.before.get(column))
        known = {cell.element: cell for cell in self.cells.values() if cell.column == column}
        added, removed = self._patched(column)
        unseen = self._unseen(column, natives)
        for element in now:
            cell = known.get(element)
            if cell is not None and not cell.removed:
                yield cell
            elif element in added:
                yield self._ours(added[element], (column, element))
            elif unseen or element in before:
                yield self._found((column, element))
            else:
                yield self._edit((column, element))
        gone = [cell for element, cell in known.items() if element not in now]
        yield from self._removals(gone, before, removed)
        if self.fresh:
            yield from self._taken_out(column, added, now)

    def _removals(
        self, gone: Sequence[Cell], before: Values, removed: Mapping[str, Sent]
    ) -> Iterator[Cell]:
        """Elements that stood here; one that only the mapping lost leaves no trace."""
        for cell in gone:
            if cell.removed:
                yield cell
            elif cell.element is not None and cell.element in removed:
                yield self._ours(removed[cell.element], cell.key, removed=True)
            elif cell.element in before:
                yield self._edit(cell.key, removed=True)

    def _taken_out(self, column: str, added: Mapping[str, Sent], now: Values) -> Iterator[Cell]:
        """Elements that a create in doubt put on the record and somebody took off again."""
        for element, op in added.items():
            if element not in now and op.kind == "create" and not op.sure:
                yield self._edit((column, element), removed=True)

    def _unseen(self, column: str, natives: Sequence[str]) -> bool:
        """Whether an element that stands here may have stood here before we first looked."""
        if self.fresh:
            return not any(column in op.payload for op in self.creates)
        return not self._read_before(natives)

    def _patched(self, column: str) -> tuple[dict[str, Sent], dict[str, Sent]]:
        """Elements that operations of ours added and removed."""
        added: dict[str, Sent] = {}
        removed: dict[str, Sent] = {}
        for op in self.ops:
            sent = op.payload.get(column)
            if isinstance(sent, Mapping):
                removed.update(dict.fromkeys(sent["remove"], op))
                sent = sent["add"]
            added.update(dict.fromkeys(self.mapped.elements(column, sent), op))
        return added, removed

    def _claim(self, column: str) -> Cell | None:
        claim = self.reading.claims.get(column)
        if claim is None:
            return None
        cell = self.cells.get((column, None))
        if cell is not None and (cell.claim, cell.claimed_at) == (claim.state, claim.at):
            return cell
        ours = any(op.payload.get(column) == claim.state for op in self.ops)
        now, platform = self.reading.seen_at, self.mapped.platform
        return Cell(
            column, None, False, "found", now, None, platform, now, ours, claim.state, claim.at
        )

    def _ours(self, op: Sent, key: Key, *, removed: bool = False) -> Cell:
        now = self.reading.seen_at
        stamp = op.stamps.get(key) or Stamp("found", now, None, self.mapped.platform)
        return Cell(
            *key, removed, stamp.kind, stamp.at, stamp.dated_at, stamp.source, now, ours=True
        )

    def _found(self, key: Key) -> Cell:
        now, dated_at = self.reading.seen_at, self.reading.modified_at
        if dated_at is not None:
            dated_at = min(dated_at, now)
        return Cell(*key, False, "found", now, dated_at, self.mapped.platform, now, ours=False)

    def _edit(self, key: Key, *, removed: bool = False) -> Cell:
        now = self.reading.seen_at
        return Cell(*key, removed, "edit", now, None, self.mapped.platform, now, ours=False)


def _copies(op: Sent, column: str, value: Json) -> bool:
    return column in op.payload and (op.sure or alike(op.payload[column], value))

"""Observe: fold one reading of one record into what is known of it.

The one function behind extract, settle and acknowledge. It decides, for every mapped column and
list element, whether what stands there now was found, edited by somebody, or written by us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from concord.normalise.claims import claim_column, read_claim
from concord.normalise.mapping import Field, FieldMap
from concord.platforms.base import Native
from concord.sync.cells import Cell, Stamp, cells_by_key

__all__ = ["OurOperation", "Reading", "RawRow", "fields_text", "observe", "same_row"]

RawRow = dict[str, Any]
"""One row of raw/<platform>, without ``_row_hash``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one record.

    Attributes:
        fields: native fields; None for a tombstone.
        values: canonical values of the mapped columns, as JSON.
        person_id: what a write of ours left on the record.
        seen_at: when it was read.
    """

    remote_id: str | None
    fields: Mapping[str, Native] | None
    values: Mapping[str, Any]
    seen_at: datetime
    version: str | None = None
    modified_at: datetime | None = None
    person_id: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class OurOperation:
    """An operation of ours on the record, sent and not yet acknowledged.

    Attributes:
        payload: canonical values, as JSON.
        stamps: ``column`` or ``column/element`` to the stamp of the golden value it copies.
        removed: list column to the keys that the operation takes away.
        sure: its receipt says that it was carried out.
    """

    kind: str
    person_id: str
    payload: Mapping[str, Any]
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    removed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sure: bool = False


@dataclass(frozen=True, slots=True)
class _View:
    """One observation, as the functions below share it."""

    platform: str
    reading: Reading
    old_fields: Mapping[str, Native]
    old_values: Mapping[str, Any]
    old_cells: Mapping[tuple[str, str | None], Cell]
    ops: Sequence[OurOperation]
    fresh: bool

    @property
    def now(self) -> datetime:
        return self.reading.seen_at

    @property
    def created(self) -> bool:
        """Whether this is the first reading of a record that we made."""
        return self.fresh and any(op.kind == "create" for op in self.ops)

    def unchanged(self, natives: Sequence[str]) -> bool:
        fields = self.reading.fields or {}
        return all(
            native in self.old_fields and self.old_fields[native] == fields.get(native)
            for native in natives
        )

    def found(self) -> Stamp:
        dated = self.reading.modified_at
        return Stamp("found", self.now, min(dated, self.now) if dated else None, self.platform)

    def edit(self) -> Stamp:
        return Stamp("edit", self.now, None, self.platform)

    def cell(
        self,
        column: str,
        stamp: Stamp,
        *,
        element: str | None = None,
        ours: bool = False,
        removed: bool = False,
    ) -> Cell:
        return Cell(
            column,
            element,
            removed,
            stamp.kind,
            stamp.at,
            stamp.dated_at,
            stamp.source,
            self.now,
            ours,
        )


def observe(
    row: Mapping[str, Any] | None,
    old_values: Mapping[str, Any],
    reading: Reading,
    *,
    record_id: str,
    platform: str,
    mapping: FieldMap,
    ops: Sequence[OurOperation] = (),
) -> RawRow | None:
    """The record's new row in raw.

    Args:
        row: what is known; None for a record never seen.
        old_values: canonical values of the known row.
        reading: what was read now.
        ops: all our unacknowledged operations on this record, together: one by one, what the
            first made would look like somebody's edit to the second.

    Returns:
        None when the reading is a tombstone of a record never seen.
    """
    if reading.fields is None:
        return _tombstone(row, reading, record_id, ops)
    fresh = row is None or row["deleted_at"] is not None
    view = _View(
        platform=platform,
        reading=reading,
        old_fields={} if fresh or row is None else _fields(row),
        old_values={} if fresh else old_values,
        old_cells={} if fresh or row is None else cells_by_key(row["cells"]),
        ops=ops,
        fresh=fresh,
    )
    created = next((op.person_id for op in ops if op.kind == "create"), None)
    known = row["person_id"] if row is not None else None
    cells = list(_cells(view, mapping))
    return {
        "record_id": record_id,
        "remote_id": reading.remote_id,
        "version": reading.version,
        "modified_at": reading.modified_at,
        "deleted_at": None,
        "deleted_by": None,
        "fault": reading.fault,
        "person_id": created or reading.person_id or known,
        "fields": fields_text(reading.fields),
        "cells": [cell.to_dict() for cell in cells],
    }


def fields_text(fields: Mapping[str, Native]) -> str:
    """Native fields as JSON text, the same for the same fields."""
    return orjson.dumps(dict(fields), option=orjson.OPT_SORT_KEYS).decode()


def same_row(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two raw rows say the same, whatever their version."""
    apart = ("version", "modified_at", "_row_hash")
    if one is None or other is None:
        return one is other
    return all(one[name] == other[name] for name in one if name not in apart)


def _fields(row: Mapping[str, Any]) -> Mapping[str, Native]:
    found: Mapping[str, Native] = orjson.loads(row["fields"]) if row["fields"] else {}
    return found


def _tombstone(
    row: Mapping[str, Any] | None,
    reading: Reading,
    record_id: str,
    ops: Sequence[OurOperation],
) -> RawRow | None:
    if row is None:
        return None
    ours = any(op.kind == "delete" for op in ops)
    return {
        "record_id": record_id,
        "remote_id": None,
        "version": None,
        "modified_at": None,
        "deleted_at": row["deleted_at"] or reading.seen_at,
        "deleted_by": row["deleted_by"] or ("us" if ours else "them"),
        "fault": None,
        "person_id": row["person_id"],
        "fields": None,
        "cells": [],
    }


def _cells(view: _View, mapping: FieldMap) -> Iterator[Cell]:
    for column in mapping.columns:
        fields = mapping.of(column)
        if fields[0].kind == "scalar":
            yield _scalar_cell(view, column, fields)
        else:
            yield from _list_cells(view, column, fields)
    for claim in mapping.claims:
        said = read_claim(claim, view.reading.fields or {})
        cell = _claim_cell(view, claim_column(claim), said)
        if cell is not None:
            yield cell


def _scalar_cell(view: _View, column: str, fields: Sequence[Field]) -> Cell:
    old = view.old_cells.get((column, None))
    value = view.reading.values.get(column)
    if old is not None and view.unchanged([one.native for one in fields]):
        return old
    mine = next(
        (op for op in view.ops if column in op.payload and (op.sure or op.payload[column] == value)),
        None,
    )
    if mine is not None:
        return view.cell(column, mine.stamps.get(column) or view.found(), ours=True)
    if old is None and not (view.created and value is not None):
        return view.cell(column, view.found())
    if old is not None and view.old_values.get(column) == value:
        return old
    return view.cell(column, view.edit())


def _list_cells(view: _View, column: str, fields: Sequence[Field]) -> Iterator[Cell]:
    known = {element: cell for (c, element), cell in view.old_cells.items() if c == column}
    if known and view.unchanged([one.native for one in fields]):
        yield from known.values()
        return
    have = [str(element["value"]) for element in view.reading.values.get(column) or ()]
    added, taken = _ours(view.ops, column)
    for element in have:
        old = known.get(element)
        if old is not None and not old.removed:
            yield old
        elif element in added:
            stamp = added[element] or view.found()
            yield view.cell(column, stamp, element=element, ours=True)
        elif fields[0].native not in view.old_fields and not view.created:
            yield view.cell(column, view.found(), element=element)
        else:
            yield view.cell(column, view.edit(), element=element)
    for element, old in known.items():
        if element is None or element in have:
            continue
        if old.removed:
            yield old
        elif element in taken:
            stamp = taken[element] or view.found()
            yield view.cell(column, stamp, element=element, ours=True, removed=True)
        else:
            yield view.cell(column, view.edit(), element=element, removed=True)
    if view.created:
        for element in added:
            if element not in have:
                yield view.cell(column, view.edit(), element=element, removed=True)


def _ours(
    ops: Sequence[OurOperation], column: str
) -> tuple[dict[str, Stamp | None], dict[str, Stamp | None]]:
    """Elements that our operations add and take away, with the stamps they inherit."""
    added: dict[str, Stamp | None] = {}
    taken: dict[str, Stamp | None] = {}
    for op in ops:
        payload = op.payload.get(column)
        elements = payload.get("add", ()) if isinstance(payload, dict) else payload or ()
        for one in elements:
            added[one["value"]] = op.stamps.get(f"{column}/{one['value']}")
        for key in op.removed.get(column, ()):
            taken[key] = op.stamps.get(f"{column}/{key}")
    return added, taken


def _claim_cell(view: _View, column: str, claim: tuple[str, str | None] | None) -> Cell | None:
    if claim is None:
        return None
    state, at = claim
    claimed_at = datetime.fromisoformat(at) if at else None
    old = view.old_cells.get((column, None))
    if old is not None and (old.claim, old.claimed_at) == (state, claimed_at):
        return old
    ours = any((op.payload.get(column) or {}).get("claim") == state for op in view.ops)
    cell = view.cell(column, view.found(), ours=ours)
    return replace(cell, claim=state, claimed_at=claimed_at)

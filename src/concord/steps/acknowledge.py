"""Acknowledge: take receipts into the base, and what the platform stored into raw."""

from __future__ import annotations

from collections.abc import Mapping as Lookup
from collections.abc import Sequence

import polars as pl

from concord.assets.changes import changes
from concord.assets.snapshot import Change, Published, publish
from concord.assets.table import Table
from concord.platforms.base import Record
from concord.steps.context import Context, Result
from concord.steps.platforms import Mapping, mapping_for
from concord.steps.positions import positions
from concord.steps.raw_rows import Seen, canonical_values, known_rows, raw_frame, seen_rows
from concord.steps.tables import frame_schema
from concord.sync.base import Base
from concord.sync.fold import fold_base, foldings
from concord.sync.operations import StoredReceipt
from concord.sync.values import dump

__all__ = ["acknowledge", "acknowledged"]


def acknowledge(ctx: Context, *, platform: str) -> Result:
    """Publish the base, then raw; each keeps its own cursor on the receipts."""
    published = acknowledged(ctx, platform, mapping_for(ctx, platform))
    return Result("acknowledge", platform, published, rows_in=published[0].upserted)


def acknowledged(ctx: Context, platform: str, mapping: Mapping) -> tuple[Published, Published]:
    """Both publishes; what extract does first and deliver's Dag does last."""
    table = ctx.open(f"sync/{platform}/receipts")
    upto = positions({table.dataset.name: table})

    def new(cursors: Lookup[str, int]) -> list[StoredReceipt]:
        rows = changes(table, cursors[table.dataset.name], table.version)
        ordered = rows.drop("_change").sort("seen_at", "op_id").to_dicts()
        return [StoredReceipt.of(row) for row in ordered]

    def base(current: Table, cursors: Lookup[str, int]) -> Change | None:
        return _base(ctx, mapping, current, new(cursors))

    def raw(current: Table, cursors: Lookup[str, int]) -> Change | None:
        return _raw(ctx, platform, mapping, current, new(cursors))

    first = publish(ctx.open(f"sync/{platform}/base"), base, upto=upto, run=ctx.run)
    return first, publish(ctx.open(f"raw/{platform}"), raw, upto=upto, run=ctx.run)


def _base(
    ctx: Context, mapping: Mapping, table: Table, receipts: Sequence[StoredReceipt]
) -> Change | None:
    if not receipts:
        return None
    shown = [one for one in receipts if one.image is not None]
    values = canonical_values(mapping, [dump(dict(one.image or {})) for one in shown])
    named = {name for one in receipts for name in (one.record_id, one.planned_for)}
    known = {name: Base.of(row) for name, row in known_rows(table, sorted(named)).items()}
    stored = {one.op_id: value for one, value in zip(shown, values, strict=True)}
    moved = fold_base(known, receipts, stored, mapping.mapped)
    kept = [row.row() for row in moved.values() if row.pairs or row.rejects]
    gone = [name for name, row in moved.items() if not (row.pairs or row.rejects)]
    schema = {
        name: kind
        for name, kind in frame_schema(ctx.project, table.dataset.name).items()
        if name != "_row_hash"
    }
    return Change(pl.DataFrame(kept, schema=schema, orient="row"), pl.Series(gone, dtype=pl.String))


def _raw(
    ctx: Context,
    platform: str,
    mapping: Mapping,
    table: Table,
    receipts: Sequence[StoredReceipt],
) -> Change | None:
    """The last image of every record, weighed against all our operations on it together."""
    seen = [
        Seen(one.record_id, _image(one.last), one.last.seen_at, one.ops)
        for one in foldings(receipts)
    ]
    if not seen:
        return None
    known = known_rows(table, [one.record_id for one in seen])
    return Change(raw_frame(ctx, platform, seen_rows(mapping, known, seen)))


def _image(receipt: StoredReceipt) -> Record:
    """The record that a receipt shows: as stored, or a tombstone."""
    if receipt.image is None:
        return Record(receipt.remote_id, deleted=True)
    return Record(
        receipt.remote_id,
        dict(receipt.image),
        version=receipt.version,
        modified_at=receipt.modified_at,
    )

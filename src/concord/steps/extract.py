"""Extract: read one platform into raw, its remote state.

What is as we know it is dropped, so our own writes come back as nothing. Rows and the platform's
cursor are one commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.errors import CursorExpired, LostRecords
from concord.platforms.base import Page, Record
from concord.platforms.registry import Platform
from concord.steps.context import Context, Progress, Result
from concord.steps.platforms import Mapping, mapping_for, opened
from concord.steps.raw_rows import Seen, fields_text, known_rows, raw_frame, seen_rows
from concord.steps.reading import Readings, reading_of
from concord.steps.settle import settle

__all__ = ["extract"]

_ALWAYS_LOST = 10
_DAMAGED = "record.damaged"
_PLACELESS = (
    pl.col("fault").is_in(["id.missing", "id.duplicate"])
    | (pl.col("fault").is_not_null() & pl.col("remote_id").is_null())
).fill_null(False)
"""Rows of raw that are known by file and row only."""


def extract(
    ctx: Context, *, platform: str, full_refresh: bool = False, accept_deletes: bool = False
) -> Result:
    """Settle, read what changed (everything when there is no cursor), publish raw.

    Args:
        full_refresh: read everything.
        accept_deletes: believe a listing that lacks many known records.

    Raises:
        LostRecords: a full listing lacks more than max(10, max_lost_share) of the known records.
    """
    mapping = mapping_for(ctx, platform)
    with opened(ctx, platform) as source:
        calls = settle(ctx, platform, source, mapping)
        raw = ctx.open(f"raw/{platform}")
        before = reading_of(raw.newest_record())
        fresh = before is None or before.mapping != mapping.fields.digest or full_refresh
        cursor = None if fresh or before is None else before.cursor
        reading = _read(ctx, platform, source, cursor)
        change = _Reading(ctx, platform, mapping, raw, reading.records)
        if reading.full:
            change.check_lost(accept=accept_deletes)
        published = publish(
            raw,
            lambda _table, _cursors: change.change(
                full=reading.full,
                reading=Readings(reading.cursor, mapping.fields.digest, mapping.fields.columns),
            ),
            upto={},
            run=ctx.run,
        )
    return Result(
        "extract",
        platform,
        (published,),
        reads=calls + reading.calls,
        rows_in=len(reading.records),
    )


class _Pages:
    """All pages of one reading."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.cursor: str | None = None
        self.full = False
        self.calls = 0

    def take(self, page: Page) -> None:
        self.records += page.records
        self.cursor = page.cursor
        self.full = self.full or page.full
        self.calls += page.calls


def _read(ctx: Context, platform: str, source: Platform, cursor: str | None) -> _Pages:
    if cursor is not None:
        try:
            return _taken(ctx, platform, source.changes(cursor))
        except CursorExpired:
            ctx.tell(Progress("extract", platform, 0, None, "records"))
    return _taken(ctx, platform, source.listing())


def _taken(ctx: Context, platform: str, pages: Iterator[Page]) -> _Pages:
    found = _Pages()
    for page in pages:
        found.take(page)
        ctx.tell(Progress("extract", platform, len(found.records), None, "records"))
    return found


class _Reading:
    """What one reading changes of raw."""

    def __init__(
        self,
        ctx: Context,
        platform: str,
        mapping: Mapping,
        raw: Table,
        records: Sequence[Record],
    ) -> None:
        self._ctx = ctx
        self._platform = platform
        self._mapping = mapping
        self._raw = raw
        self._seen_at = ctx.now()
        self._records = {self._record_id(one): one for one in records}

    def _record_id(self, record: Record) -> str:
        if record.remote_id is None or record.fault == "id.duplicate":
            return self._ctx.hash("place", self._platform, record.place or "")
        return self._ctx.record_id(self._platform, record.remote_id)

    def check_lost(self, *, accept: bool) -> None:
        """Refuse a full listing that lacks too many known records."""
        known = self._known_live()
        if self._hides:
            return
        missing = len(known) - int(known.is_in(list(self._records)).sum())
        share = self._ctx.project.platform(self._platform).max_lost_share
        if not accept and missing > max(_ALWAYS_LOST, share * len(known)):
            raise LostRecords(self._platform, missing, len(known))

    def _known_live(self) -> pl.Series:
        rows = self._raw.frame(columns=["record_id", "remote_id", "deleted_at", "fault"])
        live = rows.filter(pl.col("deleted_at").is_null(), ~_PLACELESS)
        return live.collect()["record_id"]

    @property
    def _hides(self) -> bool:
        """Whether a known record may stand in a row whose id cannot be read."""
        return any(
            one.fault == _DAMAGED and one.remote_id is None for one in self._records.values()
        )

    def change(self, *, full: bool, reading: Readings) -> Change:
        """The change from the table as it is now."""
        table = self._raw
        differing = self._differing(table)
        seen = [Seen(one, self._records[one], self._seen_at) for one in differing]
        gone = pl.Series([], dtype=pl.String)
        if full and not self._hides:
            known = self._known_live()
            lost = known.filter(~known.is_in(list(self._records))).to_list()
            seen += [Seen(one, Record(None, deleted=True), self._seen_at) for one in lost]
        if full:
            gone = self._gone_places(table)
        known_now = known_rows(table, [one.record_id for one in seen])
        rows = seen_rows(self._mapping, known_now, seen)
        frame = raw_frame(self._ctx, self._platform, rows)
        return Change(frame, gone, extra=reading.to_extra())

    def _differing(self, table: Table) -> list[str]:
        """Records that are not as raw knows them."""
        read = pl.DataFrame(
            {
                "record_id": list(self._records),
                "_fields": [
                    None if one.deleted else fields_text(one.fields)
                    for one in self._records.values()
                ],
                "_fault": [one.fault for one in self._records.values()],
            },
            schema={"record_id": pl.String, "_fields": pl.String, "_fault": pl.String},
        )
        known = table.frame(columns=["record_id", "fields", "fault", "cells"]).with_columns(
            pl.lit(True).alias("_known"), pl.col("cells").list.len().alias("_cells")
        )
        joined = read.lazy().join(known.drop("cells"), on="record_id", how="left")
        same = (
            pl.col("_known").fill_null(False)
            & pl.col("_fields").eq_missing(pl.col("fields"))
            & pl.col("_fault").eq_missing(pl.col("fault"))
        )
        return joined.filter(~same | self._remapped(table)).collect()["record_id"].to_list()

    def _remapped(self, table: Table) -> pl.Expr:
        """Whether everything is to be looked at again: the mapping is another one."""
        before = reading_of(table.newest_record())
        return pl.lit(before is not None and before.mapping != self._mapping.fields.digest)

    def _gone_places(self, table: Table) -> pl.Series:
        """Rows without an id of an earlier listing; this one has its own."""
        rows = table.frame(columns=["record_id", "remote_id", "fault"]).filter(_PLACELESS)
        known = rows.collect()["record_id"]
        return known.filter(~known.is_in(list(self._records)))

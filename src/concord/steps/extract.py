"""Extract: read one platform into raw, its remote state.

What is as we know it is dropped, so our own writes come back as nothing. Rows and the platform's
cursor are one commit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl

from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.errors import CursorExpired, LostRecords, PlatformDown
from concord.platforms.base import Page, Record, Source
from concord.steps.context import Context, Progress, Result
from concord.steps.leftovers import EXTRACT
from concord.steps.platforms import Mapping, mapping_for, opened
from concord.steps.raw_rows import Seen, known_rows, raw_frame, seen_rows
from concord.steps.reading import Readings, reading_of
from concord.steps.settle import settle
from concord.steps.spool import Spool

__all__ = ["extract"]

_ALWAYS_LOST = 10
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
        PlatformDown: reading took longer than max_reading_s.
    """
    mapping = mapping_for(ctx, platform)
    with (
        opened(ctx, platform) as source,
        tempfile.TemporaryDirectory(prefix=EXTRACT) as scratch,
    ):
        calls = settle(ctx, platform, source, mapping)
        raw = ctx.open(f"raw/{platform}")
        before = reading_of(raw.newest_record())
        fresh = before is None or before.mapping != mapping.fields.digest or full_refresh
        cursor = None if fresh or before is None else before.cursor
        spool, expired = _read(ctx, platform, source, cursor, Path(scratch))
        remapped = before is not None and before.mapping != mapping.fields.digest
        reading = _Reading(ctx, platform, mapping, raw, spool)
        if spool.full and not accept_deletes:
            reading.check_lost()
        published = publish(raw, lambda *_: reading.change(), upto={}, run=ctx.run)
    return Result(
        "extract",
        platform,
        (published,),
        reads=calls + spool.calls,
        rows_in=spool.count,
        facts={"resync": int(expired or (remapped and not full_refresh))},
        notes=tuple(f"{platform}: {note}" for note in spool.notes),
    )


def _read(
    ctx: Context, platform: str, source: Source, cursor: str | None, scratch: Path
) -> tuple[Spool, bool]:
    """The reading, and whether it is whole because the platform knows the cursor no more."""
    if cursor is not None:
        try:
            return _taken(ctx, platform, source.changes(cursor), scratch / "changes"), False
        except CursorExpired:
            ctx.tell(Progress("extract", platform, 0, None, "records"))
    return _taken(ctx, platform, source.listing(), scratch / "listing"), cursor is not None


def _taken(ctx: Context, platform: str, pages: Iterator[Page], folder: Path) -> Spool:
    def record_id(record: Record) -> str:
        if record.remote_id is None or record.fault == "id.duplicate":
            return ctx.hash("place", platform, record.place or "")
        return ctx.record_id(platform, record.remote_id)

    folder.mkdir()
    spool = Spool(folder, record_id)
    limit = ctx.project.platform(platform).max_reading_s
    end = ctx.now() + timedelta(seconds=limit)
    for page in pages:
        if ctx.now() > end:
            what = f"reading took more than max_reading_s ({limit}); nothing was published"
            raise PlatformDown(platform, what, "timeout")
        spool.take(page)
        ctx.tell(Progress("extract", platform, spool.count, None, "records"))
    return spool


class _Reading:
    """What one reading changes of raw."""

    def __init__(
        self, ctx: Context, platform: str, mapping: Mapping, raw: Table, spool: Spool
    ) -> None:
        self._ctx = ctx
        self._platform = platform
        self._mapping = mapping
        self._raw = raw
        self._spool = spool
        self._seen_at = ctx.now()

    def check_lost(self) -> None:
        """Refuse a full listing that lacks too many known records."""
        known, lost = self._known_live(), self._lost()
        share = self._ctx.project.platform(self._platform).max_lost_share
        if len(lost) > max(_ALWAYS_LOST, share * len(known)):
            raise LostRecords(self._platform, len(lost), len(known))

    def _known_live(self) -> pl.Series:
        rows = self._raw.frame(columns=["record_id", "remote_id", "deleted_at", "fault"])
        live = rows.filter(pl.col("deleted_at").is_null(), ~_PLACELESS)
        return live.collect()["record_id"]

    def _lost(self) -> pl.Series:
        """Known records that a full listing lacks; none where a damaged row may hide one."""
        known = self._known_live()
        if self._spool.hides:
            return known.clear()
        return known.filter(~known.is_in(self._spool.ids().implode()))

    def change(self) -> Change:
        """The change from the table as it is now."""
        spool, fields = self._spool, self._mapping.fields
        before = reading_of(self._raw.newest_record())
        whole = before is not None and before.mapping != fields.digest
        known = self._raw.frame(columns=["record_id", "fields", "fault"])
        frames = [self._rows(()), *map(self._rows, spool.differing(known, whole=whole))]
        gone = pl.Series([], dtype=pl.String)
        if spool.full:
            frames.append(self._rows([(one, Record(None, deleted=True)) for one in self._lost()]))
            gone = self._gone_places()
        rows = pl.concat(frames).unique("record_id", keep="last", maintain_order=True)
        reading = Readings(spool.cursor, fields.digest, fields.columns)
        news = before is None or before.columns != reading.columns
        return Change(rows, gone, extra=reading.to_extra(), force=news)

    def _rows(self, records: Sequence[tuple[str, Record]]) -> pl.DataFrame:
        seen = [Seen(record_id, record, self._seen_at) for record_id, record in records]
        known = known_rows(self._raw, [one.record_id for one in seen]) if seen else {}
        return raw_frame(self._ctx, self._platform, seen_rows(self._mapping, known, seen))

    def _gone_places(self) -> pl.Series:
        """Rows without an id of an earlier listing; this one has its own."""
        rows = self._raw.frame(columns=["record_id", "remote_id", "fault"]).filter(_PLACELESS)
        known = rows.collect()["record_id"]
        return known.filter(~known.is_in(self._spool.ids().implode()))

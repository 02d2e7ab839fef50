"""One reading of a platform, page by page on disk: no more than a page of it is held as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from concord.assets.storage import refusal
from concord.platforms.base import Page, Record
from concord.steps.raw_rows import fields_text
from concord.sync.values import load

__all__ = ["Spool"]

_CHUNK = 20_000
_SCHEMA = {
    "record_id": pl.String(),
    "remote_id": pl.String(),
    "version": pl.String(),
    "modified_at": pl.Datetime("us", "UTC"),
    "deleted": pl.Boolean(),
    "fields": pl.String(),
    "fault": pl.String(),
    "place": pl.String(),
}


class Spool:
    """What one reading found; a record that came twice counts as it came last.

    Attributes:
        full: the reading lists everything.
        hides: a known record may stand in a row whose id could not be read.
        count: records, twins included.
        notes: what the platform told of the reading.
    """

    def __init__(self, folder: Path, record_id: Callable[[Record], str]) -> None:
        self._folder = folder
        self._record_id = record_id
        self._pages: list[Path] = []
        self._ids: list[pl.Series] = [pl.Series("record_id", [], dtype=pl.String)]
        self.cursor: str | None = None
        self.full = False
        self.hides = False
        self.calls = 0
        self.notes: tuple[str, ...] = ()
        self.count = 0

    def take(self, page: Page) -> None:
        """Keep one page."""
        self.cursor, self.full = page.cursor, self.full or page.full
        self.calls += page.calls
        self.notes += tuple(page.notes)
        self.count += len(page.records)
        if not page.records:
            return
        frame = pl.DataFrame([self._row(one) for one in page.records], schema=_SCHEMA, orient="row")
        self._ids.append(frame["record_id"])
        self.hides = self.hides or any(
            one.fault == "record.damaged" and one.remote_id is None for one in page.records
        )
        place = self._folder / f"page-{len(self._pages):08d}.parquet"
        with _translated():
            frame.write_parquet(place, compression="lz4")
        self._pages.append(place)

    def _row(self, one: Record) -> tuple[object, ...]:
        return (
            self._record_id(one),
            one.remote_id,
            one.version,
            one.modified_at,
            one.deleted,
            None if one.deleted else fields_text(one.fields),
            one.fault,
            one.place,
        )

    def ids(self) -> pl.Series:
        """The records that were read."""
        return pl.concat(self._ids)

    def differing(self, known: pl.LazyFrame, *, whole: bool) -> Iterator[list[tuple[str, Record]]]:
        """Records that are not as raw knows them, some at a time.

        Args:
            known: ``record_id``, ``fields`` and ``fault`` of raw.
            whole: every record is to be looked at again.
        """
        if not self._pages:
            return
        before = known.select(
            "record_id",
            pl.col("fields").alias("_fields"),
            pl.col("fault").alias("_fault"),
            pl.lit(True).alias("_known"),
        )
        same = (
            pl.col("_known").fill_null(False)
            & pl.col("fields").eq_missing(pl.col("_fields"))
            & pl.col("fault").eq_missing(pl.col("_fault"))
        )
        read = pl.scan_parquet(self._pages, glob=False)
        target = self._folder / "differing.parquet"
        joined = read.join(before, on="record_id", how="left", maintain_order="left")
        with _translated():
            joined.filter(pl.lit(whole) | ~same).select(list(_SCHEMA)).sink_parquet(target)
        for start in range(0, self.count, _CHUNK):
            rows = pl.scan_parquet(target, glob=False).slice(start, _CHUNK).collect()
            if rows.height:
                yield [_record(row) for row in rows.to_dicts()]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        refused = refusal("the pages of a reading", error)
        if refused is None:
            raise
        raise refused from None


def _record(row: dict[str, Any]) -> tuple[str, Record]:
    fields = load(row["fields"]) or {}
    rest = {name: row[name] for name in row if name not in ("record_id", "fields")}
    return row["record_id"], Record(fields=fields, **rest)

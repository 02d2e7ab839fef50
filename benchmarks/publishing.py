"""Publishing a table of a million rows, changing a few of them, and asking what changed."""

from __future__ import annotations

import sys

import polars as pl
from benchmarks.gate import clean_rows
from benchmarks.measure import measured
from benchmarks.reference import deployed

from concord.assets.changes import changes
from concord.assets.snapshot import Change, publish
from concord.steps.tables import frame_schema

ROWS = 1_000_000
CHANGED = 1_000


def main(rows: int) -> None:
    """Args: rows: of clean."""
    with deployed() as ctx:
        table, contract = ctx.open("clean/crm"), ctx.project.contract("clean/crm")
        assert contract is not None
        schema = frame_schema(ctx.project, "clean/crm")
        frame = clean_rows(rows, contract).with_columns(
            pl.lit(None, kind).alias(name)
            for name, kind in schema.items()
            if name.startswith("_") and name != "_row_hash"
        )

        def published(some: pl.DataFrame) -> None:
            publish(table, lambda *_: Change(some), upto={}, run=ctx.run)

        every, few = f"publish {rows} new rows", f"publish {CHANGED} changed rows"
        measured(every, lambda: published(frame))
        before = table.version
        measured(f"publish {rows} rows as they are", lambda: published(frame), against=every)
        edited = frame.head(CHANGED).with_columns(pl.lit("Neu").alias("organisation"))
        measured(few, lambda: published(edited), against=every)
        measured("changes, from nothing", lambda: changes(table, -1, table.version))
        moved = measured(
            f"changes, {CHANGED} rows",
            lambda: changes(table, before, table.version),
            against="changes, from nothing",
        )
        assert moved.height == CHANGED


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)

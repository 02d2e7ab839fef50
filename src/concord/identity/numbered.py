"""Rows of persons with numbers in place of ids: sorting and joining texts is most of the cost."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

__all__ = ["Numbered", "numbered"]


@dataclass(frozen=True, slots=True)
class Numbered:
    """Clean rows whose ``person_id`` and ``record_id`` are numbers in the order of the ids.

    Attributes:
        rows: in the order of ``record_id``, so that the number is the row's place.
        persons: ``person_id``, one row a person, in order.
    """

    rows: pl.DataFrame
    persons: pl.DataFrame
    _persons: pl.Series
    _records: pl.Series

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """*frame* with ids in place of the numbers."""
        known = {"person_id": self._persons, "record_id": self._records}
        return frame.with_columns(
            ids.gather(frame[name]).alias(name)
            for name, ids in known.items()
            if name in frame.columns
        )


def numbered(rows: pl.DataFrame) -> Numbered:
    """Clean rows of persons, each record once."""
    rows = rows.sort("record_id")
    persons = rows.select("person_id").unique().sort("person_id").with_row_index("_person")
    numbers = rows.select("person_id").join(
        persons, on="person_id", how="left", maintain_order="left"
    )
    return Numbered(
        rows.with_columns(
            numbers["_person"].alias("person_id"),
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("record_id"),
        ),
        persons.select(pl.col("_person").alias("person_id")),
        persons["person_id"],
        rows["record_id"],
    )

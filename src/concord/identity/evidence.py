"""Evidence as a frame: a row a cell, and the orders in which evidence is weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from concord.contracts.document import Contract

__all__ = [
    "IS_EDIT",
    "ORIGINAL_FIRST",
    "STAMP",
    "Evidence",
    "evidence",
    "micros",
    "orders",
    "rank",
    "source",
]

STAMP = ("kind", "at", "dated_at", "source")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Cells as rows, by the column they speak of."""

    _by_column: Mapping[str, pl.DataFrame]
    _none: pl.DataFrame

    def of(self, *columns: str) -> pl.DataFrame:
        """The cells of some columns: ``person_id``, ``record_id`` and the cell's own fields."""
        some = [self._by_column[one] for one in columns if one in self._by_column]
        return pl.concat([self._none, *some])


def evidence(rows: pl.DataFrame, clean: Contract) -> Evidence:
    """The evidence of *rows*; when a copy was made says nothing of the person."""
    dates = [c for role in ("created_at", "updated_at") for c in clean.role(role)]
    copied = pl.col("_person_id").is_not_null() & pl.col("column").is_in(dates)
    cells = (
        rows.select("person_id", "record_id", "_person_id", "_cells")
        .explode("_cells")
        .filter(pl.col("_cells").is_not_null())
        .unnest("_cells")
        .filter(~copied)
        .drop("_person_id")
    )
    by_column = cells.partition_by("column", as_dict=True)
    return Evidence({str(name): one for (name,), one in by_column.items()}, cells.clear())


def rank(prefer: Sequence[str]) -> pl.Expr:
    """Place of the platform that a value stems from, most trusted first; a stranger is last."""
    ranks = {name: place for place, name in enumerate(prefer)}
    return pl.col("source").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int64)


def micros(column: str) -> pl.Expr:
    """An instant as a number."""
    return pl.col(column).to_physical().cast(pl.Int64)


IS_EDIT = pl.col("kind") == "edit"
ORIGINAL_FIRST = pl.col("ours").cast(pl.Int64)


def orders(trust: pl.Expr) -> list[pl.Expr]:
    """Sort keys, best first: edits by newest, original, rank; found by rank, date, original."""
    dated = -pl.coalesce(micros("dated_at"), pl.lit(-(2**62), pl.Int64))
    return [
        pl.when(IS_EDIT).then(-micros("at")).otherwise(trust),
        pl.when(IS_EDIT).then(ORIGINAL_FIRST).otherwise(dated),
        pl.when(IS_EDIT).then(trust).otherwise(ORIGINAL_FIRST),
        pl.col("record_id"),
    ]


def source(winner: pl.DataFrame, column: str, element: str | None) -> pl.DataFrame:
    """Who supplied *column*, a row a person, or a row an element."""
    return winner.select(
        "person_id",
        pl.lit(column).alias("column"),
        (pl.col(element) if element else pl.lit(None, pl.String)).alias("element"),
        *STAMP,
        "record_id",
    )

"""Rows of quarantine: one open row a record."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from concord.contracts.gate import RULES

__all__ = ["judged_rows"]


def judged_rows(rejected: pl.DataFrame, seen_at: datetime) -> pl.DataFrame:
    """Refused rows as quarantine keeps them.

    Args:
        rejected: ``record_id``, ``rules`` and, where there are native fields, ``fields``.
        seen_at: when they were refused.
    """
    fields = pl.col("fields") if "fields" in rejected.columns else pl.lit(None, pl.String)
    return rejected.select(
        "record_id",
        pl.col(RULES).alias("rules"),
        fields.alias("fields"),
        pl.lit(seen_at, pl.Datetime("us", "UTC")).alias("seen_at"),
    )

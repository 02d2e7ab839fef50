"""Incidents of kind *late*: one while a dataset is late, closed when it is fresh again."""

from __future__ import annotations

import polars as pl

from concord.assets.freshness import Late
from concord.steps.context import Context
from concord.steps.incidents import record

__all__ = ["close_late", "open_lates", "raise_late"]

_LATE, _FRESH = "late", "fresh"


def open_lates(ctx: Context) -> set[str]:
    """Datasets with an open incident."""
    rows = ctx.open("ops/incidents").frame().filter(pl.col("kind").is_in([_LATE, _FRESH]))
    last = rows.sort("at").group_by("task", maintain_order=True).last().collect()
    return set(last.filter(pl.col("kind") == _LATE)["task"])


def raise_late(ctx: Context, late: Late, message: str) -> None:
    """Open an incident; the same lateness is one."""
    _record(ctx, _LATE, late.dataset, message, f"{late.dataset}|{late.truth.at.isoformat()}")


def close_late(ctx: Context, dataset: str) -> None:
    """Say that it is over."""
    _record(ctx, _FRESH, dataset, f"{dataset} is fresh again", f"{dataset}|{ctx.run.id}")


def _record(ctx: Context, kind: str, dataset: str, message: str, marker: str) -> None:
    record(
        ctx,
        kind=kind,
        dag="freshness",
        task=dataset,
        step="freshness",
        platform=None,
        error="",
        message=message,
        tries=0,
        at=ctx.now(),
        marker=f"{kind}|{marker}",
    )

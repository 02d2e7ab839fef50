"""Maintain: free what nobody needs any more, of one dataset or of what lies outside of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl

from concord.assets.table import Table
from concord.assets.upkeep import Freed, expire, upkeep
from concord.errors import UsageError
from concord.jobs import LEFTOVERS
from concord.steps.context import Context, Result
from concord.steps.leftovers import remove_leftovers
from concord.steps.readers import readers

__all__ = ["freed", "maintain"]

_RECEIPTS = "/receipts"


def maintain(ctx: Context, *, dataset: str) -> Result:
    """Free one dataset; `LEFTOVERS` stands for scratch files of killed tries.

    It publishes no snapshot: versions that are made here ring no bell.
    """
    done = freed(ctx, dataset)
    held = f"{dataset}: older versions are kept for {done.held_by}, which is behind"
    facts = {"freed": int(done.anything), "rows": done.rows, "files": done.files}
    return Result("maintain", None, notes=(held,) if done.held_by else (), facts=facts)


def freed(ctx: Context, dataset: str, *, dry_run: bool = False) -> Freed:
    """Free one dataset, or say what would be freed."""
    if dataset == LEFTOVERS:
        return Freed(dataset, *remove_leftovers(ctx, dry_run=dry_run))
    if dataset not in ctx.project.datasets:
        raise UsageError("there is no dataset of that name; `concord dataset list` shows them")
    table = ctx.open(dataset)
    reading = readers(ctx, table)
    rows = _expired(ctx, table, reading, dry_run=dry_run)
    kept = timedelta(days=ctx.project.retention.versions_days)
    done = upkeep(table, reading, retention=kept, now=ctx.now(), run=ctx.run, dry_run=dry_run)
    return replace(done, rows=rows)


def _expired(ctx: Context, table: Table, reading: dict[str, int], *, dry_run: bool) -> int:
    """Receipts that are old and settled: taken in by all, and of no operation that is planned."""
    if not table.dataset.name.endswith(_RECEIPTS):
        return 0
    plan = ctx.open(table.dataset.name.removesuffix(_RECEIPTS) + "/plan")
    expired = _settled_before(ctx, plan, reading)
    return len(expired(table)) if dry_run else expire(table, expired, run=ctx.run)


def _settled_before(
    ctx: Context, plan: Table, reading: dict[str, int]
) -> Callable[[Table], pl.Series]:
    limit = ctx.now() - timedelta(days=ctx.project.retention.receipts_days)
    planned = plan.frame(columns=["op_id"]).collect()["op_id"]

    def expired(table: Table) -> pl.Series:
        if any(cursor < table.newest_snapshot() for cursor in reading.values()):
            return pl.Series("op_id", [], dtype=pl.String)
        last = table.frame().group_by("op_id").agg(pl.col("seen_at").max())
        old = last.filter(pl.col("seen_at") < limit, ~pl.col("op_id").is_in(planned.implode()))
        return old.collect()["op_id"]

    return expired

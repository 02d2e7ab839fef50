"""ops/runs: one row for every dataset a step wrote or looked at."""

from __future__ import annotations

from typing import Any

import polars as pl

from concord.assets.snapshot import append
from concord.steps.context import Context, Result
from concord.steps.tables import frame_schema

__all__ = ["record_run"]


def record_run(ctx: Context, result: Result, *, wall_s: float, cpu_s: float) -> None:
    """Append the step's rows; a repeated try of the same task instance leaves its own."""
    table = ctx.open("ops/runs")
    rows = _rows(ctx, result, wall_s, cpu_s)
    frame = pl.DataFrame(rows, schema=frame_schema(ctx.project, "ops/runs"), orient="row")
    append(table, frame, run=ctx.run, marker=f"runs|{_name(ctx)}")


def _name(ctx: Context) -> str:
    return f"{ctx.run.id}/{ctx.run.try_number}"


def _rows(ctx: Context, result: Result, wall_s: float, cpu_s: float) -> list[tuple[Any, ...]]:
    published = result.published or (None,)
    rows = []
    for number, one in enumerate(published):
        first = number == 0
        rows.append(
            (
                f"{_name(ctx)}/{number}",
                ctx.run.id,
                result.step,
                result.platform,
                ctx.now(),
                one.dataset if one else None,
                one.version if one else None,
                one.outcome if one else None,
                one.rows if one else None,
                one.upserted if one else None,
                one.deleted if one else None,
                result.rows_in if first else None,
                result.quarantined if first else None,
                result.reads if first else None,
                result.writes if first else None,
                wall_s if first else None,
                cpu_s if first else None,
            )
        )
    return rows

"""ops/incidents: what went wrong, in our own words."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from concord.assets.snapshot import append
from concord.steps.context import Context
from concord.steps.tables import frame_schema

__all__ = ["record"]


def record(  # noqa: PLR0913 - the columns of an incident
    ctx: Context,
    *,
    kind: str,
    dag: str,
    task: str,
    step: str,
    platform: str | None,
    error: str,
    message: str,
    tries: int,
    at: datetime,
    marker: str,
) -> None:
    """Write one incident; writing it again under the same marker leaves the first."""
    row = (marker, at, kind, ctx.run.id, dag, task, step, platform, error, message, tries)
    frame = pl.DataFrame([row], schema=frame_schema(ctx.project, "ops/incidents"), orient="row")
    append(ctx.open("ops/incidents"), frame, run=ctx.run, marker=f"incident|{marker}")

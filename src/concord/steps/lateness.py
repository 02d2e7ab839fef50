"""Incidents of kind *late*: one while a dataset is late, closed when it is fresh again."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from concord.steps.context import Context
from concord.steps.incidents import record

__all__ = ["OpenIncident", "close_incident", "open_incidents", "raise_incident"]

_CLOSED = "fresh"


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """One that is not over."""

    kind: str
    dataset: str


def open_incidents(ctx: Context, kind: str) -> tuple[OpenIncident, ...]:
    """Those of a kind that are open now."""
    rows = ctx.open("ops/incidents").frame().filter(pl.col("kind").is_in([kind, _CLOSED]))
    last = rows.sort("at").group_by("task", maintain_order=True).last().collect()
    return tuple(OpenIncident(kind, name) for name in last.filter(kind=kind)["task"])


def raise_incident(ctx: Context, kind: str, *, message: str, dataset: str, step: str) -> bool:
    """Open one, unless it is open; whether this call did."""
    if dataset in {one.dataset for one in open_incidents(ctx, kind)}:
        return False
    _record(ctx, kind, dataset, step, message)
    return True


def close_incident(ctx: Context, kind: str, *, dataset: str, step: str) -> bool:
    """Close the open one; whether there was one."""
    if dataset not in {one.dataset for one in open_incidents(ctx, kind)}:
        return False
    _record(ctx, _CLOSED, dataset, step, f"{dataset} is fresh again")
    return True


def _record(ctx: Context, kind: str, dataset: str, step: str, message: str) -> None:
    record(
        ctx,
        kind=kind,
        dag=step,
        task=dataset,
        step=step,
        platform=None,
        error="",
        message=message,
        tries=0,
        at=ctx.now(),
        marker=f"{kind}|{dataset}|{ctx.run.id}",
    )

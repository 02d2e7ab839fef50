"""Receipts of one platform: which operations still lack one, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from concord.assets.snapshot import Published, append
from concord.assets.table import Table
from concord.steps.context import Context
from concord.steps.tables import frame_schema
from concord.sync.operations import PlannedOperation, StoredReceipt

__all__ = [
    "CLOSED",
    "OPEN",
    "UNHINDERED",
    "WINDOW",
    "append_receipts",
    "unsettled",
    "without_receipt",
]

WINDOW = "window"
"""Entry of a plan's record, and its cursor: whether the platform's window was open."""

OPEN, CLOSED = "open", "closed"

UNHINDERED = ("withdraw", "agree")
"""Kinds that wait for no window: what somebody withdrew, and what needs no call."""


def unsettled(ctx: Context, platform: str) -> list[PlannedOperation]:
    """Operations free to be sent that have no receipt, in the plan's order."""
    plan = ctx.open(f"sync/{platform}/plan")
    return without_receipt(plan, ctx.open(f"sync/{platform}/receipts"))


def without_receipt(plan: Table, receipts: Table) -> list[PlannedOperation]:
    """The same of two tables, each at its version.

    Of a plan that was made while the window was closed, only what waits for none is free.
    """
    free = pl.col("state").is_in(["auto", "approved"])
    record = plan.newest_record()
    if record is not None and record.extra.get(WINDOW) == CLOSED:
        free &= pl.col("kind").is_in(UNHINDERED)
    rows = plan.frame().filter(free).collect()
    if not rows.height:
        return []
    known = receipts.frame(columns=["op_id"])
    done = known.filter(pl.col("op_id").is_in(rows["op_id"].implode())).collect()
    left = rows.join(done, on="op_id", how="anti").sort("position")
    return [PlannedOperation.of(row) for row in left.drop("_row_hash").to_dicts()]


def append_receipts(
    ctx: Context, platform: str, receipts: Sequence[StoredReceipt]
) -> Published | None:
    """Append receipts; the same ones twice are one append."""
    if not receipts:
        return None
    schema = frame_schema(ctx.project, f"sync/{platform}/receipts")
    frame = pl.DataFrame([one.row() for one in receipts], schema=dict(schema), orient="row")
    marker = ctx.hash("receipts", *sorted(one.op_id for one in receipts))
    return append(ctx.open(f"sync/{platform}/receipts"), frame, run=ctx.run, marker=marker)

"""Plans as people see them: what waits, what is approved, what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson
import polars as pl

from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.steps.context import Context
from concord.steps.receipts import UNHINDERED
from concord.steps.windows import waits_until, window_now

__all__ = ["approve", "planned", "statuses", "waiting"]


def planned(ctx: Context, platform: str) -> list[dict[str, Any]]:
    """The operations of the newest plan that have no receipt; columns, no values."""
    rows = _open_rows(ctx, platform).sort("position").to_dicts()
    closed = not ctx.project.is_open(platform, ctx.now())
    waits = f"waits for its window, {waits_until(ctx, platform)}" if closed else None
    return [
        {
            **{name: row[name] for name in _SHOWN},
            "reason": waits if _free(row) and row["kind"] not in UNHINDERED else row["reason"],
            "columns": sorted({*orjson.loads(row["payload"] or "{}"), *_agreed(row)}),
        }
        for row in rows
    ]


def _free(row: dict[str, Any]) -> bool:
    return row["state"] in ("auto", "approved")


_SHOWN = ("op_id", "kind", "record_id", "person_id", "state", "reason")


def _agreed(row: dict[str, Any]) -> list[str]:
    return list(orjson.loads(row["pairs"] or "{}")) if row["kind"] == "agree" else []


def _open_rows(ctx: Context, platform: str) -> pl.DataFrame:
    plan = ctx.open(f"sync/{platform}/plan").frame().collect()
    done = ctx.open(f"sync/{platform}/receipts").frame(columns=["op_id"]).collect()
    return plan.join(done, on="op_id", how="anti")


def approve(ctx: Context, platform: str, *, only: Sequence[str] | None = None) -> int:
    """Let pending operations be sent; returns how many. Approving again changes nothing.

    Args:
        only: operation ids; all pending ones when None.
    """
    count = 0

    def work(table: Table, _cursors: object) -> Change:
        nonlocal count
        rows = table.frame().filter(pl.col("state") == "pending").collect()
        if only is not None:
            rows = rows.filter(pl.col("op_id").is_in(list(only)))
        count = rows.height
        return Change(rows.drop("_row_hash").with_columns(pl.lit("approved").alias("state")))

    publish(ctx.open(f"sync/{platform}/plan"), work, upto={}, run=ctx.run)
    return count


def statuses(ctx: Context) -> list[dict[str, Any]]:
    """One row a platform that is written to."""
    found = []
    for name, declared in sorted(ctx.project.platforms.items()):
        if declared.direction == "in":
            continue
        rows = _open_rows(ctx, name).select("state", "kind").to_dicts()
        counts = Counter(row["state"] for row in rows)
        free = [row["kind"] for row in rows if _free(row)]
        shut = not ctx.project.is_open(name, ctx.now())
        waiting = sum(kind not in UNHINDERED for kind in free) if shut else 0
        outcomes = ctx.open(f"sync/{name}/receipts").frame(columns=["status"]).collect()
        done = {str(k): int(v) for k, v in sorted(outcomes["status"].value_counts().rows())}
        found.append(
            {
                "platform": name,
                "delivery": ctx.project.delivers(name),
                "pending": counts.get("pending", 0),
                "free": len(free) - waiting,
                "waiting": waiting,
                "window": window_now(ctx, name),
                "held": counts.get("held", 0),
                "receipts": ", ".join(f"{k} {v}" for k, v in done.items()) or "none",
            }
        )
    return found


def waiting(ctx: Context) -> list[str]:
    """One sentence a platform whose operations wait for its window."""
    if not any(ctx.project.windows_of(name) for name in ctx.project.platforms):
        return []
    return [
        f"{one['platform']}: {one['waiting']} writes wait for its window, "
        f"{waits_until(ctx, one['platform'])}"
        for one in statuses(ctx)
        if one["waiting"]
    ]

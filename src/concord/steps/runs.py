"""ops/runs: one row for every dataset a step wrote or looked at, and one for a try that failed.

The newest reading of every platform is a fact of its own there: nothing is planned for a platform
that could not be read. The commit of a step's last success tells what its last runs came to, and
its version is a fact too, so that the next run finds them without reading rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import polars as pl

from concord.assets.snapshot import Published, append
from concord.assets.table import Table
from concord.steps.context import Context, Result
from concord.steps.tables import frame_schema
from concord.steps.usual import REMEMBERED, Measures

__all__ = ["FAILED", "read_at", "record_failure", "record_run", "unread"]

FAILED = "failed"
"""The outcome of a try that raised."""

_RECENT = "recent"
_UNREAD, _READ = 0, 1


def record_run(ctx: Context, result: Result, now: Measures, *, cpu_s: float) -> list[Measures]:
    """Append the step's rows; a repeated try of the same task instance leaves its own.

    What the step took as a whole stands in its first row.

    Returns:
        What its last runs came to, oldest first; none once the log has forgotten them.
    """
    table = ctx.open("ops/runs")
    past = _recent(table, ctx.run.job)
    took = {
        "rows_in": result.rows_in,
        "quarantined": result.quarantined,
        "reads": result.reads,
        "writes": result.writes,
        "wall_s": now.wall_s,
        "cpu_s": cpu_s,
        **asdict(ctx.effort),
    }
    rows = [
        {
            **_who(ctx, result.step, result.platform),
            **(_published(one) if one else {}),
            **(took if number == 0 else {}),
            "run_step": f"{_name(ctx)}/{number}",
        }
        for number, one in enumerate(result.published or (None,))
    ]
    facts: dict[str, int | None] = {**_reading(result.step, result.platform, _READ)}
    facts[_last(ctx.run.job)] = None
    facts |= {_read_at(name): int(ctx.now().timestamp()) for name in _read_by(result)}
    recent = [one.to_json() for one in (*past, now)[-REMEMBERED:]]
    _append(ctx, table, rows, f"runs|{_name(ctx)}", facts, {_RECENT: recent})
    return past


def record_failure(
    ctx: Context, step: str, platform: str | None, *, wall_s: float, cpu_s: float
) -> None:
    """Append one row for a try that raised; a lake that refuses it hides no other error."""
    name = f"{_name(ctx)}/{FAILED}"
    row = {
        **_who(ctx, step, platform),
        "run_step": name,
        "outcome": FAILED,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        **asdict(ctx.effort),
    }
    with contextlib.suppress(Exception):
        _append(ctx, ctx.open("ops/runs"), [row], f"runs|{name}", _reading(step, platform, _UNREAD))


def unread(ctx: Context, platform: str) -> bool:
    """Whether the platform's last reading failed."""
    return ctx.open("ops/runs").cursor(_fact(platform), None) == _UNREAD


def read_at(ctx: Context, platform: str) -> datetime | None:
    """When the platform was last read to its end; None for never."""
    at = ctx.open("ops/runs").cursor(_read_at(platform), None)
    return None if at < 0 else datetime.fromtimestamp(at, UTC)


def _read_by(result: Result) -> tuple[str, ...]:
    return (result.platform,) if result.step == "extract" and result.platform else ()


def _read_at(platform: str) -> str:
    return f"read_at/{platform}"


def _recent(table: Table, job: str) -> list[Measures]:
    version = table.cursor(_last(job), None)
    record = table.record(version) if version >= 0 else None
    return [Measures.from_json(one) for one in record.extra.get(_RECENT, [])] if record else []


def _last(job: str) -> str:
    return f"last/{job}"


def _append(
    ctx: Context,
    table: Table,
    rows: list[dict[str, Any]],
    marker: str,
    facts: Mapping[str, int | None],
    extra: Mapping[str, Any] | None = None,
) -> None:
    frame = pl.DataFrame(rows, schema=dict(frame_schema(ctx.project, "ops/runs")), orient="row")
    append(table, frame, run=ctx.run, marker=marker, facts=facts, extra=extra)


def _reading(step: str, platform: str | None, fact: int) -> dict[str, int]:
    return {_fact(platform): fact} if step == "extract" and platform else {}


def _fact(platform: str) -> str:
    return f"reading/{platform}"


def _name(ctx: Context) -> str:
    return f"{ctx.run.id}/{ctx.run.try_number}"


def _who(ctx: Context, step: str, platform: str | None) -> dict[str, Any]:
    return {
        "run": ctx.run.id,
        "whole_run": ctx.run.whole,
        "step": step,
        "platform": platform,
        "at": ctx.now(),
    }


def _published(one: Published) -> dict[str, Any]:
    return {name: getattr(one, name) for name in _OF_A_DATASET}


_OF_A_DATASET = ("dataset", "version", "outcome", "rows", "upserted", "deleted")

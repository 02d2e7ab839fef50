"""Step by name; a step's module, and with it Polars and Delta, loads when it runs."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from concord.errors import UsageError

if TYPE_CHECKING:
    from concord.steps.context import Context, Result

__all__ = ["STEPS", "run_step"]

STEPS = (
    "extract",
    "consent",
    "clean",
    "resolve",
    "survivorship",
    "plan",
    "deliver",
    "acknowledge",
    "publish",
    "maintain",
    "freshness",
)


def run_step(name: str, ctx: Context, *, platform: str | None = None, **options: Any) -> Result:
    """Run one step and write its line to ops/runs.

    Args:
        name: one of `STEPS`.
        ctx: the outside world.
        platform: for steps of one platform.
        options: the step's own keyword arguments.
    """
    if name not in STEPS:
        raise UsageError(f"there is no step of that name ({', '.join(STEPS)})")
    from concord.steps.withheld import foreign_words_withheld

    with foreign_words_withheld():
        return _run(name, ctx, platform, options)


def _run(name: str, ctx: Context, platform: str | None, options: dict[str, Any]) -> Result:
    from concord.platforms.effort import Effort
    from concord.steps.alarms import measured, watch
    from concord.steps.runs import record_failure, record_run

    total, ctx = ctx.effort, replace(ctx, effort=Effort())
    module = importlib.import_module(f"concord.steps.{name}")
    step = getattr(module, name)
    wall, cpu = time.monotonic(), time.process_time()
    try:
        result: Result = step(ctx, **({"platform": platform} if platform else {}), **options)
    except BaseException:
        record_failure(
            ctx, name, platform, wall_s=time.monotonic() - wall, cpu_s=time.process_time() - cpu
        )
        raise
    finally:
        total.add(ctx.effort)
    now = measured(result, time.monotonic() - wall)
    past = record_run(ctx, result, now, cpu_s=time.process_time() - cpu)
    watch(ctx, result, now, past)
    return result

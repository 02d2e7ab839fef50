"""What a step's success says: recovered, or odd though nothing failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import structlog

from concord.jobs import main_dataset
from concord.steps.context import Context, Result
from concord.steps.incident_kinds import FAILURES
from concord.steps.incident_life import Sighting
from concord.steps.incidents import look
from concord.steps.usual import Measures, Odd, oddities

__all__ = ["measured", "watch"]

_USUAL = ("slow", "volume")

log = structlog.get_logger(__name__)


def measured(result: Result, wall_s: float) -> Measures:
    """What later runs of the step are compared with."""
    if result.step != "extract" or not result.published:
        return Measures(wall_s)
    raw = result.published[-1]
    return Measures(wall_s, raw.rows, raw.upserted + raw.deleted)


def watch(ctx: Context, result: Result, now: Measures, past: Sequence[Measures]) -> None:
    """Open, count and close incidents after a success; what goes wrong here fails no step.

    Args:
        past: the step's last runs, oldest first.
    """
    try:
        odd = [*_judged(ctx, result), *oddities(now, past, ctx.project.alerts)]
        seen = [_sighting(ctx, result, one) for one in odd]
        over = {*FAILURES, *_USUAL, *_judged_kinds(result)} - {one.kind for one in odd}
        look(ctx, ctx.run.job, seen, over)
    except Exception as error:
        log.error("incidents not written", job=ctx.run.job, error=type(error).__name__)


def _judged_kinds(result: Result) -> Iterator[str]:
    if result.step == "extract":
        yield "resync"
    if "live" in result.facts:
        yield "rejected"


def _judged(ctx: Context, result: Result) -> Iterator[Odd]:
    if result.facts.get("resync"):
        yield Odd("resync", "it was read whole; nobody asked for it")
    live = result.facts.get("live", 0)
    limit = _breaker(ctx, result)
    alerts = ctx.project.alerts
    share = result.quarantined / live if live else 0.0
    if result.quarantined >= alerts.rejected_rows and share > alerts.rejected_share * limit > 0:
        rows = f"{result.quarantined} of {live} rows are in quarantine ({share:.0%})"
        yield Odd("rejected", f"{rows}; over {limit:.0%} nothing is published")


def _breaker(ctx: Context, result: Result) -> float:
    contract = ctx.project.contract(result.published[-1].dataset) if result.published else None
    return contract.max_quarantine_ratio if contract else 0.0


def _sighting(ctx: Context, result: Result, odd: Odd) -> Sighting:
    dataset = main_dataset(ctx.project.job(ctx.run.job))
    return Sighting(
        kind=odd.kind,
        subject=ctx.run.job,
        message=f"{dataset or ctx.run.job}: {odd.message}",
        run=ctx.run.id,
        at=ctx.now(),
        dataset=dataset,
        step=result.step,
        platform=result.platform,
    )

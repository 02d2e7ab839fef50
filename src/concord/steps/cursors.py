"""Which jobs have work that no event announced: their cursors tell."""

from __future__ import annotations

from collections.abc import Iterator

from concord.assets.commit import Position
from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.jobs import GOLDEN, Job
from concord.steps.context import Context
from concord.steps.plan import plan_positions, unready
from concord.steps.positions import positions
from concord.steps.publish import subscriber_behind
from concord.steps.receipts import unsettled
from concord.steps.runs import unread

__all__ = ["behind", "is_behind"]


def behind(ctx: Context) -> Iterator[str]:
    """Names of jobs with a snapshot, a plan or a receipt after their cursor, upstream first."""
    return (job.name for job in ctx.project.jobs if is_behind(ctx, job))


def is_behind(ctx: Context, job: Job) -> bool:
    """Whether *job* has work; of extracts nobody knows before they ask."""
    if job.step == "deliver" and job.platform is not None:
        return not unread(ctx, job.platform) and bool(unsettled(ctx, job.platform))
    if job.step == "publish":
        return subscriber_behind(ctx, job.name.partition(".")[2])
    return job.step in _LOOKED_AT and _lags_behind(ctx, job)


_LOOKED_AT = ("consent", "clean", "resolve", "survivorship", "plan", "acknowledge")


def _lags_behind(ctx: Context, job: Job) -> bool:
    if job.step == "plan" and job.platform is not None:
        if unready(ctx, job.platform) is not None:
            return False
        upto = plan_positions(ctx, job.platform)
    else:
        upto = positions({name: ctx.open(name) for name in job.reads}, *_contracts(ctx, job))
    return any(_lags(ctx.open(name), upto) for name in job.writes)


def _contracts(ctx: Context, job: Job) -> tuple[Contract, ...]:
    name = {"clean": f"clean/{job.platform}", "survivorship": GOLDEN}.get(job.step)
    contract = ctx.project.contract(name) if name else None
    return (contract,) if contract else ()


def _lags(table: Table, upto: dict[str, Position]) -> bool:
    return any(at.is_ahead_of(table.cursor(name, at.table_id)) for name, at in upto.items())

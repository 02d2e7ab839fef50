"""Freshness: datasets older than their contracts allow are incidents, whoever did not run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from concord.assets.freshness import Known, Late, lates
from concord.assets.table import Table
from concord.steps.context import Context, Result
from concord.steps.incidents import close_incident, open_incidents, raise_incident
from concord.steps.runs import read_at

__all__ = ["freshness", "late_datasets"]

_KIND = "late"


def freshness(ctx: Context) -> Result:
    """Raise an incident for every dataset that is late; close it when it is fresh again."""
    late = {one.dataset: _sentence(ctx, one) for one in late_datasets(ctx)}
    before = {one.dataset for one in open_incidents(ctx, _KIND) if one.dataset}
    for dataset, message in sorted(late.items()):
        raise_incident(ctx, _KIND, message=message, dataset=dataset, step="freshness")
    for dataset in sorted(before - set(late)):
        close_incident(ctx, _KIND, dataset=dataset, step="freshness")
    moved = len(set(late) ^ before)
    facts = {"told": moved, "late": len(late)}
    return Result("freshness", None, notes=tuple(late.values()), facts=facts)


def late_datasets(ctx: Context) -> list[Late]:
    """Datasets that are older now than their contract allows."""
    allowed = _allowed(ctx)
    return list(lates(_known(ctx, allowed), allowed, ctx.now()))


def _sentence(ctx: Context, late: Late) -> str:
    """What is late, why, and where to look."""
    at = f"{late.truth.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    age = late.allowed / timedelta(hours=1)
    job = _producer(ctx, late.truth.because)
    return (
        f"{late.dataset} is as of {at}, and its contract allows {age:g} h; "
        f"{late.truth.because} lies behind: see what became of {job}"
    )


def _producer(ctx: Context, dataset: str) -> str:
    """The job that makes the dataset."""
    jobs = [
        one for one in ctx.project.jobs if dataset in one.writes and dataset not in one.feedback
    ]
    return jobs[0].name


def _allowed(ctx: Context) -> dict[str, timedelta]:
    found = {}
    for name in ctx.project.datasets:
        contract = ctx.project.contract(name)
        if contract is not None and contract.max_age is not None:
            found[name] = contract.max_age
    return found


def _known(ctx: Context, wanted: Mapping[str, timedelta]) -> dict[str, Known]:
    """Everything upstream of what is *wanted*."""
    known: dict[str, Known] = {}
    left = list(wanted)
    while left:
        name = left.pop()
        if name not in known:
            known[name] = _one(ctx, name)
            left += known[name].unseen or ()
    return known


def _one(ctx: Context, name: str) -> Known:
    table = ctx.open(name)
    inputs = table.dataset.inputs
    made_at = datetime.fromtimestamp((table.delta.metadata().created_time or 0) / 1000, UTC)
    if inputs:
        return Known(made_at, unseen={one: _unseen(table, ctx.open(one)) for one in inputs})
    family, _, platform = name.partition("/")
    return Known(made_at, read_at(ctx, platform) if family == "raw" else None)


def _unseen(table: Table, source: Table) -> datetime | None:
    """When the first snapshot of *source* was made that *table* has not taken in."""
    newest = source.newest_snapshot()
    after = table.cursor(source.dataset.name, source.id)
    for version in range(after + 1, newest + 1):
        record = source.record(version)
        if record is not None and record.kind == "snapshot":
            return datetime.fromisoformat(record.at)
    return None

"""Who reads a dataset, and from which of its versions they go on."""

from __future__ import annotations

from collections.abc import Iterator

from concord.assets.table import Table
from concord.jobs import GOLDEN
from concord.steps.context import Context
from concord.steps.plan_scope import WEIGHED, weighed

__all__ = ["readers"]


def readers(ctx: Context, table: Table) -> dict[str, int]:
    """Reader to cursor on *table*: a dataset that is made from it, or a team; -1 for none yet."""
    return dict([*_jobs(ctx, table), *_weighing(ctx, table), *_teams(ctx, table)])


def _jobs(ctx: Context, table: Table) -> Iterator[tuple[str, int]]:
    name = table.dataset.name
    for job in ctx.project.jobs:
        if name in job.reads and job.step != "publish":
            for written in job.writes:
                yield written, ctx.open(written).cursor(name, table.id)


def _weighing(ctx: Context, table: Table) -> Iterator[tuple[str, int]]:
    """What plans ask of raw beside their cursor on it: how far golden had weighed it."""
    family, _, platform = table.dataset.name.partition("/")
    if family != "raw" or ctx.project.platform(platform).direction == "in":
        return
    names = (table.dataset.name, f"clean/{platform}", GOLDEN)
    inputs = {name: ctx.open(name) for name in names}
    plan = f"sync/{platform}/plan"
    yield f"{plan} before", ctx.open(plan).cursor(WEIGHED, None)
    yield f"{plan} next", weighed(inputs, platform)


def _teams(ctx: Context, table: Table) -> Iterator[tuple[str, int]]:
    for team, declared in ctx.project.subscriptions.items():
        if declared.dataset != table.dataset.name:
            continue
        if declared.publishes is None:
            keeper, cursor_id = ctx.open("ops/subscriptions"), f"{table.id}/{team}"
        else:
            keeper, cursor_id = ctx.open(declared.publishes), table.id
        yield f"team {team}", keeper.cursor(declared.dataset, cursor_id)

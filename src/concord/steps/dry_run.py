"""A run that changes nothing: on a copy of the lake, with platforms that are only read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from concord.assets.table import Lake
from concord.errors import ConcordError, UsageError
from concord.steps.approve import planned
from concord.steps.context import Context
from concord.steps.deploy import deploy
from concord.steps.leftovers import DRY_RUN
from concord.steps.rounds import run_to_rest

__all__ = ["Intended", "dry_run"]

_WRITING = ("deliver", "acknowledge", "publish")


@dataclass(frozen=True, slots=True)
class Intended:
    """What a run would write.

    Attributes:
        rows: platform, kind, state, how many operations, which columns.
        failed: job to the error that ended it.
    """

    rows: list[dict[str, Any]]
    failed: dict[str, ConcordError]


def dry_run(
    ctx: Context,
    *,
    reading: Mapping[str, bool] | None = None,
    only: Collection[str] | None = None,
) -> Intended:
    """Read every platform, compute, plan; send nothing and keep nothing.

    Args:
        reading: options of every extract.
        only: names of the jobs that may run; None for all.

    Raises:
        UsageError: the lake is no folder, and copying it would take who knows how long.
    """
    if "://" in ctx.lake.root:
        raise UsageError("a dry run copies the lake and works on folders only; use an environment")
    with tempfile.TemporaryDirectory(prefix=DRY_RUN) as scratch:
        copy = Path(scratch) / "lake"
        if Path(ctx.lake.root).is_dir():
            shutil.copytree(ctx.lake.root, copy)
        mine = replace(ctx, lake=Lake(str(copy)))
        deploy(mine, resolved=False)
        others = {job.name for job in ctx.project.jobs if only is not None and job.name not in only}
        run = run_to_rest(mine, "dry-run", skip={*_WRITING, *others}, reading=reading)
        rows = [
            row
            for name, one in sorted(ctx.project.platforms.items())
            if one.direction != "in"
            for row in _counted(name, planned(mine, name))
        ]
    return Intended(rows, run.failed)


def _counted(platform: str, operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in operations:
        if one["kind"] == "agree":
            continue
        row = found.setdefault(
            (one["kind"], one["state"]),
            {
                "platform": platform,
                "kind": one["kind"],
                "state": one["state"],
                "operations": 0,
                "columns": [],
            },
        )
        row["operations"] += 1
        row["columns"] = sorted({*row["columns"], *one["columns"]})
    return list(found.values())

"""A whole run without Airflow: every job in order, again and again until nothing moves.

Tests and `concord run --dry-run` use it; schedules, retries and alerts are Airflow's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from concord.assets.commit import RunId
from concord.errors import ConcordError, LostRace, Overtaken
from concord.jobs import Job
from concord.steps.context import Context, Result
from concord.steps.cursors import is_behind
from concord.steps.registry import run_step
from concord.steps.subscription import TeamFunction

__all__ = ["Run", "run_to_rest"]

_MOST_ROUNDS = 6


@dataclass(slots=True)
class Run:
    """What a run did.

    Attributes:
        results: of every step, in order.
        failed: job to the error that ended it; its branch was left alone.
    """

    results: list[Result] = field(default_factory=list)
    failed: dict[str, ConcordError] = field(default_factory=dict)

    @property
    def writes(self) -> int:
        """Operations that platforms carried out."""
        return sum(one.writes for one in self.results)

    @property
    def snapshots(self) -> list[str]:
        """Datasets of every snapshot that was written, in order."""
        return [
            one.dataset
            for result in self.results
            for one in result.published
            if one.outcome == "written"
        ]


def run_to_rest(
    ctx: Context,
    run_id: str,
    *,
    skip: Collection[str] = (),
    reading: Mapping[str, bool] | None = None,
    before: Callable[[Job], None] | None = None,
    functions: Mapping[str, TeamFunction] | None = None,
) -> Run:
    """Extract once, then run what is behind until nothing is.

    Args:
        run_id: names the run; another one for every run.
        skip: steps or jobs to leave out.
        reading: options of every extract.
        before: called before each job.
        functions: of subscribing teams, by team; a team without one is left out.
    """
    run, served = Run(), functions or {}
    jobs = [
        job
        for job in ctx.project.jobs
        if not {job.step, job.name} & set(skip) and _team(job) in (None, *served)
    ]
    for job in jobs:
        if job.step == "extract":
            _do(ctx, job, f"{run_id}.0", run, before, reading or {})
    rest = [job for job in jobs if job.step != "extract"]
    for number in range(1, _MOST_ROUNDS):
        moved = False
        for job in rest:
            if job.name not in run.failed and is_behind(ctx, job):
                team = _team(job)
                own = {"team": team, "function": served[team]} if team else {}
                _do(ctx, job, f"{run_id}.{number}", run, before, own)
                moved = True
        if not moved:
            break
    return run


def _team(job: Job) -> str | None:
    return job.name.partition(".")[2] if job.step == "publish" else None


def _do(
    ctx: Context,
    job: Job,
    run_id: str,
    run: Run,
    before: Callable[[Job], None] | None,
    options: Mapping[str, Any],
) -> None:
    if before is not None:
        before(job)
    name = f"{job.platform or _team(job) or job.step}/{run_id}/{job.step}/-1"
    try:
        mine = replace(ctx, run=RunId(name, job.name, whole=run_id.rpartition(".")[0]))
        run.results.append(run_step(job.step, mine, platform=job.platform, **options))
    except (LostRace, Overtaken):
        return  # another run was first; the next round sees what is left
    except ConcordError as error:
        run.failed[job.name] = error

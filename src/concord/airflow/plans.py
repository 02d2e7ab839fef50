"""A project's Dags as plain values: all decisions about the graph, without Airflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from concord.assets.graph import selected
from concord.errors import UsageError
from concord.jobs import CARE, GOLDEN, LEFTOVERS
from concord.platforms.window import opening_crons

if TYPE_CHECKING:
    from concord.jobs import Job
    from concord.project import Project

__all__ = [
    "WITHDRAW",
    "DagPlan",
    "TaskPlan",
    "dag_of",
    "most_upstream",
    "plan_all",
    "plan_dags",
    "plan_subscriber",
    "pool_of",
    "selected_jobs",
]

WITHDRAW = "withdraw"
"""The task that delivers a plan's withdrawals before its chunks."""

_SYNC = ("plan", "deliver", "acknowledge")
_TURNS = ("extract", "deliver", "acknowledge")
"""Steps of one platform that keep out of each other's way; only chunks of *deliver* run at once."""
_DOC = {
    "extract": "Reads {platform} and publishes what it holds.",
    "consent": "Brings every platform's claims of consent together.",
    "clean": "Normalises the records of {platform} and checks them against their contract.",
    "resolve": "Finds out which records are one person.",
    "survivorship": "Makes one golden row a person.",
    "publish": "Hands {team} what changed for it.",
    "maintain": "Removes old versions, expired rows and what killed tries left.",
    "freshness": "Raises an incident for every dataset that is older than its contract allows.",
    "sync": "Plans what {platform} lacks, delivers it and takes the receipts in.",
}


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task.

    Attributes:
        task_id: the step's name.
        inlets: datasets it reads.
        outlets: datasets it may publish with an event.
        after: task ids upstream of it in its Dag.
        datasets: those it is mapped over, each by itself.
        mapped_over: the task whose XCom lists the chunks this one is mapped over.
        withdrawals: whether it delivers the plan's withdrawals, and nothing else.
        pool: the pool it takes slots of; None for Airflow's default.
        pool_slots: how many.
        weight: absolute priority; higher runs first.
        trigger_rule: Airflow's.
        team: whose function it calls, for a subscriber's.
    """

    task_id: str
    step: str
    platform: str | None
    inlets: tuple[str, ...]
    outlets: tuple[str, ...]
    after: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    mapped_over: str | None = None
    withdrawals: bool = False
    pool: str | None = None
    pool_slots: int = 1
    weight: int = 1
    trigger_rule: str = "all_success"
    team: str | None = None


@dataclass(frozen=True, slots=True)
class DagPlan:
    """One Dag.

    Attributes:
        crons: when it runs, in *timezone*, whatever happened.
        assets: datasets any of whose events starts it; empty for a producer.
        jobs: names of the project's jobs it does.
        depth: longest way from a producer.
        team: whose Dag it is, for a subscriber's.
    """

    dag_id: str
    doc: str
    crons: tuple[str, ...]
    timezone: str
    assets: tuple[str, ...]
    jobs: tuple[str, ...]
    depth: int
    tasks: tuple[TaskPlan, ...]
    team: str | None = None


def plan_dags(project: Project) -> tuple[DagPlan, ...]:
    """Every Dag of the project but its subscribers', upstream first."""
    return tuple(plan for plan in plan_all(project) if plan.team is None)


def plan_subscriber(project: Project, team: str) -> DagPlan:
    """The Dag of one subscribing team.

    Raises:
        UsageError: it declares no subscription.
    """
    for plan in plan_all(project):
        if plan.team == team:
            return plan
    raise UsageError(f"there is no contracts/subscriptions/{team}.yaml")


def plan_all(project: Project) -> tuple[DagPlan, ...]:
    """Every Dag of the project and of its subscribers, upstream first."""
    grouped: dict[str, list[Job]] = {}
    for job in project.jobs:
        grouped.setdefault(dag_of(job), []).append(job)
    depths = _depths(_edges(grouped))
    plans = [_dag(project, dag_id, jobs, depths[dag_id]) for dag_id, jobs in grouped.items()]
    return tuple(sorted(plans, key=lambda plan: (plan.depth, plan.dag_id)))


def dag_of(job: Job) -> str:
    """The Dag that does *job*."""
    step = "sync" if job.step in _SYNC else job.step
    if job.step == "publish":
        return job.name.replace(".", "_")
    return f"{step}_{job.platform}" if job.platform else step


def selected_jobs(project: Project, patterns: Iterable[str]) -> tuple[str, ...]:
    """Names of the jobs that make the datasets that *patterns* mean.

    A subscriber that keeps no dataset belongs to what it reads: it is meant by ``name+`` upstream
    of it.

    Args:
        patterns: as `concord.assets.graph.selected` reads them.

    Raises:
        UsageError: there is no such dataset, or no job makes it.
    """
    found: set[str] = set()
    for pattern in patterns:
        chosen = selected(project.datasets, pattern)
        made = {one.name for one in project.jobs if chosen & (set(one.writes) - set(one.feedback))}
        if not made:
            raise UsageError(f"{pattern}: no step makes it; every step writes to it")
        if pattern.endswith("+"):
            below = selected(project.datasets, pattern.removeprefix("+"))
            made |= {one.name for one in project.jobs if not one.writes and below & set(one.reads)}
        found |= made
    return tuple(job.name for job in project.jobs if job.name in found)


def pool_of(platform: str) -> str:
    """The pool with one slot for every task that may write to the platform at once.

    What reads it, or takes receipts in, takes all of them.
    """
    return f"concord_{platform}"


def most_upstream(behind: Iterable[str], plans: Sequence[DagPlan]) -> tuple[str, ...]:
    """Those of the Dags *behind* that have no other of them upstream, by id."""
    upstream = _upstream({plan.dag_id: plan for plan in plans})
    wanted = set(behind)
    return tuple(sorted(dag for dag in wanted if not upstream.get(dag, set()) & wanted))


def _upstream(plans: Mapping[str, DagPlan]) -> dict[str, set[str]]:
    makers: dict[str, set[str]] = {}
    for plan in plans.values():
        for task in plan.tasks:
            for dataset in task.outlets:
                makers.setdefault(dataset, set()).add(plan.dag_id)
    found: dict[str, set[str]] = {}
    for plan in sorted(plans.values(), key=lambda plan: plan.depth):
        near = {
            maker
            for dataset in plan.assets
            for maker in makers.get(dataset, ())
            if plans[maker].depth < plan.depth
        }
        found[plan.dag_id] = near.union(*(found[dag] for dag in near))
    return found


def _edges(grouped: Mapping[str, Sequence[Job]]) -> dict[str, set[str]]:
    """Dag to the Dags directly upstream of it; feedback left out."""
    makers: dict[str, set[str]] = {}
    for dag_id, jobs in grouped.items():
        for job in jobs:
            for dataset in set(job.writes) - set(job.feedback):
                makers.setdefault(dataset, set()).add(dag_id)
    return {
        dag_id: {maker for dataset in _inputs(jobs) for maker in makers.get(dataset, ())} - {dag_id}
        for dag_id, jobs in grouped.items()
    }


def _inputs(jobs: Sequence[Job]) -> tuple[str, ...]:
    own = {dataset for job in jobs for dataset in job.writes}
    return tuple(sorted({dataset for job in jobs for dataset in job.reads} - own))


def _triggers(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Datasets whose events start the Dag: of a sync's many inputs the one that asks for writes.

    What the others could ask for (a new record of somebody who withdrew) the sweep and the nightly
    leg find by the cursors.
    """
    inputs = _inputs(jobs)
    asking = tuple(name for name in inputs if name == GOLDEN)
    return asking if jobs[0].step in _SYNC and asking else inputs


def _depths(edges: Mapping[str, set[str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for dag_id in TopologicalSorter(edges).static_order():
        found[dag_id] = 1 + max((found[dag] for dag in edges[dag_id]), default=-1)
    return found


def _dag(project: Project, dag_id: str, jobs: Sequence[Job], depth: int) -> DagPlan:
    platform = jobs[0].platform
    step = "sync" if jobs[0].step in _SYNC else jobs[0].step
    produces = step == "extract" and platform is not None
    crons, timezone = _calendar(project, step, platform)
    return DagPlan(
        dag_id=dag_id,
        doc=_DOC.get(step, "Runs the step {step}.").format(
            platform=platform, step=step, team=_team(jobs[0])
        ),
        crons=crons,
        timezone=timezone,
        assets=() if produces else _triggers(jobs),
        jobs=tuple(job.name for job in jobs),
        depth=depth,
        tasks=tuple(_tasks(project, jobs, depth)),
        team=_team(jobs[0]),
    )


def _calendar(project: Project, step: str, platform: str | None) -> tuple[tuple[str, ...], str]:
    """When a Dag runs whatever happened: at a platform's own hours, or nightly."""
    if platform is not None and step == "extract":
        return (project.platforms[platform].schedule,), project.timezone_of(platform)
    if step in CARE:
        cron = project.maintenance if step == "maintain" else project.freshness
        return (cron,), project.timezone
    if platform is not None and step == "sync" and project.windows_of(platform):
        return opening_crons(project.windows_of(platform)), project.timezone_of(platform)
    return (project.nightly,), project.timezone


def _tasks(project: Project, jobs: Sequence[Job], depth: int) -> Iterable[TaskPlan]:
    for place, job in enumerate(jobs):
        writers = project.platforms[job.platform].writers if job.platform else 1
        task = _task(job, jobs, writers, _weight(job, depth, place), tuple(project.datasets))
        if job.step == "deliver" and task.mapped_over and writers > 1:
            yield replace(
                task, task_id=WITHDRAW, withdrawals=True, mapped_over=None, pool_slots=writers
            )
            task = replace(task, after=(*task.after, WITHDRAW), trigger_rule="none_failed")
        elif job.step == "acknowledge" and writers > 1:
            task = replace(task, after=(*task.after, WITHDRAW))
        yield task


def _task(
    job: Job, jobs: Sequence[Job], writers: int, weight: int, datasets: tuple[str, ...]
) -> TaskPlan:
    before = tuple(one.step for one in jobs[: jobs.index(job)])
    delivers = job.step == "deliver"
    takes_turns = job.platform is not None and job.step in _TURNS
    return TaskPlan(
        task_id=job.step,
        step=job.step,
        platform=job.platform,
        inlets=tuple(sorted(job.reads)),
        outlets=tuple(sorted(job.writes)) if job is jobs[-1] else (),
        after=before,
        datasets=(*datasets, LEFTOVERS) if job.step == "maintain" else (),
        mapped_over="plan" if delivers and "plan" in before else None,
        pool=pool_of(job.platform) if job.platform and takes_turns else None,
        pool_slots=writers if takes_turns and not delivers else 1,
        weight=weight,
        trigger_rule="all_done" if job.step == "acknowledge" else "all_success",
        team=_team(job),
    )


def _weight(job: Job, depth: int, place: int) -> int:
    """Upstream first, so that a consumer of many inputs runs once; but what golden asks for is
    delivered everywhere before anybody looks at what came of it. What can wait comes last."""
    if job.step in CARE:
        return 1
    return 995 + place if job.step in _SYNC else 1000 - 10 * depth


def _team(job: Job) -> str | None:
    return job.name.partition(".")[2] if job.step == "publish" else None

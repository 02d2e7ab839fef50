"""A project's plans as Airflow Dags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    MultipleCronTriggerTimetable,
    Param,
    get_parsing_context,
)
from airflow.sdk.bases.timetable import BaseTimetable

from concord.airflow.assets import asset, assets
from concord.airflow.notifier import ConcordNotifier
from concord.airflow.operators import StepOperator
from concord.airflow.plans import DagPlan, TaskPlan, plan_dags
from concord.airflow.retry import SyncPolicy

if TYPE_CHECKING:
    from concord.project import Project

__all__ = ["default_args", "render_dag", "render_dags", "time_leg"]

_PARAMS = {
    "full_refresh": "Read everything once, whatever the cursor says.",
    "accept_deletes": "Believe a full listing that lacks many known records.",
}


def render_dags(dag_file: str, *, operator: type[StepOperator] = StepOperator) -> Mapping[str, DAG]:
    """The Dags of the project that *dag_file* belongs to; in a task, only the task's own.

    Args:
        dag_file: the Dag file's ``__file__``.
        operator: the operator class of every task.
    """
    engine = operator.engine
    project = engine.project(engine.root(Path(dag_file)))
    only = get_parsing_context().dag_id
    return {
        plan.dag_id: render_dag(project, plan, operator)
        for plan in plan_dags(project)
        if only in (None, plan.dag_id)
    }


def time_leg(crons: Sequence[str], timezone: str) -> BaseTimetable:
    """A schedule that never runs a Dag just because it is new."""
    if len(crons) == 1:
        return CronTriggerTimetable(crons[0], timezone=timezone, run_immediately=timedelta(0))
    never = timedelta(0)
    return MultipleCronTriggerTimetable(*crons, timezone=timezone, run_immediately=never)


def default_args(project: Project, operator: type[StepOperator]) -> dict[str, Any]:
    """What every task of the project has: who owns it, how it is retried, who hears of failures."""
    retries = project.retries
    return {
        "owner": "concord",
        "retries": retries.tries - 1,
        "retry_policy": SyncPolicy(
            first_delay_s=retries.first_delay_s, max_delay_s=retries.max_delay_s
        ),
        # The policy is asked by the task's own process; these hold when that was killed.
        "retry_delay": timedelta(seconds=retries.first_delay_s),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(seconds=max(retries.max_delay_s, 1)),
        "on_failure_callback": ConcordNotifier(operator.engine),
        "weight_rule": "absolute",
    }


def render_dag(project: Project, plan: DagPlan, operator: type[StepOperator], **own: Any) -> DAG:
    """One Dag.

    Args:
        own: further arguments of its operators.
    """
    produces = any(task.step == "extract" for task in plan.tasks)
    leg = time_leg(plan.crons, plan.timezone)
    triggers = [asset(project, name) for name in plan.assets]
    with DAG(
        plan.dag_id,
        description=plan.doc,
        schedule=AssetOrTimeSchedule(timetable=leg, assets=_any_of(triggers)) if triggers else leg,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        on_failure_callback=ConcordNotifier(operator.engine),
        on_success_callback=ConcordNotifier(operator.engine),
        default_args=default_args(project, operator),
        params={
            name: Param(False, type="boolean", description=text)
            for name, text in _PARAMS.items()
            if produces or (plan.team and name == "full_refresh")
        },
        tags={"concord"} | ({plan.team} if plan.team else set()),
    ) as dag:
        made: dict[str, Any] = {}
        for task in plan.tasks:
            made[task.task_id] = _task(project, task, operator, made, own)
            for upstream in task.after:
                made[upstream] >> made[task.task_id]
        if len(made) > 1:
            _end(made)
    return dag


def _any_of(triggers: list[Any]) -> Any:
    condition = triggers[0]
    for one in triggers[1:]:
        condition = condition | one
    return condition


def _task(
    project: Project,
    task: TaskPlan,
    operator: type[StepOperator],
    made: Mapping[str, Any],
    own: Mapping[str, Any],
) -> Any:
    common: dict[str, Any] = {
        **own,
        "task_id": task.task_id,
        "step": task.step,
        "platform": task.platform,
        "inlets": assets(project, task.inlets),
        "outlets": assets(project, task.outlets),
        "priority_weight": task.weight,
        "trigger_rule": task.trigger_rule,
    }
    if task.pool:
        common |= {"pool": task.pool, "pool_slots": task.pool_slots}
    if task.datasets:
        named = {"map_index_template": "{{ task.dataset }}"}
        return operator.partial(**common, **named).expand(dataset=list(task.datasets))
    if task.mapped_over:
        chunks = made[task.mapped_over].output
        return operator.partial(**common).expand_kwargs(chunks)
    return operator(**common, chunks=task.task_id == "plan", withdrawals=task.withdrawals)


def _end(made: Mapping[str, Any]) -> None:
    """A last task that only the scheduler sees: the run fails when any task of it failed.

    Without it the run would be judged by *acknowledge* alone, which takes in the receipts of the
    chunks that were delivered also when another chunk failed.
    """
    end = EmptyOperator(task_id="end", trigger_rule="none_failed", retries=0)
    for task in made.values():
        task >> end

"""A failed task becomes an incident; the end of a Dag run sends the alert."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from airflow.sdk.bases.notifier import BaseNotifier

from concord.airflow.engine import Engine, Incident
from concord.errors import ConcordError

__all__ = ["KILLED", "ConcordNotifier", "incident_marker", "incident_of"]

KILLED = "the task's process ended without a word; memory and signals are the usual causes"

_SUCCESS = "success"

log = structlog.get_logger(__name__)


class ConcordNotifier(BaseNotifier):
    """Write an incident after a task's last try, and one alert a Dag run; never fails the run.

    A task's process that is killed cannot tell: its Dag run's failure does it, in the Dag
    processor. Either way it is the same incident, and the first to write it has said it.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        super().__init__()
        self.engine = engine or Engine()

    def notify(self, context: Any) -> None:
        """Write the incident, send the alert; what goes wrong is logged by its class only."""
        try:
            project = self.engine.project(self.engine.root(_dag_file(context)))
            reason = context.get("reason")  # only a Dag run's callback has one
            if "ti" in context and reason != _SUCCESS:
                self.engine.record(project, [incident_of(context)])
            if reason is not None:
                self.engine.alert(project)
        except Exception as error:
            log.error("incident not written", error=type(error).__qualname__)


def _dag_file(context: Any) -> str:
    """The file of the context's Dag; a Dag run that names no task has the Dag alone."""
    dag = context["task"].dag if "task" in context else context["dag"]
    return str(dag.fileloc)


def incident_of(context: Any) -> Incident:
    """The incident that a failure callback's *context* tells of."""
    ti, task = context["ti"], context["task"]
    error = context.get("exception")
    return Incident(
        kind="killed" if error is None else "failed",
        dag=ti.dag_id,
        task=ti.task_id,
        step=getattr(task, "step", ti.task_id),
        platform=getattr(task, "platform", None),
        error=type(error).__name__ if error is not None else "",
        message=_message(error),
        tries=ti.try_number,
        at=datetime.now(UTC),
        marker=incident_marker(ti.dag_id, ti.run_id, ti.task_id, ti.map_index),
        job=getattr(task, "job", ti.task_id),
    )


def _message(error: object) -> str:
    if error is None:
        return KILLED
    return str(error) if isinstance(error, ConcordError) else "an error that is not Concord's own"


def incident_marker(dag: str, run: str, task: str, map_index: int | None) -> str:
    """Names the incident of one task instance."""
    return f"{dag}/{run}/{task}/{-1 if map_index is None else map_index}"

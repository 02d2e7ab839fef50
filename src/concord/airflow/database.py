"""The embedded run's metadata database: made, mended after a kill, filled, and asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.jobs.job import Job, JobState
from airflow.models.asset import AssetActive
from airflow.models.dag import DagModel
from airflow.models.taskinstance import TaskInstance
from airflow.utils import db
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import delete, select, update

from concord.airflow.engine import Incident
from concord.airflow.notifier import KILLED, incident_marker

__all__ = [
    "failed_since",
    "fill_dags",
    "forget_the_calendar",
    "parsed_since",
    "pause_all_but",
    "prepare",
    "recover",
    "release",
    "trigger",
]


def prepare() -> None:
    """Make the database, or finish one that a kill left half made."""
    db.initdb()


def release(addresses: Mapping[str, str]) -> None:
    """Let go of what our assets were called at another address: a project that was moved, or whose
    lake was. Airflow gives a name to one address at a time, and fails the tasks of the other.

    Args:
        addresses: name of an asset to its address now.
    """
    with create_session() as session:
        for name, uri in addresses.items():
            elsewhere = (AssetActive.name == name) & (AssetActive.uri != uri)
            session.execute(delete(AssetActive).where(elsewhere))


def recover() -> None:
    """Declare the schedulers of earlier, killed runs dead; call it holding the lock.

    The next scheduler's first act resets the tasks of dead ones. Nothing of this is for a shared
    deployment: there a restarted scheduler finds out by itself.
    """
    with create_session() as session:
        session.execute(
            update(Job)
            .where(Job.job_type == "SchedulerJob", Job.state == JobState.RUNNING)
            .values(state=JobState.FAILED)
        )


def fill_dags() -> dict[str, str]:
    """Parse the Dag files into the database; returns import errors by file."""
    bundles = DagBundlesManager()  # type: ignore[no-untyped-call]
    with create_session() as session:
        bundles.sync_bundles_to_db(session=session)
    errors: dict[str, str] = {}
    for bundle in bundles.get_all_dag_bundles():
        bundle.initialize()
        bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        sync_bag_to_db(bag, bundle.name, bundle.version)
        errors |= bag.import_errors
    with create_session() as session:
        session.execute(update(DagModel).values(is_paused=False))
    return errors


def parsed_since(began_at: datetime) -> frozenset[str]:
    """Ids of the Dags that some Dag file holds.

    Args:
        began_at: the files were parsed after it; Dags of files that are gone were not.
    """
    with create_session() as session:
        fresh = select(DagModel.dag_id).where(DagModel.last_parsed_time >= began_at)
        return frozenset(session.scalars(fresh).all())


def forget_the_calendar() -> None:
    """Start nothing by the clock: an embedded run does everything once, when it is asked to."""
    with create_session() as session:
        session.execute(update(DagModel).values(next_dagrun_create_after=None))


def pause_all_but(dags: Iterable[str]) -> None:
    """Let these Dags run and no other, whatever rings for them; the next run wakes all again."""
    with create_session() as session:
        others = update(DagModel).where(DagModel.dag_id.not_in(list(dags)))
        session.execute(others.values(is_paused=True))


def trigger(dags: Iterable[str], conf: Mapping[str, Any]) -> None:
    """Ask for one run of each of these Dags."""
    for dag_id in dags:
        trigger_dag(dag_id=dag_id, triggered_by=DagRunTriggeredByType.CLI, conf=dict(conf))


def failed_since(began_at: datetime, steps: Mapping[tuple[str, str], Any]) -> list[Incident]:
    """Tasks that failed for good since *began_at*, also those whose process was killed.

    Args:
        began_at: start of the run.
        steps: the plan of each (Dag, task).
    """
    with create_session() as session:
        found: Sequence[TaskInstance] = session.scalars(
            select(TaskInstance).where(
                TaskInstance.state == TaskInstanceState.FAILED,
                TaskInstance.end_date >= began_at,
            )
        ).all()
        return [_killed(one, steps.get((one.dag_id, one.task_id))) for one in found]


def _killed(one: TaskInstance, plan: Any) -> Incident:
    return Incident(
        kind="killed",
        dag=one.dag_id,
        task=one.task_id,
        step=plan.step if plan else one.task_id,
        platform=plan.platform if plan else None,
        error="",
        message=KILLED,
        tries=one.try_number,
        at=one.end_date or datetime.now(UTC),
        marker=incident_marker(one.dag_id, one.run_id, one.task_id, one.map_index),
        job=_job(plan) if plan else one.task_id,
    )


def _job(plan: Any) -> str:
    return ".".join(part for part in (plan.step, plan.platform or plan.team) if part)

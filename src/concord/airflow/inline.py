"""Airflow's real scheduler in one process: one task at a time, no ports.

Real asset triggering, retries, pools, mapped tasks; each task is a forked process. Not there:
Dag-level callbacks, deferrable tasks. The process that imports this must not touch Polars or Delta.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import structlog
from airflow.executors.base_executor import BaseExecutor
from airflow.jobs.job import Job, run_job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.asset import AssetDagRunQueue
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from sqlalchemy import select

from concord.airflow.messages import Event

__all__ = ["InlineExecutor", "drain"]

log = structlog.get_logger(__name__)


def drain(tell: Callable[[Event], None], *, stop: str) -> None:
    """Run the scheduler until the database says that nothing is left to do.

    Args:
        tell: takes the start and the end of every try.
        stop: a file; when it is there, the running task is the last (`SystemExit` 130).
    """
    job = Job()  # type: ignore[no-untyped-call]
    runner = SchedulerJobRunner(job=job, num_runs=10**9, only_idle=True)
    InlineExecutor.tell, InlineExecutor.stop, InlineExecutor.runner = tell, stop, runner
    run_job(job=job, execute_callable=runner._execute)


class InlineExecutor(BaseExecutor):
    """Supervises one task at a time in the scheduler's own process."""

    is_local = True
    serve_logs = False
    supports_callbacks = False

    tell: ClassVar[Callable[[Event], None]] = staticmethod(lambda _: None)
    stop: ClassVar[str] = ""
    runner: ClassVar[SchedulerJobRunner | None] = None

    def start(self) -> None:
        """Take one slot, whatever the configuration says; two in threads would break pipes."""
        self.parallelism = 1

    def sync(self) -> None:
        """End the scheduler's loop when nothing is left; leave at once when asked to stop."""
        _leave_if_asked(type(self).stop)
        runner = type(self).runner
        if runner is not None and not self.running and not self.queued_tasks and _nothing_left():
            runner.num_runs = 1

    def end(self) -> None:
        """Nothing runs beside the scheduler."""

    def terminate(self) -> None:
        """Nothing runs beside the scheduler."""

    def _process_workloads(self, workloads: Sequence[Any]) -> None:
        from airflow.sdk.execution_time.supervisor import supervise_task

        for work in workloads:
            _leave_if_asked(type(self).stop)
            key = work.key
            self.queued_tasks.pop(key, None)
            self.running.add(key)
            type(self).tell(_event("start", key))
            began = time.monotonic()
            try:
                supervise_task(
                    ti=work.ti,
                    bundle_info=work.bundle_info,
                    dag_rel_path=work.dag_rel_path,
                    token=work.token,
                    log_path=work.log_path,
                    client=_client(),
                )
            except Exception as error:
                log.error("task supervision failed", error=type(error).__qualname__)
                self.fail(key)
            else:
                self.success(key)
            seconds = time.monotonic() - began
            type(self).tell(_event("end", key, state=_state(key), seconds=round(seconds, 3)))


def _leave_if_asked(stop: str) -> None:
    if stop and os.path.exists(stop):
        raise SystemExit(130)


def _event(what: str, key: Any, **facts: Any) -> Event:
    return Event(
        what=what,
        dag=key.dag_id,
        task=key.task_id,
        map_index=key.map_index,
        try_number=key.try_number,
        **facts,
    )


def _state(key: Any) -> str:
    with create_session() as session:
        state = session.scalar(
            select(TaskInstance.state).where(
                TaskInstance.dag_id == key.dag_id,
                TaskInstance.run_id == key.run_id,
                TaskInstance.task_id == key.task_id,
                TaskInstance.map_index == key.map_index,
            )
        )
    return str(getattr(state, "value", state) or "")


def _nothing_left() -> bool:
    open_states = [DagRunState.QUEUED, DagRunState.RUNNING]
    awake = select(DagModel.dag_id).where(DagModel.is_paused.is_(False))
    with create_session() as session:
        run = session.scalar(
            select(DagRun.id)
            .where(DagRun.state.in_(open_states), DagRun.dag_id.in_(awake))
            .limit(1)
        )
        bell = session.scalar(
            select(AssetDagRunQueue.target_dag_id)
            .where(AssetDagRunQueue.target_dag_id.in_(awake))
            .limit(1)
        )
    return run is None and bell is None


@functools.cache
def _client() -> Any:
    """The execution API in this process; its client keeps the app alive."""
    from airflow.api_fastapi.execution_api.app import InProcessExecutionAPI
    from airflow.sdk.api.client import Client

    api = InProcessExecutionAPI()
    client: Any = Client(base_url=None, token="", dry_run=True, transport=api.transport)
    client.base_url, client._concord_api = "http://in-process.invalid./", api
    return client

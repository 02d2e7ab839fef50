"""One operator runs any step of a project."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from concord.airflow.engine import Attempt, Engine
from concord.airflow.foreign import translated
from concord.airflow.messages import RUN, Event, tell
from concord.airflow.metrics import send
from concord.platforms.effort import Effort

if TYPE_CHECKING:
    from concord.airflow.lineage import Told
    from concord.errors import ConcordError
    from concord.project import Project
    from concord.steps.context import Progress, Result

__all__ = ["StepOperator"]

log = structlog.get_logger(__name__)

_WITHDRAWALS = "withdrawals"
_EFFECTS = ("delivered", "freed", "told")
"""Facts of steps that did something and published no snapshot."""
_PARAMETERS = ("full_refresh", "accept_deletes")


class StepOperator(BaseOperator):
    """Run one step, publish its events, keep its lineage for OpenLineage.

    The task fails with an error of ours or with `StepFailed`, never with a foreign text; it is
    skipped when nothing moved, so that nothing downstream starts.

    Args:
        step: the step's name.
        platform: the platform, for steps of one.
        chunk: which part of a plan, from 0, for a mapped task.
        of: how many parts there are.
        dataset: which dataset, for a step that is mapped over them.
        withdrawals: whether it delivers the withdrawals of a plan, and nothing else; it is skipped
            at once where the plan's fact ``withdrawals`` is 0.
        chunks: whether the task's XCom is the list of chunks that *deliver* is mapped over. The
            step says how many in the fact ``chunks``: 0 when only *acknowledge* has work, no such
            fact when neither has.
    """

    engine: ClassVar[Engine] = Engine()
    ui_color = "#e8f0ea"

    def __init__(
        self,
        *,
        step: str,
        platform: str | None = None,
        chunk: int | None = None,
        of: int = 1,
        dataset: str | None = None,
        withdrawals: bool = False,
        chunks: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.platform = platform
        self.chunk = chunk
        self.of = of
        self.dataset = dataset
        self.withdrawals = withdrawals
        self.chunks = chunks
        self._effort = Effort()
        self._project: Project | None = None
        self._result: Result | None = None
        self._failure: ConcordError | None = None

    @property
    def job(self) -> str:
        """Name of the project's job."""
        return f"{self.step}.{self.platform}" if self.platform else self.step

    def execute(self, context: Any) -> Any:
        """Run the step and publish what it published.

        Every line logged meanwhile carries step, platform, dataset, run and try.
        """
        with structlog.contextvars.bound_contextvars(**self._where(context)):
            return self._executed(context)

    def _where(self, context: Any) -> dict[str, Any]:
        attempt = self._attempt(context)
        return {
            "step": self.step,
            "platform": self.platform,
            "dataset": None,
            "run": attempt.run_id,
            "whole_run": attempt.whole,
            "try_number": attempt.try_number,
        }

    def _executed(self, context: Any) -> Any:
        if self.withdrawals and not context["ti"].xcom_pull(task_ids="plan", key=_WITHDRAWALS):
            raise AirflowSkipException("nothing to withdraw")
        began = time.monotonic()
        failure: ConcordError | None = None
        try:
            self._run(context)
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None
        except BaseException as error:  # a panic of Rust is no Exception
            failure = translated(error, self.job)
        send(
            step=self.step,
            platform=self.platform,
            rows=_changed(self._result),
            effort=self._effort,
        )
        if failure is not None:
            self._failure = failure
            raise failure
        result = self._result
        assert result is not None
        told = _told(result, time.monotonic() - began)
        tell(self._event("result", context, data=told))
        log.info("step finished", job=self.job, **{k: told[k] for k in _LOGGED})
        self._publish(result, context)
        if self.chunks:
            context["ti"].xcom_push(_WITHDRAWALS, result.facts.get(_WITHDRAWALS, 0))
            return _chunks(result)
        if not result.moved and not any(result.facts.get(name) for name in _EFFECTS):
            raise AirflowSkipException("nothing moved")
        return told

    def _run(self, context: Any) -> None:
        assert self.dag is not None
        self._project = self.engine.project(self.engine.root(self.dag.fileloc))
        dataset = _main(self._project.job(self.job).writes)
        structlog.contextvars.bind_contextvars(dataset=dataset)
        self._result = self.engine.run(
            self._project,
            self._attempt(context),
            tell=lambda progress: tell(self._progress(progress, context)),
            options=self._options(context.get("params") or {}),
        )

    def _options(self, params: Mapping[str, Any]) -> dict[str, Any]:
        options: dict[str, Any] = {name: True for name in _PARAMETERS if params.get(name)}
        if self.chunk is not None:
            options |= {"chunk": self.chunk, "of": self.of}
        if self.dataset is not None:
            options["dataset"] = self.dataset
        if self.withdrawals:
            options["withdrawals"] = True
        return options

    def _attempt(self, context: Any) -> Attempt:
        ti = context["ti"]
        return Attempt(
            job=self.job,
            dag=ti.dag_id,
            task=ti.task_id,
            run=ti.run_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            try_number=ti.try_number,
            ol_run=_openlineage_run(ti),
            whole=os.environ.get(RUN),
            effort=self._effort,
        )

    def _publish(self, result: Result, context: Any) -> None:
        """Narrow the outlets to what was really published, and say so in their events."""
        moved = {one.dataset: one for one in result.published if _is_snapshot(one.outcome)}
        self.outlets = [outlet for outlet in self.outlets if outlet.name in moved]
        for outlet in self.outlets:
            one = moved[outlet.name]
            context["outlet_events"][outlet].extra = {
                "dataset": one.dataset,
                "version": one.version,
                "rows": one.rows,
                "contract": outlet.extra.get("contract"),
                "run_id": self._attempt(context).run_id,
            }

    def _event(self, what: str, context: Any, *, data: Mapping[str, Any]) -> Event:
        ti = context["ti"]
        return Event(
            what=what,
            dag=ti.dag_id,
            task=ti.task_id,
            step=self.step,
            platform=self.platform,
            map_index=-1 if ti.map_index is None else ti.map_index,
            try_number=ti.try_number,
            data=data,
        )

    def _progress(self, progress: Progress, context: Any) -> Event:
        data = {"done": progress.done, "total": progress.total, "unit": progress.unit}
        return self._event("progress", context, data=data)

    def get_openlineage_facets_on_start(self) -> Told | None:
        """None: the inlets and outlets stand for themselves until versions are known."""
        return None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Told | None:  # noqa: ARG002
        """Versions, schemas, input ranges and row counts of what was published."""
        from concord.airflow.lineage import lineage_of_result

        if self._project is None or self._result is None:
            return None
        return lineage_of_result(self._project, self._result)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Told | None:  # noqa: ARG002
        """The rules that a refused batch broke, with counts."""
        from concord.airflow.lineage import lineage_of_failure

        if self._project is None or self._failure is None:
            return None
        return lineage_of_failure(self._project, self._failure)


def _chunks(result: Result) -> list[dict[str, int]]:
    """The chunks to deliver; without that fact there is no work for the rest of the Dag."""
    chunks = result.facts.get("chunks")
    if chunks is None:
        skipped: Any = DownstreamTasksSkipped
        raise skipped(tasks=["deliver", "acknowledge"])
    return [{"chunk": chunk, "of": chunks} for chunk in range(chunks)]


def _main(writes: Sequence[str]) -> str | None:
    """The dataset that a job is there for: the last that is no quarantine."""
    return next((one for one in reversed(writes) if not one.startswith("quarantine/")), None)


def _changed(result: Result | None) -> int:
    """Rows written and deleted by this try."""
    published = result.published if result is not None else ()
    return sum(one.upserted + one.deleted for one in published if one.outcome == "written")


_LOGGED = ("reads", "writes", "rows_in", "quarantined", "seconds")


def _is_snapshot(outcome: str) -> bool:
    return outcome in ("written", "already")


def _told(result: Result, seconds: float) -> dict[str, Any]:
    """The result as small JSON: dataset names, versions and counts."""
    return {
        "step": result.step,
        "platform": result.platform,
        "published": [
            {
                "dataset": one.dataset,
                "version": one.version,
                "outcome": one.outcome,
                "rows": one.rows,
                "upserted": one.upserted,
                "deleted": one.deleted,
            }
            for one in result.published
        ],
        "reads": result.reads,
        "writes": result.writes,
        "rows_in": result.rows_in,
        "quarantined": result.quarantined,
        "notes": list(result.notes),
        "seconds": round(seconds, 3),
    }


def _openlineage_run(ti: Any) -> str | None:
    """The id that the OpenLineage provider gives this try's run; None when it is switched off."""
    from airflow.providers.openlineage.conf import is_disabled
    from airflow.providers.openlineage.plugins.macros import lineage_run_id

    return None if is_disabled() else str(lineage_run_id(ti))

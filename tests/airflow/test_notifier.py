"""What a failure callback's context becomes."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from concord.airflow.engine import Incident
from concord.airflow.notifier import KILLED, ConcordNotifier, incident_of
from concord.errors import PlatformDown


def context(**more: Any) -> dict[str, Any]:
    ti = SimpleNamespace(
        dag_id="sync_crm", run_id="r", task_id="deliver", map_index=0, try_number=3
    )
    dag = SimpleNamespace(fileloc="dags/contact_sync.py")
    return {"ti": ti, "task": SimpleNamespace(step="deliver", platform="crm", dag=dag), **more}


def test_a_task_without_an_error_was_killed() -> None:
    told = incident_of(context())
    assert (told.kind, told.step, told.platform, told.error) == ("killed", "deliver", "crm", "")
    assert (told.message, told.tries) == (KILLED, 3)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PlatformDown("crm", "no answer"), str(PlatformDown("crm", "no answer"))),
        (ValueError("jane.doe@example.org"), "an error that is not Concord's own"),
    ],
)
def test_only_our_own_errors_are_quoted(error: Exception, message: str) -> None:
    told = incident_of(context(exception=error))
    assert (told.kind, told.error) == ("failed", type(error).__qualname__)
    assert told.message == message


class Recording:
    """An engine that keeps what it is told; of an alert, how many incidents there were by then."""

    def __init__(self) -> None:
        self.recorded: list[Incident] = []
        self.alerted: list[int] = []

    def root(self, dag_file: str) -> str:
        return dag_file

    def project(self, root: str) -> str:
        return root

    def record(self, _project: str, incidents: Sequence[Incident]) -> None:
        self.recorded += incidents

    def alert(self, _project: str) -> None:
        self.alerted.append(len(self.recorded))


def test_a_tasks_own_callback_and_its_dag_runs_tell_of_one_incident_and_one_alert() -> None:
    engine = Recording()
    notifier = ConcordNotifier(engine)  # type: ignore[arg-type]
    notifier.notify(context(exception=PlatformDown("crm", "no answer")))
    notifier.notify(context(reason="task_failure"))
    assert len({(one.marker, one.tries) for one in engine.recorded}) == 1
    assert engine.alerted == [2]
    notifier.notify(context(reason="success"))
    assert (len(engine.recorded), engine.alerted) == (2, [2, 2])


def test_a_dag_run_that_names_no_task_fails_nothing_and_is_no_incident() -> None:
    engine = Recording()
    ConcordNotifier(engine).notify({"reason": "all_tasks_deadlocked"})  # type: ignore[arg-type]
    assert engine.recorded == []

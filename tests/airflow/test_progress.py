"""What people see of a run."""

from __future__ import annotations

import io

from rich.console import Console

from concord.airflow.messages import Event
from concord.airflow.progress import progress_on

EVENTS = [
    Event("stage", text="starting Airflow"),
    Event("start", "extract_crm", "extract", "extract", "crm", try_number=2),
    Event("progress", step="extract", platform="crm", data={"done": 5, "unit": "records"}),
    Event("end", "extract_crm", "extract", "extract", "crm", -1, 2, "success", 1.24),
    Event("end", "sync_crm", "deliver", "deliver", "crm", 1, 1, "up_for_retry", 0.5),
    Event("done", state="success"),
]


def shown(*, terminal: bool) -> str:
    out = io.StringIO()
    with progress_on(Console(file=out, force_terminal=terminal, width=80)) as show:
        for event in EVENTS:
            show(event)
    return out.getvalue()


def test_without_a_terminal_every_try_is_one_plain_line():
    assert shown(terminal=False).splitlines() == [
        "starting Airflow",
        "extract crm: success (1.2 s, try 2)",
        "deliver crm [1]: up for retry (0.5 s)",
    ]


def test_on_a_terminal_finished_tasks_stand_in_a_table():
    assert "extract" in shown(terminal=True)

"""The whole reference graph on LocalExecutor, two tasks at a time, as `concord up` runs it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from end_state import end_state, outcome, records_of
from killed import Undisturbed
from receiver import Web

from concord.airflow.environment import airflow_environment
from concord.assets.commit import RunId
from concord.platforms.connection import Connection
from concord.steps.incidents import raise_incident

if TYPE_CHECKING:
    from conftest import World

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(240)]

DAG_FILE = Path(__file__).parents[2] / "dags" / "contact_sync.py"
SERVE = """
import sys
from pathlib import Path
from concord.airflow.up import serve
root = Path(sys.argv[1])
ready = lambda found: print(found.url, flush=True)
sys.exit(serve(root, root / ".concord" / "airflow", ready=ready))
"""
TRIGGER = """
import sys
from concord.airflow import database
assert database.fill_dags() == {}
database.forget_the_calendar()
database.trigger(sys.argv[1:], {})
"""


def rows(world: World, query: str) -> list[tuple[Any, ...]]:
    database = world.root / ".concord" / "airflow" / "airflow.db"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30) as connection:
        return connection.execute(query).fetchall()


def busy(world: World) -> bool:
    """Whether a run goes on, or an asset event waits for one."""
    runs = rows(world, "select 1 from dag_run where state in ('queued', 'running') limit 1")
    return bool(runs or rows(world, "select 1 from asset_dag_run_queue limit 1"))


def most_at_once(world: World) -> int:
    spans = rows(
        world,
        "select start_date, end_date from task_instance where operator = 'StepOperator' "
        "and start_date is not null and end_date is not null",
    )
    return max(sum(start <= at < end for start, end in spans) for at, _ in spans)


def failed_before(world: World) -> None:
    """An incident of an earlier run, which nobody was told of."""
    ctx = replace(world.ctx, run=RunId("clean_crm/before/clean/-1", "clean.crm"))
    raise_incident(ctx, "failed", step="clean", platform="crm", message="m", error="StepFailed")


def test_two_tasks_at_a_time_end_as_one_at_a_time(
    sixty: Callable[[], World], undisturbed: Undisturbed, alerted: Web
) -> None:
    world, began_at = sixty(), datetime.now(UTC)
    world.connections["concord_alerts"] = Connection("alerts", "apprise", extra=alerted.extra)
    world.for_airflow(DAG_FILE.read_text(encoding="utf-8"))
    failed_before(world)
    told = {**os.environ, **world.variables()}
    served = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(world.root)], stdout=subprocess.PIPE, text=True, env=told
    )
    try:
        assert served.stdout is not None
        pages = served.stdout.readline().strip()
        assert pages.startswith("http://127.0.0.1:")
        state = world.root / ".concord" / "airflow"
        inside = airflow_environment(world.root, state, inherited=told, namespace="concord")
        extracts = [f"extract_{name}" for name in world.ctx.project.platforms]
        trigger = [sys.executable, "-c", TRIGGER, *extracts]
        subprocess.run(trigger, env=inside, check=True, capture_output=True)
        while busy(world) or len(alerted.posted) < 2:
            assert served.poll() is None
            time.sleep(0.3)
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait(timeout=30)
    states = rows(world, "select dag_id, state from dag_run where state <> 'success'")
    assert states == []
    assert most_at_once(world) == 2
    told_of = [one["title"] for one in alerted.posted]
    assert told_of == ["Concord acme: 1 incident", "Concord acme: 1 recovered"]
    page = "/dags/clean_crm/runs/before/tasks/clean\n"
    assert f"run: {pages}{page}" in alerted.posted[0]["message"]
    nightly = world.run()  # what no event asks for: plans in which nothing is left to do
    assert (nightly.failed, nightly.writes) == ({}, 0)
    world.settle_down()
    found = end_state(world, began_at)
    assert records_of(found) == records_of(undisturbed.state)
    assert outcome(found) == outcome(undisturbed.state)
